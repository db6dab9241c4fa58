"""A conversion inside a step: planned, confirmed, run, proved, and ended by the operator's word.

The rehearsal (5.1), the conversion of production (7.3) and the one-step run of the command line share it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from core.errors import NeedsPerson
from core.events import ConversionPlanned, Event, PhaseFinished, PhasePlanned, TablePlanned, Tally
from core.postgres.connect import ConnectionSpec
from core.retype.course import total_of
from core.retype.estimate import Estimate, Timings, estimate
from core.retype.execute import Conversion, ExecutionOptions
from core.retype.model import Phase, Plan, PlanWarning, ScopeRequest
from core.retype.names import table_name
from core.retype.plan_document import plan_document
from core.retype.proof import Proof
from core.retype.reverse import reverse_plan
from core.retype.script import render_script
from core.retype.statement_log import StatementLog
from core.retype.types import parse_type_pair
from core.retype.undo_record import UndoRecord
from core.runbook.conversion.agreement import accept_warnings, ask_commit, confirm, plan_settled, refuse_blockers
from core.runbook.conversion.held import answered_while_held
from core.runbook.conversion.planning import Planned, milliseconds
from core.runbook.conversion.report import ConversionReport, render
from core.runbook.conversion.staged import STAGED, approach, review
from core.runbook.conversion_state import UNDO
from core.runbook.facts import PLAN_FILE, PROOF_FILE, REPORT_FILE, SCRIPT_FILE, UNDO_FILE, UNDO_SCRIPT_FILE
from core.runbook.model import StepContext
from core.runbook.questions import COMMIT
from core.runbook.window.window import chosen_window
from core.settings import Settings
from core.settings.targets import WorkingName

Outcome = Literal["committed", "rolled_back"]


@dataclass(frozen=True)
class Preparation:
    """What the step that converts adds to the confirmation.

    Attributes:
        checked: what it has made sure of, in words.
        details: what else the operator should know.
        warnings: what must be accepted besides the plan's own warnings.
        history: a rehearsal's times, for the estimate.
    """

    checked: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    history: Timings | None = None


@dataclass(frozen=True)
class ConversionResult:
    """How a conversion ended.

    Attributes:
        timings: seconds by statement, for the next estimate.
        phases: as they finished, with their counts.
        seconds: from the transaction's begin to its end, the wait for the answer included.
        trouble: what went wrong after COMMIT; the step raises it when it has recorded the outcome.
        cannot_undo: why no plan leads back from it, in words; empty if one does.
    """

    outcome: Outcome
    plan: Plan
    proof: Proof
    timings: Timings
    phases: tuple[PhaseFinished, ...]
    seconds: float
    trouble: NeedsPerson | None = None
    cannot_undo: str = ""

    @property
    def working_seconds(self) -> float:
        """Without the wait for the answer."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        return total_of(tally for phase in self.phases for tally in phase.tallies)

    def count(self, what: str) -> int:
        """The total of one count, e.g. `foreign keys dropped`."""
        return sum(tally.count for tally in self.tallies if tally.what == what and not tally.root)


Prepare = Callable[[Planned], Awaitable[Preparation]]
Proved = Callable[[Proof, Timings, Sequence[Tally]], Awaitable[None]]


def scope_request(settings: Settings) -> ScopeRequest:
    """What the settings ask for.

    Raises:
        UsageError: there is no conversion between the two types.
    """
    wanted = settings.conversion
    return ScopeRequest(
        types=parse_type_pair(wanted.from_type, wanted.to_type, wanted.collation or None),
        roots=wanted.roots,
        include=wanted.include,
        exclude=wanted.exclude,
        soft_references=wanted.soft_references,
        repair_functions=wanted.repair_functions,
    )


async def convert(
    context: StepContext,
    target: WorkingName,
    request: ScopeRequest,
    *,
    prepare: Prepare | None = None,
    proved: Proved | None = None,
) -> ConversionResult:
    """Convert a target within the step, and return when it is committed or rolled back.

    Args:
        prepare, proved: as for `carry_out`, which also tells what it raises.
    """
    spec, identity = await context.target(target)
    planned = await plan_settled(context, target, spec, identity, request)
    return await carry_out(context, target, spec, planned, prepare=prepare, proved=proved)


async def carry_out(
    context: StepContext,
    target: WorkingName,
    spec: ConnectionSpec,
    planned: Planned,
    *,
    prepare: Prepare | None = None,
    proved: Proved | None = None,
) -> ConversionResult:
    """Have the plan accepted and confirmed, run it, and return when it is committed or rolled back.

    Args:
        prepare: called with the plan before anything is asked; refuses by raising, or adds to the confirmation.
        proved: called when the proof holds, before COMMIT is asked for; what it records outlives a lost engine.

    Raises:
        Refused: a blocker, a warning that is not accepted, a confirmation that was not given, locks that others hold.
        ConversionFailed, ProofFailed: rolled back.
        OutcomeUnknown: COMMIT got no answer.
    """
    plan = planned.plan
    await context.publish(_planned_event(context, target, planned))
    await context.file(PLAN_FILE, _json(plan_document(plan)))
    await context.file(SCRIPT_FILE, render_script(plan, planned.catalog).encode())
    if plan.goal is None:
        await context.file(UNDO_FILE, await asyncio.to_thread(UndoRecord.of(plan, planned.catalog).written))
    refuse_blockers(plan)
    preparation = await prepare(planned) if prepare else Preparation()
    accepted = await accept_warnings(context, target, (*plan.warnings, *preparation.warnings))
    expected = estimate(plan, preparation.history, depth=context.settings.conversion.proof)
    await confirm(
        context, target, expected, accepted=accepted, checked=preparation.checked, details=preparation.details
    )
    return await _run(context, target, spec, planned, expected, accepted, preparation.history, proved)


async def _run(
    context: StepContext,
    target: WorkingName,
    spec: ConnectionSpec,
    planned: Planned,
    expected: Estimate,
    accepted: tuple[PlanWarning, ...],
    history: Timings | None,
    proved: Proved | None,
) -> ConversionResult:
    started = datetime.now(UTC)
    loop = asyncio.get_running_loop()
    began = loop.time()
    phases: list[PhaseFinished] = []

    async def publish(event: Event) -> None:
        if isinstance(event, PhaseFinished):
            phases.append(event)
        await context.publish(event)

    with StatementLog(context.run_directory / f"conversion-{context.step}-{started:%Y%m%dT%H%M%SZ}.log") as log:
        conversion = Conversion(
            spec,
            planned.plan,
            step=context.step,
            target=target,
            replan=planned.replan,
            publish=publish,
            read=context.read,
            log=log,
            options=execution_options(context.settings, deadline=_deadline(context, target, planned.plan)),
            history=history,
            planned_from=planned.catalog,
        )

        async def report(outcome: str, proof: Proof, after_commit: str) -> None:
            seconds = loop.time() - began
            text = render(
                ConversionReport(
                    target=target,
                    where=str(spec),
                    expected=expected,
                    accepted=accepted,
                    started=started,
                    seconds=seconds,
                    phases=tuple(phases),
                    proof=proof,
                    outcome=outcome,
                    after_commit=after_commit,
                    log=log.path.name,
                    log_error=log.error,
                )
            )
            await context.file(REPORT_FILE, text.encode())

        async with conversion:
            await conversion.lock()
            if approach(context) == STAGED and planned.plan.goal is None:
                await conversion.run(until=Phase.DETACH)
                await review(context, target, planned, expected, conversion)
            await conversion.run()
            proof = await conversion.prove()
            tallies = total_of(tally for phase in phases for tally in phase.tallies)
            await context.file(PROOF_FILE, _json(asdict(proof)))
            cannot_undo = await _leave_way_back(context, planned, conversion)
            after_commit = _after_commit(context.step, planned.plan, cannot_undo)
            # Before the answer, too: should this process die at COMMIT, it is all that is left of the report.
            await report("proved, not decided yet", proof, after_commit)
            if proved:
                await proved(proof, conversion.timings, tallies)
            trouble = await _end(conversion, ask_commit(context, target, expected, proof, tallies, after_commit))
        assert conversion.outcome in ("committed", "rolled_back")  # noqa: S101 - anything else has raised
        await report(conversion.outcome.replace("_", " "), proof, after_commit)
        if log.error:
            await context.say(f"The statement log is incomplete: {log.error}")
    return ConversionResult(
        outcome=conversion.outcome,
        plan=planned.plan,
        proof=proof,
        timings=conversion.timings,
        phases=tuple(phases),
        seconds=loop.time() - began,
        trouble=trouble,
        cannot_undo=cannot_undo,
    )


async def _leave_way_back(context: StepContext, planned: Planned, conversion: Conversion) -> str:
    """Write the script of the reverse plan beside the report. Returns why there is none, empty if there is one."""
    plan = planned.plan
    if plan.goal is not None:
        return "an undo is undone by converting again"
    # What was found in the rows says nothing of the way back, and foreign keys have other oids there.
    activity = replace(planned.activity, misfits=(), orphans=())
    reverse = await asyncio.to_thread(
        reverse_plan, planned.catalog, conversion.result, plan.scope, plan.identity, activity
    )
    await context.file(UNDO_SCRIPT_FILE, render_script(reverse, conversion.result).encode())
    return "; ".join(f"{blocker.object}: {blocker.reason}" for blocker in reverse.blockers)


def _after_commit(step: str, plan: Plan, cannot_undo: str) -> str:
    """What leads back once it is committed, in a sentence."""
    if plan.goal is not None:
        return "After COMMIT only another conversion, or the backup, leads away from here."
    if cannot_undo:
        return f"After COMMIT only the backup leads back; it cannot be undone by a plan: {cannot_undo}"
    return (
        f"After COMMIT step {step}{UNDO} undoes it exactly (or {UNDO_SCRIPT_FILE} with psql), for as long as every id written "
        f"since is still a {plan.scope.types.source} and the schema stays as it is; then only the backup leads back."
    )


def _deadline(context: StepContext, target: WorkingName, plan: Plan) -> datetime | None:
    """When production's window ends; one that was overridden bounds nothing once it is over. A way back is not cut short."""
    window = chosen_window(context.state)
    if window is None or target != "production" or plan.goal is not None:
        return None
    overridden = "window" in context.state.overrides.get(context.step, {})
    return None if overridden and window.end <= datetime.now(UTC) else window.end


def execution_options(settings: Settings, *, deadline: datetime | None = None) -> ExecutionOptions:
    wanted = settings.conversion
    return ExecutionOptions(
        proof=wanted.proof,
        deadline=deadline,
        lock_timeout_ms=milliseconds(wanted.lock_timeout),
        lock_attempts=wanted.lock_attempts,
    )


async def _end(conversion: Conversion, question: Awaitable[str]) -> NeedsPerson | None:
    """COMMIT or ROLLBACK by the answer; what goes wrong after COMMIT is handed back, so that it can be recorded first."""
    try:
        answer = await answered_while_held(conversion, question)
    except asyncio.CancelledError:
        await conversion.rollback("the step was stopped")
        raise
    if answer != COMMIT:
        await conversion.rollback("ROLLBACK was chosen, or nobody answered in time")
        return None
    try:
        await conversion.commit()
    except NeedsPerson as trouble:
        return trouble
    return None


def _planned_event(context: StepContext, target: WorkingName, planned: Planned) -> ConversionPlanned:
    plan, catalog = planned.plan, planned.catalog
    columns: dict[int, int] = {}
    for column in plan.scope.columns:
        columns[column.key[0]] = columns.get(column.key[0], 0) + 1
    return ConversionPlanned(
        step=context.step,
        target=target,
        plan=plan.fingerprint,
        phases=tuple(
            PhasePlanned(
                phase=phase,
                name=phase.title,
                statements=len(plan.of_phase(phase)),
                tallies=total_of(t for s in plan.of_phase(phase) for t in s.tallies),
            )
            for phase in Phase
        ),
        tables=tuple(
            TablePlanned(
                name=table_name(catalog.relation[oid].schema, catalog.relation[oid].name),
                columns=count,
                rows=max(0, round(catalog.relation[oid].estimated_rows)),
                bytes=catalog.relation[oid].bytes,
            )
            for oid, count in columns.items()
        ),
        blockers=tuple(f"{b.id}: {b.object}: {b.reason}" for b in plan.blockers),
        warnings=tuple(f"{w.id}: {w.reason}" for w in plan.warnings),
    )


def _json(document: object) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1, default=str) + "\n").encode()
