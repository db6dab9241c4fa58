"""Indexes: PostgreSQL rebuilds a table's own, but for some settings; those of recreated views are made anew."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, ColumnKey, Index
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents.subject import Subject
from core.retype.dependents.tablespaces import in_tablespace
from core.retype.model import Statement
from core.retype.names import table_name

_HEAD = re.compile(r'(CREATE (?:UNIQUE )?INDEX (?:"(?:[^"]|"")+"|[^" ]+) ON )(?:ONLY )?')


def subject(index: Index) -> Subject:
    name = quote_identifier(index.name)
    return Subject(
        "index",
        f"INDEX {qualified(index.schema, index.name)}",
        f"{name} on {table_name(index.schema, index.table)}",
        Address("pg_class", index.oid),
    )


def uses(catalog: Catalog, index: Index, keys: frozenset[ColumnKey]) -> bool:
    """Whether the index has one of the columns, in an expression or its predicate too, and so is rebuilt with it."""
    if any((index.relation, attnum) in keys for attnum in index.columns):
        return True
    return any(
        dependency.referenced.catalog == "pg_class" and (dependency.referenced.oid, dependency.referenced.sub) in keys
        for dependency in catalog.references_of.get(Address("pg_class", index.oid), ())
    )


def is_plain(catalog: Catalog, index: Index) -> bool:
    """Whether it is made of columns alone: no expression, predicate, operator class, collation, order or option."""
    columns = [catalog.column.get((index.relation, attnum)) for attnum in index.columns]
    names = ", ".join(quote_identifier(column.name) for column in columns if column is not None)
    return None not in columns and index.definition.endswith(f" USING btree ({names})")


def split_definition(index: Index) -> tuple[str, str]:
    """The definition before and after the ONLY that a partitioned table's index has in it, or would have."""
    match = _HEAD.match(index.definition)
    return (match[1], index.definition[match.end() :]) if match else ("", index.definition)


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    about = subject(catalog.index[oid])
    yield about.dropped(f"DROP {about.sql}", "it uses what must be dropped or cannot follow the new type")


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    index = catalog.index[oid]
    about = subject(index)
    definition = index.definition
    if (
        catalog.relation[index.relation].kind == "p"
    ):  # with those of its partitions: `partitions` gives them their names
        definition = "".join(split_definition(index))
    create = about.recreated(definition, "as it was", bytes_scanned=index.bytes)
    yield from in_tablespace(about, index.tablespace, create)
    table = f"ALTER TABLE {qualified(index.schema, index.table)}"
    if catalog.relation[index.relation].kind == "m":
        table = f"ALTER MATERIALIZED VIEW {qualified(index.schema, index.table)}"
    if index.clustered:
        yield about.restored("index setting", f"{table} CLUSTER ON {quote_identifier(index.name)}")
    if index.replica_identity:
        yield about.restored("index setting", f"{table} REPLICA IDENTITY USING INDEX {quote_identifier(index.name)}")
    yield from about.with_comment(index.comment)
    yield from forgotten(catalog, index)


def forgotten(catalog: Catalog, index: Index) -> Iterator[Statement]:
    """What an index loses both when it is recreated and when PostgreSQL rebuilds it for a new type."""
    about = subject(index)
    for column, target in index.statistics_targets:
        yield about.restored(
            "index setting",
            f"ALTER {about.sql} ALTER COLUMN {column} SET STATISTICS {target}",
            "a rebuilt index forgets its statistics targets",
        )
    yield from about.with_extensions(catalog)
