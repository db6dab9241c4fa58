"""The change itself: one ALTER TABLE for all columns of a table, since each rewrites the table and all its indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from core.events import Tally
from core.postgres.catalog import Catalog, Column, Relation
from core.postgres.sql import qualified, quote_identifier
from core.retype.model import Phase, Scope, ScopedColumn, Statement, TypePair
from core.retype.names import column_name, table_name
from core.retype.types import is_string, needs_using

STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "x": "EXTENDED", "m": "MAIN"}
COMPRESSION = {"p": "pglz", "l": "lz4"}


def altered(catalog: Catalog, scope: Scope) -> list[tuple[Relation, list[ScopedColumn]]]:
    """The tables to alter, by name, each with its columns; those whose columns are all copies follow their parents."""
    own = [column for column in scope.columns if catalog.column[column.key].inherited == 0]
    grouped = groupby(own, key=lambda column: column.key[0])
    return [(catalog.relation[relation], list(columns)) for relation, columns in grouped]


def retype(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    for table, columns in altered(catalog, scope):
        has_key = any(column.role == "key" for column in columns)
        actions = [action for column in columns for action in _actions(catalog.column[column.key], scope.types)]
        names = ", ".join(quote_identifier(catalog.column[column.key].name) for column in columns)
        yield Statement(
            Phase.RETYPE_KEYS if has_key else Phase.RETYPE_REFERENCES,
            "retype columns",
            f"table {table_name(table.schema, table.name)}: {names}",
            f"ALTER {_table_keyword(table)} {qualified(table.schema, table.name)} {', '.join(actions)}",
            "; ".join(f"{quote_identifier(catalog.column[c.key].name)}: {c.reason}" for c in columns),
            table_name(table.schema, table.name),
            tallies=tuple(_tallies(columns)),
            bytes=_bytes_rewritten(catalog, table),
        )


def restore(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    """Storage and compression that were chosen for a column: a new type brings its own."""
    for scoped in scope.columns:
        column = catalog.column[scoped.key]
        if not is_string(scope.types.target):
            continue
        where = (
            f"ALTER TABLE ONLY {qualified(column.schema, column.table)} ALTER COLUMN {quote_identifier(column.name)}"
        )
        why = "a new type brings its own setting"
        name = f"column {column_name(column)}"
        if column.storage and is_string(scope.types.source):
            sql = f"{where} SET STORAGE {STORAGE[column.storage]}"
            yield Statement(Phase.REATTACH, "column setting", name, sql, why)
        if column.compression:
            sql = f"{where} SET COMPRESSION {COMPRESSION[column.compression]}"
            yield Statement(Phase.REATTACH, "column setting", name, sql, why)
    if needs_using(scope.types):
        yield from _defaults_of_copies(catalog, scope)


def _actions(column: Column, types: TypePair) -> Iterator[str]:
    name = quote_identifier(column.name)
    collation = _collation(column, types)
    using = f" USING {name}::{types.target}" if needs_using(types) else ""
    change = f"ALTER COLUMN {name} TYPE {types.target}{collation}{using}"
    if column.default is None or column.generated or not needs_using(types):
        yield change  # PostgreSQL keeps the default behind a cast of its own
        return
    yield f"ALTER COLUMN {name} DROP DEFAULT"
    yield change
    yield f"ALTER COLUMN {name} SET DEFAULT {_converted_default(column, types)}"


def _converted_default(column: Column, types: TypePair) -> str:
    return f"({column.default})::{types.target}"


def _collation(column: Column, types: TypePair) -> str:
    """An ALTER without COLLATE takes the type's default, whatever the column had."""
    if not is_string(types.target):
        return ""
    collation = types.collation or column.collation
    return f" COLLATE {collation}" if collation else ""


def _defaults_of_copies(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    """Defaults that partitions and inheriting tables have of their own: SET DEFAULT on the parent wrote over them."""
    for scoped in scope.columns:
        column = catalog.column[scoped.key]
        if column.inherited and not column.generated:
            where = f"ALTER TABLE ONLY {qualified(column.schema, column.table)} ALTER COLUMN {quote_identifier(column.name)}"
            action = (
                "DROP DEFAULT" if column.default is None else f"SET DEFAULT {_converted_default(column, scope.types)}"
            )
            yield Statement(
                Phase.REATTACH,
                "default",
                f"default of {column_name(column)}",
                f"{where} {action}",
                "changing the parent's default wrote over it",
            )


def _table_keyword(table: Relation) -> str:
    return "FOREIGN TABLE" if table.kind == "f" else "TABLE"


def _bytes_rewritten(catalog: Catalog, table: Relation) -> int:
    below = catalog.children_of.get(table.oid, ())
    return table.bytes + sum(_bytes_rewritten(catalog, child) for child in below)


def _tallies(columns: list[ScopedColumn]) -> Iterator[Tally]:
    for what, keys in (("keys retyped", True), ("references retyped", False)):
        roots = Counter(column.root for column in columns if (column.role == "key") == keys)
        if roots:
            yield Tally(what=what, count=roots.total())
            yield from (Tally(what=what, root=root, count=count) for root, count in sorted(roots.items()))
