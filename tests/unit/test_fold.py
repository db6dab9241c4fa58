"""The fold: pure, total, and the same in one go as bit by bit."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import UnionType
from typing import Any, Literal, cast, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from core import events as e
from core.runbook.state import LOG_LINES, RunState, StepStatus, fold, fold_all

ANNA = e.Actor(name="anna", uid=1000)
BEN = e.Actor(name="ben", uid=1001)
START = datetime(2026, 1, 4, 2, 0, tzinfo=UTC)
KINDS: tuple[type[BaseModel], ...] = get_args(get_args(e.Event)[0])


def records(*happened: e.Event | tuple[e.Actor, e.Event]) -> list[e.Record]:
    found: list[e.Record] = []
    for number, item in enumerate(happened, start=1):
        actor, event = item if isinstance(item, tuple) else (e.ENGINE, item)
        found.append(e.Record(seq=number, at=START + timedelta(seconds=number), actor=actor, event=event))
    return found


def state_after(*happened: e.Event | tuple[e.Actor, e.Event]) -> RunState:
    return fold_all(records(*happened))


def question(id_: str = "q1", step: str = "7.3") -> e.Question:
    return e.Question(
        id=id_,
        step=step,
        title="COMMIT?",
        choices=(e.Choice(name="commit", label="COMMIT", phrase="db"), e.Choice(name="rollback", label="ROLLBACK")),
        default="rollback",
        asked_at=START,
        expires_at=START + timedelta(minutes=5),
    )


def test_a_run_opens() -> None:
    state = state_after(e.RunOpened(run="r", program="1", runbook="conversion"))
    assert (state.run, state.program, state.runbook, state.opened, state.last) == (
        "r",
        "1",
        "conversion",
        START + timedelta(seconds=1),
        1,
    )


def test_a_step_runs_fails_and_is_done_at_the_second_attempt() -> None:
    first = state_after(
        (ANNA, e.StepStarted(step="2.2")),
        e.StepSaid(step="2.2", text="looking"),
        e.StepFailed(step="2.2", error="QueryFailed", what="No answer.", state="Nothing changed.", advice="Again."),
    )
    failed = first.step("2.2")
    assert (failed.status, failed.summary, failed.database, failed.advice) == (
        StepStatus.FAILED,
        "No answer.",
        "Nothing changed.",
        "Again.",
    )
    assert failed.log == ("looking",)
    assert failed.actor == ANNA
    more = [
        record.model_copy(update={"seq": record.seq + 3, "at": record.at + timedelta(seconds=3)})
        for record in records(
            (BEN, e.StepStarted(step="2.2", attempt=2)), e.StepFinished(step="2.2", summary="42 keys")
        )
    ]
    done = fold_all(more, first).step("2.2")
    assert (done.status, done.summary, done.database, done.advice, done.attempts, done.log) == (
        StepStatus.DONE,
        "42 keys",
        "",
        "",
        2,
        (),
    )
    assert done.first_started == START + timedelta(seconds=1)
    assert done.started == START + timedelta(seconds=4)
    assert done.ended == START + timedelta(seconds=5)
    assert done.actor == BEN


def test_a_tick_is_not_done_and_can_be_taken_back() -> None:
    ticked = state_after((ANNA, e.StepTicked(step="1.3", note="in the dashboard"))).step("1.3")
    assert (ticked.status, ticked.actor, ticked.notes) == (StepStatus.TICKED, ANNA, ("anna: in the dashboard",))
    back = state_after((ANNA, e.StepTicked(step="1.3")), (BEN, e.StepUnticked(step="1.3", note="not so"))).step("1.3")
    assert (back.status, back.ended, back.notes) == (StepStatus.TODO, None, ("ben: not so",))


def test_what_is_proved_is_not_unticked() -> None:
    state = state_after(e.StepFinished(step="1.3", summary="proved"), e.StepUnticked(step="1.3"))
    assert state.step("1.3").status is StepStatus.DONE


def test_alarms_stand_until_what_is_bad_is_well_again_or_the_step_begins_anew() -> None:
    def alarm(name: str, what: str = "bad") -> e.Event:
        return e.AlarmRaised(step="8.1", name=name, what=what, advice="look")

    run = state_after(e.StepStarted(step="8.1"), alarm("health"), alarm("locks"), alarm("health", "worse"))
    assert [(a.name, a.what) for a in run.step("8.1").alarms] == [("locks", "bad"), ("health", "worse")]
    run = fold_all(records(e.AlarmCleared(step="8.1", name="locks"), e.AlarmCleared(step="8.1", name="none")), run)
    assert [a.name for a in run.step("8.1").alarms] == ["health"]
    ended = fold_all(records(e.StepFinished(step="8.1", summary="")), run)
    assert [a.name for a in ended.step("8.1").alarms] == ["health"]
    assert fold_all(records(e.StepStarted(step="8.1", attempt=2)), ended).step("8.1").alarms == ()


def test_a_step_asks_until_its_last_question_is_closed() -> None:
    asked = state_after(
        e.StepStarted(step="7.3"),
        e.QuestionAsked(question=question("q1")),
        e.QuestionAsked(question=question("q2")),
        e.QuestionConfirmed(question="q2", step="7.3", choice="commit"),
        e.QuestionAnswered(question="q1", step="7.3", choice="commit"),
    )
    assert asked.step("7.3").status is StepStatus.ASKING
    assert set(asked.questions) == {"q2"}
    assert asked.confirmed == {"q2": "commit"}
    answered = fold_all(records(e.QuestionExpired(question="q2", step="7.3", choice="rollback")), asked)
    assert answered.step("7.3").status is StepStatus.RUNNING
    assert not answered.questions
    assert not answered.confirmed


@pytest.mark.parametrize(
    "end",
    [
        e.StepFinished(step="7.3", summary=""),
        e.StepFailed(step="7.3", error="E", what="", state="", advice=""),
        e.StepReconciled(step="7.3", outcome="failed", found=""),
    ],
)
def test_a_steps_end_closes_its_questions_and_overrides(end: e.Event) -> None:
    state = state_after(
        e.GateOverridden(step="7.3", gate="window", reason="now"),
        e.StepStarted(step="7.3"),
        e.QuestionAsked(question=question()),
        e.QuestionConfirmed(question="q1", step="7.3", choice="commit"),
    )
    assert state.overrides == {"7.3": {"window": "now"}}
    after = fold_all(records(end), state)
    assert (after.questions, after.confirmed, after.overrides) == ({}, {}, {})


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("finished", StepStatus.DONE),
        ("committed", StepStatus.DONE),
        ("failed", StepStatus.FAILED),
        ("rolled_back", StepStatus.FAILED),
        ("undecided", StepStatus.UNDECIDED),
    ],
)
def test_what_the_world_says_of_an_interrupted_step(outcome: str, status: StepStatus) -> None:
    event = e.StepReconciled.model_validate({"step": "7.3", "outcome": outcome, "found": "looked"})
    step = state_after(e.StepStarted(step="7.3"), event).step("7.3")
    assert (step.status, step.summary) == (status, "looked")


def test_clients_come_go_and_take_over() -> None:
    attached = state_after(
        e.ClientAttached(client="a", actor=ANNA),
        e.OperatorChanged(client="a", actor=ANNA),
        e.ClientAttached(client="b", actor=BEN.model_copy(update={"role": "watcher"})),
        e.OperatorChanged(client="b", actor=BEN),
    )
    assert attached.operator == "b"
    assert {c.client: c.actor.role for c in attached.clients} == {"a": "watcher", "b": "operator"}
    gone = fold_all(records(e.ClientDetached(client="b")), attached)
    assert (gone.operator, [c.client for c in gone.clients]) == (None, ["a"])
    again = fold_all(records(e.EngineStarted(pid=1, host="h", program="1")), gone)
    assert (again.operator, again.clients) == (None, ())


def test_facts_are_the_newest_and_files_are_all() -> None:
    state = state_after(
        e.FactRecorded(step="2.2", name="keys", value=1),
        e.FactRecorded(step="2.2", name="keys", value=2),
        e.FileRecorded(step="2.2", name="a", path="evidence/1-a", sha256="1", bytes=1),
        e.FileRecorded(step="2.2", name="a", path="evidence/2-a", sha256="2", bytes=1),
    )
    assert state.facts == {"keys": 2}
    assert state.fact_times == {"keys": START + timedelta(seconds=2)}
    assert [fact.value for fact in state.step("2.2").facts] == [2]
    assert [file.sha256 for file in state.step("2.2").files] == ["1", "2"]


def test_notes_belong_to_a_step_or_to_a_task() -> None:
    state = state_after((ANNA, e.NoteAdded(task=7, text="all")), (BEN, e.NoteAdded(task=7, step="7.3", text="one")))
    assert state.notes == {7: ("anna: all",)}
    assert state.step("7.3").notes == ("ben: one",)


def test_a_steps_log_is_bounded() -> None:
    state = state_after(*(e.StepSaid(step="1.1", text=str(number)) for number in range(LOG_LINES + 50)))
    assert len(state.step("1.1").log) == LOG_LINES
    assert state.step("1.1").log[-1] == str(LOG_LINES + 49)


def planned() -> e.ConversionPlanned:
    return e.ConversionPlanned(
        step="7.3",
        target="production",
        plan="f00",
        phases=(
            e.PhasePlanned(phase=2, name="detach", statements=2, tallies=(e.Tally(what="dropped", count=3),)),
            e.PhasePlanned(phase=3, name="retype keys", statements=1),
        ),
        tables=(e.TablePlanned(name="users", columns=1, rows=10, bytes=100),),
    )


def test_a_conversion_counts_phase_by_phase_and_table_by_table() -> None:
    def statement(number: int, *, table: str | None = None, count: int = 1) -> tuple[e.Event, e.Event]:
        tallies = (e.Tally(what="dropped", count=count), e.Tally(what="dropped", root="users.id", count=count))
        phase = 3 if table else 2
        return (
            e.StatementStarted(step="7.3", phase=phase, number=number, object=f"o{number}", table=table),
            e.StatementFinished(
                step="7.3", phase=phase, number=number, object=f"o{number}", table=table, seconds=0.5, tallies=tallies
            ),
        )

    happened: list[e.Event] = [
        planned(),
        e.TransactionOpened(step="7.3", target="production", xid="77", backend_pid=1),
        e.PhaseStarted(step="7.3", phase=2),
        *statement(1),
        *statement(2, count=2),
        e.PhaseFinished(step="7.3", phase=2, seconds=1.25),
        e.PhaseStarted(step="7.3", phase=3),
        statement(3, table="users")[0],
    ]
    running = state_after(*happened).conversions["7.3"]
    detach, keys = running.phases
    assert (detach.done, detach.seconds) == (2, 1.25)
    assert detach.tallies == (
        e.Tally(what="dropped", count=3),
        e.Tally(what="dropped", root="users.id", count=3),
    )
    assert (keys.done, keys.seconds) == (0, None)
    assert keys.started is not None
    assert (running.current, running.tables[0].status, running.xid) == ("o3", "running", "77")
    happened += [
        statement(3, table="users")[1],
        e.ProofMade(step="7.3", depth="counts", held=True, lines=("same",), seconds=1),
        e.CommitSent(step="7.3", target="production", xid="77"),
    ]
    sent = state_after(*happened).conversions["7.3"]
    assert (sent.tables[0].status, sent.tables[0].seconds, sent.current) == ("done", 0.5, "")
    assert (sent.proof_held, sent.proof, sent.commit_sent, sent.outcome) == (True, ("same",), True, None)
    happened.append(e.TransactionEnded(step="7.3", target="production", outcome="committed", seconds=3))
    ended = state_after(*happened).conversions["7.3"]
    assert (ended.outcome, ended.seconds, ended.ended) == ("committed", 3, START + timedelta(seconds=len(happened)))


def test_a_second_attempt_plans_and_counts_anew() -> None:
    opened = e.TransactionOpened(step="7.3", target="production", xid="77", backend_pid=1)
    ended = e.TransactionEnded(step="7.3", target="production", outcome="rolled_back", seconds=3)
    again = state_after(planned(), opened, ended, planned()).conversions["7.3"]
    assert (again.xid, again.outcome, again.commit_sent) == (None, None, False)


def test_an_event_of_a_newer_version_changes_nothing() -> None:
    before = state_after(e.StepTicked(step="1.1"))
    record = e.Record.model_validate(
        {"seq": 9, "at": START, "actor": ANNA, "event": {"kind": "moon_seen", "step": "1.1"}}
    )
    after = fold(before, record)
    assert {f.name for f in fields(RunState) if getattr(before, f.name) != getattr(after, f.name)} == {"last"}


# Few names, so that events meet each other.
NAMES = st.sampled_from(["7.3", "production", "q1", "a", "users", ""])
JSON = st.recursive(st.none() | st.booleans() | st.integers() | NAMES, lambda inner: st.lists(inner, max_size=2))


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value that a field so annotated can have."""
    arguments = get_args(annotation)
    if annotation is str:
        return NAMES
    if annotation is Any:
        return JSON
    if annotation is datetime:
        return st.just(START)
    if annotation is float:
        return st.floats(0, 1000)
    if get_origin(annotation) is Literal:
        return st.sampled_from(arguments)
    if get_origin(annotation) is UnionType:
        return st.one_of(*map(values, arguments))
    if get_origin(annotation) is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return st.builds(annotation, **{name: values(f.annotation) for name, f in annotation.model_fields.items()})
    return st.from_type(cast("type[Any]", annotation))


@st.composite
def any_records(draw: st.DrawFn) -> list[e.Record]:
    drawn = draw(st.lists(st.sampled_from(KINDS).flatmap(values), max_size=25))
    return [
        e.Record(seq=number, at=START + timedelta(seconds=number), actor=ANNA, event=event)
        for number, event in enumerate(drawn, start=1)
    ]


@given(any_records())
def test_any_events_in_any_order_give_a_state(happened: list[e.Record]) -> None:
    state = RunState()
    for record in happened:
        state = fold(state, record)
    assert state == fold_all(happened)
    assert state.last == len(happened)


@given(any_records(), st.integers(0, 25))
def test_folding_on_is_folding_at_once(happened: list[e.Record], cut: int) -> None:
    assert fold_all(happened[cut:], fold_all(happened[:cut])) == fold_all(happened)


@given(any_records())
def test_the_state_survives_the_journals_form(happened: list[e.Record]) -> None:
    again = [e.Record.model_validate_json(record.model_dump_json()) for record in happened]
    assert fold_all(again) == fold_all(happened)


@given(any_records())
def test_old_states_stay_what_they_were(happened: list[e.Record]) -> None:
    states = [RunState()]
    for record in happened:
        states.append(fold(states[-1], record))
    assert [fold_all(happened[:number]) for number in range(len(states))] == states


def test_an_undo_takes_back_what_the_conversion_had_proved() -> None:
    run = [
        e.StepStarted(step="7.3"),
        e.TransactionOpened(step="7.3", target="production", xid="77", backend_pid=1),
        e.TransactionEnded(step="7.3", target="production", outcome="committed", seconds=1),
        e.StepFinished(step="7.3", summary="committed"),
        e.StepStarted(step="7.3-undo"),
        e.TransactionOpened(step="7.3-undo", target="production", xid="78", backend_pid=1),
    ]
    failed = e.TransactionEnded(step="7.3-undo", target="production", outcome="rolled_back", seconds=1)
    undone = e.TransactionEnded(step="7.3-undo", target="production", outcome="committed", seconds=1)
    assert fold_all(records(*run, failed)).step("7.3").status is StepStatus.DONE
    state = fold_all(records(*run, undone))
    assert (state.step("7.3").status, state.step("7.3").summary) == (StepStatus.TODO, "undone")
    assert state.committed["production"].undoes == "7.3"
