"""Planned, due and actual times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core import events as e
from core.runbook.facts import DOWNTIME_BEGAN, DOWNTIME_SECONDS
from core.runbook.model import Runbook, Step, StepKind, Task
from core.runbook.state import RunState, fold_all
from core.runbook.timeline import TaskTime, downtime, timeline

START = datetime(2026, 1, 4, 2, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def after(*happened: tuple[float, e.Event]) -> RunState:
    return fold_all(
        e.Record(seq=number, at=at(minutes), actor=e.ENGINE, event=event)
        for number, (minutes, event) in enumerate(((0, e.RunOpened(run="r", program="1")), *happened), start=1)
    )


BOOK = Runbook(
    "book",
    (
        Task(
            1,
            "One",
            "",
            "",
            (Step("1.1", "a", StepKind.MANUAL), Step("1.2", "b", StepKind.AUTOMATIC)),
            planned=(timedelta(minutes=30), timedelta(minutes=60)),
            due=timedelta(hours=1),
        ),
    ),
)


def one(state: RunState, now: float) -> TaskTime:
    (found,) = timeline(BOOK, state, at(now))
    return found


def test_before_anything_happens() -> None:
    found = one(after(), 10)
    assert (found.started, found.ended, found.worked, found.overdue) == (None, None, timedelta(), False)
    assert found.due == at(60)
    assert found.planned == (timedelta(minutes=30), timedelta(minutes=60))
    assert one(after(), 61).overdue
    assert one(RunState(), 61).due is None


def test_a_task_is_through_with_its_last_step() -> None:
    half = after((5, e.StepTicked(step="1.1")), (10, e.StepStarted(step="1.2")))
    running = one(half, 25)
    assert (running.started, running.ended, running.worked) == (at(5), None, timedelta(minutes=15))
    through = one(
        after(
            (5, e.StepTicked(step="1.1")), (10, e.StepStarted(step="1.2")), (30, e.StepFinished(step="1.2", summary=""))
        ),
        500,
    )
    assert (through.started, through.ended, through.worked) == (at(5), at(30), timedelta(minutes=20))
    assert not through.overdue


def test_a_failed_step_leaves_the_task_open_and_its_first_start_counts() -> None:
    failed = e.StepFailed(step="1.2", error="E", what="", state="", advice="")
    state = after((1, e.StepStarted(step="1.2")), (3, failed), (70, e.StepStarted(step="1.2", attempt=2)))
    found = one(state, 75)
    assert (found.started, found.ended, found.worked, found.overdue) == (at(1), None, timedelta(minutes=5), True)


def test_downtime_is_from_maintenance_on_to_maintenance_off() -> None:
    began = (10, e.StepStarted(step="7.2"))
    assert downtime(after(), at(5)) is None
    assert downtime(after(began), at(25)) == timedelta(minutes=15)
    through = after(began, (12, e.StepFinished(step="7.2", summary="")), (55, e.StepTicked(step="7.7")))
    assert downtime(through, at(500)) == timedelta(minutes=45)
    ticked = after((10, e.StepTicked(step="7.2")), (40, e.StepTicked(step="7.7")))
    assert downtime(ticked, at(500)) == timedelta(minutes=30)


def test_an_end_of_maintenance_before_its_beginning_does_not_count() -> None:
    state = after((5, e.StepTicked(step="7.7")), (10, e.StepTicked(step="7.2")))
    assert downtime(state, at(20)) == timedelta(minutes=10)


def proved(minutes: float) -> tuple[float, e.Event]:
    """At that time it is proved that the service serves nobody, since half a minute."""
    since = at(minutes - 0.5).isoformat()
    return minutes, e.FactRecorded(step="7.2", name=DOWNTIME_BEGAN, value=since)


def test_what_was_proved_goes_before_the_steps_times() -> None:
    began = (10, e.StepStarted(step="7.2"))
    assert downtime(after(began, proved(14)), at(20)) == timedelta(minutes=6.5)
    ended = (40, e.FactRecorded(step="7.7", name=DOWNTIME_SECONDS, value=1500.0))
    over = after(began, proved(14), ended, (41, e.StepFinished(step="7.7", summary="")))
    assert downtime(over, at(500)) == timedelta(minutes=25)
    # Maintenance that was taken back, and begun again: the second counts from its own proof on.
    assert downtime(after(began, proved(14), ended, proved(60)), at(70)) == timedelta(minutes=10.5)


def test_proved_to_be_down_and_ticked_to_be_up() -> None:
    state = after((10, e.StepStarted(step="7.2")), proved(14), (30, e.StepTicked(step="7.7")))
    assert downtime(state, at(500)) == timedelta(minutes=16.5)


def test_maintenance_that_did_not_begin_is_no_downtime() -> None:
    failed = e.StepFailed(step="7.2", error="Refused", what="", state="", advice="")
    assert downtime(after((10, e.StepStarted(step="7.2")), (11, failed)), at(20)) is None
    assert downtime(after((10, e.StepStarted(step="7.2")), proved(11), (12, failed)), at(20)) == timedelta(minutes=9.5)
