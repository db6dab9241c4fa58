"""The kinds of objects that are taken off and put back, and which of them an address of `pg_depend` means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from core.postgres.catalog import Address, Catalog
from core.retype.dependents import (
    constraints,
    defaults,
    functions,
    generated,
    indexes,
    policies,
    publications,
    rules,
    statistics,
    triggers,
    views,
)
from core.retype.dependents.subject import Subject
from core.retype.model import Statement
from core.retype.names import column_name

Steps = Callable[[Catalog, int], Iterator[Statement]]

# In this order objects are put back where their dependencies leave a choice, and taken off in the opposite one.
_KINDS: Final[dict[str, tuple[int, Steps, Steps]]] = {
    "function": (0, functions.take_off, functions.put_back),
    "view": (1, views.take_off, views.put_back),
    "statistics object": (2, statistics.take_off, statistics.put_back),
    "index": (3, indexes.take_off, indexes.put_back),
    "constraint": (4, constraints.take_off, constraints.put_back),
    "generated column": (5, generated.take_off, generated.put_back),
    "default": (5, defaults.take_off, defaults.put_back),
    "rule": (6, rules.take_off, rules.put_back),
    "trigger": (7, triggers.take_off, triggers.put_back),
    "policy": (8, policies.take_off, policies.put_back),
    "publication entry": (9, publications.take_off, publications.put_back),
}


@dataclass(frozen=True, order=True)
class Part:
    """An object to take off and put back.

    Attributes:
        kind: one of the kinds above.
        name: what tells it from the others of its kind in any copy of the database.
        address: where the catalog has it.
    """

    kind: str
    name: str
    address: Address = field(compare=False)

    @property
    def rank(self) -> int:
        """The place of its kind where dependencies leave a choice."""
        return _KINDS[self.kind][0]

    def take_off(self, catalog: Catalog) -> Iterator[Statement]:
        return _KINDS[self.kind][1](catalog, self.address.oid)

    def put_back(self, catalog: Catalog) -> Iterator[Statement]:
        return _KINDS[self.kind][2](catalog, self.address.oid)


def part_at(catalog: Catalog, address: Address) -> Part | None:
    """The object that is taken off to take this one off: itself, or what it belongs to; None if there is no rule for it."""
    find = _BY_CATALOG.get(address.catalog)
    return None if find is None else find(catalog, address.oid)


def _part(kind: str, subject: Subject) -> Part:
    return Part(kind, subject.name, subject.address)


def _rule_or_view(catalog: Catalog, oid: int) -> Part | None:
    if rule := catalog.rule.get(oid):
        return _part("rule", rules.subject(rule))
    for dependency in catalog.references_of.get(Address("pg_rewrite", oid), ()):
        if dependency.kind == "i" and dependency.referenced.catalog == "pg_class":
            return _view_or_index(catalog, dependency.referenced.oid)
    return None


def _view_or_index(catalog: Catalog, oid: int) -> Part | None:
    relation, index = catalog.relation.get(oid), catalog.index.get(oid)
    if index is not None:
        while index.parent:
            index = catalog.index[index.parent]
        return _constraint(catalog, index.constraint) if index.constraint else _part("index", indexes.subject(index))
    return _part("view", views.subject(relation)) if relation and relation.kind in "vm" else None


def _policy(catalog: Catalog, oid: int) -> Part | None:
    policy = catalog.policy.get(oid)
    return _part("policy", policies.subject(policy)) if policy else None


def _trigger(catalog: Catalog, oid: int) -> Part | None:
    trigger = catalog.trigger.get(oid)
    while trigger is not None and trigger.parent:
        trigger = catalog.trigger.get(trigger.parent)
    return _part("trigger", triggers.subject(trigger)) if trigger else None


def _function(catalog: Catalog, oid: int) -> Part | None:
    function = catalog.function.get(oid)
    return _part("function", functions.subject(function)) if function and function.kind != "a" else None


def _default(catalog: Catalog, oid: int) -> Part | None:
    column = defaults.owner_of_default(catalog, oid)
    if column is None:
        return None
    kind = "generated column" if column.generated else "default"
    return Part(kind, column_name(column), Address("pg_attrdef", oid))


def _constraint(catalog: Catalog, oid: int) -> Part | None:
    """A table's check or exclusion constraint; of an inherited one the original."""
    constraint = catalog.constraint.get(oid)
    if constraint is None or constraint.kind not in "cx" or not constraint.relation:
        return None
    if constraint.inherited and not constraint.is_local:
        for parent in catalog.relation[constraint.relation].parents:
            for other in catalog.constraints_of.get(parent, ()):
                if (other.kind, other.name) == (constraint.kind, constraint.name):
                    return _constraint(catalog, other.oid)
        return None
    return _part("constraint", constraints.subject(constraint))


def _statistics(catalog: Catalog, oid: int) -> Part | None:
    found = catalog.extended_statistics.get(oid)
    return _part("statistics object", statistics.subject(found)) if found else None


def _publication_entry(catalog: Catalog, oid: int) -> Part | None:
    entry = catalog.published_table.get(oid)
    return _part("publication entry", publications.subject(entry)) if entry else None


_BY_CATALOG: Final[dict[str, Callable[[Catalog, int], Part | None]]] = {
    "pg_rewrite": _rule_or_view,
    "pg_class": _view_or_index,
    "pg_policy": _policy,
    "pg_trigger": _trigger,
    "pg_proc": _function,
    "pg_attrdef": _default,
    "pg_constraint": _constraint,
    "pg_statistic_ext": _statistics,
    "pg_publication_rel": _publication_entry,
}
