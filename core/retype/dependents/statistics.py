"""Extended statistics: PostgreSQL rebuilds a table's own but forgets target and owner; those of recreated views are made anew."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Statistics
from core.postgres.sql import qualified
from core.retype.dependents.subject import Subject
from core.retype.model import Scope, Statement
from core.retype.names import table_name


def subject(statistics: Statistics) -> Subject:
    return Subject(
        "statistics object",
        f"STATISTICS {qualified(statistics.schema, statistics.name)}",
        table_name(statistics.schema, statistics.name),
        Address("pg_statistic_ext", statistics.oid),
    )


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    about = subject(catalog.extended_statistics[oid])
    yield about.dropped(f"DROP {about.sql}", "it uses what must be dropped")


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    statistics = catalog.extended_statistics[oid]
    about = subject(statistics)
    yield about.recreated(statistics.definition, "as it was")
    yield from about.with_comment(statistics.comment)
    yield from _settings(catalog, statistics)


def restore(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    keys = scope.keys
    for statistics in sorted(catalog.statistics, key=lambda s: (s.schema, s.name)):
        address = Address("pg_statistic_ext", statistics.oid)
        touched = any(
            (d.referenced.oid, d.referenced.sub) in keys
            for d in catalog.references_of.get(address, ())
            if d.referenced.catalog == "pg_class"
        )
        if touched:
            yield from _settings(catalog, statistics)


def _settings(catalog: Catalog, statistics: Statistics) -> Iterator[Statement]:
    about = subject(statistics)
    why = "a rebuilt statistics object forgets it"
    if statistics.target >= 0:
        yield about.restored("statistics target", f"ALTER {about.sql} SET STATISTICS {statistics.target}", why)
    yield from about.with_owner(catalog, statistics.owner)
