"""Obstacles in indexes that PostgreSQL would have to rebuild for another type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import parse_sql
from pglast.parser import ParseError

from core.postgres.catalog import Catalog, Index
from core.postgres.sql import qualified
from core.retype.dependents import indexes
from core.retype.model import Blocker, Scope
from core.retype.types import is_string

# Access methods whose only default operator classes for strings have none for uuid beside them.
_STRINGS_ONLY = frozenset({"spgist", "gin"})


def blockers(catalog: Catalog, scope: Scope) -> Iterator[Blocker]:
    yield from invalid(catalog, scope)
    if is_string(scope.types.source) and is_string(scope.types.target):
        return
    for index in _rebuilt(catalog, scope):
        for element in _bound_to_type(catalog, scope, index):
            yield Blocker(
                f"operator-class:{qualified(index.schema, index.name)}",
                indexes.subject(index).object,
                f"It is built with {element}, which does not take {scope.types.target}.",
                f"Drop it before the conversion and create it afterwards with one for {scope.types.target}: "
                f"{index.definition}.",
            )


def invalid(catalog: Catalog, scope: Scope) -> Iterator[Blocker]:
    """Invalid indexes, which cannot be left as they are."""
    for index in _rebuilt(catalog, scope):
        if not index.valid:
            full = qualified(index.schema, index.name)
            yield Blocker(
                f"invalid-index:{full}",
                indexes.subject(index).object,
                "It is invalid (a CREATE INDEX CONCURRENTLY failed, or a partition has none to attach). Changing the type "
                "would rebuild it: it would become valid, or fail.",
                f"Drop it (DROP INDEX {full}) or rebuild it (REINDEX INDEX CONCURRENTLY {full}).",
            )


def _rebuilt(catalog: Catalog, scope: Scope) -> list[Index]:
    keys = scope.keys
    found = (index for index in catalog.indexes if not index.parent and indexes.uses(catalog, index, keys))
    return sorted(found, key=lambda i: (i.schema, i.name))


def _bound_to_type(catalog: Catalog, scope: Scope, index: Index) -> Iterator[str]:
    """Operator classes, collations and access methods that the index names for a converted column."""
    if indexes.is_plain(catalog, index):
        return
    converted = {c.name for c in catalog.columns_of.get(index.relation, ()) if c.key in scope.keys}
    try:
        statement: Any = parse_sql(index.definition)[0].stmt
    except ParseError:
        return
    for element in statement.indexParams:
        if element.name not in converted:
            continue
        if element.opclass:
            yield f"the operator class {'.'.join(part.sval for part in element.opclass)}"
        elif element.collation:
            yield f"the collation {'.'.join(part.sval for part in element.collation)}"
        elif statement.accessMethod in _STRINGS_ONLY and is_string(scope.types.source):
            yield f"the access method {statement.accessMethod}"
