"""Sequences behind serial columns: an identity column's follows the column's type, a serial one's does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from core.postgres.catalog import Address, Catalog, Relation
from core.postgres.sql import qualified
from core.retype.dependents.subject import Subject
from core.retype.model import Scope, Statement, TypePair
from core.retype.names import table_name
from core.retype.types import integer_range, is_integer

_TEXT = re.compile(r"(?P<type>\w+) (?P<start>start \S+) min (?P<min>\S+) max (?P<max>\S+) (?P<rest>.*)")
"""As `Relation.sequence` has it."""


def with_following_sequences(catalog: Catalog, scope: Scope) -> Catalog:
    """The catalog with the sequences of the scope's serial columns in the columns' new type."""
    serial = {sequence.oid for sequence in _of_serial_columns(catalog, scope)}
    if not serial:
        return catalog
    return replace(
        catalog,
        relations=tuple(
            replace(r, sequence=_following(r.sequence or "", scope.types)) if r.oid in serial else r
            for r in catalog.relations
        ),
    )


def restore(catalog: Catalog, wanted: Catalog, scope: Scope) -> Iterator[Statement]:
    for sequence in _of_serial_columns(catalog, scope):
        goal = wanted.relation[sequence.oid].sequence
        match = _TEXT.fullmatch(goal or "")
        if match is None or goal == sequence.sequence:
            continue
        about = Subject(
            "sequence",
            f"SEQUENCE {qualified(sequence.schema, sequence.name)}",
            table_name(sequence.schema, sequence.name),
            Address("pg_class", sequence.oid),
        )
        yield about.restored(
            "sequence type",
            f"ALTER {about.sql} AS {match['type']} MINVALUE {match['min']} MAXVALUE {match['max']}",
            "a serial column's sequence keeps its own type and bounds",
        )


def _of_serial_columns(catalog: Catalog, scope: Scope) -> list[Relation]:
    if not is_integer(scope.types.target):
        return []
    addresses = (
        dependency.dependent
        for scoped in scope.columns
        for dependency in catalog.dependents_of.get(Address("pg_class", *scoped.key), ())
        if dependency.kind == "a" and dependency.dependent.catalog == "pg_class"
    )
    found = {a.oid: catalog.relation[a.oid] for a in addresses if a.oid in catalog.relation}
    return [relation for relation in found.values() if relation.kind == "S"]


def _following(sequence: str, types: TypePair) -> str:
    """The sequence in the new type, with that type's bounds where it has the old one's; another's keeps its own."""
    match, old, new = _TEXT.fullmatch(sequence), integer_range(types.source), integer_range(types.target)
    if match is None or old is None or new is None or match["type"] != types.source:
        return sequence
    bounds = {str(before): after for before, after in zip(old, new, strict=True)}
    low, high = bounds.get(match["min"], match["min"]), bounds.get(match["max"], match["max"])
    return f"{types.target} {match['start']} min {low} max {high} {match['rest']}"
