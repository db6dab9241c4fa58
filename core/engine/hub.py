"""What all parts of the engine share: the journal, the state folded from it, and the clients to tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from core.engine.mailbox import Mailbox, Parcel
from core.engine.protocol import RecordFrame
from core.errors import JournalError
from core.events import Actor, ClientDetached, Event, Reading, Record
from core.journal import BATCH, Journal
from core.masking import masked
from core.runbook.state import RunState, fold, fold_all

FAREWELL = 0.5
"""Seconds that clients have at the end to fetch what waits for them."""

STOPPED_READING = "it stopped reading"


@dataclass(eq=False)
class Session:
    """One attached client.

    Attributes:
        id: its name in events.
        actor: who it is; the role changes when another takes over.
        may_command: whether it attached as one that may become the operator.
        since: the last sequence number that it was sent, or had when it came; the replay begins behind it.
        last: the last of the replay; everything later comes through the mailbox.
        hang_up: ends a connection whose client has stopped reading.
    """

    id: str
    actor: Actor
    may_command: bool
    since: int
    last: int
    mailbox: Mailbox = field(default_factory=Mailbox)
    hang_up: Callable[[], None] = lambda: None

    @property
    def served(self) -> bool:
        """Whether it has been sent everything so far."""
        return self.since >= self.last and self.mailbox.empty


class Hub:
    """Writes events, folds them, and tells the clients, in this order. Belongs to the engine's loop."""

    def __init__(self, run_directory: Path, log: logging.Logger) -> None:
        self.run_directory = run_directory
        self.log = log
        self.state = RunState()
        self.sessions: dict[str, Session] = {}
        self.operator: str | None = None
        """The session that may command."""
        self._readings: dict[tuple[str, str], Reading] = {}
        self._departures: set[asyncio.Task[None]] = set()
        self._observers: list[Callable[[Record], None]] = []
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        if self._journal is None:
            raise JournalError("The journal is not open.")
        return self._journal

    def open(self) -> None:
        """Open the journal and fold what it holds.

        Raises:
            JournalError: it cannot be opened or read.
        """
        loop = asyncio.get_running_loop()

        def written(records: Sequence[Record]) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._take, records)

        self._journal = Journal.open(self.run_directory, written)
        self.state = fold_all(self._journal.read())

    async def close(self) -> None:
        """Write what is queued; the clients get what waits for them, and no more."""
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)
        await asyncio.sleep(0)  # the records written last
        for session in self.sessions.values():
            session.mailbox.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while not all(session.served for session in self.sessions.values()):  # noqa: ASYNC110 - half a second, once
                    await asyncio.sleep(0.01)

    async def publish(self, actor: Actor, event: Event) -> Record:
        """Write the event to the journal, fold it, tell the clients; returns when all that is done.

        A cancelled caller does not take its event back: it is written and told all the same.

        Raises:
            JournalError: it could not be written; nobody has been told.
        """
        return await asyncio.wrap_future(self.journal.submit(actor, event))

    def observe(self, observer: Callable[[Record], None]) -> None:
        """Call the observer with each record from now on, once it is folded; it must not wait."""
        self._observers.append(observer)

    def show(self, reading: Reading) -> None:
        """Pass a figure on to whoever looks; never waits, never journaled."""
        reading = masked(reading)
        self._readings[reading.step, reading.name] = reading
        for session in self.sessions.values():
            session.mailbox.put_reading(reading)

    def forget_readings(self, step: str) -> None:
        """The step has ended: who attaches now gets none of its figures."""
        self._readings = {key: reading for key, reading in self._readings.items() if key[0] != step}

    def join(self, session: Session) -> None:
        """From now on the session gets everything that happens; what happened before is its replay."""
        session.last = self.state.last
        self.sessions[session.id] = session
        for reading in self._readings.values():
            session.mailbox.put_reading(reading)

    def leave(self, session: Session) -> bool:
        """The session gets no more; False when it had left already."""
        if self.sessions.pop(session.id, None) is None:
            return False
        session.mailbox.close()
        if self.operator == session.id:
            self.operator = None
        return True

    async def next_batch(self, session: Session) -> list[Parcel]:
        """What the session is to be sent next: its replay page by page, then what happens; empty when it is over.

        A cancelled call loses nothing: the next gives the same.
        """
        while session.since < session.last:
            page = await asyncio.to_thread(self._page, session.since)
            records = [record for record in page if record.seq <= session.last]
            session.since = records[-1].seq if records else session.last
            if records:
                return [Parcel(RecordFrame(record=record)) for record in records]
        return await session.mailbox.take()

    def _page(self, since: int) -> list[Record]:
        """Read by a reader of its own each time: SQLite's connections stay in the thread that made them."""
        return list(islice(self.journal.read(since), BATCH))

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            self.state = fold(self.state, record)
            for observer in self._observers:
                observer(record)
            parcel = Parcel(RecordFrame(record=record))
            for session in list(self.sessions.values()):
                if not session.mailbox.put(parcel):
                    self._drop(session)

    def _drop(self, session: Session) -> None:
        self.leave(session)
        session.hang_up()
        task = asyncio.get_running_loop().create_task(self.say_departure(session, STOPPED_READING))
        self._departures.add(task)
        task.add_done_callback(self._departures.discard)

    async def say_departure(self, session: Session, reason: str) -> None:
        with suppress(JournalError):
            await self.publish(session.actor, ClientDetached(client=session.id, reason=reason))
