"""A conversion inside a step: planned, confirmed, run, proved, and ended by the operator's word.

The rehearsal (5.1), the conversion of production (7.3) and the one-step run of the command line share it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.errors import NeedsPerson, Refused
from core.events import ConversionPlanned, Event, PhaseFinished, PhasePlanned, TablePlanned, Tally
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.retype.course import total_of
from core.retype.estimate import Estimate, Timings, estimate
from core.retype.execute import Conversion, ExecutionOptions
from core.retype.model import Phase, Plan, PlanWarning, ScopeRequest
from core.retype.names import table_name
from core.retype.plan_document import plan_document
from core.retype.proof import Proof
from core.retype.script import render_script
from core.retype.statement_log import StatementLog
from core.retype.types import parse_type_pair
from core.runbook import questions
from core.runbook.conversion_report import ConversionReport, render, tally_lines
from core.runbook.facts import PLAN_FILE, PROOF_FILE, REPORT_FILE, SCRIPT_FILE
from core.runbook.model import StepContext
from core.runbook.planning import Planned, milliseconds, plan_conversion, show_inspection
from core.runbook.questions import ACCEPT, COMMIT, CONVERT, LEAVE, RETYPE, Words
from core.settings import Settings, TargetName

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
    """

    outcome: Outcome
    plan: Plan
    proof: Proof
    timings: Timings
    phases: tuple[PhaseFinished, ...]
    seconds: float
    trouble: NeedsPerson | None = None

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
        types=parse_type_pair(wanted.from_type, wanted.to_type),
        roots=wanted.roots,
        include=wanted.include,
        exclude=wanted.exclude,
        soft_references=wanted.soft_references,
    )


async def convert(
    context: StepContext,
    target: TargetName,
    request: ScopeRequest,
    *,
    prepare: Prepare | None = None,
    proved: Proved | None = None,
) -> ConversionResult:
    """Convert a target within the step, and return when it is committed or rolled back.

    Args:
        prepare: called with the plan before anything is asked; refuses by raising, or adds to the confirmation.
        proved: called when the proof holds, before COMMIT is asked for; what it records outlives a lost engine.

    Raises:
        Refused: a blocker, a warning that is not accepted, a confirmation that was not given, locks that others hold.
        ConversionFailed, ProofFailed: rolled back.
        OutcomeUnknown: COMMIT got no answer.
    """
    spec, identity = await context.target(target)
    planned = await plan_settled(context, target, spec, identity, request)
    plan = planned.plan
    await context.publish(_planned_event(context, target, planned))
    await context.file(PLAN_FILE, _json(plan_document(plan)))
    await context.file(SCRIPT_FILE, render_script(plan).encode())
    refuse_blockers(plan)
    preparation = await prepare(planned) if prepare else Preparation()
    accepted = await accept_warnings(context, target, (*plan.warnings, *preparation.warnings))
    expected = estimate(plan, preparation.history, depth=context.settings.conversion.proof)
    await _confirm(context, target, expected, preparation, accepted)
    return await _run(context, target, spec, planned, expected, preparation, proved)


def refuse_blockers(plan: Plan) -> None:
    """Raise Refused, naming every blocker; also when there is nothing to convert."""
    if plan.blockers:
        listed = "; ".join(f"{b.object}: {b.reason.rstrip('.')}" for b in plan.blockers)
        ways = " ".join(dict.fromkeys(f"{b.object}: {b.way_out}" for b in plan.blockers))
        raise Refused(f"The conversion must not start: {listed}.", advice=ways)
    if not plan.scope.columns:
        done = plan.scope.already_converted
        raise Refused(
            f"There is nothing to convert: no key has the type {plan.scope.types.source}"
            + (f"; {len(done)} keys and references have the type {plan.scope.types.target} already." if done else "."),
            advice="If that is not what you expected, check which database this is, and the types.",
        )


async def plan_settled(
    context: StepContext, target: TargetName, spec: ConnectionSpec, identity: Identity, request: ScopeRequest
) -> Planned:
    """Plan, and ask what becomes of columns that reference without a foreign key, where the request leaves it open."""
    limits = context.settings.limits
    planned = await plan_conversion(spec, identity, request, limits, progress=show_inspection(context))
    if request.soft_references != "ask" or not planned.plan.scope.soft_references:
        return planned
    answer = await _ask(context, target, questions.soft_references(target, planned.plan.scope))
    if answer not in (RETYPE, LEAVE):
        raise Refused(
            "It was not decided what becomes of the columns that reference without a foreign key.",
            advice='Run the step again and decide, or set soft_references to "all" or "none".',
        )
    settled = replace(request, soft_references="all" if answer == RETYPE else "none")
    return await plan_conversion(spec, identity, settled, limits, catalog=planned.catalog)


async def accept_warnings(context: StepContext, target: TargetName, warnings: Sequence[PlanWarning]) -> tuple[str, ...]:
    """The ids of the warnings, all of them accepted: by the settings, or by the operator now.

    Raises:
        Refused: one was not.
    """
    accept = context.settings.conversion.accept
    left = [] if "all" in accept else [warning for warning in warnings if warning.id not in accept]
    if left and await _ask(context, target, questions.acceptance(target, left)) != ACCEPT:
        raise Refused(
            f"These warnings are not accepted: {', '.join(warning.id for warning in left)}.",
            advice="Read what each says, and accept it by its id (--accept ID, or the setting conversion.accept).",
        )
    for warning in warnings:
        await context.say(f"Accepted: {warning.id}: {warning.reason}")
    return tuple(warning.id for warning in warnings)


async def _confirm(
    context: StepContext, target: TargetName, expected: Estimate, preparation: Preparation, accepted: Sequence[str]
) -> None:
    plan = expected.plan
    checked = [
        f"This is {plan.identity}.",
        f"The plan {plan.fingerprint[:12]} has {len(plan.statements)} statements and no blockers.",
        *((f"{len(accepted)} warnings are accepted.",) if accepted else ()),
        *preparation.checked,
    ]
    words = questions.confirmation(target, expected, checked=checked, details=preparation.details)
    if await _ask(context, target, words, plan=plan.fingerprint) != CONVERT:
        raise Refused("The conversion was not confirmed.", advice="Run the step again to be asked again.")


async def _run(
    context: StepContext,
    target: TargetName,
    spec: ConnectionSpec,
    planned: Planned,
    expected: Estimate,
    preparation: Preparation,
    proved: Proved | None,
) -> ConversionResult:
    wanted = context.settings.conversion
    phases: list[PhaseFinished] = []

    async def publish(event: Event) -> None:
        if isinstance(event, PhaseFinished):
            phases.append(event)
        await context.publish(event)

    started = datetime.now(UTC)
    path = context.run_directory / f"conversion-{context.step}-{started:%Y%m%dT%H%M%SZ}.log"
    loop = asyncio.get_running_loop()
    began = loop.time()
    with StatementLog(path) as log:
        conversion = Conversion(
            spec,
            planned.plan,
            step=context.step,
            target=target,
            replan=planned.replan,
            publish=publish,
            read=context.read,
            log=log,
            options=ExecutionOptions(
                proof=wanted.proof,
                lock_timeout_ms=milliseconds(wanted.lock_timeout),
                lock_attempts=wanted.lock_attempts,
            ),
            history=preparation.history,
            planned_from=planned.catalog,
        )

        def report(outcome: str, proof: Proof) -> ConversionReport:
            return ConversionReport(
                target=target,
                where=str(spec),
                plan=planned.plan,
                expected=expected,
                started=started,
                seconds=loop.time() - began,
                phases=tuple(phases),
                proof=proof,
                outcome=outcome,
                log=path.name,
                log_error=log.error,
            )

        async with conversion:
            await conversion.lock()
            await conversion.run()
            proof = await conversion.prove()
            await context.file(PROOF_FILE, _json(asdict(proof)))
            # Written before the answer too: should this process die at COMMIT, it is all that is left of the report.
            await context.file(REPORT_FILE, render(report("proved, not decided yet", proof)).encode())
            if proved:
                await proved(proof, conversion.timings, total_of(t for phase in phases for t in phase.tallies))
            answer = await _held(
                conversion, _ask_commit(context, target, expected, proof, phases, planned.plan.fingerprint)
            )
            if answer != COMMIT:
                await conversion.rollback("ROLLBACK was chosen, or nobody answered in time")
                outcome: Outcome = "rolled_back"
                trouble: NeedsPerson | None = None
            else:
                outcome = "committed"
                trouble = await _commit(conversion)
        await context.file(REPORT_FILE, render(report(outcome.replace("_", " "), proof)).encode())
        if log.error:
            await context.say(f"The statement log is incomplete: {log.error}")
    return ConversionResult(
        outcome=outcome,
        plan=planned.plan,
        proof=proof,
        timings=conversion.timings,
        phases=tuple(phases),
        seconds=loop.time() - began,
        trouble=trouble,
    )


async def _commit(conversion: Conversion) -> NeedsPerson | None:
    """COMMIT; what went wrong after it is handed back, so that the report is written first."""
    try:
        await conversion.commit()
    except NeedsPerson as trouble:
        return trouble
    return None


async def _held(conversion: Conversion, question: Awaitable[str]) -> str:
    """The answer to the question, the transaction kept alive meanwhile.

    Raises:
        ConversionFailed: the connection was lost while nobody had answered.
    """
    asking = asyncio.ensure_future(question)
    holding = asyncio.create_task(conversion.hold())
    try:
        await asyncio.wait({asking, holding}, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            holding.result()
        return await asking
    finally:
        for task in (asking, holding):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _ask_commit(
    context: StepContext,
    target: TargetName,
    expected: Estimate,
    proof: Proof,
    phases: Sequence[PhaseFinished],
    fingerprint: str,
) -> str:
    tallies = tally_lines(total_of(t for phase in phases for t in phase.tallies))
    words = questions.commit(target, expected, proof.lines, tallies)
    return await _ask(context, target, words, plan=fingerprint, expires_in=context.settings.limits.commit)


async def _ask(
    context: StepContext,
    target: TargetName,
    words: Words,
    *,
    plan: str | None = None,
    expires_in: timedelta | None = None,
) -> str:
    return await context.ask(
        words.title,
        words.choices,
        default=words.default,
        expires_in=expires_in or context.settings.limits.confirmation,
        target=target,
        plan=plan,
        locks=words.locks,
        duration=words.duration,
        checked=words.checked,
        cannot_undo=words.cannot_undo,
        way_back=words.way_back,
        details=words.details,
    )


def _planned_event(context: StepContext, target: TargetName, planned: Planned) -> ConversionPlanned:
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
