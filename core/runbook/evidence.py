"""Evidence files of earlier steps, read back and checked against what the journal says of them."""

from __future__ import annotations

import hashlib

from core.errors import JournalError
from core.runbook.model import StepContext


def read_evidence(context: StepContext, step: str, name: str) -> bytes | None:
    """The newest evidence file of that name of a step; None when it has none.

    Raises:
        JournalError: the file is gone or has been altered.
    """
    files = [file for file in context.state.step(step).files if file.name == name]
    if not files:
        return None
    file = files[-1]
    path = context.run_directory / file.path
    advice = f"Run step {step} again, so that it leaves new evidence."
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(
            f"The evidence {path} of step {step} cannot be read: {error.strerror}.", advice=advice
        ) from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise JournalError(
            f"The evidence {path} of step {step} is not what the step left: it was altered.", advice=advice
        )
    return content
