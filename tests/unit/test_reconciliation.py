"""What the journal alone tells of an interrupted step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core import events as e
from core.runbook.model import Step, StepKind
from core.runbook.reconciliation import (
    conversion_of_attempt,
    known_outcome,
    with_transaction,
    without_transaction,
)
from core.runbook.state import RunState, fold_all

START = datetime(2026, 1, 4, 2, 0, tzinfo=UTC)
CONVERT = Step("7.3", "Convert", StepKind.DESTRUCTIVE)
STARTED = e.StepStarted(step="7.3")
PLANNED = e.ConversionPlanned(step="7.3", target="production", plan="p", phases=(), tables=())
OPENED = e.TransactionOpened(step="7.3", target="production", xid="77", backend_pid=1)
SENT = e.CommitSent(step="7.3", target="production", xid="77")
QUESTION = e.Question(
    id="q1", step="7.3", title="Convert?", default="cancel", asked_at=START, expires_at=START,
    choices=(e.Choice(name="convert", label="Convert", phrase="shop"), e.Choice(name="cancel", label="Cancel")),
)  # fmt: skip
ASKED = e.QuestionAsked(question=QUESTION)
CONFIRMED = e.QuestionAnswered(question="q1", step="7.3", choice="convert")


def ended(outcome: str) -> e.Event:
    return e.TransactionEnded.model_validate({"step": "7.3", "target": "production", "outcome": outcome, "seconds": 1})


def after(*events: e.Event) -> RunState:
    return fold_all(
        e.Record(seq=n, at=START + timedelta(seconds=n), actor=e.ENGINE, event=event)
        for n, event in enumerate(events, start=1)
    )


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        # Before COMMIT was sent a rollback is certain, and nobody is asked.
        ((STARTED, PLANNED, OPENED), "rolled_back"),
        ((STARTED, PLANNED, OPENED, ended("rolled_back")), "rolled_back"),
        ((STARTED, PLANNED, OPENED, SENT, ended("committed")), "committed"),
        # Afterwards only the server knows.
        ((STARTED, PLANNED, OPENED, SENT), None),
        ((STARTED, PLANNED, OPENED, SENT, ended("undecided")), None),
        # The first attempt's COMMIT says nothing of the second's.
        ((STARTED, PLANNED, OPENED, SENT, ended("rolled_back"), STARTED, PLANNED, OPENED), "rolled_back"),
    ],
)
def test_what_is_known_without_asking(events: tuple[e.Event, ...], outcome: str | None) -> None:
    conversion = conversion_of_attempt(after(*events), "7.3")
    assert conversion is not None
    assert known_outcome(conversion) == outcome


def test_a_former_attempts_transaction_is_not_this_ones() -> None:
    state = after(STARTED, PLANNED, OPENED, SENT, ended("committed"), STARTED, ASKED, CONFIRMED)
    assert conversion_of_attempt(state, "7.3") is None
    assert "its log says how far it had come" in without_transaction(state, CONVERT).found


def test_before_the_transaction_nothing_was_changed() -> None:
    told = without_transaction(after(STARTED, PLANNED), CONVERT)
    assert told.outcome == "failed"
    assert "before it changed anything" in told.found


@pytest.mark.parametrize(
    "events",
    [
        (STARTED,),
        (STARTED, ASKED, e.QuestionAnswered(question="q1", step="7.3", choice="cancel")),
        (STARTED, ASKED, CONFIRMED, STARTED),  # the first attempt's confirmation is not the second's
    ],
)
def test_what_was_not_confirmed_has_changed_nothing(events: tuple[e.Event, ...]) -> None:
    assert "before it was confirmed" in without_transaction(after(*events), CONVERT).found


def test_what_only_reads_has_changed_nothing_and_may_be_run_again() -> None:
    told = without_transaction(after(STARTED), Step("7.3", "Look", StepKind.AUTOMATIC))
    assert told.found == "It was interrupted; it changes nothing in the database. It is safe to run again."
    once = without_transaction(after(STARTED), Step("7.3", "Do", StepKind.DESTRUCTIVE, repeatable=False))
    assert "Look at what is there" in once.found


def test_undecided_says_how_to_find_out() -> None:
    conversion = conversion_of_attempt(after(STARTED, PLANNED, OPENED, SENT), "7.3")
    assert conversion is not None
    told = with_transaction(conversion, "undecided")
    assert told.outcome == "undecided"
    assert "pg_xact_status('77')" in told.found
