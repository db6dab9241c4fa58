"""Sequences behind serial columns: an identity column's follows the column's type, a serial one's does not."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Relation
from core.postgres.sql import qualified
from core.retype.dependents.subject import Subject
from core.retype.model import Scope, Statement
from core.retype.names import table_name
from core.retype.types import is_integer


def restore(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    if not is_integer(scope.types.target):
        return
    for scoped in scope.columns:
        for dependency in catalog.dependents_of.get(Address("pg_class", *scoped.key), ()):
            sequence = catalog.relation.get(dependency.dependent.oid)
            if sequence is None or dependency.dependent.catalog != "pg_class":
                continue
            if sequence.kind == "S" and dependency.kind == "a":
                yield from _widen(sequence, scope.types.target)


def _widen(sequence: Relation, type_text: str) -> Iterator[Statement]:
    name = qualified(sequence.schema, sequence.name)
    about = Subject(
        "sequence",
        f"SEQUENCE {name}",
        table_name(sequence.schema, sequence.name),
        Address("pg_class", sequence.oid),
    )
    yield about.restored(
        "sequence type",
        f"ALTER {about.sql} AS {type_text}",
        "a serial column's sequence keeps its own type and would end at that type's maximum",
    )
