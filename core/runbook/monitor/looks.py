"""The looks of the watch: each asks one part of the world, within bounds, and says what it saw."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import asyncpg

from core.errors import ConnectionFailed, HostingError, PgrecastError, QueryFailed
from core.hosting.health import ask_health
from core.hosting.interface import Ability, Host, LogLine
from core.postgres.catalog import Catalog, Constraint
from core.retype.orphans import count_orphans
from core.runbook.conversion.planning import reading
from core.runbook.investigation.findings import find_table
from core.runbook.investigation.row_counts import count_rows
from core.runbook.model import StepContext
from core.runbook.monitor.log_lines import Patterns, Position, told
from core.runbook.monitor.plans import Query, compare
from core.runbook.monitor.seen import DatabaseSeen, LockWait, Seen
from core.runbook.monitor.worst_queries import QUERIES, explain
from core.settings.run import LimitsSettings

LOG_LIMIT: Final = 1000
"""Lines of one reading."""
MOST_SAID: Final = 50
"""Log lines of a watch that stand in the journal."""
SHARE: Final = 0.5
"""Share of the interval that the database may be asked for, LEAST_TIME at least."""
LEAST_TIME: Final = 2.0  # seconds

Note = Callable[[Callable[[Seen], Seen]], Awaitable[None]]
"""Takes what a look saw, as a change of what was seen before."""


class Look(Protocol):
    async def look(self) -> None:
        """Look once, and note it. What cannot be asked at the moment is noted, not raised."""
        ...


class ServiceLook:
    def __init__(self, url: str, note: Note) -> None:
        self._url = url
        self._note = note

    async def look(self) -> None:
        health = await ask_health(self._url)
        await self._note(lambda seen: seen.with_(health=seen.health.probed(health)))


@dataclass(frozen=True, slots=True)
class LogSource:
    """A host, and the services whose logs it gives."""

    host: Host
    services: tuple[str, ...]

    async def read(self, since: datetime) -> tuple[LogLine, ...]:
        """Up to LOG_LIMIT lines from then on.

        Raises:
            HostingError: the host did not give them.
        """
        return await self.host.logs(self.services, since, LOG_LIMIT)


async def log_source(context: StepContext) -> LogSource | str:
    """Where the service's logs come from, or why they cannot be read, in words."""
    wanted = context.settings.hosting
    services = tuple(filter(None, (wanted.service, *wanted.others)))
    try:
        host = await context.host()
    except PgrecastError as error:
        return error.what
    if Ability.LOGS not in host.abilities:
        return f"{host.name} does not give them; look at them there"
    return LogSource(host, services) if services else "hosting.service names no service"


class LogLook:
    def __init__(self, context: StepContext, source: LogSource, since: datetime, note: Note) -> None:
        self._context = context
        self._source = source
        self._position = Position(since)
        self._patterns = Patterns(context.settings.monitor)
        self._note = note
        self._said = 0

    async def look(self) -> None:
        asked = datetime.now(UTC)
        try:
            lines = await self._source.read(self._position.since)
        except HostingError as error:
            what = error.what
            await self._note(lambda seen: seen.with_(logs=seen.logs.missed(what)))
            return
        full = len(lines) >= LOG_LIMIT
        new, self._position = self._position.take(lines, asked, full=full)
        found = self._patterns.sort(new)
        for line in found.errors[: MOST_SAID - self._said]:
            self._said += 1
            await self._context.say(f"{'Violation' if line in found.violations else 'Error'} in the log: {told(line)}")
        cut = full and not new
        await self._note(lambda seen: seen.with_(logs=seen.logs.read(found, cut=cut)))


class DatabaseLook:
    """Sessions and waits at each look; then, in turn and as far as the time goes, counts, foreign keys and plans."""

    def __init__(
        self,
        context: StepContext,
        catalog: Catalog,
        keys: dict[str, Constraint],
        tables: Sequence[str],
        queries: Sequence[Query],
        note: Note,
    ) -> None:
        self._context = context
        self._catalog = catalog
        self._note = note
        self._limits = bounded(context)
        self._turn: deque[Callable[[asyncpg.Connection], Awaitable[None]]] = deque(
            (
                *(self._rows(table) for table in tables),
                *(self._plan(query) for query in queries),
                *(self._orphans(name, key) for name, key in keys.items()),
            )
        )

    async def look(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + max(LEAST_TIME, SHARE * self._context.settings.monitor.interval.total_seconds())
        try:
            # Looked up anew each time: whatever answers must still be the database of this run.
            spec, _ = await self._context.target("production")
            async with reading(spec, self._limits) as connection:
                await self._pressure(connection)
                for _ in range(len(self._turn)):
                    await self._turn[0](connection)
                    self._turn.rotate(-1)
                    if loop.time() >= until:
                        break
        except (ConnectionFailed, QueryFailed) as error:
            what = error.what
            await self._note(lambda seen: seen.with_(database=seen.database.unreachable(what)))

    async def _pressure(self, connection: asyncpg.Connection) -> None:
        (row,) = await connection.fetch(QUERIES["pressure"])
        waits = tuple(
            LockWait(r["pid"], f"{r['application'] or 'unnamed'} as {r['role']}", r["seconds"], tuple(r["blocked_by"]))
            for r in await connection.fetch(QUERIES["lock_waits"])
        )

        def change(seen: Seen) -> Seen:
            database = DatabaseSeen(
                looked=seen.database.looked + 1,
                sessions=row["sessions"],
                active=row["active"],
                idle_in_transaction=row["idle_in_transaction"],
                waits=waits,
            )
            return seen.with_(database=database)

        await self._note(change)

    def _rows(self, table: str) -> Callable[[asyncpg.Connection], Awaitable[None]]:
        async def work(connection: asyncpg.Connection) -> None:
            rows = await count_rows(connection, find_table(self._catalog, table))
            await self._note(lambda seen: seen.with_(counts=seen.counts.counted(table, rows)))

        return work

    def _orphans(self, name: str, key: Constraint) -> Callable[[asyncpg.Connection], Awaitable[None]]:
        seconds = self._limits.read.total_seconds()

        async def work(connection: asyncpg.Connection) -> None:
            found = await count_orphans(connection, self._catalog, key, seconds=seconds)
            await self._note(lambda seen: seen.with_(orphans=seen.orphans.found(name, found)))

        return work

    def _plan(self, query: Query) -> Callable[[asyncpg.Connection], Awaitable[None]]:
        async def work(connection: asyncpg.Connection) -> None:
            change = compare(query, await explain(connection, query.text))
            await self._note(lambda seen: seen.with_(plans=seen.plans.compared(change)))

        return work


def bounded(context: StepContext) -> LimitsSettings:
    """The limits of a reading, each query bounded as the watch's are."""
    return context.settings.limits.model_copy(update={"read": context.settings.monitor.query_time})
