"""The plain-text log of a conversion: every statement, notice and duration, readable as SQL with comments.

The journal is the record; this is for a person with a pager. It never stands in a conversion's way: when it cannot be
written, the first reason is kept in `error` and the conversion goes on.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from core.redaction import redactor


class StatementLog:
    """Appends to a file of mode 0600; synced to disk at every `sync`, and when closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: str | None = None
        self._descriptor: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._failed(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def statement(self, sql: str) -> None:
        """Write a statement as it is sent."""
        self._write(f"{sql.rstrip().removesuffix(';')};\n")

    def note(self, text: str) -> None:
        """Write a comment with the time; each line of `text` becomes one line."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        self._write("".join(f"-- {now}Z {line}\n" for line in text.splitlines() or [""]))

    def sync(self) -> None:
        """Return when what was written is on disk."""
        if self._descriptor is not None:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._failed(error)

    def close(self) -> None:
        self.sync()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, text: str) -> None:
        if self._descriptor is None:
            return
        content = redactor.redact(text).encode()
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        self.error = self.error or f"{self.path}: {error.strerror or error}"
