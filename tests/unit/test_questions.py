"""Whether an answer counts: bound to phrase, plan, step and database, used once, expiring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core import events as e
from core.engine.protocol import AnswerQuestion
from core.engine.questions import needs_approval, objection
from core.runbook.state import RunState, fold_all

NOW = datetime(2026, 1, 4, 2, 0, tzinfo=UTC)
IDENTITY = e.TargetIdentity(cluster="c1", database_oid=5, database="shop")
QUESTION = e.Question(
    id="q",
    step="7.3",
    title="Convert?",
    choices=(e.Choice(name="go", label="Go", phrase="shop"), e.Choice(name="cancel", label="Cancel")),
    default="cancel",
    target="production",
    identity=IDENTITY,
    plan="p1",
    asked_at=NOW,
    expires_at=NOW + timedelta(minutes=5),
)
GO = AnswerQuestion(question="q", choice="go", phrase="shop", plan="p1")
CANCEL = AnswerQuestion(question="q", choice="cancel")


def identified(identity: e.TargetIdentity = IDENTITY) -> e.Event:
    return e.TargetIdentified(target="production", identity=identity, address="db:5432", server="18")


def planned(plan: str) -> e.Event:
    return e.ConversionPlanned(step="7.3", target="production", plan=plan, phases=(), tables=())


def after(*events: e.Event) -> RunState:
    return fold_all(e.Record(seq=n, at=NOW, actor=e.ENGINE, event=event) for n, event in enumerate(events, start=1))


RUNNING = (e.StepStarted(step="7.3"), identified(), planned("p1"), e.QuestionAsked(question=QUESTION))


def test_the_right_answer_counts() -> None:
    assert objection(QUESTION, GO, after(*RUNNING), NOW) is None
    assert objection(QUESTION, GO.model_copy(update={"plan": None}), after(*RUNNING), NOW) is None
    assert objection(QUESTION, CANCEL, after(*RUNNING), NOW) is None


@pytest.mark.parametrize("phrase", ["", "Shop", "shop ", " shop", "shop\n", "sh\u200bop", "\u0455hop"])
def test_another_phrase_does_not(phrase: str) -> None:
    answer = GO.model_copy(update={"phrase": phrase})
    assert objection(QUESTION, answer, after(*RUNNING), NOW) == "the typed phrase is not the one asked for"


def test_after_its_time_nothing_counts() -> None:
    for answer in (GO, CANCEL):
        assert objection(QUESTION, answer, after(*RUNNING), QUESTION.expires_at) == "the question has expired"


def test_an_answer_for_another_plan_does_not_count() -> None:
    assert objection(QUESTION, GO.model_copy(update={"plan": "p2"}), after(*RUNNING), NOW) == "it is for another plan"
    replanned = after(*RUNNING, planned("p2"))
    assert objection(QUESTION, GO, replanned, NOW) == "the step has another plan by now"


def test_an_answer_for_another_database_does_not_count() -> None:
    moved = after(*RUNNING, identified(IDENTITY.model_copy(update={"cluster": "c2"})))
    assert objection(QUESTION, GO, moved, NOW) == "production is another database by now"
    assert objection(QUESTION, GO, after(e.StepStarted(step="7.3"), planned("p1")), NOW) is not None


@pytest.mark.parametrize(
    "end",
    [
        e.StepFinished(step="7.3", summary=""),
        e.StepFailed(step="7.3", error="E", what="", state="", advice=""),
        e.StepReconciled(step="7.3", outcome="rolled_back", found=""),
    ],
)
def test_when_its_step_has_ended_nothing_goes_on(end: e.Event) -> None:
    assert objection(QUESTION, GO, after(*RUNNING, end), NOW) == "step 7.3 does not run"


def test_a_choice_without_a_phrase_is_always_open() -> None:
    assert objection(QUESTION, CANCEL, after(*RUNNING, planned("p2")), NOW) is None


def test_two_persons_are_needed_for_what_has_a_phrase() -> None:
    assert needs_approval(QUESTION, "go")
    assert not needs_approval(QUESTION, "cancel")
