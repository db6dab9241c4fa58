"""Clears the way for the pending revision that makes `valuation_snapshots`: somebody has made that table by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncpg

from core.demo.incident import TRUE_REVISION
from core.errors import Refused
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.sql import load_queries, quote_identifier

TABLE = "valuation_snapshots"
REVISION = "6e0b92d7c3fa"
ASIDE = "_by_hand"

_QUERIES = load_queries(Path(__file__).with_name("queries"))


@dataclass(frozen=True, slots=True)
class CollisionOutcome:
    """What was done about the table, and the same as a sentence."""

    done: Literal["nothing", "dropped", "renamed"]
    sentence: str


async def resolve_collision(database: ConnectionSpec) -> CollisionOutcome:
    """Drop the hand-made table if it is empty, otherwise rename it and its indexes aside. One transaction.

    Raises:
        Refused: the database is not stamped at the true revision, so the table may be the application's own.
        ConnectionFailed: the database does not answer.
    """
    connection = await connect(database, read_only=False)
    try:
        async with connection.transaction():
            return await _resolve(connection)
    finally:
        await connection.close()


async def _resolve(connection: asyncpg.Connection) -> CollisionOutcome:
    if await connection.fetchval("SELECT to_regclass($1)", f"public.{TABLE}") is None:
        return CollisionOutcome("nothing", f"There is no {TABLE}: nothing is in the way of revision {REVISION}.")
    stamp = await connection.fetchval("SELECT version_num FROM public.alembic_version")
    if stamp != TRUE_REVISION:
        raise Refused(
            f"{TABLE} is left alone: the database is stamped {stamp}, not {TRUE_REVISION}.",
            advice=f"Stamp the revision that the schema is really at, {TRUE_REVISION}, first.",
        )
    await connection.execute(f"LOCK TABLE public.{TABLE} IN ACCESS EXCLUSIVE MODE")
    if not await connection.fetchval(_QUERIES["has_snapshots"]):
        await connection.execute(f"DROP TABLE public.{TABLE}")
        return CollisionOutcome(
            "dropped",
            f"Dropped the empty, hand-made {TABLE}: revision {REVISION} makes it as the application needs it.",
        )
    for (index,) in await connection.fetch(_QUERIES["indexes_of"], f"public.{TABLE}"):
        await connection.execute(
            f"ALTER INDEX public.{quote_identifier(index)} RENAME TO {quote_identifier(index + ASIDE)}"
        )
    await connection.execute(f"ALTER TABLE public.{TABLE} RENAME TO {TABLE}{ASIDE}")
    return CollisionOutcome(
        "renamed",
        f"Renamed the hand-made {TABLE}, which has rows, to {TABLE}{ASIDE}: revision {REVISION} makes its own.",
    )
