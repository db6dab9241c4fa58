"""What is settled with the operator before a conversion begins, and the question that ends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from core.errors import Refused
from core.events import Tally
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.retype import bodies
from core.retype.estimate import Estimate
from core.retype.model import Plan, PlanWarning, Repair, ScopeRequest, SoftReference
from core.retype.proof import Proof
from core.runbook import questions
from core.runbook.conversion.planning import Planned, clone_of_run, plan_conversion, show_inspection
from core.runbook.conversion.report import tally_lines
from core.runbook.model import StepContext
from core.runbook.questions import ACCEPT, CHOOSE, CONVERT, KEEP, LEAVE, REPAIR, RETYPE, Words
from core.settings.targets import WorkingName


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
    context: StepContext, target: WorkingName, spec: ConnectionSpec, identity: Identity, request: ScopeRequest
) -> Planned:
    """Plan, and ask what the request leaves open: what becomes of columns that reference without a foreign key, and of
    functions that will fail and can be repaired.

    Returns: the plan; its request says what was answered.

    Raises:
        Refused: it was not answered.
        UsageError: a function's repair was chosen that is not offered.
    """
    limits = context.settings.limits
    clone = await clone_of_run(context)
    planned = await plan_conversion(spec, identity, request, limits, progress=show_inspection(context), clone=clone)
    if request.soft_references == "ask" and questions.to_decide(planned.plan.scope):
        request = await _soft_references_settled(context, target, planned, request)
        planned = await plan_conversion(spec, identity, request, limits, again=planned, clone=clone)
    if target == "production":  # a copy may lack a function
        bodies.require_offered(planned.checked.functions or (), request.repair_functions)
    if bodies.ASK in request.repair_functions and planned.plan.offered:
        request = await _repairs_settled(context, target, planned, request)
        planned = await plan_conversion(spec, identity, request, limits, again=planned, clone=clone)
    return planned


async def _soft_references_settled(
    context: StepContext, target: WorkingName, planned: Planned, request: ScopeRequest
) -> ScopeRequest:
    shown = questions.to_decide(planned.plan.scope)
    answer = await _ask(context, target, questions.soft_references(target, planned.plan.scope))
    if answer == CHOOSE:
        taken = [soft.name for soft in shown if await _is_to_retype(context, target, soft)]
    elif answer in (RETYPE, LEAVE):
        taken = [soft.name for soft in shown] if answer == RETYPE else []
    else:
        raise _soft_references_undecided()
    # By name: another reading of the database, or of a copy, may hold other values that speak for others.
    return replace(request, soft_references=tuple(taken))


async def _is_to_retype(context: StepContext, target: WorkingName, soft: SoftReference) -> bool:
    answer = await _ask(context, target, questions.soft_reference(target, soft))
    if answer not in (RETYPE, LEAVE):
        raise _soft_references_undecided()
    return answer == RETYPE


def _soft_references_undecided() -> Refused:
    return Refused(
        "It was not decided what becomes of the columns that reference without a foreign key.",
        advice='Run the step again and decide, or set soft_references to "all" or "none".',
    )


async def _repairs_settled(
    context: StepContext, target: WorkingName, planned: Planned, request: ScopeRequest
) -> ScopeRequest:
    answer = await _ask(context, target, questions.function_repairs(target, planned.plan))
    if answer == CHOOSE:
        chosen = [
            bodies.id_of_repair(planned.checked.functions or (), repair)
            for repair in planned.plan.offered
            if await _is_to_repair(context, target, repair)
        ]
        return replace(request, repair_functions=tuple(chosen))
    if answer not in (REPAIR, KEEP):
        raise _undecided()
    return replace(request, repair_functions=(bodies.ALL,) if answer == REPAIR else ())


async def _is_to_repair(context: StepContext, target: WorkingName, repair: Repair) -> bool:
    answer = await _ask(context, target, questions.function_repair(target, repair))
    if answer not in (REPAIR, KEEP):
        raise _undecided()
    return answer == REPAIR


def _undecided() -> Refused:
    return Refused(
        "It was not decided what becomes of the functions that will fail.",
        advice='Run the step again and decide, or set repair_functions to ["all"], ["none"] or their ids.',
    )


async def accept_warnings(
    context: StepContext, target: WorkingName, warnings: Sequence[PlanWarning]
) -> tuple[PlanWarning, ...]:
    """The warnings, all of them accepted: by the settings, or by the operator now.

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
    return tuple(warnings)


async def confirm(
    context: StepContext,
    target: WorkingName,
    expected: Estimate,
    *,
    accepted: Sequence[PlanWarning],
    checked: Sequence[str],
    details: Sequence[str],
) -> None:
    """Ask for the confirmation, with the database's name typed.

    Args:
        accepted: the warnings that were accepted.
        checked, details: what the step has made sure of, and what else there is to know.

    Raises:
        Refused: it was not given.
    """
    plan = expected.plan
    sure = (
        f"This is {plan.identity}.",
        f"The plan {plan.fingerprint[:12]} has {len(plan.statements)} statements and no blockers.",
        *((f"Accepted warnings: {', '.join(warning.id for warning in accepted)}.",) if accepted else ()),
        *checked,
    )
    words = questions.confirmation(target, expected, checked=sure, details=details)
    if await _ask(context, target, words, plan=plan.fingerprint) != CONVERT:
        raise Refused("The conversion was not confirmed.", advice="Run the step again to be asked again.")


async def ask_commit(
    context: StepContext,
    target: WorkingName,
    expected: Estimate,
    proof: Proof,
    tallies: Iterable[Tally],
    after_commit: str,
) -> str:
    """COMMIT or ROLLBACK; unanswered, it is ROLLBACK when the limit has passed.

    Args:
        after_commit: what leads back once it is committed, in a sentence.
    """
    counts = tally_lines(t for t in tallies if not t.root)
    words = questions.commit(target, expected, proof.lines, counts, after_commit)
    fingerprint, limit = expected.plan.fingerprint, context.settings.limits.commit
    return await _ask(context, target, words, plan=fingerprint, expires_in=limit)


async def ask_review(
    context: StepContext, target: WorkingName, expected: Estimate, dropped: Sequence[str], checked: Sequence[str]
) -> str:
    """Whether to go on after phase 2; unanswered, it is ROLLBACK when the limit has passed."""
    words = questions.review(target, expected, dropped, checked)
    fingerprint, limit = expected.plan.fingerprint, context.settings.limits.commit
    return await _ask(context, target, words, plan=fingerprint, expires_in=limit)


async def _ask(
    context: StepContext,
    target: WorkingName,
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
