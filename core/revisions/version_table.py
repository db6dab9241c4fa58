"""What a database claims to be at: the rows of Alembic's version table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.postgres.sql import load_queries, qualified, quote_identifier
from core.revisions.graph import VersionTable

_QUERIES = load_queries(Path(__file__).parent / "queries")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the version table says.

    Attributes:
        rows: its revisions, sorted; None where there is no such table.
    """

    rows: tuple[str, ...] | None

    def __str__(self) -> str:
        if self.rows is None:
            return "no version table"
        return ", ".join(self.rows) or "an empty version table"


def quoted(table: VersionTable) -> str:
    """The table's name for SQL, with its schema where it has one of its own."""
    return qualified(table.schema, table.name) if table.schema else quote_identifier(table.name)


async def read_claim(connection: asyncpg.Connection, table: VersionTable) -> Claim:
    """Read the version table.

    Raises:
        asyncpg.PostgresError: this role may not read it.
    """
    if await connection.fetchval(_QUERIES["table_exists"], quoted(table)) is None:
        return Claim(None)
    rows = await connection.fetch(f"SELECT version_num FROM {quoted(table)} ORDER BY 1")  # noqa: S608 - quoted
    return Claim(tuple(row["version_num"] for row in rows))
