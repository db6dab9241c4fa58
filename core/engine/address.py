"""Where the engine of a run directory is: its lock, its socket, and the note that tells clients."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import EngineError
from core.runbook.preflight import LONGEST_SOCKET_PATH, SOCKET

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


class SocketPlace:
    """A path for the socket: in the run directory, or, where that is too long, in a private directory of its own.

    To be made under the lock. Raises EngineError when there is no place for it.
    """

    def __init__(self, run_directory: Path) -> None:
        self._note = run_directory / NOTE
        self._temporary: Path | None = None
        self.path = run_directory / SOCKET
        try:
            _remove_leftover(run_directory)
            if len(os.fsencode(self.path)) > LONGEST_SOCKET_PATH:
                self._temporary = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700
                self.path = self._temporary / SOCKET
        except OSError as error:
            raise EngineError(f"There is no place for the engine's socket: {error}.") from error

    def announce(self) -> None:
        """Tell clients where the socket is; called once it listens. Raises EngineError when that cannot be written."""
        try:
            handle, name = tempfile.mkstemp(dir=self._note.parent, prefix=".")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"socket": str(self.path), "pid": os.getpid()}, file)
            Path(name).replace(self._note)
        except OSError as error:
            raise EngineError(
                f"{self._note} cannot be written: {error.strerror}.",
                advice="Look at the run directory's disk and permissions.",
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
    try:
        return Path(json.loads((run_directory / NOTE).read_text(encoding="utf-8"))["socket"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"No engine serves {run_directory}.",
            state="What the run has done so far stands in its journal.",
            advice="Start pgrecast on it; it starts an engine.",
        ) from error
