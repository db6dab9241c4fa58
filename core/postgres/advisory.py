"""The advisory lock of this program: one change of a database at a time, whichever room makes it."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from core.postgres.sql import load_queries

# "pgrecast" in hexadecimal digits of its letters: the same key in every database; PostgreSQL keeps them apart by database.
ADVISORY_KEY = int.from_bytes(b"pgrecast", "big")

_QUERIES = load_queries(Path(__file__).parent / "queries")


async def claim_for_session(connection: asyncpg.Connection) -> bool:
    """Take the lock for as long as the session lasts; False where another session has it."""
    return await connection.fetchval(_QUERIES["claim_for_session"], ADVISORY_KEY)
