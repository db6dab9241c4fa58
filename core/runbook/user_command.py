"""A command line of the user's that tries something: run without a shell, its output and exit status kept as evidence."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from core.events import Reading
from core.redaction import redactor
from core.runbook.model import StepContext
from core.runbook.words import limit, span
from core.settings.hosting import KEY_VARIABLE

MOST_LINES = 5_000
"""Lines of output that are kept, the last ones."""
LONGEST_LINE = 16_384


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a command.

    Attributes:
        status: its exit status; None when it could not be started, or was ended since it took too long.
        trouble: why it has none, in words.
        output: standard output and standard error as they came, secrets masked, the last lines.
    """

    command: str
    status: int | None
    output: str
    seconds: float
    trouble: str = ""

    @property
    def held(self) -> bool:
        return self.status == 0

    @property
    def words(self) -> str:
        return f"exit status {self.status} after {span(self.seconds)}" if self.status is not None else self.trouble

    @property
    def document(self) -> str:
        """For an evidence file."""
        return f"$ {redactor.redact(self.command)}\n{self.output}\n# {self.words}\n"


async def run_user_command(
    context: StepContext,
    command: str,
    directory: Path | None,
    timeout: timedelta,
    *,
    given: str = "",
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Ran:
    """Run it to its end, its last line shown as it goes; cancelled or too slow, it is ended with all that it has started.

    It gets this program's environment but for the key of the host's API.

    Args:
        command: the command line.
        directory: where it runs; where this process does when None.
        timeout: how long it may take.
        given: its standard input.
        variables: further variables of its environment.
    """
    began = time.monotonic()
    lines: deque[str] = deque(maxlen=MOST_LINES)

    def ran(status: int | None, trouble: str = "") -> Ran:
        return Ran(command, status, "\n".join(lines), time.monotonic() - began, trouble)

    environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    try:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            cwd=directory.expanduser() if directory else None,
            env={**environment, **variables},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=LONGEST_LINE,
        )
    except OSError as error:
        return ran(None, f"it cannot be run: {error.strerror}")
    except (ValueError, TypeError):
        return ran(None, "it is not a command line")
    ended = False
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            await asyncio.gather(_give(process, given), _read(context, process, lines))
            status = await process.wait()
        ended = True
        return ran(status)
    except TimeoutError:
        return ran(None, f"it did not end within {limit(timeout)}, and was ended")
    finally:
        if not ended:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _give(process: asyncio.subprocess.Process, text: str) -> None:
    """A command need not read what it is given."""
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(text.encode())
        await process.stdin.drain()
    process.stdin.close()


async def _read(context: StepContext, process: asyncio.subprocess.Process, lines: deque[str]) -> None:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    while True:
        try:
            raw = await process.stdout.readline()
        except ValueError:  # longer than the limit: the reader has dropped what it had of it
            lines.append("(a line too long to be kept)")
            continue
        if not raw:
            return
        line = redactor.redact(raw.decode(errors="replace").rstrip())
        lines.append(line)
        context.read(Reading(step=context.step, name="command", values={"line": line[:200]}))
