"""Values that the new type does not take, or would change: found before any lock, with counts and examples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import asyncpg

from core.postgres.catalog import Catalog
from core.postgres.sql import qualified, quote_identifier, quote_literal
from core.retype.model import Scope, TypePair
from core.retype.names import column_name, table_name
from core.retype.types import integer_range, is_string, varchar_length

SECONDS_FOR_EACH: Final = 60.0
_EXAMPLES: Final = 3
_CANONICAL: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Values of a column that do not fit, or a table whose values could not be looked at.

    Attributes:
        name: the column, or the table.
        count: how many values; None when it is not known.
        examples: a few of them.
        detail: why it is not known.
    """

    name: str
    count: int | None
    examples: tuple[str, ...] = ()
    detail: str = ""


def misfit_condition(types: TypePair, column: str) -> str | None:
    """An SQL condition that is true of a value that does not fit; None if every value of the source type fits.

    A string becomes a uuid only as it stands: PostgreSQL would take other spellings too, and write them differently.

    Args:
        column: the column, quoted.
    """
    if is_string(types.source) and types.target == "uuid":
        return f'{column} COLLATE "C" !~ {quote_literal(_CANONICAL)}'
    length, before = varchar_length(types.target), varchar_length(types.source)
    if is_string(types.source) and length is not None and (before is None or before > length):
        return f"char_length({column}) > {length}"
    narrow, wide = integer_range(types.target), integer_range(types.source)
    if narrow is not None and wide is not None and narrow[1] < wide[1]:
        return f"{column} NOT BETWEEN {narrow[0]} AND {narrow[1]}"
    return None


async def find_misfits(connection: asyncpg.Connection, catalog: Catalog, scope: Scope) -> tuple[Misfit, ...]:
    """Look at every value of the scope, one scan for each table and no longer than SECONDS_FOR_EACH."""
    found: list[Misfit] = []
    if misfit_condition(scope.types, "x") is None:
        return ()
    for relation, group in groupby(scope.columns, key=lambda column: column.key[0]):
        table = catalog.relation[relation]
        if table.kind != "r":
            continue  # a partitioned table has no rows of its own, and a foreign table's cannot be cast
        columns = [catalog.column[column.key] for column in group]
        parts: list[str] = []
        for column in columns:
            name = quote_identifier(column.name)
            condition = misfit_condition(scope.types, name)
            parts += [
                f"count(*) FILTER (WHERE {condition})",
                f"(array_agg({name}::text) FILTER (WHERE {condition}))[1:{_EXAMPLES}]",
            ]
        sql = f"SELECT {', '.join(parts)} FROM ONLY {qualified(table.schema, table.name)}"  # noqa: S608 - quoted
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"SET LOCAL statement_timeout = '{SECONDS_FOR_EACH}s'")
            row: tuple[Any, ...] = tuple((await connection.fetch(sql))[0])
        except asyncpg.PostgresError as error:
            found.append(Misfit(table_name(table.schema, table.name), None, detail=str(error)))
        else:
            for column, count, examples in zip(columns, row[::2], row[1::2], strict=True):
                if count:
                    found.append(Misfit(column_name(column), count, tuple(examples)))
        finally:
            await transaction.rollback()
    return tuple(found)
