"""Documents that belong to the project and not to the run: read whole, changed in a few lines, written whole or not at all."""

from __future__ import annotations

import difflib
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError, Refused

MOST_BYTES = 1024 * 1024
"""A document of more is not one that people keep by hand."""


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A document as it was read.

    Attributes:
        path: where it is; what a link leads to.
        text: all of it, its line ends as they are.
        setting: the setting that names it, in words ("progress_tracker under [documents]").
    """

    path: Path
    text: str
    setting: str

    @property
    def newline(self) -> str:
        """The line end of most of its lines."""
        crlf = self.text.count("\r\n")
        return "\r\n" if crlf > self.text.count("\n") - crlf else "\n"


def lines_of(text: str) -> list[str]:
    r"""Its lines with their ends, which are \n, \r\n or \r, as CommonMark has them."""
    return io.StringIO(text, newline="").readlines()


def read_project_file(path: Path, setting: str) -> ProjectFile:
    """Read a document.

    Args:
        path: as the settings have it.
        setting: which one that is.

    Raises:
        ConfigurationError: it is not there, not a file, not UTF-8, too large, or may not be read.
    """
    path = path.expanduser().absolute()
    try:
        path = path.resolve()
        if not path.is_file():
            reason = "it is not a file" if path.exists() else "there is no such file"
        elif path.stat().st_size > MOST_BYTES:
            reason = f"it has more than {MOST_BYTES // 1024**2} MB"
        else:
            return ProjectFile(path, path.read_bytes().decode("utf-8"), setting)
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError before Python 3.13
        reason = (error.strerror if isinstance(error, OSError) else None) or "its links lead in a circle"
    raise ConfigurationError(f"{path} cannot be read: {reason}.", advice=f"Correct {setting}, or the file.")


def write_project_file(before: ProjectFile, text: str) -> None:
    """Give a document its new text; mode and owner stay. Readers see the old or the new, never half.

    Raises:
        Refused: it is not as it was read any more.
        ConfigurationError: it cannot be written. In both cases it is as it was.
    """
    path = before.path
    if read_project_file(path, before.setting).text != before.text:
        raise Refused(f"{path} was changed meanwhile.", advice="Run the step again; it shows the difference anew.")
    temporary: Path | None = None
    try:
        if not os.access(path, os.W_OK):
            raise PermissionError(0, "it is read-only")
        status = path.stat()
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}.",
            advice="Correct its permissions and owner, or its directory's, and run the step again.",
        ) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def difference(path: Path, before: str, after: str) -> list[str]:
    """The unified diff of two texts, the lines without their ends."""
    found = difflib.unified_diff(
        before.splitlines(), after.splitlines(), fromfile=path.name, tofile=path.name, lineterm="", n=1
    )
    return list(found)
