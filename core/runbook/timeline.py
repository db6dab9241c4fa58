"""Planned, due and actual time of each task, and the downtime: pure functions of the run's state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.runbook.facts import DOWNTIME_BEGAN, DOWNTIME_SECONDS
from core.runbook.model import Runbook, Task
from core.runbook.state import RunState, StepState, StepStatus

DOWNTIME_BEGINS = "7.2"
DOWNTIME_ENDS = "7.7"

_THROUGH = (StepStatus.DONE, StepStatus.TICKED)
_BUSY = (StepStatus.RUNNING, StepStatus.ASKING, StepStatus.UNDECIDED)


@dataclass(frozen=True, slots=True)
class TaskTime:
    """The times of one task.

    Attributes:
        planned: shortest and longest duration.
        due: when it should be through; None when that is not said, or the run is not open.
        started: when its first step began, or was ticked.
        ended: when its last step was through; None while one is not.
        worked: the time that its steps' present attempts took, so far.
        overdue: whether it was, or is, not through when it should have been.
    """

    task: Task
    planned: tuple[timedelta, timedelta] | None
    due: datetime | None
    started: datetime | None
    ended: datetime | None
    worked: timedelta
    overdue: bool


def timeline(runbook: Runbook, state: RunState, now: datetime) -> tuple[TaskTime, ...]:
    """The times of every task, in their order."""
    return tuple(task_time(task, state, now) for task in runbook.tasks)


def downtime_began(state: RunState) -> datetime | None:
    """Since when the service is proved to serve nobody; None when that is over, or was never proved."""
    value, at = state.facts.get(DOWNTIME_BEGAN), state.fact_times.get(DOWNTIME_BEGAN)
    over = state.fact_times.get(DOWNTIME_SECONDS)
    if value is None or at is None or (over is not None and over >= at):
        return None
    return datetime.fromisoformat(str(value))


def downtime(state: RunState, now: datetime) -> timedelta | None:
    """The time from the service proved to serve nobody to it proved to serve again, or until now; where nothing was proved,
    by the steps' own times; None while it has not begun."""
    proved = downtime_began(state)
    if proved is None and DOWNTIME_SECONDS in state.facts:
        return timedelta(seconds=float(state.facts[DOWNTIME_SECONDS]))
    first = state.step(DOWNTIME_BEGINS)
    began = proved or (_began(first) if first.status is not StepStatus.FAILED else None)
    if began is None:
        return None
    last = state.step(DOWNTIME_ENDS)
    ended = last.ended if last.status in _THROUGH and last.ended is not None and last.ended >= began else now
    return max(ended - began, timedelta())


def task_time(task: Task, state: RunState, now: datetime) -> TaskTime:
    """The times of one task."""
    steps = [state.step(step.id) for step in task.steps]
    due = state.opened + task.due if state.opened is not None and task.due is not None else None
    ends = [step.ended for step in steps if step.ended is not None]
    through = bool(steps) and all(step.status in _THROUGH for step in steps)
    ended = max(ends) if through and ends else None
    return TaskTime(
        task=task,
        planned=task.planned,
        due=due,
        started=min((began for step in steps if (began := _began(step)) is not None), default=None),
        ended=ended,
        worked=sum((_worked(step, now) for step in steps), timedelta()),
        overdue=due is not None and (ended or now) > due,
    )


def _began(step: StepState) -> datetime | None:
    """When it was first started; a step that was only ticked, when it was."""
    if step.first_started is not None:
        return step.first_started
    return step.ended if step.status is StepStatus.TICKED else None


def _worked(step: StepState, now: datetime) -> timedelta:
    if step.started is None:
        return timedelta()
    ended = now if step.status in _BUSY or step.ended is None else step.ended
    return max(ended - step.started, timedelta())
