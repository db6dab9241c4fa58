"""Check and exclusion constraints: PostgreSQL rebuilds a table's own; those that call a dropped function are made anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from core.postgres.catalog import Address, Catalog, Constraint
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents.subject import Subject
from core.retype.model import Scope, Statement
from core.retype.names import table_name


def subject(constraint: Constraint) -> Subject:
    name = quote_identifier(constraint.name)
    kind = {"c": "check", "x": "exclusion constraint"}.get(constraint.kind, "constraint")
    return Subject(
        kind,
        f"CONSTRAINT {name} ON {qualified(constraint.schema, constraint.table)}",
        f"{name} on {table_name(constraint.schema, constraint.table)}",
        Address("pg_constraint", constraint.oid),
    )


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    constraint = catalog.constraint[oid]
    table = qualified(constraint.schema, constraint.table)
    yield subject(constraint).dropped(
        f"ALTER TABLE {table} DROP CONSTRAINT {quote_identifier(constraint.name)}", "it uses what must be dropped"
    )


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    constraint = catalog.constraint[oid]
    about = subject(constraint)
    table = catalog.relation[constraint.relation]
    sql = (
        f"ALTER TABLE {qualified(constraint.schema, constraint.table)} "
        f"ADD CONSTRAINT {quote_identifier(constraint.name)} {constraint.definition}"
    )
    yield about.recreated(sql, "as it was", bytes_scanned=table.heap_bytes, table=table_name(table.schema, table.name))
    yield from about.with_comment(constraint.comment)
    yield from _copies_comments(catalog, constraint)


def restore(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    """Comments on the copies of checks and NOT NULL constraints that tables inherit, which rebuilt ones forget."""
    keys = scope.keys
    for constraint in sorted(catalog.constraints, key=lambda c: (c.schema, c.table, c.name)):
        if constraint.kind == "n" and _touches(constraint, keys) and not constraint.is_local:
            renamed = replace(constraint, name=not_null_above(catalog, constraint).name)
            yield from subject(renamed).with_comment(constraint.comment)
    for constraint in sorted(catalog.constraints, key=lambda c: (c.schema, c.table, c.name)):
        if constraint.kind == "c" and constraint.inherited == 0 and _touches(constraint, keys):
            yield from _copies_comments(catalog, constraint)


def not_null_above(catalog: Catalog, constraint: Constraint) -> Constraint:
    """The NOT NULL constraint that an inherited one comes from in the end, whose name a rebuilt copy gets."""
    (attnum,) = constraint.columns
    column = catalog.column[constraint.relation, attnum]
    for parent in catalog.relation[constraint.relation].parents if constraint.inherited else ():
        for other in catalog.constraints:
            if other.kind == "n" and other.relation == parent:
                above = catalog.column[parent, other.columns[0]]
                if above.name == column.name:
                    return not_null_above(catalog, other)
    return constraint


def _touches(constraint: Constraint, keys: frozenset[tuple[int, int]]) -> bool:
    return any((constraint.relation, attnum) in keys for attnum in constraint.columns)


def _copies_comments(catalog: Catalog, constraint: Constraint) -> Iterator[Statement]:
    below = _below(catalog, constraint.relation)
    for copy in sorted(catalog.constraints, key=lambda c: (c.schema, c.table)):
        if copy.kind == "c" and copy.name == constraint.name and copy.relation in below:
            yield from subject(copy).with_comment(copy.comment)


def _below(catalog: Catalog, relation: int) -> set[int]:
    found: set[int] = set()
    waiting = {relation}
    while waiting:
        waiting = {r.oid for r in catalog.relations if waiting & set(r.parents)} - found
        found |= waiting
    return found
