"""What the screens show, kept outside of them: the run's state folded from records, newest readings, the last log lines.

Nothing here touches a widget. The application looks at it five times a second and refreshes what is visible, so a thousand
events a second cost as much drawing as one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.engine.protocol import Client, Command, ReadingFrame, RecordFrame, Reply
from core.errors import EngineError
from core.events import Json, Record, StatementFinished, StatementStarted
from core.runbook.state import RunState, fold
from tui import sentences
from tui.summary import task_of

Role = Literal["operator", "watcher", "approver"]

LOG_LINES = 5000
TASK_LINES = 20
REPLAY_BATCH = 200
"""Records folded in one go before the screen gets its turn: a replay of a long journal must not freeze it."""

RETRY = (1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts to reach a lost engine; the last goes on."""

DETACH_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log: an event as it is shown."""

    seq: int
    at: datetime
    actor: str
    step: str | None
    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The engine cannot be reached."""

    since: datetime
    reason: str
    retry_at: datetime


class Store:
    """The console's memory, and its way to the engine.

    Args:
        client: this end of the engine.
        role, name: who attaches.
        reconnect: makes a new client when the engine was lost; None attaches the same one again.
        now: the clock, UTC.
    """

    def __init__(
        self,
        client: Client,
        *,
        role: Role,
        name: str,
        reconnect: Callable[[], Awaitable[Client]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.state = RunState()
        self.readings: dict[tuple[str, str], dict[str, Json]] = {}
        self.log: deque[Entry] = deque(maxlen=LOG_LINES)
        self.last: Entry | None = None
        self.tails: dict[int, deque[Entry]] = {}
        self.role: Role = role
        self.name = name
        self.now = now
        self.client_id: str | None = None
        self.attached = False
        self.lost: Lost | None = None
        self.version = 0
        """Grows with everything that a screen could show."""
        self._client = client
        self._reconnect = reconnect
        self._retry_now = asyncio.Event()

    @property
    def commands(self) -> bool:
        """Whether this console is the run's operator."""
        return self.attached and self.client_id is not None and self.client_id == self.state.operator

    async def follow(self) -> None:
        """Attach and take what the engine sends, and attach again when it was lost; ends only by cancellation."""
        failures = 0
        while True:
            try:
                welcome = await self._client.attach(role=self.role, name=self.name, since=self.state.last)
                self.client_id, self.attached, self.lost, failures = welcome.client, True, None, 0
                self.version += 1
                await self._take_all(self._client.frames())
                reason = "The engine has ended the connection."
            except EngineError as error:
                reason = str(error)
            self.attached = False
            self.readings.clear()
            await self._wait(reason, failures)
            failures += 1

    async def _take_all(self, frames: AsyncIterator[RecordFrame | ReadingFrame]) -> None:
        taken = 0
        async for frame in frames:
            if isinstance(frame, RecordFrame):
                self.take(frame.record)
            else:
                self.readings[frame.reading.step, frame.reading.name] = frame.reading.values
            self.version += 1
            taken += 1
            if not taken % REPLAY_BATCH:
                await asyncio.sleep(0)

    def take(self, record: Record) -> None:
        """Fold a record in; one that is known already changes nothing."""
        if record.seq <= self.state.last:
            return
        self.state = fold(self.state, record)
        said, style = sentences.sentence(record.event)
        step = sentences.step_of(record.event)
        entry = Entry(record.seq, record.at, record.actor.name, step, said, style)
        self.log.append(entry)
        if isinstance(record.event, StatementStarted | StatementFinished):
            return  # a conversion has thousands; its phases and figures tell of them
        self.last = entry
        if step is not None:
            self.tails.setdefault(task_of(step), deque(maxlen=TASK_LINES)).append(entry)

    async def _wait(self, reason: str, failures: int) -> None:
        pause = RETRY[min(failures, len(RETRY) - 1)]
        since = self.lost.since if self.lost else self.now()
        self.lost = Lost(since, reason, self.now() + timedelta(seconds=pause))
        self.version += 1
        self._retry_now.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._retry_now.wait(), pause)
        if self._reconnect is not None:
            try:
                self._client = await self._reconnect()
            except EngineError as error:
                self.lost = Lost(since, str(error), self.now())

    async def send(self, command: Command) -> Reply:
        """Send a command; an engine that cannot be reached answers like one that refuses."""
        if not self.attached:
            return Reply(accepted=False, reason="The engine is not connected; nothing was sent.")
        try:
            return await self._client.send(command)
        except EngineError as error:
            return Reply(accepted=False, reason=str(error))

    async def detach(self) -> None:
        """Leave; the run goes on. Gives up on an engine that does not answer."""
        with suppress(EngineError, TimeoutError):
            await asyncio.wait_for(self._client.detach(), DETACH_TIMEOUT)
