"""What the run comes down to, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core import events as e
from core.runbook.facts import DOWNTIME_SECONDS, RESTORE_SECONDS, WINDOW_CHOSEN
from core.runbook.recovery import RECOVERY
from core.runbook.state import RunState, StepState, StepStatus, fold_all
from core.settings import Settings
from tests.tui import scenario
from tests.tui.scenario import RUNBOOK
from tests.tui.scripted import ME, ScriptedClient
from tui import summary
from tui.marks import mark, status_words
from tui.summary import TaskStatus
from tui.widgets.banner import BannerKeys, banner


def state_of(client: ScriptedClient) -> RunState:
    return fold_all(client.records)


def begun() -> ScriptedClient:
    client = scenario.new_client()
    scenario.opened(client)
    return client


def task(number: int, client: ScriptedClient) -> summary.TaskSummary:
    state = state_of(client)
    return summary.summarize(RUNBOOK.tasks[number - 1], state, Settings(), {}, client.clock())


def test_a_task_is_done_only_when_every_step_is_proved() -> None:
    client = begun()
    scenario.prepared(client)
    assert task(1, client).status is TaskStatus.TICKED
    assert task(2, client).status is TaskStatus.TICKED
    assert task(2, client).tally == "1+1/2"
    assert task(4, client).status is TaskStatus.DONE
    assert task(3, client).status is TaskStatus.TODO


def test_a_task_that_another_must_open_is_locked_and_says_by_whom() -> None:
    client = begun()
    found = task(7, client)
    assert found.status is TaskStatus.LOCKED
    assert found.details == (
        "needs a verified backup (3), a rehearsal (5), the window (6)",
        "needs backup (3), rehearsal (5), window (6)",
        "needs backup, rehearsal, window",
    )
    client.say(e.GateOverridden(step="5.1", gate="decision", reason="agreed by phone"))
    assert task(5, client).status is TaskStatus.TODO


def test_what_is_urgent_comes_first() -> None:
    client = begun()
    client.say(
        e.StepFailed(step="1.1", error="QueryFailed", what="No answer.", state="As it was.", advice="Try again.")
    )
    assert task(1, client).status is TaskStatus.FAILED
    assert task(1, client).details == ("1.1 failed: No answer.",)
    client.say(e.StepStarted(step="1.2"))
    assert task(1, client).status is TaskStatus.RUNNING
    client.say(e.StepReconciled(step="1.3", outcome="undecided", found="the server does not answer"))
    assert task(1, client).status is TaskStatus.UNDECIDED


def test_the_ways_back_are_shown_when_they_are_open() -> None:
    client = begun()
    seven = RECOVERY.tasks[6]

    def shown() -> list[str]:
        return [step.id for step in summary.steps_shown(seven, state_of(client), Settings(), client.clock())]

    course = [step.id for step in seven.steps]
    assert shown() == course
    client.say(e.TransactionOpened(step="7.3", target="production", xid="7", backend_pid=1))
    client.say(e.TransactionEnded(step="7.3", target="production", outcome="committed", seconds=1))
    client.say(e.StepFinished(step="7.3", summary="committed"))
    assert shown() == [*course, "7.3-undoable", "7.3-undo"]
    client.say(e.StepStarted(step="7.3-undo"))
    found = summary.summarize(seven, state_of(client), Settings(), {}, client.clock())
    assert (found.status, found.total) == (TaskStatus.RUNNING, len(course))
    assert found.current is not None
    assert found.current.id == "7.3-undo"
    client.say(e.StepFailed(step="7.3-undo", error="Refused", what="No.", state="As it was.", advice=""))
    found = summary.summarize(seven, state_of(client), Settings(), {}, client.clock())
    assert found.status is TaskStatus.UNDER_WAY


def test_a_running_conversion_tells_phase_and_time_left() -> None:
    client = begun()
    scenario.converting(client, "5.1", "test")
    state = state_of(client)
    readings = {("5.1", "progress"): {"seconds_left": 9.4}}
    found = summary.summarize(RUNBOOK.tasks[4], state, Settings(), readings, client.clock())
    assert found.details == ("5.1 phase 4 retype references: 25/42, about 0:09 left",)


def test_the_way_back_at_every_moment() -> None:
    client = begun()
    readings: summary.Readings = {}
    assert summary.way_back(state_of(client), readings) == "nothing has changed"
    scenario.converting(client, "5.1", "test")
    client.say(e.TransactionEnded(step="5.1", target="test", outcome="committed", seconds=41))
    assert summary.way_back(state_of(client), readings) == "production has not changed"
    scenario.converting(client, "7.3", "production")
    assert summary.way_back(state_of(client), readings) == "rolls back"
    readings = {("7.3", "progress"): {"rollback_seconds": 2.6}}
    assert summary.way_back(state_of(client), readings) == "rolls back in about 3 s"
    ended = e.TransactionEnded(step="7.3", target="production", outcome="undecided", seconds=41)
    client.say(ended)
    assert summary.way_back(state_of(client), readings) == "not known before the transaction's outcome is"
    client.say(ended.model_copy(update={"outcome": "committed"}))
    assert summary.way_back(state_of(client), readings) == "undo by the reverse plan"
    window = {"start": "2025-11-15T02:00:00+00:00", "end": "2025-11-15T04:00:00+00:00"}
    client.say(e.FactRecorded(step="6.1", name=WINDOW_CHOSEN, value=window))
    assert summary.way_back(state_of(client), readings) == "undo by the reverse plan, at the latest at 03:59 UTC"
    client.say(ended.model_copy(update={"outcome": "rolled_back"}))
    assert summary.way_back(state_of(client), readings) == "production has not changed"


def test_the_window_counts_down() -> None:
    client = begun()
    start = client.clock() + timedelta(hours=2, minutes=14, seconds=9)
    value = {"start": start.isoformat(), "end": (start + timedelta(hours=2)).isoformat()}
    client.say(e.FactRecorded(step="6.1", name=WINDOW_CHOSEN, value=value))
    state = state_of(client)
    assert summary.window_clock(state, client.clock()) == "T-02:14:09"
    assert summary.window_clock(state, start + timedelta(minutes=30)) == "window closes in 1:30:00"
    assert summary.window_clock(state, start + timedelta(hours=3)) == "the window is over"
    client.say(e.FactRecorded(step="6.5", name=RESTORE_SECONDS, value=1200.5))
    state = state_of(client)
    assert summary.window_clock(state, start + timedelta(minutes=30)) == "turn back within 1:09:59"
    assert summary.window_clock(state, start + timedelta(minutes=100)) == "window closes in 20:00"
    assert any("latest moment to turn back 2025-" in line for line in summary.window_words(state, Settings()))
    client.clock.forward(3 * 3600)
    client.say(e.FactRecorded(step="7.7", name=DOWNTIME_SECONDS, value=60))
    assert summary.window_clock(state_of(client), start + timedelta(minutes=30)) == ""


@pytest.mark.parametrize("value", [True, "soon", {"start": "x", "end": "y"}, {"start": "2025-11-15T02:00:00"}, None])
def test_a_window_that_cannot_be_read_counts_nothing(value: object) -> None:
    client = begun()
    client.say(e.FactRecorded(step="6.1", name=WINDOW_CHOSEN, value=value))
    assert summary.window_clock(state_of(client), client.clock()) == ""


def test_another_version_that_goes_on_with_the_run_is_told() -> None:
    client = begun()
    client.say(e.RunOpened(run="r", program="0.1.0"))
    client.say(e.EngineStarted(pid=1, host="h", program="0.1.0"))

    def line(now: datetime) -> str:
        return banner(80, state_of(client), None, None, BannerKeys("c", "m"), now).plain

    assert summary.programs(state_of(client)) == ""
    assert "begun" not in line(client.clock())
    client.say(e.EngineStarted(pid=2, host="h", program="0.2.0"))
    assert summary.programs(state_of(client)) == "begun with pgrecast 0.1.0, goes on with 0.2.0"
    assert "This run was begun with pgrecast 0.1.0, goes on with 0.2.0." in line(client.clock())
    assert "begun" not in line(client.clock() + timedelta(minutes=2))


def test_an_alarm_is_told_while_its_step_runs_and_a_question_goes_before_it() -> None:
    client = begun()
    client.say(e.StepStarted(step="8.1"))
    client.say(e.AlarmRaised(step="8.1", name="health", what="[/foo] the service answers 500.", advice="Look."))

    def line() -> str:
        return banner(80, state_of(client), None, None, BannerKeys("c", "m"), client.clock()).plain.strip()

    assert line() == "ALARM 8.1 [/foo] the service answers 500."
    client.say(e.AlarmRaised(step="8.1", name="locks", what="3 sessions wait.", advice="Look."))
    assert line() == "ALARM and 1 more 8.1 3 sessions wait."
    question = scenario.decision(client).model_copy(update={"step": "8.1"})
    client.say(e.QuestionAsked(question=question))
    assert line().startswith("8.1 asks")
    client.say(e.QuestionAnswered(question=question.id, step="8.1", choice="A"))
    client.say(e.AlarmCleared(step="8.1", name="locks"))
    assert line() == "ALARM 8.1 [/foo] the service answers 500."
    client.say(e.StepFinished(step="8.1", summary="watched"))
    assert "ALARM" not in line()


def test_who_is_here() -> None:
    client = begun()
    assert summary.present(state_of(client), ME) == "watching + 1 (nobody operates)"
    scenario.other_operator(client)
    assert summary.present(state_of(client), "c2") == "operator + 1 watching"
    assert summary.present(state_of(client), "c3") == "watching (anna operates)"
    assert summary.present_names(state_of(client)) == "anna operates, ben watches"


def test_every_status_has_a_mark_of_its_own() -> None:
    step = RUNBOOK.step("5.1")
    marks = [mark(step, StepState(status)) for status in StepStatus]
    marks.append(mark(RUNBOOK.step("3.1"), StepState()))
    assert len(set(marks)) == len(marks)


def test_ticked_says_by_whom_and_that_nobody_checked() -> None:
    client = begun()
    client.say(e.StepTicked(step="1.1"))
    assert status_words(RUNBOOK.step("1.1"), state_of(client).step("1.1")) == "ticked by anna, unverified"


def test_configured_targets_are_named_without_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DATABASE_URL", "postgresql+asyncpg://owner:not-a-real-password@db.example:5433/ma_saas_platform"
    )
    monkeypatch.setenv("DATABASE_URL_TEST", "://")
    found = summary.configured_targets(Settings())
    assert found == {"production": "ma_saas_platform @ db.example"}
    assert summary.target_words("production", RunState(), found) == "ma_saas_platform @ db.example (not connected yet)"
    assert summary.target_words("test", RunState(), found) == "not connected yet"
