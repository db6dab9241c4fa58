"""Files that hold secrets: read when nobody else can read them, written so that readers see the old or the new."""

from __future__ import annotations

import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path

from core.errors import ConfigurationError

PRIVATE = 0o600


def read_private(path: Path, called: str) -> str:
    """The text of a file of secrets.

    Args:
        called: what it is, for the error's text ("file of leaked values").

    Raises:
        ConfigurationError: others may read it, or it cannot be read; nothing of it is repeated.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(
                f"The {called} {path} can be read by others.", advice=f"Run: chmod 600 {shlex.quote(str(path))}"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"The {called} {path} cannot be read: {reason}.", advice="Correct its name.") from None


def replace_file(path: Path, content: bytes, *, like: os.stat_result | None = None) -> None:
    """Write a file in one go.

    Args:
        like: whose mode and owner it gets; mode 0600 when there is none.

    Raises:
        OSError: it could not be written; the file is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if like is not None:
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), like.st_uid, like.st_gid)
                os.fchmod(file.fileno(), like.st_mode & 0o7777)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    _sync_directory(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet, mode 0600 from the first moment on.

    Raises:
        FileExistsError: it is there already.
        OSError: it could not be written.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
