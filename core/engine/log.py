"""The engine's own log: what no screen shows. Tracebacks without local variables, secrets masked."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.errors import JournalError
from core.redaction import RedactingFilter

FILE = "engine.log"


class _Quiet(logging.FileHandler):
    """Loses a line on a full disk, rather than print about it on the screen of an engine in the console's process."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        del record


def open_log(run_directory: Path) -> tuple[logging.Logger, Callable[[], None]]:
    """The log of the engine on this run directory, and how to close it.

    Raises:
        JournalError: the run directory cannot be made or written.
    """
    path = run_directory / FILE
    try:
        run_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        handler = _Quiet(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise JournalError(
            f"The run directory {run_directory} cannot be written: {error.strerror}.",
            advice="Name another with --run, or correct its permissions.",
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(RedactingFilter())
    logger = logging.Logger("pgrecast.engine")  # noqa: LOG001 - one for each engine, not one for the process
    logger.addHandler(handler)

    def close() -> None:
        logger.removeHandler(handler)
        with suppress(OSError):  # a full disk
            handler.close()

    return logger, close
