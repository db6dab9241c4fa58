"""The change itself: one ALTER TABLE for all columns of a table, since each rewrites the table and all its indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from pglast import ast, parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream

from core.events import Tally
from core.postgres.catalog import Catalog, Column, ColumnKey, Relation
from core.postgres.sql import qualified, quote_identifier, quote_literal
from core.retype.model import Phase, Scope, ScopedColumn, Statement, TypePair
from core.retype.names import column_name, table_name
from core.retype.types import is_string, needs_using

STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "x": "EXTENDED", "m": "MAIN"}
COMPRESSION = {"p": "pglz", "l": "lz4"}
MAKERS_OF_UUIDS: Final = frozenset(
    {"gen_random_uuid", "uuidv4", "uuidv7", *(f"uuid_generate_v{which}" for which in ("1", "1mc", "3", "4", "5"))}
)
"""Functions that return a uuid: PostgreSQL's own, and those of the extension uuid-ossp."""


def altered(catalog: Catalog, scope: Scope) -> list[tuple[Relation, list[ScopedColumn]]]:
    """The tables to alter, by name, each with its columns; those whose columns are all copies follow their parents."""
    own = [column for column in scope.columns if catalog.column[column.key].inherited == 0]
    grouped = groupby(own, key=lambda column: column.key[0])
    return [(catalog.relation[relation], list(columns)) for relation, columns in grouped]


def retype(catalog: Catalog, wanted: Catalog, scope: Scope) -> Iterator[Statement]:
    """
    Args:
        wanted: the catalog as it is to be: the columns get its defaults and, unless another is asked for, its collations.
    """
    anew = _set_anew(catalog, wanted, scope)
    for table, columns in altered(catalog, scope):
        has_key = any(column.role == "key" for column in columns)
        actions = [
            action for c in columns for action in _actions(wanted.column[c.key], scope.types, set_anew=c.key in anew)
        ]
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


def restore(catalog: Catalog, wanted: Catalog, scope: Scope) -> Iterator[Statement]:
    """Storage and compression that were chosen for a column, since a new type brings its own; copies' own defaults."""
    for scoped in scope.columns:
        column = wanted.column[scoped.key]
        if not is_string(scope.types.target):
            continue
        where = (
            f"ALTER TABLE ONLY {qualified(column.schema, column.table)} ALTER COLUMN {quote_identifier(column.name)}"
        )
        why = "a new type brings its own setting"
        name = f"column {column_name(column)}"
        if column.storage:
            sql = f"{where} SET STORAGE {STORAGE[column.storage]}"
            yield Statement(Phase.REATTACH, "column setting", name, sql, why)
        if column.compression:
            sql = f"{where} SET COMPRESSION {COMPRESSION[column.compression]}"
            yield Statement(Phase.REATTACH, "column setting", name, sql, why)
    yield from _defaults_of_copies(catalog, wanted, scope)


def with_converted_defaults(catalog: Catalog, scope: Scope) -> Catalog:
    """The catalog with the defaults that the columns get where PostgreSQL cannot keep theirs behind a cast of its own."""
    if not needs_using(scope.types):
        return catalog
    keys = scope.keys
    return replace(
        catalog,
        columns=tuple(
            replace(column, default=converted_default(column.default, scope.types))
            if column.key in keys and column.default is not None and not column.generated
            else column
            for column in catalog.columns
        ),
    )


def converted_default(default: str, types: TypePair) -> str:
    """A default of the old type as one of the new: behind a cast, or without the one that it has where that is the same."""
    return _made_as_uuid(default) if types.target == "uuid" else f"({default})::{types.target}"


def _made_as_uuid(default: str) -> str:
    """`gen_random_uuid()` for `(gen_random_uuid())::text`, `'a0ee…'::uuid` for a literal; anything else is cast."""
    node = _below_casts(default)
    if _is(node, ast.TypeCast) or (_is(node, ast.FuncCall) and node.funcname[-1].sval in MAKERS_OF_UUIDS):
        return RawStream()(node)
    literal = literal_default(default)
    return f"({default})::uuid" if literal is None else f"{quote_literal(literal)}::uuid"


def literal_default(default: str) -> str | None:
    """The text of a default that is a string literal, whatever it is cast to; None for every other."""
    node = _below_casts(default)
    return str(node.val.sval) if _is(node, ast.A_Const) and _is(node.val, ast.String) else None


def _below_casts(default: str) -> Any:
    """What is cast in the expression, down to what makes it a uuid; None where the grammar does not know it."""
    try:
        statement: Any = parse_sql(f"SELECT {default}")[0].stmt
    except ParseError:
        return None
    node = statement.targetList[0].val
    while _is(node, ast.TypeCast) and node.typeName.names[-1].sval != "uuid":
        node = node.arg
    return node


def _is(node: Any, kind: type[ast.Node]) -> bool:
    return isinstance(node, kind)


def _actions(wanted: Column, types: TypePair, *, set_anew: bool) -> Iterator[str]:
    name = quote_identifier(wanted.name)
    using = f" USING {name}::{types.target}" if needs_using(types) else ""
    change = f"ALTER COLUMN {name} TYPE {types.target}{_collation(wanted, types)}{using}"
    if not set_anew:
        yield change  # PostgreSQL keeps a default behind a cast of its own
        return
    yield f"ALTER COLUMN {name} DROP DEFAULT"
    yield change
    if wanted.default is not None:
        yield f"ALTER COLUMN {name} SET DEFAULT {wanted.default}"


def _set_anew(catalog: Catalog, wanted: Catalog, scope: Scope) -> frozenset[ColumnKey]:
    """The columns whose default is dropped before the type changes, and set afterwards: copies with their originals.

    What is done to the default of an original is done to its copies, too.
    """
    families = {scoped.key: _originals(catalog, catalog.column[scoped.key]) for scoped in scope.columns}
    anew = {
        original
        for key, originals in families.items()
        if _is_set_anew(catalog.column[key], wanted.column[key], scope.types)
        for original in originals
    }
    return frozenset(key for key, originals in families.items() if originals & anew)


def _originals(catalog: Catalog, column: Column) -> frozenset[ColumnKey]:
    """The columns at the top of which it is a copy, itself where it is none."""
    if not column.inherited:
        return frozenset({column.key})
    above = (
        original
        for parent in catalog.relation[column.relation].parents
        for original in catalog.columns_of.get(parent, ())
        if original.name == column.name
    )
    return frozenset(top for original in above for top in _originals(catalog, original))


def _is_set_anew(column: Column, wanted: Column, types: TypePair) -> bool:
    if column.generated or (column.default is None and wanted.default is None):
        return False
    return needs_using(types) or column.default != wanted.default


def _collation(column: Column, types: TypePair) -> str:
    """An ALTER without COLLATE takes the type's default, whatever the column had."""
    if not is_string(types.target):
        return ""
    collation = types.collation or column.collation
    return f" COLLATE {collation}" if collation else ""


def _defaults_of_copies(catalog: Catalog, wanted: Catalog, scope: Scope) -> Iterator[Statement]:
    """Defaults that partitions and inheriting tables have of their own: those of their parents were written over them."""
    anew = _set_anew(catalog, wanted, scope)
    for scoped in scope.columns:
        column = wanted.column[scoped.key]
        if column.inherited and not column.generated and scoped.key in anew:
            where = f"ALTER TABLE ONLY {qualified(column.schema, column.table)} ALTER COLUMN {quote_identifier(column.name)}"
            action = "DROP DEFAULT" if column.default is None else f"SET DEFAULT {column.default}"
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
