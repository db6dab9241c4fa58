"""What else goes on in the database, and what the session may do there: facts that no catalog holds for long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from core.postgres.catalog import Catalog
from core.postgres.sql import load_queries
from core.retype.closure import Closure, close_over
from core.retype.misfits import Misfit, find_misfits
from core.retype.model import Scope
from core.retype.orphans import Orphans, find_orphans
from core.retype.stale import StaleView, find_stale_views
from core.retype.tables import tables_touched

_QUERIES: Final = load_queries(Path(__file__).parent / "queries")
LONG_TRANSACTION_SECONDS: Final = 60.0
SECOND_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Session:
    """Another session. `seconds` is the age of its transaction, -1 where this role may not see it."""

    pid: int
    role: str
    """Empty for the server's own workers (autovacuum)."""
    application: str
    state: str
    seconds: float
    query: str
    """Empty where this role may not see it."""
    relations: tuple[int, ...] = ()
    """oids of the scope's tables that it holds locks on."""
    modes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    gid: str
    owner: str
    seconds: float
    relations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    name: str
    binary: bool
    relations: tuple[int, ...]


@dataclass(frozen=True)
class Activity:
    """Facts of one moment.

    Attributes:
        acts_as: roles whose rights the session has.
        may_become: roles that it may SET ROLE to, and so give objects to.
        lock_holders: sessions that hold locks on tables that the conversion locks.
        long_transactions: sessions whose snapshot is older than LONG_TRANSACTION_SECONDS.
        filtered: tables of which row security would hide rows from this session.
        overdue_for_vacuum: tables so old that an autovacuum of them does not give way.
        no_references: tables that this session may not reference from a foreign key.
        no_create: (role, schema) of roles that recreated objects belong to and that may not create there.
        pooled: whether a pooler stands between the session and the server.
        misfits: values that the new type does not take as they stand.
        orphans: what is behind foreign keys that are not validated or not enforced.
        collation_known: whether the database has the collation that was asked for.
        stale_views: materialized views whose rows are not what their query returns now, or may not be.
    """

    acts_as: frozenset[str] = frozenset()
    may_become: frozenset[str] = frozenset()
    lock_holders: tuple[Session, ...] = ()
    prepared_transactions: tuple[PreparedTransaction, ...] = ()
    long_transactions: tuple[Session, ...] = ()
    logical_slots: tuple[str, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    filtered: frozenset[int] = frozenset()
    overdue_for_vacuum: frozenset[int] = frozenset()
    no_references: frozenset[int] = frozenset()
    no_create: frozenset[tuple[str, str]] = frozenset()
    pooled: bool = False
    stale_views: tuple[StaleView, ...] = ()
    misfits: tuple[Misfit, ...] = ()
    orphans: tuple[Orphans, ...] = ()
    collation_known: bool = True
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


async def read_activity(connection: asyncpg.Connection[Any], catalog: Catalog, scope: Scope) -> Activity:
    """Read what goes on around the scope's tables.

    Args:
        connection: of the role that will convert; nothing is changed on it and no transaction of its is disturbed.

    Raises:
        asyncpg.PostgresError: a query failed.
    """
    closure = close_over(catalog, scope)
    tables = sorted(tables_touched(catalog, scope, closure))

    async def rows(name: str, *arguments: Any) -> list[asyncpg.Record]:
        return await _rows(connection, name, *arguments)

    roles = await rows("roles")
    (backend,) = await rows("backend")
    wanted = _creations(catalog, closure)
    return Activity(
        acts_as=frozenset(r["role"] for r in roles if r["acts_as"]),
        may_become=frozenset(r["role"] for r in roles if r["may_become"]),
        lock_holders=await _lock_holders(connection, tables),
        prepared_transactions=tuple(
            PreparedTransaction(r["gid"], r["owner"], r["seconds"], tuple(r["relations"]))
            for r in await rows("prepared_transactions", tables)
        ),
        long_transactions=tuple(_session(r) for r in await rows("long_transactions", LONG_TRANSACTION_SECONDS)),
        logical_slots=tuple(r["name"] for r in await rows("slots")),
        subscriptions=tuple(
            Subscription(r["name"], r["binary"], tuple(r["relations"])) for r in await rows("subscriptions", tables)
        ),
        filtered=frozenset(r["oid"] for r in await rows("row_security", tables)),
        overdue_for_vacuum=frozenset(r["oid"] for r in await rows("wraparound", tables)),
        no_references=frozenset(r["oid"] for r in await rows("no_references", tables)),
        no_create=frozenset(
            (r["role"], r["schema"])
            for r in await rows("no_create", [role for role, _ in wanted], [schema for _, schema in wanted])
        ),
        # A pooler hands out keys of its own for cancelling; the server's would begin with the backend's pid.
        pooled=backend[0] != connection.get_server_pid(),
        stale_views=await find_stale_views(connection, catalog, closure),
        misfits=await find_misfits(connection, catalog, scope),
        orphans=await find_orphans(connection, catalog, scope),
        collation_known=scope.types.collation is None or (await rows("collation", scope.types.collation))[0]["known"],
        settings={r["name"]: r["setting"] for r in await rows("settings")},
    )


async def _rows(connection: asyncpg.Connection, name: str, *arguments: Any) -> list[asyncpg.Record]:
    return await connection.fetch(_QUERIES[f"activity_{name}"], *arguments)


async def _lock_holders(connection: asyncpg.Connection, tables: list[int]) -> tuple[Session, ...]:
    """Who holds locks; of those whose age cannot be seen only who still does, in the same transaction, a moment later."""
    found = await _rows(connection, "lock_holders", tables)
    if any(row["seconds"] < 0 for row in found):
        await asyncio.sleep(SECOND_LOOK_SECONDS)
        before = {(row["pid"], row["transaction"]) for row in found}
        later = await _rows(connection, "lock_holders", tables)
        found = [row for row in later if row["seconds"] >= 0 or (row["pid"], row["transaction"]) in before]
    return tuple(_session(row, relations=tuple(row["relations"]), modes=tuple(row["modes"])) for row in found)


def _session(row: asyncpg.Record, *, relations: tuple[int, ...] = (), modes: tuple[str, ...] = ()) -> Session:
    return Session(
        pid=row["pid"],
        role=row["role"] or "",
        application=row["application"],
        state=row["state"],
        seconds=row["seconds"],
        query=row["query"],
        relations=relations,
        modes=modes,
    )


def _creations(catalog: Catalog, closure: Closure) -> list[tuple[str, str]]:
    """(role, schema) of what is created again: by the session's role, and then given to its owner."""
    wanted: set[tuple[str, str]] = set()
    for part in closure.parts:
        if part.kind == "view":
            view = catalog.relation[part.address.oid]
            wanted |= {(catalog.server.role, view.schema), (view.owner, view.schema)}
        elif part.kind == "function":
            function = catalog.function[part.address.oid]
            wanted |= {(catalog.server.role, function.schema), (function.owner, function.schema)}
    return sorted(wanted)
