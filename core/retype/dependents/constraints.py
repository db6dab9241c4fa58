"""Check and exclusion constraints: PostgreSQL rebuilds a table's own; those that call a dropped function are made anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from core.postgres.catalog import Address, Catalog, Constraint, Relation
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
    touched = [
        constraint
        for relation in {relation for relation, _ in scope.keys}
        for constraint in catalog.constraints_of.get(relation, ())
        if any((relation, attnum) in scope.keys for attnum in constraint.columns)
    ]
    for constraint in sorted(touched, key=lambda c: (c.schema, c.table, c.name)):
        if constraint.kind == "n" and constraint.comment is not None and not constraint.is_local:
            renamed = replace(constraint, name=not_null_above(catalog, constraint).name)
            yield from subject(renamed).with_comment(constraint.comment)
        elif constraint.kind == "c" and constraint.inherited == 0:
            yield from _copies_comments(catalog, constraint)


def not_null_above(catalog: Catalog, constraint: Constraint) -> Constraint:
    """The NOT NULL constraint that an inherited one comes from in the end, whose name a rebuilt copy gets."""
    (attnum,) = constraint.columns
    name = catalog.column[constraint.relation, attnum].name
    for parent in catalog.relation[constraint.relation].parents if constraint.inherited else ():
        for other in catalog.constraints_of.get(parent, ()):
            if other.kind == "n" and catalog.column[parent, other.columns[0]].name == name:
                return not_null_above(catalog, other)
    return constraint


def _copies_comments(catalog: Catalog, constraint: Constraint) -> Iterator[Statement]:
    for child in _below(catalog, constraint.relation):
        for copy in catalog.constraints_of.get(child.oid, ()):
            if copy.kind == "c" and copy.name == constraint.name:
                yield from subject(copy).with_comment(copy.comment)


def _below(catalog: Catalog, relation: int) -> list[Relation]:
    """The tables that inherit from it, over any number of levels, each once, by name."""
    found: dict[int, Relation] = {}
    waiting = [relation]
    while waiting:
        for child in catalog.children_of.get(waiting.pop(), ()):
            if child.oid not in found:
                found[child.oid] = child
                waiting.append(child.oid)
    return sorted(found.values(), key=lambda r: (r.schema, r.name))
