"""The runner's process: started in the application's environment, listened to, and ended with all that it has started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

from core.errors import ConfigurationError, PgrecastError
from core.redaction import redactor
from core.revisions.application import ApplicationProject

Event = dict[str, Any]
Log = Callable[[str], None]
"""Takes a line that the application printed, redacted."""

RUNNER = Path(__file__).with_name("runner")
TERM_TIMEOUT = 3.0
EXIT_TIMEOUT = 10.0
LINE_LIMIT = 32 * 1024 * 1024
LAST_LINES = 6


class Runner:
    """A running process; `started` makes one."""

    def __init__(self, process: asyncio.subprocess.Process, log: Log) -> None:
        self._process = process
        self._in = cast("asyncio.StreamWriter", process.stdin)
        self._out = cast("asyncio.StreamReader", process.stdout)
        self._printed = cast("asyncio.StreamReader", process.stderr)
        self._log = log
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._logging = asyncio.create_task(self._read_log())

    def last_lines(self) -> str:
        """The last of what the application printed, for a message."""
        return " / ".join(self._last)

    def send(self, message: Any) -> None:
        with contextlib.suppress(ConnectionError):
            self._in.write(json.dumps(message).encode() + b"\n")

    async def events(self, timeout: float | None = None) -> AsyncIterator[Event]:
        """The events, redacted, up to and with `done` or `failed`.

        Args:
            timeout: how long to wait for each, in seconds; None for as long as it takes.

        Raises:
            PgrecastError: no event came in time, or the process ended without a last one.
        """
        while True:
            event = await self._next(timeout)
            yield event
            if event["event"] in ("done", "failed"):
                return

    async def end(self) -> None:
        """Let it end by itself, for a while; then end it, and in any case whatever it has started."""
        self._in.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), EXIT_TIMEOUT)
        await self.kill()

    async def kill(self) -> None:
        """End it now; with it whatever it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if await self._is_over():
                break
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            await asyncio.wait({self._logging}, timeout=TERM_TIMEOUT)
        self._logging.cancel()
        await asyncio.gather(self._logging, return_exceptions=True)
        await self._process.wait()

    async def _is_over(self) -> bool:
        """Whether it has ended, and nobody in its group, whose number may then be used again, holds on to the log."""
        if self._process.returncode is None:
            return False
        await asyncio.wait({self._logging}, timeout=1.0)
        return self._logging.done()

    async def _next(self, timeout: float | None) -> Event:
        while True:
            try:
                line = await asyncio.wait_for(self._out.readline(), timeout)
            except TimeoutError:
                raise PgrecastError(
                    f"The application's Alembic said nothing for {timeout:.0f} s; its process has been ended.",
                    advice=f"Its last lines: {self.last_lines() or 'none'}.",
                ) from None
            if not line:
                await self._process.wait()
                await asyncio.wait({self._logging}, timeout=1.0)
                raise ConfigurationError(
                    f"The application's Alembic ended with status {self._process.returncode} without an answer.",
                    advice=f"Check its interpreter and environment. Its last lines: {self.last_lines() or 'none'}.",
                )
            text = line.decode("utf-8", "replace")
            try:
                event = json.loads(text)
            except ValueError:
                event = None
            if isinstance(event, dict) and "event" in event:
                return redactor.redact_values(event)
            self._say(text)  # of a wrapper, before the runner has started

    async def _read_log(self) -> None:
        while True:
            try:
                line = await self._printed.readline()
            except ValueError:  # a line beyond the limit, of which the rest follows
                continue
            if not line:
                return
            self._say(line.decode("utf-8", "replace"))

    def _say(self, text: str) -> None:
        text = redactor.redact(text.rstrip())
        if text:
            self._last.append(text[:500])
            self._log(text)


@contextlib.asynccontextmanager
async def started(project: ApplicationProject, request: Event, log: Log) -> AsyncGenerator[Runner, None]:
    """Start the runner with its request; at the block's end it is ended, when cancelled at once.

    Raises:
        ConfigurationError: the interpreter cannot be started.
    """
    command = " ".join(project.interpreter)
    try:
        process = await asyncio.create_subprocess_exec(
            *project.interpreter,
            str(RUNNER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=project.working_directory,
            env=project.environment(),
            start_new_session=True,
            limit=LINE_LIMIT,
        )
    except OSError as error:
        raise ConfigurationError(
            f"The application's interpreter {command!r} cannot be started: {error.strerror or error}.",
            advice="Correct its name: the Python in the environment that the application runs in.",
        ) from None
    runner = Runner(process, log)
    try:
        runner.send(request)
        yield runner
    except BaseException:
        await runner.kill()
        raise
    else:
        await runner.end()
