"""Take the locks of a conversion without holding anyone up for long, and name who is in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.errors import Refused
from core.postgres.advisory import ADVISORY_KEY
from core.postgres.sql import load_queries

QUERIES = load_queries(Path(__file__).parent / "queries")


@dataclass(frozen=True, slots=True)
class Session:
    """Another session, or a prepared transaction, that holds a lock or waits for one.

    Attributes:
        pid: its process, 0 for a prepared transaction.
        role, application, state, seconds, query: None or empty where this role may not see them.
        prepared: the global id of a prepared transaction.
        table: a table that it holds a lock on, where that is known.
    """

    pid: int
    role: str | None = None
    application: str | None = None
    state: str | None = None
    seconds: float | None = None
    query: str | None = None
    prepared: str | None = None
    table: str | None = None

    def __str__(self) -> str:
        if self.prepared is not None:
            who = f"the prepared transaction {self.prepared!r} of {self.role}"
            parts = [f"{self.seconds:.0f} s old"] if self.seconds is not None else []
        elif self.pid == 0:
            who, parts = "a prepared transaction", []
        else:
            who = f"process {self.pid}"
            parts = [
                part
                for part in (
                    self.role and f"role {self.role}",
                    self.application and f"application {self.application}",
                    self.state,
                    self.seconds is not None and f"for {self.seconds:.0f} s",
                )
                if part
            ]
            if self.query:
                parts.append(f"its query: {' '.join(self.query.split())}")
        if self.table:
            parts.append(f"holds {self.table}")
        return f"{who} ({', '.join(parts)})" if parts else who


async def claim(connection: asyncpg.Connection) -> None:
    """Take the program's advisory lock, for as long as the transaction lasts.

    Raises:
        Refused: another conversion holds it.
    """
    if await connection.fetchval(QUERIES["claim"], ADVISORY_KEY):
        return
    holders = [session_of(row) for row in await connection.fetch(QUERIES["claimed_by"], ADVISORY_KEY)]
    raise Refused(
        f"Another conversion of this database is under way: {_listed(holders) or 'it has just ended'}.",
        advice="Wait until it has ended, or end it, and start again.",
    )


async def lock_relations(
    connection: asyncpg.Connection,
    statement: str,
    relations: Collection[int],
    *,
    attempts: int,
    pause: float,
    waiting: Callable[[int, list[Session]], None],
) -> None:
    """Run a LOCK statement within the transaction's lock_timeout; after a failure let go of everything and try again.

    A waiting ACCESS EXCLUSIVE makes every later reader wait behind it, hence the short time-out, and the pause in which
    others get through.

    Args:
        statement: what takes the locks.
        relations: oids of the relations, to find out who holds them.
        attempts: how many times at most.
        pause: seconds between attempts.
        waiting: told the number of the failed attempt and who was in the way.

    Raises:
        Refused: it could not be locked; who holds it is named.
    """
    holders: list[Session] = []
    for attempt in range(1, attempts + 1):
        await connection.execute("SAVEPOINT locking")
        try:
            await connection.execute(statement)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await connection.execute("ROLLBACK TO SAVEPOINT locking; RELEASE SAVEPOINT locking")
            holders = await lock_holders(connection, relations) or holders
            waiting(attempt, holders)
            if attempt < attempts:
                await asyncio.sleep(pause)
        else:
            await connection.execute("RELEASE SAVEPOINT locking")
            return
    raise Refused(
        f"The tables could not be locked in {attempts} attempts: "
        f"{_listed(holders) or 'whoever was in the way had gone when it was looked for'}.",
        advice="End those sessions, or wait until they are through, and start again.",
    )


async def lock_holders(connection: asyncpg.Connection, relations: Collection[int]) -> list[Session]:
    """Who else holds a lock, of any kind, on one of these relations."""
    return [session_of(row) for row in await connection.fetch(QUERIES["lock_holders"], list(relations))]


def session_of(row: asyncpg.Record, pid: str = "pid") -> Session:
    """The session of a row; the columns that its query does not have stay empty.

    Args:
        pid: the name of the column with the process id.
    """
    values = dict(row)
    return Session(
        pid=values[pid] or 0,
        role=values.get("role"),
        application=values.get("application"),
        state=values.get("state"),
        seconds=values.get("seconds"),
        query=values.get("query"),
        prepared=values.get("prepared"),
        table=f"{values['schema']}.{values['table']}" if values.get("table") else None,
    )


def _listed(sessions: Sequence[Session], most: int = 5) -> str:
    more = len(sessions) - most
    return "; ".join(map(str, sessions[:most])) + (f"; and {more} more" if more > 0 else "")
