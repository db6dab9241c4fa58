"""What a script that converts keys forgets, misses and would change: its course held against the catalog. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from core.postgres.catalog import Catalog, ColumnKey
from core.postgres.sql import quote_identifier
from core.retype.audit.changes import Transaction
from core.retype.audit.finding import ORDER, Finding, Kind
from core.retype.audit.reading import Reading, Step
from core.retype.audit.simulation import Place, Run
from core.retype.closure import close_over
from core.retype.model import Plan, Scope
from core.retype.names import table_name
from core.retype.parts import Part
from core.retype.repair.definitions import detached, object_of

_TRACKED: Final = {"view", "policy", "trigger", "rule", "function", "index", "statistics object"}


@dataclass(frozen=True)
class Audit:
    """A script, held against the catalog.

    Attributes:
        dropped: oids of foreign keys that it drops, with the step that does.
        exact: oids of those that it creates again as they were.
        otherwise: oids of those that it creates again, but not as they were.
        in_order: whether it creates them in the order in which they were created.
        retyped: columns that it retypes to the type that is wanted.
        gone, made: parts of the closure that it drops, and that it creates (`object_of`).
    """

    reading: Reading
    catalog: Catalog
    plan: Plan
    dropped: dict[int, Step]
    exact: frozenset[int]
    otherwise: frozenset[int]
    in_order: bool
    retyped: frozenset[ColumnKey]
    gone: frozenset[str]
    made: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def complete(self) -> bool:
        """Whether it loses, misses and changes nothing and nothing stops it, as far as can be read."""
        return not any(finding.kind in ORDER[:4] for finding in self.findings)

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.kind == kind)


def audit(reading: Reading, catalog: Catalog, plan: Plan) -> Audit:
    """Hold a script against the catalog, and against the plan that is made from it.

    Args:
        plan: of the same conversion; its scope says which columns change type.
    """
    run = Run(catalog, plan.scope)
    for _, group in groupby(reading.steps, key=lambda step: step.number):
        run.take(list(group))
    parts = close_over(catalog, plan.scope, detached(catalog, plan.repairs)).parts
    places = {_place(catalog, part): object_of(catalog, part) for part in parts if part.kind in _TRACKED}
    gone = frozenset(name for place, name in places.items() if place in run.objects_dropped)
    made = frozenset(name for place, name in places.items() if place in run.objects_made)
    found = [
        *run.findings,
        *_forgotten(catalog, run),
        *_missed_columns(catalog, plan.scope, run),
        *_parts(catalog, parts, reading, gone, made),
        *_transaction(reading),
        *_rewritten_often(catalog, run),
        *(Finding("unclear", f"«{u.what}»", f"dynamic: not readable: {u.why}.", u.line) for u in reading.unreadable),
    ]
    in_order = run.order == [key.oid for key in catalog.foreign_keys() if key.oid in set(run.order)]
    if not in_order:
        found.append(
            Finding(
                "changes",
                "foreign keys",
                "they are created in another order than they were; their triggers fire in that order, and with CASCADE beside "
                "RESTRICT a DELETE that failed may go through.",
            )
        )
    unique = dict.fromkeys(sorted(found, key=lambda f: (ORDER.index(f.kind), f.line or 0, f.object)))
    return Audit(
        reading=reading,
        catalog=catalog,
        plan=plan,
        dropped=run.dropped,
        exact=frozenset(run.exact),
        otherwise=frozenset(run.otherwise),
        in_order=in_order,
        retyped=frozenset(k for k, types in run.retyped.items() if types[-1] == plan.scope.types.target),
        gone=gone,
        made=made,
        findings=tuple(unique),
    )


def _forgotten(catalog: Catalog, run: Run) -> Iterator[Finding]:
    for oid, step in run.dropped.items():
        key = catalog.constraint[oid]
        shown = f"foreign key {quote_identifier(key.name)} on {table_name(key.schema, key.table)}"
        if oid not in run.exact | run.otherwise:
            yield Finding("loses", shown, f"it is dropped and not created again ({key.definition}).", step.line)
        elif key.comment and (key.relation, key.name) not in run.commented:
            yield Finding("loses", shown, "its comment goes with it.", step.line)
        if key.enforcement:
            yield Finding("changes", shown, "its triggers, which are switched off or fire otherwise, come back in the ordinary "
                          "state.", step.line)  # fmt: skip
    for oid, step in run.other_constraints.items():
        known = catalog.constraint[oid]
        shown = f"constraint {quote_identifier(known.name)} on {table_name(known.schema, known.table)}"
        yield Finding("loses", shown, f"it is dropped and not created again ({known.definition}).", step.line)


def _missed_columns(catalog: Catalog, scope: Scope, run: Run) -> Iterator[Finding]:
    for scoped in scope.columns:
        column = catalog.column[scoped.key]
        if scoped.key not in run.retyped and column.inherited == 0:
            yield Finding("misses", f"column {scoped.name}", f"it stays {column.type}; {scoped.reason}.")


def _parts(
    catalog: Catalog, parts: Iterable[Part], reading: Reading, gone: frozenset[str], made: frozenset[str]
) -> Iterator[Finding]:
    for part in parts:
        name = object_of(catalog, part)
        if part.kind not in _TRACKED:
            short = part.name.rpartition(".")[2].strip('"')
            if short not in reading.script.text:
                yield Finding("fails", name, "it hangs on a column that changes type, and has to be taken off before.")
            else:
                yield Finding("unclear", name, "it has to be taken off before and put back; look whether that is done.")
        elif name not in gone:
            yield Finding(
                "fails", name, "it hangs on a column that changes type, and PostgreSQL refuses while it stands."
            )
        elif name not in made:
            yield Finding("loses", name, "it is dropped and not created again.")
        else:
            yield Finding("unclear", name, "it is created again by the script's own text; its definition, owner, grants and "
                          "comments are not compared here.")  # fmt: skip


def _transaction(reading: Reading) -> Iterator[Finding]:
    steps = [s for s in reading.steps if isinstance(s.change, Transaction)]
    changing = [s for s in reading.steps if not isinstance(s.change, Transaction)]
    actions = [s.change.action for s in steps if isinstance(s.change, Transaction)]
    if not changing:
        return
    if "begin" not in actions or steps[0].number > changing[0].number:
        yield Finding("fails", "the transaction", "it begins none before its first change: an error leaves the database half "
                      "converted.")  # fmt: skip
    elif not {"commit", "rollback"} & set(actions):
        yield Finding("misses", "the transaction", "it is never committed: psql -f ends its session with the file, and everything "
                      "rolls back.")  # fmt: skip
    if not reading.stops_on_error:
        yield Finding("misses", "\\set ON_ERROR_STOP on", "psql goes on after an error.")
    for line in reading.swallows:
        yield Finding("loses", "errors", "they end in an EXCEPTION block, and the script goes on: what fails there is lost in "
                      "silence.", line)  # fmt: skip


def _rewritten_often(catalog: Catalog, run: Run) -> Iterator[Finding]:
    for relation, lines in run.rewrites.items():
        if len(lines) > 1:
            table = catalog.relation[relation]
            yield Finding("slow", f"table {table_name(table.schema, table.name)}", f"it and its indexes are rewritten "
                          f"{len(lines)} times, once for each ALTER TABLE; one with all its columns rewrites it once. A CHECK that "
                          "compares two of them fails in between.", min(lines.values()))  # fmt: skip


def _place(catalog: Catalog, part: Part) -> Place:
    oid = part.address.oid
    match part.kind:
        case "view":
            view = catalog.relation[oid]
            return ("view", view.schema, "", view.name)
        case "policy":
            policy = catalog.policy[oid]
            return ("policy", policy.schema, policy.table, policy.name)
        case "trigger":
            trigger = catalog.trigger[oid]
            return ("trigger", trigger.schema, trigger.table, trigger.name)
        case "rule":
            rule = catalog.rule[oid]
            return ("rule", rule.schema, rule.table, rule.name)
        case "function":
            function = catalog.function[oid]
            return ("function", function.schema, "", function.name)
        case "index":
            index = catalog.index[oid]
            return ("index", index.schema, "", index.name)
        case _:
            statistics = catalog.extended_statistics[oid]
            return ("statistics object", statistics.schema, "", statistics.name)


def totals(found: Audit) -> tuple[str, ...]:
    """The audit in a few lines."""
    keys, dropped = len(found.plan.scope.foreign_keys), found.dropped
    dynamic = sum(step.dynamic for step in dropped.values())
    again = len((found.exact | found.otherwise) & dropped.keys())
    columns = [c for c in found.plan.scope.columns if found.catalog.column[c.key].inherited == 0]
    retyped = sum(column.key in found.retyped for column in columns)
    counts = ", ".join(f"{len(found.of(kind))} {kind}" for kind in ORDER if found.of(kind))
    forgotten = len(dropped) - again
    return (
        f"It drops {len(dropped)} of {keys} foreign keys, {dynamic} of them dynamically.",
        f"It creates {again} of these again: {forgotten} {'is' if forgotten == 1 else 'are'} forgotten.",
        f"It retypes {retyped} of {len(columns)} columns.",
        f"Findings: {counts or 'none'}.",
    )
