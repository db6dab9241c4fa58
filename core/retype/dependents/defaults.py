"""Defaults: those of converted columns, and those of any column that use what must be dropped."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Column
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents.subject import Subject
from core.retype.model import Statement
from core.retype.names import column_name


def owner_of_default(catalog: Catalog, oid: int) -> Column | None:
    """The column that a pg_attrdef entry belongs to, None if the catalog does not have it.

    An entry hangs on its own column by an internal dependency if the column is generated, and by an automatic one if not.
    """
    columns = [
        (dependency.kind, catalog.column[dependency.referenced.oid, dependency.referenced.sub])
        for dependency in catalog.references_of.get(Address("pg_attrdef", oid), ())
        if (dependency.referenced.oid, dependency.referenced.sub) in catalog.column
        and dependency.referenced.catalog == "pg_class"
    ]
    for kind in "ia":
        for found, column in columns:
            if found == kind and column.default is not None and (kind == "i" or not column.generated):
                return column
    return None


def _subject(column: Column, oid: int) -> Subject:
    name = column_name(column)
    return Subject("default", "", f"of {name}", Address("pg_attrdef", oid))


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    column = _column(catalog, oid)
    about = _subject(column, oid)
    yield about.dropped(f"{_alter(catalog, column)} DROP DEFAULT", "it uses what must be dropped")


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    column = _column(catalog, oid)
    about = _subject(column, oid)
    yield about.recreated(f"{_alter(catalog, column)} SET DEFAULT {column.default}", "as it was")


def _column(catalog: Catalog, oid: int) -> Column:
    column = owner_of_default(catalog, oid)
    if column is None:
        raise LookupError(f"the closure took the default {oid}, which no column has")
    return column


def _alter(catalog: Catalog, column: Column) -> str:
    # Without ONLY a table's children would get the default too, over their own.
    kind = "VIEW" if catalog.relation[column.relation].kind == "v" else "TABLE ONLY"
    return f"ALTER {kind} {qualified(column.schema, column.table)} ALTER COLUMN {quote_identifier(column.name)}"
