"""Starts the engine as a process of its own, which outlives the terminal; finds the one that runs already."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

from core import errors
from core.engine.address import AlreadyRuns, find_socket
from core.engine.client import SocketClient
from core.engine.handover import Handover
from core.engine.log import FILE as LOG
from core.errors import EngineError
from core.redaction import redactor

ANSWER_WITHIN = 5.0
"""Seconds in which a living engine answers."""

START_WITHIN = 60.0
"""Seconds that a new engine has to serve. It replays the journal, and looks at what was running."""


def is_served(run_directory: Path) -> bool:
    """Whether an engine serves the run directory now. Blocks."""
    with suppress(EngineError, OSError), socket(AF_UNIX, SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_WITHIN)
        probe.connect(str(find_socket(run_directory)))
        # The kernel lets in whoever comes, for an engine that is dying, too; only a living one objects to an empty line.
        probe.sendall(b"\n")
        return bool(probe.recv(1))
    return False


async def engine_client(handover: Handover) -> SocketClient:
    """A client for the run directory's engine, which is started when none serves it; not attached yet.

    Raises:
        EngineError: it did not start.
        PgrecastError: as the engine said why it cannot start.
    """
    if not await asyncio.to_thread(is_served, handover.run_directory):
        await asyncio.to_thread(start_engine, handover)
    return SocketClient(handover.run_directory)


def start_engine(handover: Handover) -> None:
    """Start an engine process, detached from this one, and wait until it serves. Blocks.

    Its arguments name the run directory, and nothing secret; what it must know goes through a pipe. Another that starts at
    the same moment is waited for instead.

    Raises:
        EngineError: it did not start, or not in time.
        PgrecastError: as the engine said why it cannot start.
    """
    deadline = time.monotonic() + START_WITHIN
    while True:
        told = _spawn(handover)
        if "serving" in told:
            return
        if told["kind"] != AlreadyRuns.__name__ or time.monotonic() > deadline:
            raise _as_error(told)
        # It has only just started, or is about to end.
        time.sleep(0.2)
        if is_served(handover.run_directory):
            return


def _spawn(handover: Handover) -> dict[str, str]:
    """Start a process, and return what it says: where it serves, or why it does not."""
    directory = handover.run_directory
    log = _open_log(directory)
    try:
        # -P: the working directory is no place to import from.
        arguments = [sys.executable, "-P", "-m", "core.engine", str(directory)]
        with subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        ) as starter:
            try:
                said, _ = starter.communicate(handover.encode(), timeout=START_WITHIN)
            except subprocess.TimeoutExpired:
                starter.kill()
                raise EngineError(
                    f"The engine does not serve after {START_WITHIN:.0f} s.", advice=f"Look at {directory / LOG}."
                ) from None
    finally:
        os.close(log)
    try:
        return json.loads(said)
    except ValueError:  # it has died
        raise EngineError(
            f"The engine did not start: {_last_line(directory / LOG)}", advice=f"Look at {directory / LOG}."
        ) from None


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return redactor.redact(next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing."))


def _open_log(directory: Path) -> int:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(directory / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EngineError(
            f"The run directory {directory} cannot be written: {error.strerror}.",
            advice="Name another with --run, or correct its permissions.",
        ) from error


def _as_error(told: dict[str, str]) -> errors.PgrecastError:
    """The error that the engine has met."""
    kind = getattr(errors, told["kind"], EngineError)
    return kind(told["what"], state=told["state"], advice=told["advice"])
