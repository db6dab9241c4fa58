"""Which functions a conversion may break, by what they name; pure, and on the safe side.

A body can only be affected if it names something whose type changes: a converted table, a view over one, a function that gives
back their rows. Or if it is called with their rows: as a trigger, or by its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from core.postgres.catalog import Address, Catalog, Function
from core.postgres.sql import qualified
from core.retype.bodies.routine import Context
from core.retype.model import Scope
from core.retype.repair.syntax import Parsed
from core.retype.types import aliases

LOOKED_INTO = frozenset({"plpgsql", "sql"})
_WITHOUT_A_BODY = frozenset({"c", "internal"})
_WORD = re.compile(r"\w+")
_DYNAMIC = "execute"


@dataclass(frozen=True)
class Affected:
    """What changes its type, directly or with others.

    Attributes:
        relations: oids of tables and views whose rows do.
        types: oids of row types and of their arrays.
        names: in lower case, of the relations, and of functions that give back their rows.
        type_names: what a column's former type may be called.
    """

    relations: frozenset[int]
    types: frozenset[int]
    names: frozenset[str]
    type_names: frozenset[str]

    def is_named_in(self, text: str) -> bool:
        words = words_of_text(text)
        return any(name <= words for name in self._words_of_names)

    def has_its_type(self, type_text: str) -> bool:
        """Whether a variable of that type holds what changes, or what no longer compares with it."""
        name = type_text.removesuffix("[]").lower()
        return name in self.type_names or name.rpartition(".")[2].strip('"') in self.names

    @cached_property
    def _words_of_names(self) -> frozenset[frozenset[str]]:
        return frozenset(frozenset(_WORD.findall(name)) for name in self.names)


def words_of_text(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def find_affected(catalog: Catalog, scope: Scope) -> Affected:
    """Everything whose rows have a converted column, over any number of views."""
    relations = {relation for relation, _ in scope.keys}
    waiting = [Address("pg_class", oid) for oid in relations]
    by_whole: dict[tuple[str, int], list[Address]] = {}
    for dependency in catalog.dependencies:
        key = (dependency.referenced.catalog, dependency.referenced.oid)
        by_whole.setdefault(key, []).append(dependency.dependent)
    view_of_rule = {
        d.dependent.oid: d.referenced.oid
        for d in catalog.dependencies
        if d.kind == "i" and d.dependent.catalog == "pg_rewrite" and d.referenced.catalog == "pg_class"
    }
    while waiting:
        address = waiting.pop()
        for dependent in by_whole.get((address.catalog, address.oid), ()):
            view = view_of_rule.get(dependent.oid) if dependent.catalog == "pg_rewrite" else None
            if view is not None and view not in relations:
                relations.add(view)
                waiting.append(Address("pg_class", view))
    types = {catalog.relation[oid].row_type for oid in relations} - {0}
    types |= {t.oid for t in catalog.types if t.base_type in types}
    arrays = {t.array_type for t in catalog.types if t.oid in types} - {0}
    types |= arrays
    names = {catalog.relation[oid].name.lower() for oid in relations}
    names |= {f.name.lower() for f in catalog.functions if f.return_type in types}
    domains = {
        t.name.lower() for t in catalog.types if t.kind == "d" and t.definition.split(" ")[0] == scope.types.source
    }
    return Affected(frozenset(relations), frozenset(types), frozenset(names), aliases(scope.types.source) | domains)


def functions_to_check(catalog: Catalog, affected: Affected) -> tuple[Function, ...]:
    """Functions that may be affected; of extensions and BEGIN ATOMIC bodies PostgreSQL takes care itself."""
    fired = {trigger.function for trigger in catalog.triggers if trigger.relation in affected.relations}
    return tuple(
        function
        for function in sorted(catalog.functions, key=lambda f: (f.schema, f.name, f.arguments))
        if function.kind != "a"
        and function.extension is None
        and not function.is_sql_body
        and function.language not in _WITHOUT_A_BODY
        and (
            function.oid in fired
            or affected.is_named_in(function.body)
            or not affected.types.isdisjoint(
                (*function.all_argument_types, *function.argument_types, function.return_type)
            )
            or _may_do_so_dynamically(function, affected)
        )
    )


def are_any_to_check(catalog: Catalog, scope: Scope) -> bool:
    return bool(functions_to_check(catalog, find_affected(catalog, scope)))


def _may_do_so_dynamically(function: Function, affected: Affected) -> bool:
    """Whether it makes statements of text, with values of the former type."""
    if _DYNAMIC not in words_of_text(function.body):
        return False
    text = f"{function.arguments} {function.returns} {function.body}".lower()
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in affected.type_names)


def contexts_of(catalog: Catalog, function: Function) -> tuple[Context, ...]:
    """In what a function runs: of a trigger function one for each table that has such a trigger, partitions left out."""
    if not function.is_trigger:
        return (Context(),)
    return tuple(dict.fromkeys(_triggers_of(catalog, function)))


def _triggers_of(catalog: Catalog, function: Function) -> Iterator[Context]:
    for trigger in catalog.triggers:
        if trigger.function == function.oid and not trigger.parent:
            table = qualified(trigger.schema, trigger.table)
            yield Context(table, table, _transition_tables(trigger.definition))


def _transition_tables(definition: str) -> tuple[str, ...]:
    nodes = Parsed(definition).nodes()
    return tuple(node.fields["name"] for node in nodes if node.kind == "TriggerTransition")
