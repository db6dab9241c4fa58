"""What the command line prints: facts on stdout (text, or one JSON document), progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from core.errors import PgrecastError
from core.redaction import redactor


class Output:
    """Where a command prints.

    Args:
        as_json: whether facts go out as one JSON document; then text lines are dropped from stdout.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def lines(self, lines: Sequence[str]) -> None:
        """Facts as text; nothing when the command prints JSON."""
        if not self._as_json:
            for line in lines:
                _print(redactor.redact(line))

    def document(self, document: Mapping[str, Any]) -> None:
        """Facts as the one JSON document; nothing when the command prints text."""
        if self._as_json:
            # Masked before it is written: a mask in the place of a number would leave no JSON.
            plain = json.loads(json.dumps(document, default=str))
            _print(json.dumps(redactor.redact_values(plain), indent=2, ensure_ascii=False))

    def raw_document(self, text: str) -> None:
        """The one JSON document, written already; nothing when the command prints text."""
        if self._as_json:
            _print(text)

    def progress(self, text: str) -> None:
        with suppress(OSError):  # whoever read it has gone; the work goes on
            print(redactor.redact(text), file=sys.stderr, flush=True)

    def error(self, error: PgrecastError) -> None:
        """An error in its three parts, and as the JSON document where one is due."""
        self.progress(f"pgrecast: {error.what}")
        for part in (error.state, error.advice):
            if part:
                self.progress(f"  {part}")
        self.document(
            {
                "error": {
                    "kind": type(error).__name__,
                    "what": error.what,
                    "state": error.state,
                    "advice": error.advice,
                    "exit_status": error.exit_status,
                }
            }
        )


def _print(text: str) -> None:
    """Print, unless whoever read it has gone: a closed pipe, a lost terminal. What was done is done, and the exit status tells."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - as below
        return
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = None
