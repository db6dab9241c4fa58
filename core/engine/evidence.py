"""Evidence files: content under its own sha256, written whole or not at all, readable by the owner only."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import JournalError
from core.redaction import redactor

DIRECTORY = "evidence"


@dataclass(frozen=True, slots=True)
class Stored:
    path: Path
    sha256: str
    bytes: int


def store(run_directory: Path, name: str, content: bytes) -> Stored:
    """Store content as `evidence/<sha256>-<name>`; secrets in text are masked first.

    Returns: where it is, and the hash and size of what was stored.

    Raises:
        JournalError: it cannot be written.
    """
    content = _masked(content)
    digest = hashlib.sha256(content).hexdigest()
    directory = run_directory / DIRECTORY
    path = directory / f"{digest}-{_file_name(name)}"
    temporary: str | None = None
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=directory, prefix=".")  # mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        _sync_directory(directory)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
        raise JournalError(
            f"The evidence file {path} cannot be written: {error.strerror}.",
            state="Nothing that was in the run directory is lost.",
            advice="Look at the run directory's disk and permissions, and run the step again.",
        ) from error
    return Stored(path, digest, len(content))


def _masked(content: bytes) -> bytes:
    try:
        return redactor.redact(content.decode()).encode()
    except UnicodeDecodeError:
        return content  # a dump, say; whoever writes one sees to its content


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".")[-100:] or "file"


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
