"""What a person is asked in the course of a conversion: pure functions of the plan, its estimate and its proof.

The names of the choices are part of the contract: whoever answers without a screen (the command line, the demo) uses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.events import Choice
from core.retype.estimate import Estimate
from core.retype.model import Plan, PlanWarning, Repair, Scope, SoftReference
from core.retype.repair.diff import repair_diff
from core.runbook.words import counted, span

CONVERT = "convert"
CANCEL = "cancel"
COMMIT = "commit"
ROLLBACK = "rollback"
ACCEPT = "accept"
GO_ON = "go on"
RETYPE = "retype"
LEAVE = "leave"
REPAIR = "repair"
KEEP = "keep"
CHOOSE = "choose"

MOST_LISTED = 40
"""Tables that are named one by one."""

STOP = Choice(name=CANCEL, label="Cancel", consequence="Nothing is changed.")


@dataclass(frozen=True)
class Words:
    """A question's words; the fields are those of `StepContext.ask`."""

    title: str
    choices: tuple[Choice, ...]
    default: str
    locks: tuple[str, ...] = ()
    duration: str = ""
    checked: tuple[str, ...] = ()
    cannot_undo: tuple[str, ...] = ()
    way_back: str = ""
    details: tuple[str, ...] = ()


def confirmation(target: str, estimate: Estimate, *, checked: Sequence[str] = (), details: Sequence[str] = ()) -> Words:
    """The confirmation of a conversion: what it locks and for how long, what was checked, and the way back."""
    plan = estimate.plan
    database = plan.identity.database
    types = plan.scope.types
    tables = locked_tables(plan)
    verb, leads_back = "Convert", "the undo, while every id written since is as before, or the backup, leads back."
    if plan.goal is not None:
        verb, leads_back = "Undo the conversion of", "only another conversion, or the backup, leads away again."
    return Words(
        title=f"{verb} the {target} database {database} from {types.source} to {types.target}?",
        choices=(
            Choice(
                name=CONVERT,
                label="Convert",
                phrase=database,
                consequence="Runs in one transaction; COMMIT or ROLLBACK is asked for when it is proved.",
            ),
            STOP,
        ),
        default=CANCEL,
        locks=(
            f"{counted(len(tables), 'table')}, exclusively: nobody else reads or writes them until COMMIT or ROLLBACK",
            *tables[:MOST_LISTED],
            *((f"and {len(tables) - MOST_LISTED} more",) if len(tables) > MOST_LISTED else ()),
        ),
        duration=f"about {span(estimate.seconds)}, {estimate.basis}; after it, until COMMIT or ROLLBACK is answered",
        checked=tuple(checked),
        cannot_undo=(
            f"COMMIT cannot be rolled back: afterwards {leads_back}",
            "Whatever waits for the locks waits for their end, or fails by its own time-outs.",
        ),
        way_back=f"Until COMMIT everything rolls back, in about {span(estimate.rollback)} at the end.",
        details=(*details, estimate.disk),
    )


def locked_tables(plan: Plan) -> list[str]:
    """Names of the tables that are rewritten or scanned, in order."""
    return sorted({statement.table for statement in plan.statements if statement.table})


def commit(target: str, estimate: Estimate, proof: Sequence[str], tallies: Sequence[str], after_commit: str) -> Words:
    """COMMIT or ROLLBACK, asked while the transaction is held open.

    Args:
        after_commit: what leads back once it is committed, in a sentence.
    """
    return Words(
        title=f"COMMIT the conversion of the {target} database {estimate.plan.identity.database}?",
        choices=(
            Choice(
                name=COMMIT,
                label="COMMIT",
                phrase=estimate.plan.identity.database,
                consequence="The new types are there for everyone; ANALYZE follows.",
            ),
            Choice(name=ROLLBACK, label="ROLLBACK", consequence="Everything is as it was before the conversion."),
        ),
        default=ROLLBACK,
        checked=tuple(proof),
        cannot_undo=(f"COMMIT cannot be rolled back. {after_commit}",),
        way_back=f"ROLLBACK, in about {span(estimate.rollback)}; it is also what happens when nobody answers in time.",
        locks=("All tables of the conversion stay locked until this is answered.",),
        details=tuple(tallies),
    )


def review(target: str, estimate: Estimate, dropped: Sequence[str], checked: Sequence[str]) -> Words:
    """Whether a staged conversion goes on after phase 2, asked while the transaction is held open.

    Args:
        dropped: what phase 2 has dropped, one line each.
        checked: what was made sure of about it.
    """
    return Words(
        title=f"Phases 1 and 2 of the {target} database {estimate.plan.identity.database} are through. Go on?",
        choices=(
            Choice(
                name=GO_ON, label="Go on", consequence="Phases 3 to 6 run; COMMIT or ROLLBACK is asked for after them."
            ),
            Choice(name=ROLLBACK, label="ROLLBACK", consequence="Everything is as it was before the conversion."),
        ),
        default=ROLLBACK,
        checked=tuple(checked),
        duration=f"about {span(estimate.seconds)} for the rest",
        way_back="ROLLBACK, at once; it is also what happens when nobody answers in time.",
        locks=("All tables of the conversion stay locked until this is answered, and while the rest runs.",),
        details=tuple(dropped),
    )


def acceptance(target: str, warnings: Sequence[PlanWarning]) -> Words:
    """Whether warnings that the settings do not accept are accepted now."""
    return Words(
        title=f"Accept {counted(len(warnings), 'warning')} about the {target} database?",
        choices=(
            Choice(name=ACCEPT, label="Accept", consequence="The conversion goes on in spite of them."),
            STOP,
        ),
        default=CANCEL,
        details=tuple(f"{w.id}: {w.object}: {w.reason} {w.consequence}" for w in warnings),
        way_back="Nothing has been changed.",
    )


def soft_references(target: str, scope: Scope) -> Words:
    """What becomes of columns that reference without a foreign key."""
    types = scope.types
    return Words(
        title=f"{counted(len(to_decide(scope)), 'column')} of the {target} database seem to reference keys without a "
        "foreign key. Retype them too?",
        choices=(
            Choice(
                name=RETYPE,
                label="Retype them",
                consequence=f"They become {types.target} with the keys, and go on comparing with them.",
            ),
            Choice(
                name=LEAVE,
                label="Leave them",
                consequence=f"They stay {types.source}; an expression that compares one with a key will fail.",
            ),
            *(
                (Choice(name=CHOOSE, label="Choose one by one", consequence="Each is asked for."),)
                if len(to_decide(scope)) > 1
                else ()
            ),
            STOP,
        ),
        default=CANCEL,
        details=tuple(
            line
            for soft in sorted(scope.soft_references, key=lambda soft: not soft.is_reference)
            for line in soft_reference_lines(soft)
        ),
        way_back="Nothing has been changed.",
    )


def to_decide(scope: Scope) -> tuple[SoftReference, ...]:
    """The columns that the evidence takes for references, and that can be retyped."""
    return tuple(soft for soft in scope.soft_references if soft.is_reference and soft.can_be_taken)


def soft_reference(target: str, soft: SoftReference) -> Words:
    """The same of one column."""
    return Words(
        title=f"Retype {soft.name} of the {target} database with the keys?",
        choices=(
            Choice(name=RETYPE, label="Retype it", consequence=soft.if_taken),
            Choice(name=LEAVE, label="Leave it", consequence=soft.if_left),
            STOP,
        ),
        default=CANCEL,
        details=tuple(soft_reference_lines(soft)),
        way_back="Nothing has been changed.",
    )


def soft_reference_lines(soft: SoftReference) -> Iterator[str]:
    """What is known of a column without a foreign key, and what follows."""
    verdict = "seems to reference a key" if soft.is_reference else "is not taken for a reference"
    yield f"{soft.name}: {verdict}: {'; '.join(map(str, soft.evidence))}"
    if soft.is_reference:
        yield f"  if left: {soft.if_left}"
        yield f"  if retyped: {soft.if_taken}" if soft.can_be_taken else f"  {soft.if_taken}"


def function_repairs(target: str, plan: Plan) -> Words:
    """Whether functions that will fail get the casts that they need."""
    number = len(plan.offered)
    return Words(
        title=f"{counted(number, 'function')} of the {target} database will fail after the conversion, and can be repaired "
        "for certain. Repair them?",
        choices=(
            Choice(
                name=REPAIR, label="Repair them", consequence="Each gets the casts shown, within the same transaction."
            ),
            Choice(
                name=KEEP,
                label="Leave them",
                consequence="They fail when they are called, until somebody changes them.",
            ),
            *(
                (Choice(name=CHOOSE, label="Choose one by one", consequence="Each is asked for."),)
                if number > 1
                else ()
            ),
            STOP,
        ),
        default=CANCEL,
        details=tuple(line for repair in plan.offered for line in repair_diff(repair).splitlines()),
        way_back="Nothing has been changed.",
    )


def function_repair(target: str, repair: Repair) -> Words:
    """The same of one function."""
    return Words(
        title=f"Repair {repair.object} of the {target} database?",
        choices=(
            Choice(name=REPAIR, label="Repair it", consequence="It gets the casts shown, within the same transaction."),
            Choice(name=KEEP, label="Leave it", consequence="It fails when it is called, until somebody changes it."),
            STOP,
        ),
        default=CANCEL,
        details=tuple(repair_diff(repair).splitlines()),
        way_back="Nothing has been changed.",
    )
