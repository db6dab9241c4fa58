"""The undo of a committed conversion: planned from the record that it left, run and proved like a conversion."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from core.errors import Refused
from core.postgres.catalog import Catalog
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.retype.activity import read_activity
from core.retype.model import Plan, ScopeRequest
from core.retype.reverse import reverse_plan, reverse_scope
from core.retype.undo_record import UndoRecord
from core.retype.undoable import look_for_strays
from core.runbook.conversion.convert import Preparation, carry_out
from core.runbook.conversion.planning import Planned, read_catalog, reading, show_inspection
from core.runbook.evidence import read_evidence
from core.runbook.facts import CONVERSION_OUTCOME, CONVERSION_UNDOABLE, UNDO_FILE, UNDONE
from core.runbook.model import Action, StepContext
from core.runbook.words import counted, span
from core.settings.run import LimitsSettings
from core.settings.targets import TargetName

MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class PlannedUndo(Planned):
    """An undo's plan, and what it was made from."""

    record: UndoRecord

    def replan(self, catalog: Catalog) -> Plan:
        return reverse_plan(self.record.before, catalog, self.record.scope, self.identity, self.activity)


async def plan_undo(context: StepContext, spec: ConnectionSpec, identity: Identity, record: UndoRecord) -> PlannedUndo:
    """Read the database and plan the way back. Nothing is changed.

    Raises:
        Refused: it is not as the conversion has left it.
        WrongDatabase: it is another database than the one that was converted.
        ConnectionFailed, QueryFailed: it could not be read.
    """
    record.identity.require(identity)
    limits = context.settings.limits
    catalog = await read_catalog(spec, limits, show_inspection(context))
    await asyncio.to_thread(_require_unchanged, record, catalog)
    scope = reverse_scope(catalog, record.scope)
    async with reading(spec, limits) as connection:
        activity = await read_activity(connection, catalog, scope)
    plan = await asyncio.to_thread(reverse_plan, record.before, catalog, record.scope, identity, activity)
    return PlannedUndo(ScopeRequest(types=scope.types), identity, catalog, activity, plan, record=record)


def _require_unchanged(record: UndoRecord, catalog: Catalog) -> None:
    if changes := _changes(record, catalog):
        types = record.scope.types
        raise Refused(
            f"The schema has changed since the conversion, and an undo knows only what was there before: {changes}.",
            advice=f"Take these changes back first, convert the other way (--from '{types.target}' --to '{types.source}'), or "
            "restore the backup.",
        )


def _changes(record: UndoRecord, catalog: Catalog) -> str:
    changes = record.changed_since(catalog)
    more = len(changes) - MOST_NAMED
    return "; ".join(map(str, changes[:MOST_NAMED])) + (f"; and {more} more" if more > 0 else "")


def undo(conversion_step: str, target: TargetName) -> Action:
    """The action that undoes what that step has committed on that target."""

    async def action(context: StepContext) -> str:
        record = _record(context, conversion_step)
        spec, identity = await context.target(target)
        planned = await plan_undo(context, spec, identity, record)

        async def prepare(_: Planned) -> Preparation:
            return Preparation(
                checked=(
                    "The schema is as the conversion has left it.",
                    "The result is held against the catalog from before the conversion: nothing may differ.",
                )
            )

        result = await carry_out(context, target, spec, planned, prepare=prepare)
        if result.outcome == "committed" and target == "production":
            await context.fact(CONVERSION_OUTCOME, UNDONE)
        if result.trouble:
            raise result.trouble
        if result.outcome == "rolled_back":
            return f"rolled back, proof ({result.proof.depth}) holds: it would be as it was before; it stays converted"
        keys = counted(result.count("foreign keys recreated"), "foreign key")
        return (
            f"undone, proof ({result.proof.depth}) holds: everything is as it was before the conversion; {keys} recreated in "
            f"{span(result.working_seconds)}"
        )

    return action


def check_undoable(conversion_step: str, target: TargetName) -> Action:
    """The action that finds out whether what that step has committed could still be undone."""

    async def action(context: StepContext) -> str:
        record = _record(context, conversion_step)
        spec, identity = await context.target(target)
        record.identity.require(identity)
        found = await find_reason_against(spec, record, context.settings.limits)
        await context.fact(CONVERSION_UNDOABLE, not found)
        if found:
            return f"it cannot be undone any more: {found}"
        return f"it can be undone: the schema is as it was left, and every id is a {record.scope.types.source}"

    return action


async def find_reason_against(spec: ConnectionSpec, record: UndoRecord, limits: LimitsSettings) -> str:
    """Why the conversion could not be undone now, in words; empty if it could. Reads only, and no longer than bounded.

    Raises:
        ConnectionFailed, QueryFailed: the database could not be read.
    """
    catalog = await read_catalog(spec, limits)
    if changes := await asyncio.to_thread(_changes, record, catalog):
        return f"the schema has changed since: {changes}"
    async with reading(spec, limits) as connection:
        found = await look_for_strays(connection, catalog, reverse_scope(catalog, record.scope))
    if found.column is None and not found.unknown:
        return ""
    return f"{found}, which is no {record.scope.types.source}" if found.column is not None else str(found)


def _record(context: StepContext, conversion_step: str) -> UndoRecord:
    """The record of what that step has committed.

    Raises:
        Refused: it has committed nothing, or that is undone already.
        JournalError: the record is gone, altered, or of another version.
    """
    content = read_evidence(context, conversion_step, UNDO_FILE)
    committed = next((c for c in context.state.committed.values() if conversion_step in (c.step, c.undoes)), None)
    if committed is None or content is None:
        raise Refused(f"Step {conversion_step} has committed no conversion.", advice="There is nothing to undo.")
    if committed.undoes:
        raise Refused(
            f"The conversion of step {conversion_step} is undone already.", advice="There is nothing to undo."
        )
    return UndoRecord.read(content)
