"""A plan as one JSON document."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from core.retype.course import total_of
from core.retype.finding_queries import query_that_finds
from core.retype.model import Phase, Plan, Repair, SoftReference, Statement
from core.retype.repair.diff import repair_diff


def plan_document(plan: Plan) -> dict[str, Any]:
    """Everything about the plan, as `pgrecast plan --json` prints it: plain lists, dicts, texts and numbers.

    `counts` has the totals of each tally, `by_root` the same for each root key.
    """
    tallies = total_of(tally for statement in plan.statements for tally in statement.tallies)
    by_root: dict[str, dict[str, int]] = {}
    for tally in tallies:
        if tally.root:
            by_root.setdefault(tally.root, {})[tally.what] = tally.count
    scope = plan.scope
    return {
        "fingerprint": plan.fingerprint,
        "catalog": plan.catalog,
        "identity": asdict(plan.identity),
        "types": asdict(scope.types),
        "counts": {
            "columns": len(scope.columns),
            "foreign keys": len(scope.foreign_keys),
            "statements": len(plan.statements),
            **{tally.what: tally.count for tally in tallies if not tally.root},
        },
        "by_root": dict(sorted(by_root.items())),
        "roles": dict(sorted(Counter(column.role for column in scope.columns).items())),
        "columns": [
            {"name": column.name, "role": column.role, "root": column.root, "reason": column.reason}
            for column in scope.columns
        ],
        "soft_references": [_soft_reference(soft) for soft in scope.soft_references],
        "already_converted": list(scope.already_converted),
        "blockers": [{**asdict(blocker), "query": query_that_finds(blocker)} for blocker in plan.blockers],
        "warnings": [asdict(warning) for warning in plan.warnings],
        "repairs": [_repair(repair) for repair in plan.repairs],
        "offered_repairs": [_repair(repair) for repair in plan.offered],
        "notes": list(plan.notes),
        "phases": [_phase(plan, phase) for phase in Phase],
    }


def _soft_reference(soft: SoftReference) -> dict[str, Any]:
    return {name: value for name, value in asdict(soft).items() if name != "key"}


def _repair(repair: Repair) -> dict[str, Any]:
    return {**asdict(repair), "diff": repair_diff(repair)}


def _phase(plan: Plan, phase: Phase) -> dict[str, Any]:
    return {
        "number": int(phase),
        "name": phase.title,
        "statements": [_statement(statement) for statement in plan.of_phase(phase)],
    }


def _statement(statement: Statement) -> dict[str, Any]:
    return {
        "kind": statement.kind,
        "object": statement.object,
        "reason": statement.reason,
        "sql": statement.sql,
        "table": statement.table,
        "bytes": statement.bytes,
    }
