"""Generated columns over converted ones (from PostgreSQL 17 on): made constant before, and generated again after.

PostgreSQL refuses to change the type of a column that a generated column uses. `SET EXPRESSION` keeps the column in its place,
with everything that hangs on it; before version 17 there is no such thing and the column is a blocker.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Column, Index
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents import indexes
from core.retype.dependents.defaults import owner_of_default
from core.retype.dependents.subject import Subject
from core.retype.model import Repair, Statement
from core.retype.names import column_name, table_name
from core.retype.types import is_string

_SET_EXPRESSION_SINCE = 170000
# For a column that is NOT NULL: a value of its type that stands in every row for the time being.
_STAND_INS = {
    "text": "''",
    "character varying": "''",
    "smallint": "0",
    "integer": "0",
    "bigint": "0",
    "numeric": "0",
    "boolean": "false",
    "uuid": "'00000000-0000-0000-0000-000000000000'",
    "json": "'{}'",
    "jsonb": "'{}'",
}


def why_not(catalog: Catalog, column: Column) -> str | None:
    """Why the column cannot be made constant for a while; None if it can."""
    relation = catalog.relation[column.relation]
    own = [c for c in catalog.constraints_of.get(column.relation, ()) if c.kind != "n"]
    if catalog.server.version_num < _SET_EXPRESSION_SINCE:
        return "before version 17 PostgreSQL cannot change the expression of a generated column"
    if relation.parents or catalog.children_of.get(relation.oid):
        return "its table inherits, is inherited from, or is partitioned"
    if any(column.attnum in c.columns for c in own):
        return "it is part of a constraint, which would not hold meanwhile"
    if _stand_in(column) is None:
        return f"it is NOT NULL, and for {column.type} there is no value to stand in meanwhile"
    if any(_would_collide(catalog, column, index) for index in catalog.indexes_of.get(column.relation, ())):
        return "it is part of a unique index, which would find the same value in all rows meanwhile"
    if column.generated == "v" and any(c.kind == "c" for c in own):
        return "it is virtual, and its table has check constraints"
    return None


def _stand_in(column: Column) -> str | None:
    """The constant, None if there is none."""
    if not column.not_null:
        return f"NULL::{column.type}"
    value = _STAND_INS.get(column.type.partition("(")[0])
    return value and f"{value}::{column.type}"


def _would_collide(catalog: Catalog, column: Column, index: Index) -> bool:
    """Whether the constant may be in a unique index twice; expressions and predicates may be made of the column."""
    if not index.unique or not indexes.uses(catalog, index, frozenset({column.key})):
        return False
    is_more = 0 in index.columns or " WHERE " in index.definition
    return is_more or column.not_null or "NULLS NOT DISTINCT" in index.definition


def subject(column: Column, oid: int) -> Subject:
    return Subject("generated column", "", column_name(column), Address("pg_attrdef", oid))


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    column = _column(catalog, oid)
    yield subject(column, oid).dropped(
        f"{_alter(column)} SET EXPRESSION AS ({_stand_in(column)})",
        "PostgreSQL does not change the type of a column that a generated column uses",
    )


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    column = _column(catalog, oid)
    table = catalog.relation[column.relation]
    yield subject(column, oid).recreated(
        f"{_alter(column)} SET EXPRESSION AS ({column.default})",
        "as it was; its values are computed anew from the same ids",
        bytes_scanned=table.bytes,
        table=table_name(table.schema, table.name),
    )


def repair(catalog: Catalog, oid: int) -> Repair | None:
    """How the expression changes, None if it does not."""
    column = _column(catalog, oid)
    repaired = _repaired(catalog, column)
    if repaired is None:
        return None
    reason = "the column stays uuid, to which a string is not assigned by itself"
    return Repair(subject(column, oid).object, column.default or "", repaired, reason)


def _repaired(catalog: Catalog, column: Column) -> str | None:
    """The expression after the conversion, where it is not the same.

    A uuid column that repeats a key needs a cast while the key is a string, and none while it is a uuid.
    """
    if column.type != "uuid":
        return None
    for other in catalog.columns_of[column.relation]:
        name = quote_identifier(other.name)
        if other.type == "uuid" and column.default in (name, f"({name})"):
            return f"({name})::uuid"
        if is_string(other.type) and column.default in (f"({name})::uuid", f"(({name})::uuid)"):
            return name
    return None


def _column(catalog: Catalog, oid: int) -> Column:
    column = owner_of_default(catalog, oid)
    if column is None:
        raise LookupError(f"the closure took the expression {oid}, which no column has")
    return column


def _alter(column: Column) -> str:
    return f"ALTER TABLE {qualified(column.schema, column.table)} ALTER COLUMN {quote_identifier(column.name)}"
