"""The texts that PostgreSQL parses again when an object is put back, and the catalog with repaired ones in their place.

A repair is bound to an object by name and to a text of it by that very text: to another object, or after another change, it
does not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from core.postgres.catalog import (
    Address,
    Catalog,
    Column,
    Constraint,
    Function,
    Index,
    Policy,
    PublishedTable,
    Relation,
    Rule,
    Statistics,
    Trigger,
)
from core.postgres.sql import qualified
from core.retype.dependents import (
    constraints,
    functions,
    indexes,
    policies,
    publications,
    rules,
    statistics,
    triggers,
    views,
)
from core.retype.dependents.subject import Subject
from core.retype.model import Repair
from core.retype.names import column_name
from core.retype.parts import Part, part_at


class _Kind(NamedTuple):
    """Where the catalog keeps objects of a kind, and which of their fields are SQL."""

    items: str
    by_oid: str
    texts: tuple[str, ...] = ("definition",)


_KINDS: Final = {
    "function": _Kind("functions", "function"),
    "view": _Kind("relations", "relation"),
    "statistics object": _Kind("statistics", "extended_statistics"),
    "index": _Kind("indexes", "index"),
    "constraint": _Kind("constraints", "constraint"),
    "rule": _Kind("rules", "rule"),
    "trigger": _Kind("triggers", "trigger"),
    "policy": _Kind("policies", "policy", ("using", "check")),
    "publication entry": _Kind("published_tables", "published_table", ("row_filter",)),
}
_SUBJECTS: Final[dict[type, Callable[[Any], Subject]]] = {
    Function: functions.subject,
    Relation: views.subject,
    Statistics: statistics.subject,
    Index: indexes.subject,
    Constraint: constraints.subject,
    Rule: rules.subject,
    Trigger: triggers.subject,
    Policy: policies.subject,
    PublishedTable: publications.subject,
}
_OF_COLUMN: Final = ("default", "generated column")
_KEPT_BY_POSTGRESQL: Final = {
    "index": "pg_class",
    "constraint": "pg_constraint",
    "statistics object": "pg_statistic_ext",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A text of an object, and a statement in which the server looks at the part of it that can be repaired.

    Attributes:
        text: as the catalog has it.
        start, end: the part, as indexes into the text.
        before, after: what is around that part in the statement.
        is_probe: whether the statement only looks, and does not make the object: it points at what is wrong where the real
            statement does not.
    """

    object: str
    text: str
    start: int
    end: int
    before: str
    after: str
    is_probe: bool

    @property
    def part(self) -> str:
        return self.text[self.start : self.end]

    def statement(self, part: str) -> str:
        return self.before + part + self.after

    def with_part(self, part: str) -> str:
        return self.text[: self.start] + part + self.text[self.end :]

    def within(self, statement: str) -> Definition:
        """The part where it stands in the statement that makes the object."""
        at = statement.rindex(self.part)
        around = {"before": statement[:at], "after": statement[at + len(self.part) :]}
        return replace(self, **around, is_probe=False)


def object_of(catalog: Catalog, part: Part) -> str:
    """The object's kind and name, as the plan's statements have it."""
    if part.kind in _OF_COLUMN:
        return _column_object(part.kind, part.name)
    kind = _KINDS[part.kind]
    return object_named(getattr(catalog, kind.by_oid)[part.address.oid])


def object_named(
    item: Function | Relation | Statistics | Index | Constraint | Rule | Trigger | Policy | PublishedTable | Column,
) -> str:
    """The kind and name of an object of the catalog, as repairs have it; of a column its default."""
    return _object_of_default(item) if isinstance(item, Column) else _SUBJECTS[type(item)](item).object


def with_copies(catalog: Catalog, repairs: tuple[Repair, ...]) -> tuple[Repair, ...]:
    """The repairs, and those of the copies that partitions and inheriting tables have: they follow the original."""
    wanted = {(repair.object, repair.before): repair for repair in repairs}
    found = list(repairs)
    for index in catalog.indexes:
        top = index
        while top.parent:
            top = catalog.index[top.parent]
        repair = wanted.get((object_named(top), top.definition)) if top is not index else None
        if repair is not None and (after := _follow(index.definition, repair)) is not None:
            found.append(replace(repair, object=object_named(index), before=index.definition, after=after))
    for constraint in catalog.constraints:
        if constraint.kind == "c" and constraint.inherited and (original := _original(catalog, constraint)) is not None:
            repair = wanted.get((object_named(original), constraint.definition))
            if repair is not None:
                found.append(replace(repair, object=object_named(constraint)))
    return tuple(found)


def _follow(definition: str, repair: Repair) -> str | None:
    """The definition of a partition's index, with the original's repair in it."""
    at = repair.before.find(" USING ")
    if at < 0 or not definition.endswith(repair.before[at:]):
        return None
    return definition.removesuffix(repair.before[at:]) + repair.after[repair.after.find(" USING ") :]


def _original(catalog: Catalog, constraint: Constraint) -> Constraint | None:
    part = part_at(catalog, Address("pg_constraint", constraint.oid))
    original = catalog.constraint[part.address.oid] if part is not None and part.kind == "constraint" else None
    return original if original is not constraint else None


def definitions_of(catalog: Catalog, part: Part, create: str) -> tuple[Definition, ...]:
    """The texts of an object that is put back.

    Args:
        create: the statement that makes it, with these texts in it.
    """
    name = object_of(catalog, part)
    oid = part.address.oid
    match part.kind:
        case "policy":
            policy = catalog.policy[oid]
            table = qualified(policy.schema, policy.table)
            texts = [text for text in (policy.using, policy.check) if text is not None]
            return tuple(_probe(name, text, 0, len(text), table) for text in texts)
        case "constraint":
            constraint = catalog.constraint[oid]
            if constraint.kind == "c" and (extent := _parenthesized(constraint.definition)):
                table = qualified(constraint.schema, constraint.table)
                return (_probe(name, constraint.definition, *extent, table),)
        case "default" | "generated column":
            column = next(c for c in catalog.columns if _named_as(c, part) and c.default is not None)
            text = column.default or ""
            return (_probe(name, text, 0, len(text), qualified(column.schema, column.table)),)
        case "index":
            index = catalog.index[oid]
            _, tail = indexes.split_definition(index)
            return tuple(_within(name, index.definition, create, start=len(index.definition) - len(tail)))
        case _:
            pass
    kind = _KINDS[part.kind]
    item = getattr(catalog, kind.by_oid)[oid]
    return tuple(d for field in kind.texts if (text := getattr(item, field)) for d in _within(name, text, create))


def exchanged(statement: str, parts: Sequence[tuple[str, str]]) -> str:
    """The statement with other parts in the place of those that stand in it, in this order, at its end."""
    end = len(statement)
    for before, after in reversed(parts):
        at = statement.rindex(before, 0, end)
        statement, end = statement[:at] + after + statement[at + len(before) :], at
    return statement


def detached(catalog: Catalog, repairs: tuple[Repair, ...]) -> frozenset[Address]:
    """Objects that PostgreSQL would keep by itself, and cannot any more: they are taken off and put back repaired."""
    if not repairs:
        return frozenset()
    repaired = {repair.object for repair in repairs}
    return frozenset(
        Address(_KEPT_BY_POSTGRESQL[kind], item.oid)
        for kind in _KEPT_BY_POSTGRESQL
        for item in getattr(catalog, _KINDS[kind].items)
        if object_named(item) in repaired
    )


def with_repairs(catalog: Catalog, repairs: tuple[Repair, ...]) -> Catalog:
    """The catalog as it is to be: repaired texts in the place of those that they repair."""
    if not repairs:
        return catalog
    wanted = {(repair.object, repair.before): repair.after for repair in repairs}
    changes: dict[str, Any] = {
        kind.items: tuple(_repaired(item, kind.texts, wanted) for item in getattr(catalog, kind.items))
        for kind in _KINDS.values()
    }
    columns = tuple(_repaired(c, ("default",), wanted) for c in catalog.columns)
    return replace(catalog, **changes, columns=columns)


def addresses(catalog: Catalog) -> Iterator[tuple[str, Address]]:
    """Every object that could be put back, by the name that the plan has for it."""
    places = {
        "function": "pg_proc",
        "view": "pg_class",
        "rule": "pg_rewrite",
        "trigger": "pg_trigger",
        "policy": "pg_policy",
        "publication entry": "pg_publication_rel",
        **_KEPT_BY_POSTGRESQL,
    }
    for name, kind in _KINDS.items():
        for item in getattr(catalog, kind.items):
            if not isinstance(item, Relation) or item.kind in "vm":
                yield object_named(item), Address(places[name], item.oid)


def _repaired(item: Any, texts: tuple[str, ...], wanted: dict[tuple[str, str], str]) -> Any:
    name = object_named(item)
    changes = {
        field: wanted[key]
        for field in texts
        if (before := getattr(item, field)) is not None and (key := (name, before)) in wanted
    }
    return replace(item, **changes) if changes else item


def _probe(name: str, text: str, start: int, end: int, table: str) -> Definition:
    return Definition(name, text, start, end, f"SELECT FROM ONLY {table} WHERE (", ") IS NOT NULL", is_probe=True)


def _within(name: str, text: str, create: str, start: int = 0) -> Iterator[Definition]:
    """The text, from there on, where it stands in the statement: at its end but for what must follow."""
    part = text[start:].rstrip().removesuffix(";")
    at = create.rfind(part)
    if at >= 0:
        yield Definition(name, text, start, start + len(part), create[:at], create[at + len(part) :], is_probe=False)


def _parenthesized(check: str) -> tuple[int, int] | None:
    """The expression of `CHECK ((…)) NO INHERIT NOT VALID`, within its outer parentheses."""
    end = check.rfind(")")
    return (len("CHECK ("), end) if check.startswith("CHECK (") and end > 0 else None


def _named_as(column: Column, part: Part) -> bool:
    return column_name(column) == part.name


def _object_of_default(column: Column) -> str:
    return _column_object("generated column" if column.generated else "default", column_name(column))


def _column_object(kind: str, name: str) -> str:
    return f"{kind} {name}" if kind == "generated column" else f"default of {name}"
