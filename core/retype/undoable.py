"""Whether what was written since a conversion could still go back: the first value that the old type does not take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import asyncpg

from core.postgres.catalog import Catalog
from core.postgres.sql import qualified, quote_identifier
from core.retype.findings import listed
from core.retype.misfits import misfit_condition
from core.retype.model import Scope
from core.retype.names import column_name

SECONDS_FOR_EACH: Final = 5.0
MOST_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Undoable:
    """What was found.

    Attributes:
        column: the first column with a value that does not go back, None if none was found.
        value: that value, shortened.
        unknown: columns that could not be looked at in time.
    """

    column: str | None = None
    value: str = ""
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.column is not None:
            return f"{self.column} holds {self.value!r}"
        if self.unknown:
            return f"not known: {listed(self.unknown, 5)} could not be looked at within {SECONDS_FOR_EACH:.0f} s each"
        return "every value goes back"


async def look_for_strays(connection: asyncpg.Connection, catalog: Catalog, back: Scope) -> Undoable:
    """Look for the first value that the way back could not take as it stands; reads no longer than SECONDS_FOR_EACH a column.

    Args:
        connection: READ ONLY, with no transaction open.
        catalog: of the converted database.
        back: the scope of the way back (`core.retype.reverse.reverse_scope`).

    Raises:
        asyncpg.PostgresError: a table cannot be read.
    """
    unknown: list[str] = []
    for scoped in back.columns:
        column = catalog.column[scoped.key]
        name = quote_identifier(column.name)
        condition = misfit_condition(back.types, name)
        if condition is None or catalog.relation[column.relation].kind != "r":
            continue
        table = qualified(column.schema, column.table)
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"SET LOCAL statement_timeout = '{SECONDS_FOR_EACH}s'")
            found = await connection.fetchval(f"SELECT {name}::text FROM ONLY {table} WHERE {condition} LIMIT 1")  # noqa: S608
        except asyncpg.QueryCanceledError:
            unknown.append(column_name(column))
        else:
            if found is not None:
                shown = found if len(found) <= MOST_SHOWN else f"{found[:MOST_SHOWN]}…"
                return Undoable(column_name(column), shown, tuple(unknown))
        finally:
            await transaction.rollback()
    return Undoable(unknown=tuple(unknown))
