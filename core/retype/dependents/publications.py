"""Tables published with a column list or a row filter that names a converted column."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, PublishedTable
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents.subject import Subject
from core.retype.model import Statement
from core.retype.names import table_name


def subject(entry: PublishedTable) -> Subject:
    name = f"of {table_name(entry.schema, entry.table)} in {quote_identifier(entry.publication)}"
    return Subject(
        "publication entry",
        f"PUBLICATION {quote_identifier(entry.publication)}",
        name,
        Address("pg_publication_rel", entry.oid),
    )


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    entry = catalog.published_table[oid]
    about = subject(entry)
    yield about.dropped(
        f"ALTER {about.sql} DROP TABLE ONLY {qualified(entry.schema, entry.table)}",
        "PostgreSQL does not change the type of a column in a publication's column list or row filter",
    )


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    entry = catalog.published_table[oid]
    about = subject(entry)
    columns = f" ({', '.join(quote_identifier(name) for name in entry.column_names)})" if entry.column_names else ""
    where = f" WHERE ({entry.row_filter})" if entry.row_filter else ""
    # ONLY: without it the tables that inherit from it would get entries of their own.
    sql = f"ALTER {about.sql} ADD TABLE ONLY {qualified(entry.schema, entry.table)}{columns}{where}"
    yield about.recreated(sql, "as it was")
