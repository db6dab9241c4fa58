"""Rows of tables, counted within bounds."""

from __future__ import annotations

import asyncpg

from core.postgres.catalog import Relation
from core.postgres.sql import qualified
from core.runbook.words import counted


async def count_rows(connection: asyncpg.Connection, table: Relation | None) -> int | str | None:
    """Rows of a table; in words when they cannot be counted, None when there is no such table.

    Args:
        connection: its statement time-out bounds the count.
    """
    if table is None:
        return None
    about = f"about {counted(round(table.estimated_rows), 'row')}" if table.estimated_rows >= 0 else "number unknown"
    try:
        # Row security would hide rows silently; an error is better than a figure that is too small.
        await connection.execute("SET row_security = off")
        return int(await connection.fetchval(f"SELECT count(*) FROM {qualified(table.schema, table.name)}"))  # noqa: S608
    except asyncpg.QueryCanceledError:
        return f"{about} (counting took too long)"
    except asyncpg.LockNotAvailableError:
        return f"{about} (others have locked it)"
    except asyncpg.InsufficientPrivilegeError as error:
        return f"{about} ({error.args[0] if error.args else error})"
