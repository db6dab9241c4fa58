"""An engine's end that a test holds in its hand: what it sends is written by the test, what it is sent is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.engine.protocol import Attach, Command, ReadingFrame, RecordFrame, Reply, TakeOver, Welcome
from core.errors import EngineError
from core.events import (
    Actor,
    ClientAttached,
    Event,
    Json,
    OperatorChanged,
    Reading,
    Record,
)

START = datetime(2025, 11, 15, 1, 0, tzinfo=UTC)
ME, ANNA, BEN = "c1", "c2", "c3"


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> datetime:
        self.at += timedelta(seconds=seconds)
        return self.at


class ScriptedClient:
    """The `Client` protocol, driven by a test.

    Args:
        clock: gives the records their time.
        operator: whether it is made the operator when it attaches as one.
    """

    def __init__(self, clock: Clock, *, operator: bool = True) -> None:
        self.clock = clock
        self.sent: list[Command] = []
        self.reply: Callable[[Command], Reply] = lambda command: Reply(accepted=True)
        self.reachable = True
        self.detached = False
        self.attached_with: Attach | None = None
        self.records: list[Record] = []
        self.readings: list[Reading] = []
        self._operator = operator
        self._frames: asyncio.Queue[RecordFrame | ReadingFrame | None] = asyncio.Queue()

    async def attach(self, *, role: Literal["operator", "watcher", "approver"], name: str, since: int = 0) -> Welcome:
        if not self.reachable:
            raise EngineError("No engine serves this run.", advice="Start pgrecast again.")
        self.attached_with = Attach(role=role, name=name, since=since)
        self._frames = asyncio.Queue()
        for record in self.records:
            if record.seq >= since:
                self._frames.put_nowait(RecordFrame(record=record))
        for reading in self.readings:
            self._frames.put_nowait(ReadingFrame(reading=reading))
        actor = Actor(name=name, uid=1000, role=role)
        self.say(ClientAttached(client=ME, actor=actor), actor=actor)
        if role == "operator" and self._operator:
            self.say(OperatorChanged(client=ME, actor=actor), actor=actor)
        return Welcome(client=ME, actor=actor, program="0.1.0", run="ma_saas_platform-20251115", last=len(self.records))

    async def frames(self) -> AsyncIterator[RecordFrame | ReadingFrame]:
        while (frame := await self._frames.get()) is not None:
            yield frame

    async def send(self, command: Command) -> Reply:
        if not self.reachable:
            raise EngineError("The connection to the engine is gone.", advice="It is tried again.")
        self.sent.append(command)
        reply = self.reply(command)
        if isinstance(command, TakeOver) and reply.accepted:
            self.say(OperatorChanged(client=ME, actor=Actor(name="me")))
        return reply

    async def detach(self) -> None:
        self.detached = True

    def say(self, *events: Event, actor: Actor | None = None, after: float = 0.0) -> None:
        """Record events, as the engine would, and send them."""
        self.clock.forward(after)
        for event in events:
            record = Record(
                seq=len(self.records) + 1, at=self.clock(), actor=actor or Actor(name="anna", uid=1000), event=event
            )
            self.records.append(record)
            self._frames.put_nowait(RecordFrame(record=record))

    def read(self, step: str, name: str, values: dict[str, Json]) -> None:
        """Send a reading."""
        self.readings.append(Reading(step=step, name=name, values=values))
        self._frames.put_nowait(ReadingFrame(reading=self.readings[-1]))

    def lose(self) -> None:
        """End the connection, and let nobody attach again."""
        self.reachable = False
        self._frames.put_nowait(None)
