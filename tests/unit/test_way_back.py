"""The way back, at every moment of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core import events as e
from core.runbook.facts import CONVERSION_UNDOABLE, MIGRATION_BEGAN, RESTORE_SECONDS
from core.runbook.state import RunState, fold_all
from core.runbook.way_back import Way, way_back

START = datetime(2026, 1, 4, 2, 0, tzinfo=UTC)

PLANNED = e.ConversionPlanned(step="7.3", target="production", plan="p", phases=(), tables=())
OPENED = e.TransactionOpened(step="7.3", target="production", xid="77", backend_pid=1)
SENT = e.CommitSent(step="7.3", target="production", xid="77")
ROLLED_BACK = e.TransactionEnded(step="7.3", target="production", outcome="rolled_back", seconds=60)
UNDECIDED = e.TransactionEnded(step="7.3", target="production", outcome="undecided", seconds=60)
COMMITTED = e.TransactionEnded(step="7.3", target="production", outcome="committed", seconds=60)
UNDO_OPENED = e.TransactionOpened(step="7.3-undo", target="production", xid="78", backend_pid=1)
UNDO_SENT = e.CommitSent(step="7.3-undo", target="production", xid="78")
UNDONE = e.TransactionEnded(step="7.3-undo", target="production", outcome="committed", seconds=60)
NOT_UNDONE = e.TransactionEnded(step="7.3-undo", target="production", outcome="rolled_back", seconds=60)
DONE: tuple[e.Event, ...] = (PLANNED, OPENED, SENT, COMMITTED)
REHEARSED = (
    e.TransactionOpened(step="5.1", target="test", xid="12", backend_pid=1),
    e.TransactionEnded(step="5.1", target="test", outcome="committed", seconds=50),
)


def undoable(found: bool) -> e.Event:
    return e.FactRecorded(step="7.3-undoable", name=CONVERSION_UNDOABLE, value=found)


def let_go(target: str, minute: int) -> e.Event:
    began = {target: (START + timedelta(minutes=minute)).isoformat()}
    return e.FactRecorded(step="7.5", name=MIGRATION_BEGAN, value=began)


def after(*events: e.Event) -> RunState:
    return fold_all(
        e.Record(seq=number, at=START + timedelta(minutes=number), actor=e.ENGINE, event=event)
        for number, event in enumerate(events, start=1)
    )


@pytest.mark.parametrize(
    ("events", "way"),
    [
        ((), Way.NOTHING),
        ((e.StepTicked(step="1.3"),), Way.NOTHING),
        (REHEARSED, Way.NOTHING),
        ((*REHEARSED, PLANNED), Way.NOTHING),
        ((PLANNED, OPENED), Way.ROLLBACK),
        ((PLANNED, OPENED, SENT), Way.UNKNOWN),
        ((PLANNED, OPENED, ROLLED_BACK), Way.NOTHING),
        ((PLANNED, OPENED, SENT, UNDECIDED), Way.UNKNOWN),
        ((PLANNED, OPENED, SENT, UNDECIDED, COMMITTED), Way.REVERSE),
        ((PLANNED, OPENED, SENT, COMMITTED), Way.REVERSE),
        ((PLANNED, OPENED, SENT, COMMITTED, e.StepTicked(step="7.4")), Way.REVERSE),
        ((PLANNED, OPENED, SENT, COMMITTED, PLANNED), Way.REVERSE),
        ((*DONE, e.StepStarted(step="7.5")), Way.REVERSE),  # it only asks as yet
        ((*DONE, e.StepStarted(step="7.5"), let_go("production", 6)), Way.BACKUP),
        ((*DONE, e.StepStarted(step="7.5"), let_go("test", 6)), Way.REVERSE),
        ((let_go("production", 1), *DONE), Way.REVERSE),
        ((*DONE, PLANNED, e.StepStarted(step="7.5"), let_go("production", 7), PLANNED), Way.BACKUP),
        ((PLANNED, OPENED, SENT, COMMITTED, e.StepTicked(step="7.5")), Way.BACKUP),
        ((e.StepTicked(step="7.5"), PLANNED, OPENED, SENT, COMMITTED), Way.REVERSE),
        ((PLANNED, OPENED, ROLLED_BACK, e.StepTicked(step="7.5")), Way.NOTHING),
        ((PLANNED, OPENED, ROLLED_BACK, PLANNED, OPENED), Way.ROLLBACK),
        ((*DONE, UNDO_OPENED), Way.ROLLBACK),
        ((*DONE, UNDO_OPENED, UNDO_SENT), Way.UNKNOWN),
        ((*DONE, UNDO_OPENED, UNDO_SENT, UNDONE), Way.NOTHING),
        ((*DONE, UNDO_OPENED, NOT_UNDONE), Way.REVERSE),
        ((*DONE, UNDO_OPENED, UNDO_SENT, UNDONE, *DONE), Way.REVERSE),
        ((*DONE, undoable(True)), Way.REVERSE),
        ((*DONE, undoable(False)), Way.BACKUP),
        ((undoable(False), *DONE), Way.REVERSE),
    ],
)
def test_the_way_back_at_every_moment(events: tuple[e.Event, ...], way: Way) -> None:
    assert way_back(after(*events)).way is way


def test_it_speaks_the_designs_words() -> None:
    running = after(PLANNED, OPENED)
    assert str(way_back(after())) == "nothing has changed"
    assert str(way_back(running, rollback_seconds=3.4)) == "rolls back in about 3 s"
    assert str(way_back(running, rollback_seconds=0.01)) == "rolls back in about 1 s"
    assert str(way_back(running)) == "rolls back"
    assert str(way_back(running, rollback_seconds=90, window_end=START + timedelta(hours=2))) == (
        "rolls back in about 90 s, at the latest at 03:58 UTC"
    )
    assert str(way_back(after(*REHEARSED))) == "production has not changed"
    assert str(way_back(after(PLANNED, OPENED, COMMITTED))) == "undo by the reverse plan"
    assert str(way_back(after(PLANNED, OPENED, COMMITTED, e.StepTicked(step="7.5")))) == "only the backup"


def test_the_last_moment_to_turn_back_leaves_time_for_it() -> None:
    end = START + timedelta(hours=2)
    assert way_back(after(PLANNED, OPENED), rollback_seconds=10, window_end=end).latest == end - timedelta(seconds=10)
    assert way_back(after(PLANNED, OPENED, COMMITTED), window_end=end).latest == end - timedelta(seconds=60)
    restored = e.FactRecorded(step="6.5", name=RESTORE_SECONDS, value=300.0)
    migrated = after(restored, PLANNED, OPENED, COMMITTED, e.StepTicked(step="7.5"))
    assert way_back(migrated, window_end=end).latest == end - timedelta(seconds=300)
    assert str(way_back(migrated, window_end=end)) == "only the backup, at the latest at 03:55 UTC"
    assert way_back(after(), window_end=end).latest is None
    assert way_back(after(PLANNED, OPENED), rollback_seconds=10).latest is None


def test_of_another_target_it_says_what_is_true_there() -> None:
    assert way_back(after(*REHEARSED), target="test").way is Way.REVERSE
