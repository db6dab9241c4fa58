"""Clearing tables out of a pending revision's way: dropped if they hold nothing, otherwise renamed aside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import asyncpg

from core.errors import OutcomeUnknown, PgrecastError, Refused
from core.postgres.connect import identify
from core.postgres.connection_errors import lost
from core.postgres.identity import Identity
from core.postgres.sql import load_queries, qualified, quote_identifier
from core.revisions.locate import Location
from core.revisions.obstacles import Obstacle

LOCK_TIMEOUT_MS = 5_000
ASIDE = "_aside"
LONGEST_NAME = 63
"""Bytes of an identifier (PostgreSQL docs, "Identifiers and Key Words": NAMEDATALEN - 1)."""

_QUERIES = load_queries(Path(__file__).parent / "queries")


def clearable(location: Location) -> tuple[Obstacle, ...]:
    """The tables in the way of pending revisions, which `clear` can move.

    Raises:
        Refused: something else is in the way that a person must look at.
    """
    others = [o for o in location.obstacles if not _is_table(o)]
    if others:
        listed = "; ".join(f"{o.revision}: {o.sentence}" for o in others)
        raise Refused(
            f"The pending revisions will fail: {listed}.",
            advice=" ".join(dict.fromkeys(f"{o.item}: {' or '.join(o.choices)}." for o in others if o.choices)),
        )
    return tuple(o for o in location.obstacles if _is_table(o))


def _is_table(obstacle: Obstacle) -> bool:
    return obstacle.kind == "exists" and obstacle.item.kind == "table"


async def clear(connection: asyncpg.Connection, identity: Identity, obstacles: Iterable[Obstacle]) -> tuple[str, ...]:
    """Move tables out of the way, in one transaction: an empty one is dropped, one that holds rows is renamed aside.

    A table that others refer to is renamed in any case. Its indexes and its own sequences are renamed with it.

    Args:
        connection: may write, and is not in a transaction.
        identity: of the database that this is about.
        obstacles: as `clearable` gave them.

    Returns: what was done, a sentence each.

    Raises:
        WrongDatabase: the connection is to another database.
        Refused: a table is in use, or this role may not move it. Nothing has been changed then.
        OutcomeUnknown: the connection was lost.
    """
    identity.require(await identify(connection))
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; SET LOCAL row_security = off")
            done = [await _clear_one(connection, obstacle) for obstacle in obstacles]
    except asyncpg.LockNotAvailableError:
        raise Refused(
            f"A table in the way is in use: no lock within {LOCK_TIMEOUT_MS // 1000} s.",
            advice="Let the sessions that use it end, then try again.",
        ) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise OutcomeUnknown(
                "The connection was lost while tables were moved out of the way.",
                state="Either all of them have been moved, or none.",
                advice="Locate the schema again: it shows what is in the way now.",
            ) from error
        raise PgrecastError(
            f"A table in the way cannot be moved: {error}.", advice="Move it by hand, then try again."
        ) from error
    return tuple(done)


async def _clear_one(connection: asyncpg.Connection, obstacle: Obstacle) -> str:
    schema, name = obstacle.item.schema, obstacle.item.name
    table = qualified(schema, name)
    await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    holds_rows = await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})")  # noqa: S608 - quoted
    if not holds_rows and not obstacle.referenced_by:
        await connection.execute(f"DROP TABLE {table}")
        return f"Dropped {table}, which held nothing: revision {obstacle.revision} makes it."
    for kind, own_schema, own_name in await connection.fetch(_QUERIES["names_with_a_table"], table):
        await connection.execute(
            f"ALTER {kind} {qualified(own_schema, own_name)} RENAME TO {quote_identifier(aside(own_name))}"
        )
    await connection.execute(f"ALTER TABLE {table} RENAME TO {quote_identifier(aside(name))}")
    why = "it holds rows" if holds_rows else f"{', '.join(obstacle.referenced_by)} refer to it"
    return f"Renamed {table} to {aside(name)}, for {why}; its indexes and sequences too."


def aside(name: str) -> str:
    """The name under which something is kept: its own, marked, and no longer than a name may be."""
    kept = name.encode()[: LONGEST_NAME - len(ASIDE)].decode(errors="ignore")
    return kept + ASIDE
