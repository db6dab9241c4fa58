"""Names of tables and columns as people read and write them.

A name of schema public is written without it (`users.id`), any other with it (`audit.log.id`); parts are quoted where SQL
would need the quotes. Statements use `core.postgres.sql.qualified` instead, which leaves nothing to the search path.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from core.errors import UsageError
from core.postgres.catalog import Catalog, Column, ColumnKey
from core.postgres.sql import quote_identifier

_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\s".]+))\s*(\.|$)')


def table_name(schema: str, table: str) -> str:
    return quote_identifier(table) if schema == "public" else f"{quote_identifier(schema)}.{quote_identifier(table)}"


def column_name(column: Column) -> str:
    return f"{table_name(column.schema, column.table)}.{quote_identifier(column.name)}"


def split_name(text: str, *, fold: bool = True) -> tuple[str, ...]:
    """The parts of a dotted name, unquoted ones folded to lower case as SQL does.

    Args:
        fold: whether they are; without it they stay as they are written.

    Raises:
        UsageError: a quote is not closed, or a part is missing.
    """
    parts: list[str] = []
    at = 0
    while True:
        match = _PART.match(text, at)
        if match is None:
            raise UsageError(
                f"{text!r} is not a column's name.",
                advice='Write table.column or schema.table.column, with double quotes where SQL needs them: "My Table".id.',
            )
        parts.append(match[1].replace('""', '"') if match[1] is not None else (match[2].lower() if fold else match[2]))
        at = match.end()
        if match[3] != ".":
            return tuple(parts)


def readings_of(text: str) -> tuple[tuple[str, ...], ...]:
    """What a person's name of something may mean, the likeliest first: as SQL reads it, then to the letter.

    Raises:
        UsageError: a quote is not closed, or a part is missing.
    """
    return tuple(dict.fromkeys((split_name(text), split_name(text, fold=False))))


def find_column(catalog: Catalog, text: str) -> Column:
    """The table's column that `text` names; without a schema, that of public or the only one of that name.

    Raises:
        UsageError: no such column (names close to it are listed), or several.
    """
    readings = readings_of(text)
    parts = readings[0]
    if len(parts) not in {2, 3}:
        raise UsageError(f"{text!r} is not a column's name.", advice="Write table.column or schema.table.column.")
    tables = {r.oid for r in catalog.relations if r.kind in "rpf"}
    columns = [c for c in catalog.columns if c.relation in tables]
    found: list[Column] = []
    for reading in readings:
        found = found or [c for c in columns if (c.schema, c.table, c.name)[-len(parts) :] == reading]
    if len(found) > 1:
        found = [c for c in found if c.schema == "public"] or found
    if len(found) > 1:
        raise UsageError(
            f"There are several columns {text}.",
            advice=f"Name the schema too: {', '.join(sorted(column_name(c) for c in found))}.",
        )
    if not found:
        close = _close_to(".".join(parts), (column_name(c) for c in columns))
        raise UsageError(
            f"There is no column {text}.",
            advice=f"Close to it: {', '.join(close)}." if close else "`pgrecast plan` lists the columns of the scope.",
        )
    return found[0]


def _close_to(name: str, names: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, sorted(names), n=5, cutoff=0.6)


def by_name(catalog: Catalog, key: ColumnKey) -> tuple[str, str, int]:
    """A sort key that is the same in every copy of the database: schema, table, place of the column."""
    column = catalog.column[key]
    return (column.schema, column.table, column.position)
