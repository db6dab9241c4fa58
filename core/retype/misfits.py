"""Values that the new type does not take, or would change: found before any lock, with counts and examples."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import asyncpg

from core.postgres.catalog import Catalog, Column, Relation
from core.postgres.sql import qualified, quote_identifier, quote_literal
from core.retype.model import Scope, TypePair
from core.retype.names import column_name, table_name
from core.retype.types import integer_range, is_string, varchar_length

SECONDS_FOR_EACH: Final = 60.0
_EXAMPLES: Final = 5
_CANONICAL: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
# What uuid_in reads besides: either case, braces around it, a hyphen after any four digits, or none (src/backend/utils/adt/uuid.c).
_DIGITS: Final = "[0-9a-f]{4}(-?[0-9a-f]{4}){7}"
_ANY_SPELLING: Final = rf"^({_DIGITS}|\{{{_DIGITS}\}})$"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Values of a column that do not fit, or a table whose values could not be looked at.

    Attributes:
        name: the column, or the table.
        count: how many values; None when it is not known.
        examples: a few of them.
        detail: why it is not known.
        respelt: how many of them are uuids all the same, in upper case, in braces, or with other hyphens.
        merging: how many uuids the column has in more than one spelling; they would become the same.
        query: what finds them all.
    """

    name: str
    count: int | None
    examples: tuple[str, ...] = ()
    detail: str = ""
    respelt: int = 0
    merging: int = 0
    query: str = ""


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
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"SET LOCAL statement_timeout = '{SECONDS_FOR_EACH}s'")
            found += [misfit async for misfit in _in_table(connection, table, columns, scope.types)]
        except asyncpg.PostgresError as error:
            found.append(Misfit(table_name(table.schema, table.name), None, detail=str(error)))
        finally:
            await transaction.rollback()
    return tuple(found)


async def _in_table(
    connection: asyncpg.Connection, table: Relation, columns: list[Column], types: TypePair
) -> AsyncIterator[Misfit]:
    rows = f"FROM ONLY {qualified(table.schema, table.name)}"
    conditions = [misfit_condition(types, quote_identifier(column.name)) for column in columns]
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in conditions)
    found = await connection.fetch(f"SELECT {counts} {rows}")
    for column, condition, count in zip(columns, conditions, found[0].values(), strict=True):
        if not count:
            continue
        name = quote_identifier(column.name)
        examples = await connection.fetch(f"SELECT {name}::text AS value {rows} WHERE {condition} LIMIT {_EXAMPLES}")
        respelt = merging = 0
        if types.target == "uuid":
            spelt = f'{name} COLLATE "C" ~* {quote_literal(_ANY_SPELLING)}'
            respelt = await connection.fetchval(f"SELECT count(*) {rows} WHERE {condition} AND {spelt}")
            twice = f"SELECT {rows} WHERE {spelt} GROUP BY {name}::uuid HAVING count(DISTINCT {name}) > 1"
            merging = await connection.fetchval(f"SELECT count(*) FROM ({twice}) AS twice") if respelt else 0  # noqa: S608
        yield Misfit(
            column_name(column),
            count,
            tuple(row["value"] for row in examples),
            respelt=respelt,
            merging=merging,
            query=f"SELECT * {rows} WHERE {condition}",
        )
