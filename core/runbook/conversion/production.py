"""Task 7.3: the conversion of production, behind everything that the tasks before it have found out."""

from __future__ import annotations

from datetime import UTC, datetime

from core.errors import Refused, RolledBack
from core.retype.model import PlanWarning
from core.runbook import gates
from core.runbook.conversion.convert import ConversionResult, Preparation, convert, scope_request
from core.runbook.conversion.decide import decided_request
from core.runbook.conversion.planning import Planned
from core.runbook.conversion.rehearsal import Rehearsal, not_rehearsed
from core.runbook.conversion.staged import ENUMERATED
from core.runbook.conversion_day.fencing import keep_out
from core.runbook.conversion_day.probing import look_at_service
from core.runbook.evidence import read_evidence
from core.runbook.facts import (
    CONVERSION_OUTCOME,
    CONVERSION_PROVED,
    CONVERSION_SECONDS,
    CONVERSION_TALLIES,
    CONVERSION_UNDOABLE,
    DECISION_APPROACH,
    DECISION_PLAN,
    INVESTIGATION_FINGERPRINT,
    REHEARSAL_FILE,
)
from core.runbook.model import GateReport, StepContext
from core.runbook.sessions import count_sessions
from core.runbook.window.timetable import timetable
from core.runbook.words import counted, span

REHEARSAL_STEP = "5.1"
UNREHEARSED = "unrehearsed"
"""How the id of the warning begins that a statement was not rehearsed."""


async def convert_production(context: StepContext) -> str:
    """Convert production, as investigated, decided and rehearsed.

    Raises:
        RolledBack: it was not committed, so that the step is not done.
    """

    async def prepare(planned: Planned) -> Preparation:
        require_investigated(context, planned)
        require_reviewed(context, planned)
        await look_at_service(context)
        await keep_out(context)
        await count_sessions(context)
        open_, overridden = require_open(context, datetime.now(UTC))
        rehearsal = _rehearsal(context)
        missing = not_rehearsed(planned.plan, rehearsal.statements)
        return Preparation(
            checked=(
                "Production is as it was investigated.",
                *(f"{report.name}: {report.value}" for report in open_),
                *(("Every statement was rehearsed.",) if not missing else ()),
            ),
            details=(
                *_times(context),
                *(f"Overridden: {report.name}: {report.value} ({reason})" for report, reason in overridden),
            ),
            warnings=unrehearsed(missing),
            history=rehearsal.timings,
        )

    result = await convert(context, "production", decided_request(context), prepare=prepare)
    summary = await finish(context, result)
    if result.outcome == "rolled_back":
        raise RolledBack(f"Production is not converted: {summary}.", advice="Run the step again when it is to be.")
    return summary


def _times(context: StepContext) -> tuple[str, ...]:
    found = timetable(context.state)
    if found is None:
        return ()
    return (
        f"The window: {found.window.here_too(context.settings.window.zone)}; what still runs at its end is rolled back.",
        f"Latest start of the conversion and latest moment to turn back: {found} ({found.expected}).",
    )


def require_open(context: StepContext, now: datetime) -> tuple[list[GateReport], list[tuple[GateReport, str]]]:
    """The gates that are open, and those that are overridden, with the reason.

    Raises:
        Refused: one is neither: what was true when the step started is not any more.
    """
    reasons = context.state.overrides.get(context.step, {})
    reports = [gate(context.state, context.settings, now) for gate in gates.CONVERT_PRODUCTION]
    closed = [report for report in reports if not report.open and report.name not in reasons]
    if closed:
        raise Refused(
            f"The conversion {gates.needs(closed)}: {'; '.join(f'{r.name}: {r.value}' for r in closed)}.",
            advice="Open it, or override it where that can be done, and run the step again.",
        )
    overridden = [(report, reasons[report.name]) for report in reports if not report.open]
    return [report for report in reports if report.open], overridden


async def convert_one(context: StepContext) -> str:
    """Convert the one database of a one-step run, without what the recovery's tasks find out beforehand."""
    return await finish(context, await convert(context, "production", scope_request(context.settings)))


async def finish(context: StepContext, result: ConversionResult) -> str:
    """Record how it ended; raises what went wrong after COMMIT."""
    await context.fact(CONVERSION_PROVED, result.proof.held)
    await context.fact(CONVERSION_SECONDS, result.seconds)
    await context.fact(CONVERSION_TALLIES, [tally.model_dump() for tally in result.tallies])
    await context.fact(CONVERSION_OUTCOME, result.outcome)
    await context.fact(CONVERSION_UNDOABLE, result.outcome == "committed" and not result.cannot_undo)
    if result.trouble:
        raise result.trouble
    keys = counted(result.count("foreign keys recreated"), "foreign key")
    return f"{result.outcome.replace('_', ' ')}, proof ({result.proof.depth}) holds; {keys} recreated in {span(result.working_seconds)}"


def require_investigated(context: StepContext, planned: Planned) -> None:
    """Raise Refused unless production is as it was investigated."""
    again = "Run step 2.2 again, and look at what is different."
    known = context.state.facts.get(INVESTIGATION_FINGERPRINT)
    if known is None:
        raise Refused("Production was not investigated.", advice=again)
    if known != planned.plan.catalog:
        raise Refused("Production's schema has changed since it was investigated.", advice=again)


def require_reviewed(context: StepContext, planned: Planned) -> None:
    """With approach B: raise Refused unless the plan is the one whose script was reviewed."""
    facts = context.state.facts
    if facts.get(DECISION_APPROACH) == ENUMERATED and facts.get(DECISION_PLAN) != planned.plan.fingerprint:
        raise Refused(
            "The plan is not the one whose script was reviewed (approach B).",
            advice="Run step 4.1 again, and have the new script reviewed; or choose approach A there.",
        )


def _rehearsal(context: StepContext) -> Rehearsal:
    content = read_evidence(context, REHEARSAL_STEP, REHEARSAL_FILE)
    if content is None:
        raise Refused("No rehearsal has left its statements.", advice=f"Run step {REHEARSAL_STEP}.")
    return Rehearsal.model_validate_json(content)


def unrehearsed(missing: tuple[str, ...]) -> tuple[PlanWarning, ...]:
    """A warning for each statement of the plan that was not rehearsed, to be accepted by its name."""
    return tuple(
        PlanWarning(
            id=f"{UNREHEARSED}:{name}",
            object=name,
            reason="not rehearsed.",
            consequence="Whether it works, and how long it takes, shows here first; a failure rolls everything back.",
        )
        for name in missing
    )
