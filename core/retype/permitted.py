"""What a conversion may change in the catalog, and nothing else may.

The rule is as tight as lets real conversions pass:

- a column of the scope: its type, from the pair's source to its target, with the pair's collation; its default as
  one of the target; and, where the target cannot have them, storage and compression;
- an output column of a view or materialized view that hangs on the scope: its type, as `Equivalence.type_follows` says, and
  its collation, to the pair's or the type's own;
- definitions and expressions of every kind: the casts that `Equivalence` names, and nothing else;
- what the plan shows as a repair: from its `before` to its `after`, for that text of that object only;
- of a sequence owned by a column of the scope, between integers: its type and the bound that follows from it.

Objects that were made anew have new oids; they are known by their names here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from core.postgres.catalog import Address, Catalog, Column, Constraint, Function, Relation
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents.columns import converted_default
from core.retype.equivalence import Equivalence, Form, other_columns
from core.retype.model import Plan, Repair
from core.retype.repair.definitions import object_named
from core.retype.types import is_integer, is_string

Item = TypeVar("Item")


def permitted_changes(plan: Plan, before: Catalog, after: Catalog) -> Catalog:
    """The catalog before, with every change that is permitted taken over from the one after.

    What differs between the result and `after` is what must not have changed. An undo is permitted nothing: it must lead to
    the catalog from before the conversion.
    """
    if plan.goal is not None:
        return plan.goal
    return _Permission(plan, before, after).applied()


def following_views(plan: Plan, catalog: Catalog) -> frozenset[int]:
    """oids of the views and materialized views that hang on the scope's columns, over any number of other views."""
    seen: set[Address] = set()
    ahead = [Address("pg_class", *key) for key in plan.scope.keys]
    found: set[int] = set()
    view_of_rule = {
        d.dependent: d.referenced.oid
        for d in catalog.dependencies
        if d.kind == "i" and d.dependent.catalog == "pg_rewrite" and d.referenced.catalog == "pg_class"
    }
    while ahead:
        address = ahead.pop()
        for dependency in catalog.dependents_of.get(address, ()):
            rule = dependency.dependent
            if rule in seen or rule not in view_of_rule:
                continue
            seen.add(rule)
            view = view_of_rule[rule]
            found.add(view)
            ahead += [
                Address("pg_class", view),
                *(Address("pg_class", *c.key) for c in catalog.columns_of.get(view, ())),
            ]
    return frozenset(found)


@dataclass(frozen=True)
class _Permission:
    plan: Plan
    before: Catalog
    after: Catalog

    @cached_property
    def equivalence(self) -> Equivalence:
        types: defaultdict[str, set[str]] = defaultdict(set)
        for column in (*self.before.columns, *self.after.columns):
            types[column.name].add(column.type)
        return Equivalence(self.plan.scope.types, other_columns(self.plan.scope.types, types))

    @cached_property
    def views(self) -> frozenset[int]:
        return following_views(self.plan, self.before)

    def applied(self) -> Catalog:
        before, after = self.before, self.after
        return replace(
            before,
            columns=_pairwise(before.columns, after.columns, _column_name, self._column),
            relations=_pairwise(before.relations, after.relations, lambda r: (r.schema, r.name), self._relation),
            constraints=_pairwise(
                before.constraints, after.constraints, _constraint_name, self._texts(definition="constraint")
            ),
            indexes=_pairwise(
                before.indexes, after.indexes, lambda i: (i.schema, i.name), self._texts(definition="statement")
            ),
            triggers=_pairwise(before.triggers, after.triggers, _named, self._texts(definition="statement")),
            rules=_pairwise(before.rules, after.rules, _named, self._texts(definition="statement")),
            policies=_pairwise(
                before.policies, after.policies, _named, self._texts(using="expression", check="expression")
            ),
            functions=_pairwise(
                before.functions,
                after.functions,
                lambda f: (f.schema, f.name, f.arguments),
                self._function,
            ),
            statistics=_pairwise(
                before.statistics, after.statistics, lambda s: (s.schema, s.name), self._texts(definition="statement")
            ),
            published_tables=_pairwise(
                before.published_tables,
                after.published_tables,
                lambda t: (t.publication, t.schema, t.table),
                self._texts(row_filter="expression"),
            ),
        )

    def _texts(self, **forms: Form) -> Callable[[Any, Any], Any]:
        """Takes over the named texts where they may differ as they do."""

        def changed(before: Any, after: Any) -> Any:
            repairs = self._repairs.get(object_named(before), ()) if self._repairs else ()
            return replace(
                before,
                **{
                    name: getattr(after, name)
                    for name, form in forms.items()
                    if self._may_become(getattr(before, name), getattr(after, name), form, repairs)
                },
            )

        return changed

    @cached_property
    def _repairs(self) -> Mapping[str, Sequence[Repair]]:
        found: defaultdict[str, list[Repair]] = defaultdict(list)
        for repair in self.plan.repairs:
            found[repair.object].append(repair)
        return found

    def _may_become(self, before: str | None, after: str | None, form: Form, repairs: Sequence[Repair]) -> bool:
        return self.equivalence.same_definition(before, after, form) or any(
            self._is(before, repair.before, form) and self._is(after, repair.after, form) for repair in repairs
        )

    def _is(self, found: str | None, shown: str, form: Form) -> bool:
        return found is not None and self.equivalence.same_definition(shown, found, form)

    def _function(self, before: Function, after: Function) -> Function:
        changed: Function = self._texts(definition="statement", body="statement")(before, after)
        # A repaired definition has the repaired body in it, as text.
        return replace(changed, body=after.body) if changed.definition != before.definition else changed

    def _relation(self, before: Relation, after: Relation) -> Relation:
        changed: Relation = self._texts(definition="statement")(before, after)
        if before.kind == "S" and before.owned_by in self._scoped_names and is_integer(self.plan.scope.types.target):
            changed = replace(changed, sequence=self._widened(before.sequence, after.sequence))
        return changed

    @cached_property
    def _scoped_names(self) -> frozenset[str]:
        """As `Relation.owned_by` writes columns."""
        found = (self.before.column[key] for key in self.plan.scope.keys if key in self.before.column)
        return frozenset(f"{qualified(c.schema, c.table)}.{quote_identifier(c.name)}" for c in found)

    def _widened(self, before: str | None, after: str | None) -> str | None:
        """A sequence's text after, if nothing but its type and a bound of that type is another."""
        old, new = (before or "").split(), (after or "").split()
        types = self.plan.scope.types
        bounds = {_LARGEST[types.source]: _LARGEST[types.target], _SMALLEST[types.source]: _SMALLEST[types.target]}
        follows = len(old) == len(new) and all(
            a == b or (a, b) == (types.source, types.target) or bounds.get(a) == b
            for a, b in zip(old, new, strict=True)
        )
        return after if follows else before

    def _column(self, before: Column, after: Column) -> Column:
        types = self.plan.scope.types
        changed: Column = self._texts(default="expression")(before, after)
        if before.key in self.plan.scope.keys:
            changed = replace(changed, type=types.target, collation=types.collation or self._kept_collation(before))
            if before.default is not None and not before.generated:
                converted = converted_default(before.default, types)
                if self.equivalence.same_definition(converted, after.default, "expression"):
                    changed = replace(changed, default=after.default)
            if not is_string(types.target):
                changed = replace(changed, storage="", compression="")
        elif before.relation in self.views:
            if self.equivalence.type_follows(before.type, after.type):
                changed = replace(changed, type=after.type)
            # Of whatever is made of a key, too: `id::text || '!'` has the collation of id.
            if after.collation in (None, types.collation):
                changed = replace(changed, collation=after.collation)
        return changed

    def _kept_collation(self, column: Column) -> str | None:
        return column.collation if is_string(self.plan.scope.types.target) else None


_LARGEST = {"smallint": str(2**15 - 1), "integer": str(2**31 - 1), "bigint": str(2**63 - 1)}
_SMALLEST = {"smallint": str(-(2**15)), "integer": str(-(2**31)), "bigint": str(-(2**63))}


def _pairwise(
    before: Iterable[Item],
    after: Iterable[Item],
    name: Callable[[Item], Hashable],
    change: Callable[[Item, Item], Item],
) -> tuple[Item, ...]:
    """What was before, each changed by its twin after, where it has one."""
    twins = {name(item): item for item in after}
    return tuple(change(item, twins[name(item)]) if name(item) in twins else item for item in before)


def _named(item: Any) -> Hashable:
    return (item.schema, item.table, item.name)


def _column_name(column: Column) -> Hashable:
    return (column.schema, column.table, column.name)


def _constraint_name(constraint: Constraint) -> Hashable:
    return (constraint.domain != 0, constraint.schema, constraint.table, constraint.name)
