"""Sessions that were opened with a credential that is no longer: they live on until they are ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from core.postgres.sql import load_queries

_QUERIES: Final = load_queries(Path(__file__).parent / "queries")


@dataclass(frozen=True, slots=True)
class OldSession:
    """A session of the role, in any database of the cluster."""

    pid: int
    database: str
    application: str
    state: str
    since: datetime
    client: str

    def __str__(self) -> str:
        told = (self.application, self.state, f"from {self.client}" if self.client else "")
        beginning = f"process {self.pid} on {self.database}, since {self.since:%Y-%m-%d %H:%M:%S} UTC"
        return ", ".join((beginning, *filter(None, told)))


async def old_sessions(connection: asyncpg.Connection, role: str, before: datetime) -> tuple[OldSession, ...]:
    """The role's sessions that began before then; pgrecast's own are left out (catalog: pg_stat_activity).

    Raises:
        asyncpg.PostgresError: the query failed.
    """
    rows = await connection.fetch(_QUERIES["role_sessions"], role, before)
    return tuple(
        OldSession(r["pid"], r["database"], r["application"], r["state"], r["since"], r["client"]) for r in rows
    )


async def end_sessions(connection: asyncpg.Connection, sessions: Iterable[OldSession]) -> Sequence[OldSession]:
    """End them; returns those that the server was told to end, without the ones that had gone by themselves.

    Raises:
        asyncpg.PostgresError: the server refused, for want of rights.
    """
    return [s for s in sessions if await connection.fetchval(_QUERIES["end_session"], s.pid, s.since)]


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """An object with whose owner's rights a role may not act: it could neither alter nor drop it."""

    kind: str
    name: str
    owner: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.owner}"


async def out_of_reach(connection: asyncpg.Connection, role: str) -> tuple[OutOfReach, ...]:
    """What the role may not act as the owner of, in this database (catalogs: pg_class, pg_proc, pg_type, pg_namespace).

    Raises:
        asyncpg.PostgresError: the query failed.
    """
    rows = await connection.fetch(_QUERIES["out_of_reach"], role)
    return tuple(OutOfReach(r["kind"], r["name"], r["owner"]) for r in rows)
