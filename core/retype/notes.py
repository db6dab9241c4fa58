"""What an operator should know of a conversion before it starts, and need not accept."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Catalog
from core.postgres.sql import quote_identifier
from core.retype.findings import listed, size
from core.retype.model import Scope
from core.retype.types import is_string

_PEAK_GROWTH = 1.4  # of tables and indexes while both copies are kept; measured 1.2 to 1.4


def find_notes(catalog: Catalog, scope: Scope, bytes_rewritten: int) -> Iterator[str]:
    """Sentences, the most important first.

    Args:
        bytes_rewritten: size of the tables and indexes that are rewritten, 0 where it was not measured.
    """
    if not scope.columns:
        return
    source, target = scope.types.source, scope.types.target
    if bytes_rewritten:
        yield (
            f"{size(bytes_rewritten)} of tables and indexes are rewritten, and the old files are kept until COMMIT: have "
            f"{size(int(bytes_rewritten * _PEAK_GROWTH))} free where the data is, and as much for WAL. "
            "How much is free cannot be seen from here."
        )
    if source == "uuid" and is_string(target):
        yield (
            "A uuid compares without regard to case and to hyphens, a string does not: whoever looks for an id in upper case "
            "finds nothing after the conversion."
        )
        yield (
            "Clients must reconnect after COMMIT. One that binds parameters as uuid fails (operator does not exist: character "
            "varying = uuid) until it binds them as text; a statement prepared before fails (cached plan must not change "
            "result type)."
        )
    else:
        yield (
            "Clients must reconnect after COMMIT: a statement prepared before fails (cached plan must not change result type)."
        )
    yield from _published(catalog, scope)
    yield "After COMMIT the tables have no statistics until ANALYZE, which follows at once, and a VACUUM is due."


def _published(catalog: Catalog, scope: Scope) -> Iterator[str]:
    relations = {relation for relation, _ in scope.keys}
    names = {entry.publication for entry in catalog.published_tables if entry.relation in relations}
    schemas = {catalog.relation[oid].schema for oid in relations}
    names |= {p.name for p in catalog.publications if p.all_tables or schemas & set(p.schemas)}
    if names:
        yield (
            f"Converted tables are published ({listed(sorted(map(quote_identifier, names)), 5)}): subscribers get their keys as "
            f"{scope.types.target} from COMMIT on."
        )
