"""The course of a script, as far as keys are concerned: the state of the schema after each of its statements. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.postgres.catalog import Catalog, Column, ColumnKey, Constraint, Relation
from core.postgres.sql import quote_identifier
from core.retype.audit.changes import (
    AddedConstraint,
    AddedForeignKey,
    CommentedConstraint,
    CreatedObject,
    DroppedConstraint,
    DroppedObject,
    RenamedConstraint,
    Retyped,
    TableName,
    Transaction,
    Validated,
)
from core.retype.audit.finding import Finding, Kind
from core.retype.audit.reading import Step
from core.retype.foreign_key_text import ForeignKeyText, definition_in_full, definition_of
from core.retype.model import Scope
from core.retype.names import column_name, table_name
from core.retype.scope import column_pairs
from core.retype.types import comparable

Place = tuple[str, str, str, str]
"""Of an object: its kind, schema, table (empty where it is on none) and name."""


@dataclass
class Run:
    """The state of the schema as the script goes on, as far as keys are concerned."""

    catalog: Catalog
    scope: Scope
    dropped: dict[int, Step] = field(default_factory=dict[int, Step])
    exact: set[int] = field(default_factory=set[int])
    otherwise: set[int] = field(default_factory=set[int])
    order: list[int] = field(default_factory=list[int])
    retyped: dict[ColumnKey, list[str]] = field(default_factory=dict[ColumnKey, list[str]])
    rewrites: defaultdict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict[int, int]))
    """By table: the lines of the statements that retype its columns, by their number."""
    objects_dropped: dict[Place, Step] = field(default_factory=dict[Place, Step])
    objects_made: dict[Place, Step] = field(default_factory=dict[Place, Step])
    other_constraints: dict[int, Step] = field(default_factory=dict[int, Step])
    commented: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    findings: list[Finding] = field(default_factory=list[Finding])

    def take(self, steps: list[Step]) -> None:
        """Take the changes of one statement."""
        for step in steps:
            match step.change:
                case DroppedConstraint():
                    self._drop(step, step.change)
                case AddedForeignKey():
                    self._add(step, step.change)
                case AddedConstraint():
                    self._add_other(step.change)
                case Validated():
                    self._validate(step, step.change)
                case RenamedConstraint():
                    self._rename(step, step.change)
                case CommentedConstraint():
                    self.commented.add((self._relation_oid(step.change.table), step.change.name))
                case Retyped():
                    self._retype(step, step.change)
                case DroppedObject():
                    self._drop_object(step, step.change)
                case CreatedObject():
                    self.objects_made[self._object_place(step.change)] = step
                case Transaction():
                    pass
        self._check_keys_that_stand(steps)

    def _drop(self, step: Step, change: DroppedConstraint) -> None:
        table = self._relation(change.table)
        known = self.catalog.constraints_of.get(table.oid, ()) if table else ()
        found = next((c for c in known if c.name == change.name), None)
        shown = f"constraint {quote_identifier(change.name)} on {_shown(change.table)}"
        if found is None or (found.oid in self.dropped and found.oid not in self.exact | self.otherwise):
            if not change.if_exists:
                self._say("fails", shown, "there is no such constraint when it is to be dropped.", step)
            return
        if change.cascade:
            self._say("loses", shown, "dropped with CASCADE: whatever hangs on it goes too, and nobody names it.", step)
            if found.kind != "f":
                for key in self.catalog.foreign_keys():
                    if key.index == found.index and found.index:
                        self.dropped[key.oid] = step
        if found.kind == "f":
            self.dropped[found.oid] = step
            self.exact.discard(found.oid)
            self.otherwise.discard(found.oid)
            self.order = [oid for oid in self.order if oid != found.oid]
        else:
            self.other_constraints[found.oid] = step

    def _add(self, step: Step, change: AddedForeignKey) -> None:
        table = self._relation(change.table)
        if table is None:
            self._say("fails", _shown(change.table), "there is no such table.", step)
            return
        said = definition_in_full(self.catalog, "public", change.definition)
        name = change.name or _default_name(table.name, said.columns)
        shown = f"foreign key {quote_identifier(name)} on {table_name(table.schema, table.name)}"
        self._check_types(step, table, said, shown)
        here = [
            self.catalog.constraint[oid] for oid in self.dropped if self.catalog.constraint[oid].relation == table.oid
        ]
        same_name = next((key for key in here if key.name == name), None)
        same_columns = next((key for key in here if _joins(self.catalog, key) == _ends(said)), None)
        key = same_name or same_columns
        if key is None:
            standing = any(c.name == name for c in self.catalog.constraints_of.get(table.oid, ()))
            if standing:
                self._say("fails", shown, "a constraint of that name is there already.", step)
            else:
                self._say(
                    "changes",
                    shown,
                    "it is a new one: the catalog has none of that name or between these columns.",
                    step,
                )
            return
        was = definition_of(self.catalog, key)
        differences = [*_differences(was, said)]
        if key.name != name:
            differences.insert(0, f"it was called {quote_identifier(key.name)}")
        if differences:
            self.otherwise.add(key.oid)
            self._say("changes", shown, f"not as it was: {'; '.join(differences)}.", step)
        else:
            self.exact.add(key.oid)
        self.order.append(key.oid)

    def _check_types(self, step: Step, table: Relation, said: ForeignKeyText, shown: str) -> None:
        other = self.catalog.relation_named.get((said.schema, said.table))
        if other is None:
            self._say("fails", shown, f"there is no table {_shown(TableName(said.schema, said.table))}.", step)
            return
        for here, there in zip(said.columns, said.foreign_columns, strict=False):
            one, two = self._type(table.oid, here), self._type(other.oid, there)
            if one and two and not comparable(one, two):
                self._say("fails", shown, f"{here} is {one} by then, and {said.table}.{there} is {two}: "
                          "the foreign key cannot be implemented.", step)  # fmt: skip

    def _add_other(self, change: AddedConstraint) -> None:
        oid = self._relation_oid(change.table)
        for other in list(self.other_constraints):
            known = self.catalog.constraint[other]
            if known.relation == oid and known.kind == change.kind and change.name in {"", known.name}:
                del self.other_constraints[other]

    def _validate(self, step: Step, change: Validated) -> None:
        oid = self._relation_oid(change.table)
        key = next((k for k in self.catalog.constraints_of.get(oid, ()) if k.name == change.name), None)
        if key is not None and key.kind == "f" and not key.validated:
            shown = f"foreign key {quote_identifier(change.name)} on {_shown(change.table)}"
            self._say("changes", shown, "it was NOT VALID, and is validated: it fails if rows break it.", step)

    def _rename(self, step: Step, change: RenamedConstraint) -> None:
        shown = f"constraint {quote_identifier(change.name)} on {_shown(change.table)}"
        self._say("changes", shown, f"it is renamed to {quote_identifier(change.new_name)}.", step)

    def _retype(self, step: Step, change: Retyped) -> None:
        column = self._column(change.table, change.column)
        if column is None:
            self._say(
                "fails", f"{_shown(change.table)}.{quote_identifier(change.column)}", "there is no such column.", step
            )
            return
        shown, types = f"column {column_name(column)}", self.retyped.setdefault(column.key, [])
        again = bool(types) and types[-1] == change.type
        types.append(change.type)
        if again and step.dynamic:
            return  # the query that found it would not find it any more
        self.rewrites[column.relation][step.number] = step.line
        if column.key not in self.scope.keys:
            soft = next((s for s in self.scope.soft_references if s.key == column.key), None)
            why = "; ".join(map(str, soft.evidence)) if soft else "no foreign key joins it to a key that changes"
            self._say(
                "changes", shown, f"it becomes {change.type}, and is not among the columns to retype: {why}.", step
            )
        elif change.type != self.scope.types.target:
            self._say("changes", shown, f"it becomes {change.type}, not {self.scope.types.target}.", step)

    def _drop_object(self, step: Step, change: DroppedObject) -> None:
        place = self._object_place(change)
        self.objects_dropped[place] = step
        shown = f"{change.kind} {_shown(TableName(change.schema, change.name))}"
        if change.kind in {"table", "column"}:
            on = f" of {change.table}" if change.table else ""
            self._say(
                "loses",
                f"{change.kind} {quote_identifier(change.name)}{on}",
                "it is dropped, with what it holds.",
                step,
            )
        elif change.cascade:
            self._say("loses", shown, "dropped with CASCADE: whatever hangs on it goes too, and nobody names it.", step)

    def _check_keys_that_stand(self, steps: list[Step]) -> None:
        """PostgreSQL refuses to retype a column as long as a foreign key joins it to one of another type."""
        changed = {
            column.key
            for step in steps
            if isinstance(step.change, Retyped)
            and (column := self._column(step.change.table, step.change.column)) is not None
        }
        if not changed:
            return
        for key in self.catalog.foreign_keys():
            if key.parent or (key.oid in self.dropped and key.oid not in self.exact | self.otherwise):
                continue
            for here, there in column_pairs(key):
                if changed & {here, there} and not comparable(self._type_of(here), self._type_of(there)):
                    shown = f"foreign key {quote_identifier(key.name)} on {table_name(key.schema, key.table)}"
                    self._say("fails", shown, "it stands when one of its columns changes type, and PostgreSQL refuses that.",
                              steps[0])  # fmt: skip

    def _type(self, relation: int, name: str) -> str | None:
        column = next((c for c in self.catalog.columns_of.get(relation, ()) if c.name == name), None)
        return None if column is None else self._type_of(column.key)

    def _type_of(self, key: ColumnKey) -> str:
        column = self.catalog.column[key]
        if key not in self.retyped and column.inherited:
            parents = self.catalog.relation[key[0]].parents
            originals = [c.key for p in parents for c in self.catalog.columns_of.get(p, ()) if c.name == column.name]
            return self._type_of(originals[0]) if originals else column.type
        return self.retyped[key][-1] if key in self.retyped else column.type

    def _column(self, table: TableName, name: str) -> Column | None:
        relation = self._relation(table)
        columns = self.catalog.columns_of.get(relation.oid, ()) if relation else ()
        return next((c for c in columns if c.name == name), None)

    def _relation(self, table: TableName) -> Relation | None:
        """A table by its name; without a schema that of public, or the only one of that name."""
        if table.schema:
            return self.catalog.relation_named.get((table.schema, table.name))
        found = [r for r in self.catalog.relations if r.name == table.name and r.kind in "rpvmf"]
        public = [r for r in found if r.schema == "public"]
        return public[0] if public else found[0] if len(found) == 1 else None

    def _relation_oid(self, table: TableName) -> int:
        relation = self._relation(table)
        return relation.oid if relation else 0

    def _object_place(self, change: DroppedObject | CreatedObject) -> Place:
        if change.table:
            table = self._relation(TableName(change.schema, change.table))
            return (change.kind, table.schema if table else change.schema, change.table, change.name)
        schema = change.schema
        if not schema:
            relation = self._relation(TableName("", change.name))
            schema = relation.schema if relation else "public"
        return (change.kind, schema, "", change.name)

    def _say(self, kind: Kind, about: str, said: str, step: Step) -> None:
        self.findings.append(Finding(kind, about, said, step.line))


def _joins(catalog: Catalog, key: Constraint) -> tuple[object, ...]:
    return _ends(definition_of(catalog, key))


def _ends(text: ForeignKeyText) -> tuple[object, ...]:
    return (text.columns, text.schema, text.table, text.foreign_columns)


def _differences(was: ForeignKeyText, said: ForeignKeyText) -> Iterator[str]:
    if _ends(was) != _ends(said):
        yield f"it joined {', '.join(was.columns)} to {was.table} ({', '.join(was.foreign_columns)})"
    for name, word in (("on_delete", "ON DELETE"), ("on_update", "ON UPDATE"), ("match", "MATCH")):
        if getattr(was, name) != getattr(said, name):
            yield f"{word} {getattr(was, name)} became {getattr(said, name)}"
    if was.set_columns != said.set_columns:
        yield f"ON DELETE was for ({', '.join(was.set_columns) or 'all columns'})"
    if was.deferrable != said.deferrable:
        yield "it was DEFERRABLE" if was.deferrable else "it was NOT DEFERRABLE"
    if was.initially_deferred != said.initially_deferred:
        yield f"it was INITIALLY {'DEFERRED' if was.initially_deferred else 'IMMEDIATE'}"
    if was.not_valid != said.not_valid:
        yield "it was NOT VALID" if was.not_valid else "it was valid"
    if was.period != said.period:
        yield "it was for a PERIOD" if was.period else "it was for no PERIOD"
    if was.enforced != said.enforced:
        yield "it was NOT ENFORCED" if said.enforced else "it was enforced"


def _default_name(table: str, columns: tuple[str, ...]) -> str:
    """What PostgreSQL calls a foreign key that is given no name, as long as the name is short and free."""
    return f"{table}_{'_'.join(columns)}_fkey"


def _shown(table: TableName) -> str:
    return table_name(table.schema or "public", table.name)
