"""`pgrecast plan`: the plan of a conversion, its blockers and warnings, and the script for psql."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

from core.errors import Refused, UsageError
from core.postgres.connect import ConnectionSpec, connect, identify
from core.postgres.inspect import InspectionProgress
from core.retype import bodies
from core.retype.finding_queries import query_that_finds
from core.retype.model import Plan
from core.retype.plan_document import plan_document
from core.retype.script import render_script
from core.runbook.conversion.audit_script import audit_file
from core.runbook.conversion.audit_script import lines as audit_lines
from core.runbook.conversion.convert import scope_request
from core.runbook.conversion.planning import Planned, clone_settings, plan_conversion
from core.runbook.questions import soft_reference_lines
from core.settings import Settings
from tui import text
from tui.cli.expected import with_scope
from tui.cli.output import Output
from tui.cli.targets import target_spec


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Plan and print; exit status 3 when there are blockers, after printing them."""
    spec = await target_spec(given, settings)
    settings = await with_scope(given, settings, spec, output)
    connection = await connect(spec)
    try:
        identity = await identify(connection)
    finally:
        await connection.close()

    def show(progress: InspectionProgress) -> None:
        output.progress(f"read {progress.name}: {progress.rows} rows ({progress.done}/{progress.total})")

    clone = await asyncio.to_thread(clone_settings, settings)
    planned = await plan_conversion(
        spec, identity, scope_request(settings), settings.limits, progress=show, clone=clone
    )
    bodies.require_offered(planned.checked.functions or (), planned.request.repair_functions)
    plan = planned.plan
    if given.audit:
        return await _audit(given, spec, planned, settings, output)
    if given.sql:
        _write_script(given.sql, render_script(plan, planned.catalog), output)
    if str(given.sql) != "-":
        output.lines(list(_lines(plan)))
        output.document(plan_document(plan))
    return Refused.exit_status if plan.blockers else 0


async def _audit(
    given: argparse.Namespace, spec: ConnectionSpec, planned: Planned, settings: Settings, output: Output
) -> int:
    """Print the audit of a script of the user's; exit status 3 when it is not complete."""
    report = await audit_file(given.audit, spec, planned, settings.limits)
    if given.completed:
        _write_script(given.completed, report.completed.text, output)
    output.lines(audit_lines(report))
    output.document({**plan_document(planned.plan), "audit": report.document()})
    return 0 if report.audit.complete else Refused.exit_status


def _write_script(path: Path, script: str, output: Output) -> None:
    if str(path) == "-":
        sys.stdout.write(script)
        return
    try:
        path.write_text(script, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", advice="Name another file.") from error
    output.progress(f"wrote {path}: run it with psql -f; it rolls back unless psql -v commit=on is given")


def _lines(plan: Plan) -> Iterator[str]:
    document = plan_document(plan)
    scope = plan.scope
    yield f"{plan.identity.database}: {scope.types.source} -> {scope.types.target}"
    yield f"plan {plan.fingerprint[:12]}: {text.plural(len(plan.statements), 'statement')}"
    for what, count in document["counts"].items():
        yield f"  {what}: {count}"
    for root, counts in document["by_root"].items():
        yield f"  {root}: {', '.join(f'{what} {count}' for what, count in counts.items())}"
    if scope.already_converted:
        yield f"already {scope.types.target}: {', '.join(scope.already_converted)}"
    for soft in scope.soft_references:
        yield f"{'RETYPED' if soft.chosen else 'LEFT'} {next(lines := soft_reference_lines(soft))}"
        yield from lines
    for blocker in plan.blockers:
        yield f"BLOCKER {blocker.id}: {blocker.object}: {blocker.reason} Way out: {blocker.way_out}"
        yield f"  found by: {' '.join(query_that_finds(blocker).split())};"
    for warning in plan.warnings:
        yield f"WARNING {warning.id}: {warning.object}: {warning.reason} {warning.consequence}"
    for repair in document["repairs"]:
        yield f"REPAIR {repair['object']}: {repair['reason']}"
        yield from (f"  {line}" for line in repair["diff"].splitlines())
    for repair in document["offered_repairs"]:
        yield f"REPAIR OFFERED (--repair-functions) {repair['object']}: {repair['reason']}"
        yield from (f"  {line}" for line in repair["diff"].splitlines())
    for note in plan.notes:
        yield f"note: {note}"
    for phase in document["phases"]:
        yield f"phase {phase['number']} {phase['name']}"
        for statement in phase["statements"]:
            yield f"  {statement['kind']} {statement['object']}: {statement['reason']}"
