"""What became of a transaction whose COMMIT got no answer (PostgreSQL documentation, "Transaction ID and Snapshot
Information Functions": pg_xact_status)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Literal

import asyncpg

from core.errors import PgrecastError, WrongDatabase
from core.postgres.connect import ConnectionSpec, connect, identify
from core.postgres.identity import Identity
from core.postgres.sql import load_queries

Outcome = Literal["committed", "rolled_back", "undecided"]

QUERIES = load_queries(Path(__file__).parent / "queries")
FIRST_PAUSE = 0.1  # seconds
LONGEST_PAUSE = 2.0  # seconds


def question(xid: str) -> str:
    """The query with which anyone can find out for themselves."""
    return f"SELECT pg_xact_status('{xid}')"


async def resolve_outcome(
    spec: ConnectionSpec, xid: str, *, identity: Identity | None = None, within: float = 120.0
) -> Outcome:
    """Ask the server what became of a transaction, again and again while it is still in progress or out of reach.

    PostgreSQL forgets very old transactions; that counts as undecided, and so does a standby that has not heard of the
    transaction. A primary that has never heard of it lost it in a crash, before it was durable: rolled back. Ids of
    transactions that wrote nothing durable are given out again after a crash, so that the answer for an id counts only
    once COMMIT was sent; before, rolled back is certain without asking.

    Args:
        xid: the transaction's id, as `pg_current_xact_id()` gave it.
        identity: the database that it ran in.
        within: seconds to go on asking.

    Raises:
        WrongDatabase: the address leads to another database now.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    pause = FIRST_PAUSE
    while True:
        left = deadline - loop.time()
        try:
            async with asyncio.timeout(max(left, 0.5)):
                outcome = await _ask(spec, xid, identity)
        except WrongDatabase:
            raise
        except (PgrecastError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            outcome = None
        if outcome is not None:
            return outcome
        if loop.time() + pause > deadline:
            return "undecided"
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


async def _ask(spec: ConnectionSpec, xid: str, identity: Identity | None) -> Outcome | None:
    """The outcome, None while it is in progress."""
    connection = await connect(spec)
    try:
        if identity is not None:
            _require_same_database(identity, await identify(connection))
        try:
            row = await connection.fetchrow(QUERIES["transaction_status"], xid)
        except asyncpg.InvalidParameterValueError:  # "transaction ID … is in the future"
            return None if await connection.fetchval("SELECT pg_is_in_recovery()") else "rolled_back"
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row
        match row["status"]:
            case "committed":
                return "committed"
            case "aborted":
                return "rolled_back"
            case "in progress":
                return None
            case _:
                return "undecided"
    finally:
        connection.terminate()


def _require_same_database(identity: Identity, found: Identity) -> None:
    """The start of the server, which stands in where the cluster's id may not be read, may be a later one by now."""
    marker = " started "
    if marker in identity.cluster and identity.cluster.split(marker)[0] == found.cluster.split(marker)[0]:
        found = replace(found, cluster=identity.cluster)
    identity.require(found)
