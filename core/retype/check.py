"""Checking a conversion beforehand on an empty clone: stored expressions and function bodies, with their repairs.

What cannot be put back is a blocker, what could not be checked is a warning, and nothing passes in silence.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from core.errors import PgrecastError
from core.postgres.catalog import Catalog
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.fingerprint import fingerprint
from core.postgres.identity import Identity
from core.postgres.inspect import inspect
from core.retype import bodies
from core.retype.blockers import Findings
from core.retype.clone import Clone, CloneSettings, Progress, schema_clone
from core.retype.closure import close_over
from core.retype.model import Blocker, Plan, PlanWarning, Repair, Scope, TypePair
from core.retype.plan import make_plan
from core.retype.repair.definitions import object_of, with_copies
from core.retype.repair.meaning import calls_others
from core.retype.repair.trial import Outcome, Refusal, parsed_again, try_conversion

MOST_REMEMBERED = 16
EXPRESSION_HINTS: Final = "expression:"
"""How the ids of warnings begin that guess what is known after a check."""
_LIFTED: Final = ("operator-class:",)
"""How the ids of blockers begin that a repair lifts."""


@dataclass(frozen=True)
class Checked:
    """What a check has found; it belongs to one catalog, scope and pair of types.

    Attributes:
        complete: whether everything that hangs on the keys has been tried.
        repairs: texts that are put back with casts.
        blockers: what cannot be put back.
        warnings: what could not be checked.
        functions: those whose bodies will fail, or could not be checked; None if bodies were not looked at.
    """

    complete: bool = False
    repairs: tuple[Repair, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    functions: tuple[bodies.Found, ...] | None = None

    def chosen(self, repair_functions: tuple[str, ...]) -> tuple[Repair, ...]:
        """The repairs of function bodies that were asked for."""
        return bodies.repairs_chosen(self.functions or (), repair_functions)

    def applied_to(self, findings: Findings, chosen: tuple[Repair, ...] = ()) -> Findings:
        """The findings with these, and without those that these make obsolete.

        Args:
            chosen: repairs of function bodies that are made.
        """
        repaired = {repair.object for repair in self.repairs}
        blockers = [b for b in findings.blockers if not (b.object in repaired and b.id.startswith(_LIFTED))]
        warnings = [w for w in findings.warnings if not (self.complete and w.id.startswith(EXPRESSION_HINTS))]
        known = {blocker.object for blocker in blockers}
        blockers += (blocker for blocker in self.blockers if blocker.object not in known)
        others = sorted((*warnings, *self.warnings), key=lambda w: w.id)
        if self.functions is not None:  # in their own order, the worst first
            others = [w for w in others if not w.id.startswith(bodies.PREFIX)]
            others = [*bodies.warnings(self.functions, chosen), *others]
        return Findings(tuple(sorted(blockers, key=lambda b: b.id)), tuple(others), findings.notes)


_Question = tuple[str, TypePair, tuple[str, ...], CloneSettings]
_remembered: OrderedDict[_Question, Checked] = OrderedDict()


async def plan_with_repairs(
    spec: ConnectionSpec,
    catalog: Catalog,
    scope: Scope,
    findings: Findings,
    identity: Identity,
    *,
    settings: CloneSettings | None = None,
    progress: Progress = lambda _: None,
) -> tuple[Plan, Checked]:
    """The plan of converting `scope`, checked on an empty clone, its expressions repaired where that is certain.

    Args:
        spec: the database; it is only read.
        catalog: a reading of it.
        findings: what else stands in the way (`find_blockers`).
        settings: how to make the clone.
        progress: told in a few words how far it is.

    Returns:
        the plan, and what the check has found: with it `plan_checked` makes the same plan again without a clone.
    """
    checked = await check_on_clone(
        spec, catalog, scope, settings=settings, progress=progress, is_blocked=bool(findings.blockers)
    )
    return await asyncio.to_thread(plan_checked, catalog, scope, findings, identity, checked), checked


def plan_checked(
    catalog: Catalog,
    scope: Scope,
    findings: Findings,
    identity: Identity,
    checked: Checked,
    repair_functions: tuple[str, ...] = (),
) -> Plan:
    """The plan of converting `scope` with what a check has found.

    Args:
        repair_functions: the functions that get a repaired body, as `ScopeRequest` has them.
    """
    chosen = checked.chosen(repair_functions)
    plan = make_plan(catalog, scope, checked.applied_to(findings, chosen), identity, (*checked.repairs, *chosen))
    found = checked.functions or ()
    return replace(plan, offered=bodies.offered(found, chosen), notes=(*plan.notes, *bodies.notes(found)))


async def check_on_clone(
    spec: ConnectionSpec,
    catalog: Catalog,
    scope: Scope,
    *,
    settings: CloneSettings | None = None,
    progress: Progress = lambda _: None,
    is_blocked: bool = False,
) -> Checked:
    """Check every stored expression that hangs on the scope's columns, and the bodies that may use them.

    The same question is answered from memory.

    Args:
        is_blocked: whether it is known already that the conversion cannot be: what the clone refuses is no news then.
    """
    settings = settings or CloneSettings()
    if not _is_anything_to_check(catalog, scope):
        return Checked(complete=True, functions=())
    question = (fingerprint(catalog), scope.types, tuple(sorted(column.name for column in scope.columns)), settings)
    if question in _remembered:
        _remembered.move_to_end(question)
        return _remembered[question]
    try:
        checked = await _check(spec, catalog, scope, settings, progress, is_blocked=is_blocked)
    except PgrecastError as error:
        return Checked(warnings=(_not_checked(str(error.what)),))
    if checked.complete:
        _remembered[question] = checked
        while len(_remembered) > MOST_REMEMBERED:
            _remembered.popitem(last=False)
    return checked


async def _check(
    spec: ConnectionSpec,
    catalog: Catalog,
    scope: Scope,
    settings: CloneSettings,
    progress: Progress,
    *,
    is_blocked: bool,
) -> Checked:
    async with schema_clone(spec, catalog, settings, progress=progress) as clone:
        body_check = bodies.BodyCheck(clone, catalog, scope, progress=progress)
        await body_check.before()
        outcome = await try_conversion(clone, catalog, scope, progress=progress)
        if outcome.stopped is not None:
            return _stopped(outcome.stopped, clone, is_blocked=is_blocked)
        verdicts = await body_check.after()
        after = await inspect(clone.spec)
    closure = close_over(catalog, scope, parsed_again(catalog, scope))
    others = calls_others(catalog, after, frozenset(object_of(catalog, part) for part in closure.parts))
    return Checked(
        complete=not outcome.unchecked,
        repairs=with_copies(catalog, _certain(outcome, others)),
        blockers=(*(_unrepaired(scope, refusal) for refusal in outcome.refusals), *others),
        warnings=tuple(_unchecked(refusal) for refusal in outcome.unchecked),
        functions=bodies.found_of(catalog, verdicts),
    )


def _is_anything_to_check(catalog: Catalog, scope: Scope) -> bool:
    if not scope.columns:
        return False
    return bool(close_over(catalog, scope, parsed_again(catalog, scope)).parts) or bodies.are_any_to_check(
        catalog, scope
    )


def _certain(outcome: Outcome, others: tuple[Blocker, ...]) -> tuple[Repair, ...]:
    uncertain = {blocker.object for blocker in others}
    return tuple(repair for repair in outcome.repairs if repair.object not in uncertain)


def _unrepaired(scope: Scope, refusal: Refusal) -> Blocker:
    where = f" (at: {refusal.excerpt})" if refusal.excerpt else ""
    why = (
        "more than one cast would do, and they differ in meaning"
        if refusal.ambiguous
        else "no cast repairs it for certain"
    )
    return Blocker(
        f"unrepaired:{refusal.object}",
        refusal.object,
        f"After the conversion PostgreSQL says of it: {refusal.message}{where}; {why}.",
        f"Rewrite it before the conversion so that it works for {scope.types.source} and {scope.types.target} alike (cast both "
        "sides to text), or drop it and create it again afterwards.",
    )


def _unchecked(refusal: Refusal) -> PlanWarning:
    return PlanWarning(
        f"unchecked:{refusal.object}",
        refusal.object,
        f"It could not be checked beforehand: the empty copy lacks it, or what it uses ({refusal.message}).",
        "If it does not type-check after the change of type, the conversion fails there and rolls back.",
    )


def _stopped(refusal: Refusal, clone: Clone, *, is_blocked: bool) -> Checked:
    if is_blocked or clone.gaps:
        return Checked(warnings=(_not_checked(f"on an empty copy of the schema, {refusal.object}: {refusal.message}"),))
    return Checked(
        blockers=(
            Blocker(
                f"refused:{refusal.object}",
                refusal.object,
                f"On an empty copy of the schema PostgreSQL refused to change it: {refusal.message}.",
                "Take out of its way what the message names, or keep its columns out of the scope.",
            ),
        )
    )


def _not_checked(reason: str) -> PlanWarning:
    return PlanWarning(
        "unchecked-expressions",
        "views, policies, checks and other expressions",
        f"They could not be checked beforehand: {reason}",
        "If one of them does not type-check after the change of type, the conversion fails there and rolls back.",
    )
