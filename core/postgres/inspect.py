"""Reading a database's catalog: named queries, several at a time, under one exported snapshot.

The functions that give definitions (`pg_get_viewdef` and its like, names of types and roles) look at the catalog as it is
now, not at the snapshot. Where an object has vanished in between, everything is read again; what has changed in between
shows as it is now, which the conversion's own reading under its locks then finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.errors import ConnectionFailed, PgrecastError, QueryFailed
from core.postgres.assemble import ABOUT, Assembly, ObjectVanished
from core.postgres.catalog import Catalog
from core.postgres.connect import connect
from core.postgres.connection_errors import lost
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.sql import load_queries, quote_literal
from core.redaction import redactor

ATTEMPTS = 4
SIZES_LOCK_TIMEOUT_MS = 200
CLOSE_TIMEOUT = 5.0

# Only what is in pg_catalog goes without its schema in definitions; short queries gain nothing from being compiled.
READING = {"search_path": "pg_catalog", "jit": "off"}

# The longest first, so that no connection is left with a long one at the end; but sooner what the others wait for.
QUERIES = (
    "constraints",
    "columns",
    *ABOUT,
    "sizes",
    "indexes",
    "dependencies",
    "relations",
    "functions",
    "types",
    "others",
    "triggers",
    "policies",
    "rules",
    "statistics",
    "schemas",
    "publications",
    "published_tables",
    "event_triggers",
    "server",
    "identity",
    "settings",
)
SETTINGS = (
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "deadlock_timeout",
    "max_locks_per_transaction",
    "max_connections",
    "max_prepared_transactions",
    "max_worker_processes",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "max_parallel_maintenance_workers",
    "maintenance_work_mem",
    "work_mem",
    "shared_buffers",
    "max_wal_size",
    "wal_level",
    "archive_mode",
    "synchronous_commit",
    "synchronous_standby_names",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "default_tablespace",
    "default_table_access_method",
    "default_toast_compression",
    "session_replication_role",
    "event_triggers",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "autovacuum",
    "log_statement",
)

_QUERIES = load_queries(Path(__file__).parent / "queries")
# What a definition's function raises of an object that was dropped after the snapshot was taken: "could not open
# relation with OID …", "cache lookup failed for …", or that a name in an expression is not there.
_VANISHED = (
    asyncpg.InternalServerError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
)


@dataclass(frozen=True, slots=True)
class InspectionProgress:
    """A query has ended.

    Attributes:
        name: of the query.
        rows: how many it gave.
        seconds: how long it took, decoding included.
        done: how many have ended.
        total: how many there are.
    """

    name: str
    rows: int
    seconds: float
    done: int
    total: int


Progress = Callable[[InspectionProgress], None]


def query(name: str, major: int) -> str:
    """The named query as that major version takes it: without the lines that are marked for others."""
    kept: list[str] = []
    for line in _QUERIES[name].splitlines():
        code, _, mark = line.rpartition("-- ")
        word, _, number = mark.partition(" ")
        if code and word in ("since", "before"):
            if (major >= int(number)) == (word == "since"):
                kept.append(code)
        else:
            kept.append(line)
    return "\n".join(kept)


async def inspect(
    spec: ConnectionSpec,
    *,
    connections: int = 4,
    progress: Progress | None = None,
    statement_timeout_ms: int = 60_000,
) -> Catalog:
    """Read the whole catalog as it is at one moment. Nothing is changed, and no writer waits.

    Args:
        spec: the database.
        connections: how many at most; where the server has fewer left, fewer do.
        progress: told of each query that has ended; from the start again when everything must be read again.
        statement_timeout_ms: for each query, in milliseconds.

    Raises:
        ConnectionFailed: there was not even one connection, or one was lost.
        QueryFailed: the server refused or cancelled a query, or objects went on vanishing.
    """

    async def attempt() -> Catalog:
        reading = _Reading(QUERIES, progress)
        sessions = [asyncio.create_task(_open(spec, statement_timeout_ms)) for _ in range(max(1, connections))]
        try:
            first = await _first(sessions)
            leader = await first
            async with leader.transaction(isolation="repeatable_read", readonly=True), asyncio.TaskGroup() as group:
                snapshot: str = await leader.fetchval("SELECT pg_export_snapshot()")
                for session in sessions:
                    if session is not first:
                        group.create_task(_follow(session, snapshot, reading))
                await reading.read(leader)
        except BaseExceptionGroup as errors:
            first_error = errors.exceptions[0]
            raise first_error from first_error.__cause__
        finally:
            await asyncio.gather(*map(_close, sessions))
        return reading.assembly.catalog()

    return await _until_nothing_vanishes(attempt)


async def inspect_within(connection: asyncpg.Connection, *, progress: Progress | None = None) -> Catalog:
    """Read the whole catalog on a given connection, inside its open transaction, whose own changes it sees.

    Sizes are not measured: that would wait for other sessions' locks. The transaction stays usable whatever happens.

    Raises:
        ConnectionFailed: the connection was lost.
        QueryFailed: the server refused or cancelled a query, or objects went on vanishing.
    """

    async def attempt() -> Catalog:
        reading = _Reading([name for name in QUERIES if name != "sizes"], progress)
        async with connection.transaction():
            before = await connection.fetch(_QUERIES["set_locally"], [*READING], [*READING.values()])
            await reading.read(connection)
            names, values = zip(*before, strict=True)
            await connection.fetch(_QUERIES["set_locally"], names, values)
        return reading.assembly.catalog()

    return await _until_nothing_vanishes(attempt)


class _Reading:
    """The queries still to be run, for whichever connection is free; what has been read is assembled at once."""

    def __init__(self, names: Sequence[str], progress: Progress | None) -> None:
        self.assembly = Assembly(names)
        self._pending = deque(names)
        self._total = len(names)
        self._ended = 0
        self._progress = progress

    @property
    def done(self) -> bool:
        return not self._pending

    async def read(self, connection: asyncpg.Connection) -> None:
        """Run one query after the other until none is left."""
        while self._pending:
            await self._run(connection, self._pending.popleft())

    async def _run(self, connection: asyncpg.Connection, name: str) -> None:
        started = time.monotonic()
        rows = await (_sizes(connection) if name == "sizes" else _fetch(connection, name))
        self.assembly.add(name, rows)
        if name == "identity" and rows[0]["may_read_control"]:
            self.assembly.add("system_identifier", await _fetch(connection, "system_identifier"))
        self._ended += 1
        if self._progress is not None:
            seconds = time.monotonic() - started
            self._progress(InspectionProgress(name, len(rows), seconds, self._ended, self._total))


async def _open(spec: ConnectionSpec, statement_timeout_ms: int) -> asyncpg.Connection:
    return await connect(spec, statement_timeout_ms=statement_timeout_ms, settings=READING)


async def _first(sessions: Sequence[asyncio.Task[asyncpg.Connection]]) -> asyncio.Task[asyncpg.Connection]:
    """The first of them that is open; when none opens, one that says why."""
    pending = set(sessions)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for session in done:
            if session.exception() is None:
                return session
    return sessions[0]


async def _follow(session: asyncio.Task[asyncpg.Connection], snapshot: str, reading: _Reading) -> None:
    """Take part in the reading as soon as this session is open; one that does not open is not needed."""
    try:
        connection = await session
    except ConnectionFailed:
        return
    if reading.done:
        return
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET TRANSACTION SNAPSHOT {quote_literal(snapshot)}")
        await reading.read(connection)


async def _close(session: asyncio.Task[asyncpg.Connection]) -> None:
    session.cancel()
    with contextlib.suppress(asyncio.CancelledError, PgrecastError):
        connection = await session
        with contextlib.suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=CLOSE_TIMEOUT)


async def _fetch(connection: asyncpg.Connection, name: str) -> list[asyncpg.Record]:
    arguments = [[*SETTINGS]] if name == "settings" else []
    try:
        return await connection.fetch(query(name, connection.get_server_version().major), *arguments)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if isinstance(error, _VANISHED):
            raise ObjectVanished(str(error)) from error
        raise _explained(name, error) from error


async def _sizes(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Sizes are good to have, but nobody waits for them long: none where a lock is in the way."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await connection.execute(f"SET LOCAL lock_timeout = {SIZES_LOCK_TIMEOUT_MS}")
        return await connection.fetch(_QUERIES["sizes"])
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.InternalServerError):
        return []
    finally:
        await savepoint.rollback()  # the setting with it


@contextlib.contextmanager
def _no_collections() -> Generator[None]:
    """Hold the garbage collector: it would look through a hundred thousand new objects again and again, all in use."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


async def _until_nothing_vanishes(attempt: Callable[[], Awaitable[Catalog]]) -> Catalog:
    last = ""
    for _ in range(ATTEMPTS):
        try:
            with _no_collections():
                return await attempt()
        except ObjectVanished as vanished:
            last = str(vanished)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise _explained("transaction", error) from error
    raise QueryFailed(
        f"The catalog could not be read: {ATTEMPTS} times, something was dropped meanwhile ({last}).",
        advice="Another session keeps changing the schema: let it end (a migration, perhaps), then try again.",
    )


def _explained(name: str, error: Exception) -> PgrecastError:
    if lost(error):
        return ConnectionFailed(
            f"The connection was lost while the catalog was read ({name}): {error}",
            advice="Check that the server still runs, and try again.",
        )
    what, advice = f"The server refused to read the catalog ({name}): {error}", "See the server's log, and try again."
    match getattr(error, "sqlstate", None):
        case "57014":
            what = f"Reading the catalog took too long ({name}): {error}"
            advice = "The server is busy or the schema very large: try again at a quieter time."
        case "55P03":
            what = f"Reading the catalog waited too long for a lock ({name}): {error}"
            advice = "Another session holds a relation in ACCESS EXCLUSIVE mode (pg_locks): let it end, then try again."
        case "42501":
            advice = "Have this role granted what the message names, or log in as the owner of the database."
        case "53200":
            advice = "The server is short of memory or locks (max_locks_per_transaction): try again at a quieter time."
        case _:
            pass
    return QueryFailed(redactor.redact(what), advice=advice)
