"""Where a conversion stands: pure arithmetic over its plan, its estimate and the statements that are through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.retype.estimate import Estimate
from core.retype.model import Phase, Plan

Stage = Literal["before", "statements", "after", "held"]
"""Reading the rows before the first change, the statements, reading them again, waiting for COMMIT or ROLLBACK."""
TableStatus = Literal["waiting", "running", "done"]


@dataclass(frozen=True)
class Progress:
    """A conversion at one moment.

    Attributes:
        estimate: what was expected of the plan.
        finished: seconds of each statement that is through, by its place in the plan, from 0.
        current: place of the statement that runs, None between statements.
        elapsed: seconds since it began; in the stages without statements, since the stage began.
    """

    estimate: Estimate
    finished: Mapping[int, float]
    current: int | None = None
    elapsed: float = 0.0
    stage: Stage = "statements"

    @property
    def plan(self) -> Plan:
        return self.estimate.plan


@dataclass(frozen=True, slots=True)
class TableProgress:
    """A table that the conversion rewrites or scans.

    Attributes:
        status: `waiting`, `running`, `done`; running as long as a statement of it is to come and one is through.
        bytes: what its rewriting has to move.
        seconds: time spent on it so far.
    """

    name: str
    status: TableStatus
    bytes: int
    seconds: float


def bytes_moved(progress: Progress) -> tuple[int, int]:
    """Bytes of the statements that are through, and of all."""
    statements = progress.plan.statements
    return sum(statements[i].bytes for i in progress.finished), sum(s.bytes for s in statements)


def pace(progress: Progress) -> float:
    """How much slower than expected it goes: the statements' seconds so far over those expected of them.

    Expectation weighs in with a second, so that the first short statements do not swing it.
    """
    expected = sum(progress.estimate.statements[i] for i in progress.finished)
    taken = sum(progress.finished.values())
    if progress.current is not None:
        # A statement that takes longer than expected says so before it ends.
        over = progress.elapsed - progress.estimate.statements[progress.current]
        if over > 0:
            expected += progress.estimate.statements[progress.current]
            taken += progress.elapsed
    return (taken + 1.0) / (expected + 1.0)


def seconds_left(progress: Progress) -> float:
    """Seconds until the proof is through: what was expected of the rest, at the pace of the statements so far.

    Inside one statement nothing is known but the clock; a table that holds most of the database makes it a guess until
    its statement ends.
    """
    estimate = progress.estimate
    statements = sum(
        e for i, e in enumerate(estimate.statements) if i not in progress.finished and i != progress.current
    )
    slower = pace(progress)
    match progress.stage:
        case "before":
            return (max(0.0, estimate.before - progress.elapsed) + statements + estimate.after) * slower
        case "statements":
            running = estimate.statements[progress.current] * slower if progress.current is not None else 0.0
            return max(0.0, running - progress.elapsed) + (statements + estimate.after) * slower
        case "after":
            return max(0.0, estimate.after * slower - progress.elapsed)
        case "held":
            return 0.0


def rollback_seconds(progress: Progress) -> float:
    """Seconds that a rollback would take now: the new files are removed, in proportion to what was rewritten."""
    done, total = bytes_moved(progress)
    return progress.estimate.rollback * (done / total if total else 1.0)


def table_progress(progress: Progress) -> tuple[TableProgress, ...]:
    """The tables of the plan in the order of their first statement.

    A table is *done* when the statement that rewrites it is through; its keys are counted by the phase.
    """
    found: dict[str, TableProgress] = {}
    for i, statement in enumerate(progress.plan.statements):
        if statement.table is None or statement.phase not in (Phase.RETYPE_KEYS, Phase.RETYPE_REFERENCES):
            continue
        status: TableStatus = "done" if i in progress.finished else "running" if i == progress.current else "waiting"
        seconds = progress.finished.get(i, progress.elapsed if i == progress.current else 0.0)
        other = found.get(statement.table)
        if other is not None:
            status = other.status if other.status == status else "running"
        found[statement.table] = TableProgress(
            name=statement.table,
            status=status,
            bytes=statement.bytes + (other.bytes if other else 0),
            seconds=seconds + (other.seconds if other else 0.0),
        )
    return tuple(found.values())
