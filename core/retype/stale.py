"""Materialized views whose stored rows differ from what their query returns now: recreating one refreshes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import asyncpg

from core.postgres.catalog import Catalog
from core.postgres.sql import qualified, quote_identifier
from core.retype.closure import Closure
from core.retype.names import table_name

SECONDS_FOR_EACH: Final = 10.0


@dataclass(frozen=True, slots=True)
class StaleView:
    name: str
    finding: Literal["differs", "fails", "unknown"]
    detail: str = ""
    """The server's message when the query failed."""


async def find_stale_views(
    connection: asyncpg.Connection[Any], catalog: Catalog, closure: Closure
) -> tuple[StaleView, ...]:
    """Compare each materialized view that would be recreated with its query, within SECONDS_FOR_EACH."""
    found: list[StaleView] = []
    for part in closure.of_kind("view"):
        view = catalog.relation[part.address.oid]
        if view.kind != "m" or not view.populated:
            continue
        name = table_name(view.schema, view.name)
        stored = f"SELECT * FROM {qualified(view.schema, view.name)}"  # noqa: S608 - quoted
        fresh = f"SELECT * FROM ({(view.definition or '').rstrip().removesuffix(';')}) AS fresh"  # noqa: S608 - the server's own
        question = f"SELECT EXISTS ({stored} EXCEPT ALL {fresh}) OR EXISTS ({fresh} EXCEPT ALL {stored})"
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"SET LOCAL statement_timeout = '{SECONDS_FOR_EACH}s'")
            await connection.execute("SET LOCAL search_path = pg_catalog")
            # It is refreshed as its owner, with that role's rights and policies.
            await connection.execute(f"SET LOCAL ROLE {quote_identifier(view.owner)}")
            if await connection.fetchval(question):
                found.append(StaleView(name, "differs"))
        except (asyncpg.UndefinedFunctionError, asyncpg.QueryCanceledError) as error:
            # No equality for a column's type, or too long: nobody knows.
            found.append(StaleView(name, "unknown", str(error)))
        except asyncpg.PostgresError as error:
            found.append(StaleView(name, "fails", str(error)))
        finally:
            await transaction.rollback()  # within another transaction, what SET LOCAL says would outlive its savepoint
    return tuple(found)
