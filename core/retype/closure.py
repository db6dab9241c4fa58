"""What hangs on the scope's columns: what must be taken off, in which order, and what stands in the way.

PostgreSQL's own record of dependencies (docs, "pg_depend") is followed from the converted columns. Every kind of object in
it has a rule: PostgreSQL keeps it, or it is taken off and put back, or it is a blocker. What has no rule is a blocker too,
so that nothing unknown passes silently. Nothing is ever dropped with CASCADE.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from core.postgres.catalog import Address, Catalog, Column, ColumnKey, Dependency
from core.retype.dependents import defaults, generated
from core.retype.findings import full_name
from core.retype.model import Blocker, Scope
from core.retype.names import by_name, column_name, table_name
from core.retype.parts import Part, part_at

_COLUMN_TYPE_MATTERS: Final = "rpf"  # relkinds that store values or define storage


@dataclass(frozen=True)
class Closure:
    """What hangs on the scope's columns.

    Attributes:
        parts: the objects to take off and put back, in the order in which they are put back.
        blockers: what has no way round.
    """

    parts: tuple[Part, ...]
    blockers: tuple[Blocker, ...]

    def of_kind(self, kind: str) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.kind == kind)


def close_over(catalog: Catalog, scope: Scope, detached: frozenset[Address] = frozenset()) -> Closure:
    """Follow the dependencies of the scope's columns and of everything that must be dropped for them.

    Args:
        detached: objects to take off although PostgreSQL would keep them: they are put back otherwise than they were.
    """
    return _Search(catalog, scope, detached).run()


class _Search:
    def __init__(self, catalog: Catalog, scope: Scope, detached: frozenset[Address]) -> None:
        self.catalog = catalog
        self.scope = scope
        self.keys = scope.keys
        self.detached = detached
        self.parts: dict[Address, Part] = {}
        self.belongs: dict[Address, Address] = {}
        """Objects without a statement of their own (a view's rule, its row type) to the part that they come and go with."""
        self.blockers: dict[str, Blocker] = {}
        self.waiting: list[Address] = []
        self.of_object: defaultdict[tuple[str, int], list[Dependency]] = defaultdict(list)
        for dependency in catalog.dependencies:
            self.of_object[dependency.referenced.catalog, dependency.referenced.oid].append(dependency)

    def run(self) -> Closure:
        for key in sorted(self.keys, key=lambda key: by_name(self.catalog, key)):
            for dependency in self.catalog.dependents_of.get(Address("pg_class", *key), ()):
                self._on_column(key, dependency)
        for relation in sorted({relation for relation, _ in self.keys}):
            self._row_type_of_table(relation)
        for address in sorted(self.detached):
            self._take(address, "its expression, which is repaired")
        while self.waiting:
            address = self.waiting.pop()
            for dependency in self.of_object[address.catalog, address.oid]:
                self._on_part(address, dependency)
        ordered = self._in_order()
        return Closure(tuple(ordered), tuple(self.blockers[name] for name in sorted(self.blockers)))

    # --- what hangs on a converted column ---

    def _on_column(self, key: ColumnKey, dependency: Dependency) -> None:
        dependent = dependency.dependent
        match dependent.catalog:
            case "pg_constraint" | "pg_statistic_ext":
                return  # kept; foreign keys are in the scope, what a rebuilt object forgets is restored
            case "pg_class":
                self._relation_on_column(key, dependent)
            case "pg_attrdef":
                owner = defaults.owner_of_default(self.catalog, dependent.oid)
                if owner is None:
                    self._unknown(dependent, f"column {self._named(key)}")
                elif owner.key != key:
                    self._generated(dependent, owner, f"column {self._named(key)}")
            case _:
                self._take(dependent, f"column {self._named(key)}")

    def _relation_on_column(self, key: ColumnKey, dependent: Address) -> None:
        relation = self.catalog.relation.get(dependent.oid)
        if dependent.oid in self.catalog.index:
            return  # rebuilt by PostgreSQL
        if relation is not None and relation.oid == key[0] and relation.kind == "p" and not dependent.sub:
            return  # part of a partition key: a blocker, found there by column
        if relation is not None and relation.oid == key[0] and dependent.sub:
            # as recorded before PostgreSQL 15
            self._generated(dependent, self.catalog.column[relation.oid, dependent.sub], f"column {self._named(key)}")
        elif relation is None or relation.kind != "S":
            self._unknown(dependent, f"column {self._named(key)}")

    def _generated(self, address: Address, column: Column, because: str) -> None:
        """A generated column that uses a converted column, or an object that is taken off."""
        why_not = generated.why_not(self.catalog, column)
        if column.key in self.keys:
            why_not = "it is itself to be converted"
        if why_not is None:
            self._take(address, because)
            return
        name = column_name(column)
        self._block(
            f"generated-column:{full_name(column)}",
            f"column {name}",
            f"It is generated from what changes ({because}), which PostgreSQL refuses while it is; and it cannot be made "
            f"constant for the time being: {why_not}.",
            "Drop the generated column before and add it again after the conversion (it moves to the end of its table), "
            f"or keep {because} out of the scope.",
        )

    def _row_type_of_table(self, relation: int) -> None:
        """Columns that store whole rows of a converted table, directly or within arrays, domains and composite types."""
        table = self.catalog.relation[relation]
        waiting, seen = [table.row_type], set[int]()
        while waiting:
            type_oid = waiting.pop()
            if not type_oid or type_oid in seen:
                continue
            seen.add(type_oid)
            for dependency in self.of_object["pg_type", type_oid]:
                dependent = dependency.dependent
                if dependent.catalog == "pg_type":
                    waiting.append(dependent.oid)
                    continue
                user = self.catalog.relation.get(dependent.oid) if dependent.catalog == "pg_class" else None
                if user is None or not dependent.sub:
                    continue
                if user.kind == "m":
                    self._take(dependent, f"the row type of {table_name(table.schema, table.name)}")
                elif user.kind == "c":
                    waiting.append(user.row_type)
                elif user.kind in _COLUMN_TYPE_MATTERS:
                    self._row_type_used(table_name(table.schema, table.name), (user.oid, dependent.sub))

    def _row_type_used(self, of: str, key: ColumnKey) -> None:
        name = self._named(key)
        self._block(
            f"row-type:{self._full(key)}",
            f"column {name}",
            f"It stores whole rows of {of}, and PostgreSQL does not change the columns of a row type that is stored.",
            "Convert that column to jsonb, or drop it, before the conversion.",
        )

    # --- what hangs on an object that is taken off ---

    def _on_part(self, part: Address, dependency: Dependency) -> None:
        dependent = dependency.dependent
        if dependency.kind in "eP" or (dependent.catalog, dependent.oid) == (part.catalog, part.oid):
            return
        what = self.parts[self.belongs.get(part, part)].name
        match dependent.catalog:
            case "pg_type":
                self._belonging_type(part, dependency, what)
            case "pg_class":
                relation = self.catalog.relation.get(dependent.oid)
                if relation is None and dependent.oid not in self.catalog.index and dependency.kind == "i":
                    return  # its TOAST table
                if relation is not None and relation.kind in _COLUMN_TYPE_MATTERS and dependent.sub:
                    self._row_type_used(what, (relation.oid, dependent.sub))
                else:
                    self._take(dependent, what)
            case "pg_attrdef":
                owner = defaults.owner_of_default(self.catalog, dependent.oid)
                if owner is not None and owner.generated:
                    self._generated(dependent, owner, what)
                elif owner is None:
                    self._unknown(dependent, what)
                else:
                    self._take(dependent, what)
            case "pg_constraint":
                constraint = self.catalog.constraint.get(dependent.oid)
                if constraint is not None and constraint.kind == "t":
                    self._join(dependent, part)
                else:
                    self._take(dependent, what)
            case _:
                self._take(dependent, what)

    def _belonging_type(self, part: Address, dependency: Dependency, what: str) -> None:
        """A view's row type and its array come and go with it; whatever else uses them hangs on the view."""
        if dependency.kind == "i":
            self._join(dependency.dependent, part)
        else:
            self._unknown(dependency.dependent, what)

    def _join(self, address: Address, part: Address) -> None:
        if address not in self.belongs:
            self.belongs[address] = self.belongs.get(part, part)
            self.waiting.append(address)

    # --- taking ---

    def _take(self, address: Address, because: str) -> None:
        """Note an object to take off; a blocker if it has no rule."""
        found = part_at(self.catalog, address)
        if found is None:
            self._unknown(address, because)
        elif found.address not in self.parts:
            self.parts[found.address] = found
            self.waiting.append(found.address)
            if found.kind == "view":
                self._own_rule(found.address)

    def _own_rule(self, view: Address) -> None:
        for dependency in self.of_object["pg_class", view.oid]:
            if dependency.dependent.catalog == "pg_rewrite" and dependency.kind == "i":
                self.belongs[dependency.dependent] = view

    # --- order ---

    def _in_order(self) -> list[Part]:
        """The parts so that each comes after all that it uses (Kahn), otherwise by kind and name."""
        uses: defaultdict[Address, set[Address]] = defaultdict(set)
        used_by: defaultdict[Address, set[Address]] = defaultdict(set)
        for dependency in self.catalog.dependencies:
            one, other = self._owner(dependency.dependent), self._owner(dependency.referenced)
            if one is not None and other is not None and one != other:
                uses[one].add(other)
                used_by[other].add(one)
        ready = [self._rank(address) for address in self.parts if not uses[address]]
        heapq.heapify(ready)
        ordered: list[Part] = []
        while ready:
            part = heapq.heappop(ready)[-1]
            ordered.append(part)
            for other in used_by[part.address]:
                uses[other].discard(part.address)
                if not uses[other]:
                    heapq.heappush(ready, self._rank(other))
        if len(ordered) < len(self.parts):
            self._circular(set(self.parts) - {part.address for part in ordered})
        return ordered

    def _owner(self, address: Address) -> Address | None:
        whole = Address(address.catalog, address.oid)
        owner = self.belongs.get(whole, whole)
        return owner if owner in self.parts else None

    def _rank(self, address: Address) -> tuple[int, str, Part]:
        part = self.parts[address]
        return (part.rank, part.name, part)

    def _circular(self, addresses: set[Address]) -> None:
        names = sorted(f"{self.parts[a].kind} {self.parts[a].name}" for a in addresses)
        self._block(
            f"circular:{names[0]}",
            names[0],
            f"It cannot be dropped and created again, because these use each other in a circle: {', '.join(names)}.",
            "Drop one of them before the conversion and create it again afterwards.",
        )

    # --- blockers ---

    def _unknown(self, address: Address, because: str) -> None:
        other = next((o for o in self.catalog.others if (o.catalog, o.oid) == (address.catalog, address.oid)), None)
        function = self.catalog.function.get(address.oid) if address.catalog == "pg_proc" else None
        if other is not None:
            name = f"{other.kind} {other.identity}"
        elif function is not None:
            name = f"aggregate {table_name(function.schema, function.name)}({function.arguments})"
        else:
            name = f"{address.catalog} {address.oid}"
        self._block(
            f"unknown-dependent:{name}",
            name,
            f"It hangs on {because}, and there is no rule for how to carry it through the conversion.",
            f"Look at it (SELECT pg_describe_object('{address.catalog}'::regclass, {address.oid}, {address.sub})), drop it "
            "before the conversion and create it again afterwards, or keep what it hangs on out of the scope.",
        )

    def _block(self, name: str, thing: str, reason: str, way_out: str) -> None:
        self.blockers.setdefault(name, Blocker(name, thing, reason, way_out))

    def _full(self, key: ColumnKey) -> str:
        column = self.catalog.column.get(key)
        return full_name(column) if column else f"{key[0]}.{key[1]}"

    def _named(self, key: ColumnKey) -> str:
        column = self.catalog.column.get(key)
        return column_name(column) if column else f"{key[0]}.{key[1]}"
