"""The state of a conversion, live and afterwards: a pure fold over its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from core import events as e

UNDO = "-undo"
"""How the id of a step ends that undoes the conversion of another: 7.3-undo that of 7.3."""


@dataclass(frozen=True, slots=True)
class PhaseState:
    number: int
    name: str
    statements: int
    done: int = 0
    seconds: float | None = None
    started: datetime | None = None
    expected: tuple[e.Tally, ...] = ()
    tallies: tuple[e.Tally, ...] = ()
    """Counts so far."""


@dataclass(frozen=True, slots=True)
class TableState:
    name: str
    columns: int
    rows: int
    bytes: int
    status: str = "waiting"
    """waiting, running, done."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ConversionState:
    """A conversion as it is shown live and remembered afterwards; one for each step that ran one."""

    step: str
    target: str
    plan: str
    phases: tuple[PhaseState, ...]
    tables: tuple[TableState, ...]
    blockers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    xid: str | None = None
    opened: datetime | None = None
    commit_sent: bool = False
    """Whether COMMIT has gone out: without it, a lost transaction has certainly been rolled back."""
    current: str = ""
    """The statement's object that runs now."""
    proof_depth: str | None = None
    proof_held: bool | None = None
    proof: tuple[str, ...] = ()
    outcome: str | None = None
    """committed, rolled_back, undecided; None while open."""
    ended: datetime | None = None
    reason: str = ""
    """Why it ended as it did."""
    seconds: float | None = None
    """How long it was open, as the conversion measured it."""
    rollback_seconds: float | None = None
    """What of that the roll back took, where we have done it."""

    @property
    def undoes(self) -> str:
        """Id of the step whose conversion this one takes back; empty for a conversion that takes nothing back."""
        return self.step.removesuffix(UNDO) if self.step.endswith(UNDO) else ""


ConversionEvent = (
    e.ConversionPlanned
    | e.TransactionOpened
    | e.PhaseStarted
    | e.StatementStarted
    | e.StatementFinished
    | e.PhaseFinished
    | e.ProofMade
    | e.CommitSent
    | e.TransactionEnded
)


def fold_conversion(state: ConversionState | None, event: ConversionEvent, at: datetime) -> ConversionState:
    """The conversion after the event; `state` is None before its first."""
    if isinstance(event, e.ConversionPlanned):
        return _planned(event)
    state = state or ConversionState(event.step, target="", plan="", phases=(), tables=())
    match event:
        case e.TransactionOpened():
            return replace(
                state,
                target=event.target,
                xid=event.xid,
                opened=at,
                commit_sent=False,
                outcome=None,
                ended=None,
                seconds=None,
                reason="",
            )
        case e.PhaseStarted():
            return _phase(state, event.phase, started=at)
        case e.StatementStarted():
            return replace(_table(state, event.table, "running"), current=event.object)
        case e.StatementFinished():
            state = replace(_table(state, event.table, "done", event.seconds), current="")
            return _counted(state, event)
        case e.PhaseFinished():
            changes = {"tallies": event.tallies} if event.tallies else {}
            return _phase(state, event.phase, seconds=event.seconds, **changes)
        case e.ProofMade():
            return replace(state, proof_depth=event.depth, proof_held=event.held, proof=event.lines)
        case e.CommitSent():
            return replace(state, target=event.target, xid=event.xid, commit_sent=True)
        case e.TransactionEnded():
            return replace(
                state,
                target=event.target,
                outcome=event.outcome,
                reason=event.reason,
                seconds=event.seconds,
                rollback_seconds=event.rollback_seconds,
                ended=at,
                current="",
            )


def _planned(event: e.ConversionPlanned) -> ConversionState:
    return ConversionState(
        step=event.step,
        target=event.target,
        plan=event.plan,
        phases=tuple(
            PhaseState(number=phase.phase, name=phase.name, statements=phase.statements, expected=phase.tallies)
            for phase in event.phases
        ),
        tables=tuple(
            TableState(name=table.name, columns=table.columns, rows=table.rows, bytes=table.bytes)
            for table in event.tables
        ),
        blockers=event.blockers,
        warnings=event.warnings,
    )


def _phase(state: ConversionState, number: int, **changes: object) -> ConversionState:
    return replace(
        state,
        phases=tuple(replace(p, **changes) if p.number == number else p for p in state.phases),  # type: ignore[arg-type]
    )


def _counted(state: ConversionState, event: e.StatementFinished) -> ConversionState:
    return replace(
        state,
        phases=tuple(
            replace(p, done=p.done + 1, tallies=_sum(p.tallies, event.tallies)) if p.number == event.phase else p
            for p in state.phases
        ),
    )


def _table(state: ConversionState, name: str | None, status: str, seconds: float = 0.0) -> ConversionState:
    """The table's rewrite has begun or ended. Its time adds up over its statements."""
    if name is None:
        return state
    return replace(
        state,
        tables=tuple(
            replace(t, status=status, seconds=(t.seconds or 0.0) + seconds if seconds else t.seconds)
            if t.name == name
            else t
            for t in state.tables
        ),
    )


def _sum(counts: Iterable[e.Tally], more: Iterable[e.Tally]) -> tuple[e.Tally, ...]:
    totals = {(count.what, count.root): count for count in counts}
    for count in more:
        before = totals.get((count.what, count.root))
        totals[count.what, count.root] = (
            count.model_copy(update={"count": before.count + count.count}) if before else count
        )
    return tuple(totals.values())
