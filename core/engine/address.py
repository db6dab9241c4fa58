"""Where the engine of a run directory is: its lock, its socket, the note that tells clients, and who may get there."""

from __future__ import annotations

import fcntl
import grp
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import ConfigurationError, EngineError
from core.runbook.machine.preflight import LONGEST_SOCKET_PATH, SOCKET

LOCK = "engine.lock"
NOTE = "engine.json"

PREFIX = "pgrecast-"


class EngineLock:
    """Held by the one engine of a run directory for as long as it lives; the kernel lets go of it however it dies."""

    def __init__(self, run_directory: Path) -> None:
        self._path = run_directory / LOCK
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            EngineError: another engine has it, or the file cannot be made.
        """
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EngineError(f"The lock {self._path} cannot be made: {error.strerror}.") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.read(file, 32).decode("ascii", "replace").strip()
            os.close(file)
            raise AlreadyRuns(
                f"An engine{f' (process {pid})' if pid else ''} runs on {self._path.parent} already.",
                state="That engine goes on undisturbed.",
                advice="Attach to it: run pgrecast on the same run directory.",
            ) from error
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Let go of it; nothing happens when it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class AlreadyRuns(EngineError):
    """Another engine holds the run directory's lock."""


def group_id(name: str) -> int | None:
    """The group's number; None for no name.

    Raises:
        ConfigurationError: there is no such group.
    """
    if not name:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigurationError(
            f"There is no group {name} on this machine.", advice="Correct the setting run.group, or leave it out."
        ) from None


class SocketPlace:
    """A path for the socket: in the run directory, or, where that is too long, in a private directory of its own.

    To be made under the lock. With a group, its members can get to the socket, and to the note that tells where it is; they
    can list nothing and read nothing else.

    Args:
        group: number of the group; None for nobody but the user.

    Raises:
        EngineError: there is no place for it, or the group cannot be given access.
    """

    def __init__(self, run_directory: Path, group: int | None = None) -> None:
        self._note = run_directory / NOTE
        self._group = group
        self._temporary: Path | None = None
        self.path = run_directory / SOCKET
        try:
            _remove_leftover(run_directory)
            self._open_to_group(run_directory, 0o710)
            if len(os.fsencode(self.path)) > LONGEST_SOCKET_PATH:
                self._temporary = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700
                self._open_to_group(self._temporary, 0o710)
                self.path = self._temporary / SOCKET
        except OSError as error:
            raise EngineError(f"There is no place for the engine's socket: {error}.") from error

    def announce(self, kind: str = "") -> None:
        """Tell clients where the socket is, and of which kind the run; called once it listens.

        Raises:
            EngineError: it cannot be written, or not be opened to the group.
        """
        try:
            handle, name = tempfile.mkstemp(dir=self._note.parent, prefix=".")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"socket": str(self.path), "pid": os.getpid(), "kind": kind}, file)
            self._open_to_group(self.path, 0o660)
            self._open_to_group(Path(name), 0o640)
            Path(name).replace(self._note)
        except OSError as error:
            raise EngineError(
                f"{self._note} cannot be written: {error.strerror}.",
                advice="Look at the run directory's disk and permissions.",
            ) from error

    def _open_to_group(self, path: Path, mode: int) -> None:
        if self._group is None:
            return
        try:
            os.chown(path, -1, self._group)
            path.chmod(mode)
        except PermissionError as error:
            raise EngineError(
                f"{path} cannot be given to group {self._group}: {error.strerror}.",
                advice="Only a member of the group (id tells) or root can; correct the setting run.group.",
            ) from error

    def remove(self) -> None:
        """Take back note, socket and directory."""
        for path in (self._note, self.path):
            with suppress(OSError):
                path.unlink()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _remove_leftover(run_directory: Path) -> None:
    """What a killed engine left behind; the lock says that it is nobody's."""
    (run_directory / SOCKET).unlink(missing_ok=True)
    with suppress(EngineError):
        directory = find_socket(run_directory).parent
        if directory != run_directory and directory.name.startswith(PREFIX):
            shutil.rmtree(directory, ignore_errors=True)


def find_socket(run_directory: Path) -> Path:
    """The socket of the engine that serves, or last served, the run directory.

    Raises:
        EngineError: none is announced.
    """
    return Path(_noted(run_directory, "socket"))


def find_kind(run_directory: Path) -> str:
    """The name of the runbook that the engine announced with its socket. Raises as `find_socket`."""
    return _noted(run_directory, "kind")


def _noted(run_directory: Path, name: str) -> str:
    try:
        return str(json.loads((run_directory / NOTE).read_text(encoding="utf-8"))[name])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"No engine serves {run_directory}.",
            state="What the run has done so far stands in its journal.",
            advice="Start pgrecast on it; it starts an engine.",
        ) from error
