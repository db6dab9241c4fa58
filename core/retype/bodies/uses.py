"""When a function would fail: what calls it; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from core.postgres.catalog import Address, Catalog, Function
from core.postgres.sql import qualified
from core.retype.dependents import functions, indexes, policies, rules, triggers, views
from core.retype.dependents.defaults import owner_of_default
from core.retype.findings import listed
from core.retype.names import column_name, table_name

MOST_NAMED = 4


class Urgency(IntEnum):
    """What breaks with a function, the worst first."""

    WRITES = 1
    READS = 2
    CALLS = 3


@dataclass(frozen=True, slots=True)
class Use:
    """What calls a function, in a sentence."""

    urgency: Urgency
    sentence: str


def use_of(catalog: Catalog, function: Function) -> Use:
    """What calls the function, as far as the catalog and other functions' bodies tell."""
    fired = _triggers(catalog, function)
    if fired:
        return Use(Urgency.WRITES, f"Writes fail: it is called by {listed(fired, MOST_NAMED)}.")
    callers = list(_callers(catalog, function))
    firing = [name for caller in callers for name in _triggers(catalog, caller)]
    if firing:
        names = listed([_name(caller) for caller in callers], MOST_NAMED)
        return Use(Urgency.WRITES, f"Writes fail: it is called by {names}, and so by {listed(firing, MOST_NAMED)}.")
    users = list(dict.fromkeys(_users(catalog, function)))
    if users:
        return Use(Urgency.READS, f"It fails for whoever uses {listed(users, MOST_NAMED)}.")
    if callers:
        return Use(
            Urgency.CALLS, f"It fails when it is called, as by {listed([_name(c) for c in callers], MOST_NAMED)}."
        )
    return Use(Urgency.CALLS, "It fails when it is called.")


def _name(function: Function) -> str:
    return functions.subject(function).object


def _triggers(catalog: Catalog, function: Function) -> list[str]:
    return [triggers.subject(t).object for t in catalog.triggers if t.function == function.oid and not t.parent]


def _callers(catalog: Catalog, function: Function) -> Iterator[Function]:
    """Functions in whose bodies its name stands before a parenthesis."""
    call = re.compile(rf'\b{re.escape(function.name)}"?\s*\(', re.IGNORECASE)
    for other in catalog.functions:
        if other.oid != function.oid and other.extension is None and other.kind != "a" and call.search(other.body):
            yield other


def _users(catalog: Catalog, function: Function) -> Iterator[str]:
    """Objects that PostgreSQL knows to call it."""
    for dependency in catalog.dependents_of.get(Address("pg_proc", function.oid), ()):
        address = dependency.dependent
        match address.catalog:
            case "pg_policy" if address.oid in catalog.policy:
                yield policies.subject(catalog.policy[address.oid]).object
            case "pg_rewrite":
                yield from _rule(catalog, address)
            case "pg_attrdef" if (owner := owner_of_default(catalog, address.oid)) is not None:
                yield f"default of {column_name(owner)}"
            case "pg_constraint" if address.oid in catalog.constraint:
                constraint = catalog.constraint[address.oid]
                yield f"constraint {constraint.name} on {table_name(constraint.schema, constraint.table)}"
            case "pg_class" if address.oid in catalog.index:
                yield indexes.subject(catalog.index[address.oid]).object
            case "pg_proc" if address.oid in catalog.function:
                yield _name(catalog.function[address.oid])
            case _:
                pass


def _rule(catalog: Catalog, address: Address) -> Iterator[str]:
    if address.oid in catalog.rule:
        yield rules.subject(catalog.rule[address.oid]).object
        return
    for dependency in catalog.references_of.get(address, ()):
        if dependency.kind == "i" and dependency.referenced.oid in catalog.relation:
            yield views.subject(catalog.relation[dependency.referenced.oid]).object


def id_of(function: Function) -> str:
    """How a warning about the function is accepted, and its repair chosen."""
    return f"function:{qualified(function.schema, function.name)}({function.arguments})"
