"""The engine with clients in its own process: steps, gates, questions, ticks, roles, evidence, errors."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.protocol import (
    AbortStep,
    AddNote,
    AnswerQuestion,
    Attach,
    OverrideGate,
    Reply,
    RunStep,
    StopEngine,
    TakeOver,
    TickStep,
    UntickStep,
)
from core.engine.thread import EngineThread, LocalClient
from core.errors import ConfigurationError, EngineError, JournalError
from core.events import AnswerRefused, CommandRefused, QuestionExpired, Reading, StepFailed, TargetUnreachable
from core.journal import FILE, RESERVE_FILE, read_journal
from core.postgres.identity import Identity
from core.runbook.model import Runbook, Step, StepContext, StepKind, Task
from core.runbook.state import StepStatus, fold_all
from core.settings import Settings
from tests.toy import PHRASE, SECRET, Follower, ToyTargets, attached, engine_thread


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def engine(run: Path) -> Iterator[EngineThread]:
    with engine_thread(run) as thread:
        yield thread


def refusals(follower: Follower) -> list[str]:
    return [r.event.reason for r in follower.records if isinstance(r.event, CommandRefused | AnswerRefused)]


async def question_of(follower: Follower, step: str) -> str:
    await follower.until_step(step, StepStatus.ASKING)
    return next(id_ for id_, question in follower.state.questions.items() if question.step == step)


async def test_a_step_runs_to_its_proof(engine: EngineThread, run: Path) -> None:
    async with attached(LocalClient(engine)) as anna:
        assert (await anna.send(RunStep(step="2.1"))).accepted
        await anna.until_step("2.1", StepStatus.DONE)
        step = anna.state.step("2.1")
        assert (step.summary, step.log, step.actor and step.actor.name) == ("42 keys", ("looking",), "anna")
        assert anna.state.facts["keys"] == 42
        (file,) = step.files
        stored = run / file.path
        assert stored.read_bytes() == b"# 42 keys\n"
        assert file.sha256 == hashlib.sha256(b"# 42 keys\n").hexdigest()
        assert file.path == f"evidence/{file.sha256}-report.md"
        assert stat.S_IMODE(stored.stat().st_mode) == 0o600
        await anna.until(lambda f: f.readings)
        assert anna.readings[-1].values == {"read": 10}


async def test_what_clients_see_is_what_the_journal_holds(engine: EngineThread, run: Path) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="2.1"))
        await anna.until_step("2.1", StepStatus.DONE)
        on_disk = list(read_journal(run))
        await anna.until(lambda f: f.state.last >= on_disk[-1].seq)
        assert anna.records == on_disk


async def test_a_replay_begins_where_it_is_asked_to(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="2.1"))
        await anna.until_step("2.1", StepStatus.DONE)
        async with attached(LocalClient(engine), role="watcher", name="ben", since=5) as ben:
            await ben.until(lambda f: f.records and f.records[-1].seq >= anna.state.last)
            assert [r.seq for r in ben.records] == list(range(6, ben.records[-1].seq + 1))


async def test_errors_say_what_state_and_advice(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="2.2"))
        await anna.until_step("2.2", StepStatus.FAILED)
        failed = next(r.event for r in anna.records if isinstance(r.event, StepFailed))
        assert (failed.error, failed.what, failed.state, failed.advice) == (
            "QueryFailed",
            "The read took too long.",
            "Nothing in the database has been changed.",
            "Try again later.",
        )
        assert (await anna.send(RunStep(step="2.2"))).accepted
        await anna.until(lambda f: f.state.step("2.2").attempts == 2)


async def test_a_defect_is_a_sentence_on_screen_and_a_traceback_in_the_log(engine: EngineThread, run: Path) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="2.3"))
        await anna.until_step("2.3", StepStatus.FAILED)
        step = anna.state.step("2.3")
        assert "unexpected ValueError" in step.summary
        assert "no such thing" not in step.summary
        assert "engine.log" in step.advice
    log = run / "engine.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text()
    assert "Traceback" in text
    assert "no such thing in 2.3" in text
    assert SECRET not in text
    journal = b"".join(file.read_bytes() for file in run.glob(FILE + "*"))
    assert b"Traceback" not in journal
    assert SECRET.encode() not in journal


async def test_an_aborted_step_has_failed_and_says_who_stopped_it(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="2.4"))
        await anna.until(lambda f: f.state.step("2.4").log)
        assert (await anna.send(AbortStep(step="2.4"))).accepted
        await anna.until_step("2.4", StepStatus.FAILED)
        step = anna.state.step("2.4")
        assert step.summary == "anna has stopped it."
        assert step.database == "Nothing in the database has been changed."
        refused = await anna.send(AbortStep(step="2.4"))
        assert refused.reason == "step 2.4 does not run"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (RunStep(step="9.9"), "there is no step 9.9"),
        (RunStep(step="1.1"), "step 1.1 is for a person; do it and tick it"),
        (RunStep(step="1.2"), "step 1.2 is not in this version; do it by hand and tick it"),
        (RunStep(step="3.3"), "needs known keys (2); keys: not looked yet"),
        (TickStep(step="9.9"), "there is no step 9.9"),
        (UntickStep(step="1.1"), "step 1.1 is not ticked"),
        (AddNote(task=1, text="  "), "the note is empty"),
        (AddNote(task=12, text="x"), "there is no task 12"),
        (AddNote(task=1, step="2.1", text="x"), "step 2.1 is not of task 1"),
        (OverrideGate(step="3.3", gate="keys", reason="r", phrase="override keys"), "cannot be overridden"),
        (OverrideGate(step="3.4", gate="nothing", reason="r", phrase="override nothing"), "has no closed gate nothing"),
        (OverrideGate(step="3.4", gate="window", reason="r", phrase="override"), "phrase is not"),
        (OverrideGate(step="3.4", gate="window", reason=" ", phrase="override window"), "needs a reason"),
    ],
)
async def test_refusals_give_their_reason_and_stand_in_the_journal(
    engine: EngineThread, command: RunStep | TickStep | UntickStep | AddNote | OverrideGate, reason: str
) -> None:
    async with attached(LocalClient(engine)) as anna:
        reply = await anna.send(command)
        assert not reply.accepted
        assert reason in reply.reason
        await anna.until(lambda f: refusals(f) == [reply.reason])
        assert not any(k.startswith("step_") for k in anna.kinds())


async def test_a_gate_opens_by_its_fact_and_an_override_is_good_for_one_attempt(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="2.1"))
        await anna.until_step("2.1", StepStatus.DONE)
        reply = await anna.send(RunStep(step="3.4"))
        assert reply.reason == "needs an open window; window: closed"
        override = OverrideGate(step="3.4", gate="window", reason="the boss says so", phrase="override window")
        assert (await anna.send(override)).accepted
        assert (await anna.send(RunStep(step="3.4"))).accepted
        question = await question_of(anna, "3.4")
        await anna.send(AnswerQuestion(question=question, choice="cancel"))
        await anna.until_step("3.4", StepStatus.DONE)
        assert "an open window" in (await anna.send(RunStep(step="3.4"))).reason
        # It is shown ever after.
        (told,) = anna.state.step("3.4").overridden
        assert told.startswith("anna, ")
        assert told.endswith("UTC: window: the boss says so")


async def test_a_step_runs_once_at_a_time_and_a_destructive_one_alone(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        replies = await asyncio.gather(*(anna.send(RunStep(step="3.1")) for _ in range(3)))
        assert sorted(r.accepted for r in replies) == [False, False, True]
        assert "step 3.1 runs, and one destructive step" in (await anna.send(RunStep(step="3.2"))).reason
        assert (await anna.send(RunStep(step="2.1"))).accepted
        assert (await anna.send(StopEngine())).reason.startswith("step 3.1 runs")


async def test_what_must_not_be_done_twice_is_not(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="2.5"))
        await anna.until_step("2.5", StepStatus.DONE)
        assert (await anna.send(RunStep(step="2.5"))).reason == "step 2.5 is done, and must not be done twice"


async def test_ticks_and_notes(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        assert (await anna.send(TickStep(step="1.1", note="read it"))).accepted
        assert (await anna.send(AddNote(task=1, text="slow today"))).accepted
        await anna.until(lambda f: f.state.notes)
        assert anna.state.step("1.1").status is StepStatus.TICKED
        assert anna.state.step("1.1").notes == ("anna: read it",)
        assert (await anna.send(UntickStep(step="1.1"))).accepted
        await anna.until_step("1.1", StepStatus.TODO)
        await anna.send(RunStep(step="2.1"))
        await anna.until_step("2.1", StepStatus.DONE)
        assert "is proved" in (await anna.send(TickStep(step="2.1"))).reason


# --- confirmations -------------------------------------------------------------------------------------------------


async def test_the_right_phrase_goes_on(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="3.1"))
        question = await question_of(anna, "3.1")
        asked = anna.state.questions[question]
        assert asked.identity is not None
        assert (asked.plan, asked.target, asked.identity.database) == ("plan-1", "production", PHRASE)
        assert (await anna.send(AnswerQuestion(question=question, choice="go", phrase=PHRASE, plan="plan-1"))).accepted
        await anna.until_step("3.1", StepStatus.DONE)
        assert anna.state.step("3.1").summary == "go"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"choice": "go"}, "the typed phrase is not the one asked for"),
        ({"choice": "go", "phrase": "Shop"}, "the typed phrase is not the one asked for"),
        ({"choice": "go", "phrase": PHRASE + "\n"}, "the typed phrase is not the one asked for"),
        ({"choice": "go", "phrase": PHRASE, "plan": "plan-2"}, "it is for another plan"),
        ({"choice": "all", "phrase": PHRASE}, "'all' is none of its choices"),
        ({"choice": "go", "phrase": PHRASE, "question": "0" * 16}, "there is no such question"),
    ],
)
async def test_a_wrong_answer_is_refused_and_journaled_and_the_question_stays(
    engine: EngineThread, answer: dict[str, str], reason: str
) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="3.1"))
        question = await question_of(anna, "3.1")
        reply = await anna.send(AnswerQuestion.model_validate({"question": question, **answer}))
        assert (reply.accepted, reply.reason) == (False, reason)
        await anna.until(lambda f: refusals(f) == [reason])
        assert question in anna.state.questions


async def test_an_answer_is_used_once(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="3.2"))
        question = await question_of(anna, "3.2")
        go = AnswerQuestion(question=question, choice="go", phrase=PHRASE)
        replies = await asyncio.gather(*(anna.send(go) for _ in range(4)))
        assert sorted(r.accepted for r in replies) == [False, False, False, True]
        assert {r.reason for r in replies if not r.accepted} == {"it was answered already"}
        assert (await anna.send(go)).reason == "it was answered already"
        assert anna.kinds().count("question_answered") == 1


async def test_a_question_expires_into_its_default(run: Path) -> None:
    with engine_thread(run, settings={"limits": {"confirmation": "0.2s"}}) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.send(RunStep(step="3.1"))
            question = await question_of(anna, "3.1")
            await anna.until_step("3.1", StepStatus.DONE)
            assert anna.state.facts["choice"] == "cancel"
            late = await anna.send(AnswerQuestion(question=question, choice="go", phrase=PHRASE))
            assert late.reason == "the question is closed: expired"
            assert "question_expired" in anna.kinds()


async def test_an_aborted_step_takes_its_question_with_it(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="3.1"))
        question = await question_of(anna, "3.1")
        await anna.send(AbortStep(step="3.1"))
        await anna.until_step("3.1", StepStatus.FAILED)
        assert not anna.state.questions
        late = await anna.send(AnswerQuestion(question=question, choice="go", phrase=PHRASE))
        assert late.reason == "the question is closed: the step was stopped"


# --- roles ---------------------------------------------------------------------------------------------------------


async def test_a_watcher_sees_all_and_commands_nothing(engine: EngineThread) -> None:
    async with (
        attached(LocalClient(engine)) as anna,
        attached(LocalClient(engine), role="watcher", name="ben") as ben,
    ):
        await anna.send(RunStep(step="3.1"))
        question = await question_of(ben, "3.1")
        for command in (
            RunStep(step="2.1"),
            AbortStep(step="3.1"),
            TickStep(step="1.1"),
            UntickStep(step="1.1"),
            AddNote(task=1, text="x"),
            OverrideGate(step="3.4", gate="window", reason="r", phrase="override window"),
            StopEngine(),
            TakeOver(),
            AnswerQuestion(question=question, choice="go", phrase=PHRASE),
            AnswerQuestion(question=question, choice="cancel"),
        ):
            reply = await ben.send(command)
            assert not reply.accepted, command
            assert "watcher" in reply.reason
        await anna.until(lambda f: len(refusals(f)) == 10)
        assert {r.actor.name for r in anna.records if isinstance(r.event, CommandRefused | AnswerRefused)} == {"ben"}
        assert question in anna.state.questions
        assert anna.state.step("1.1").status is StepStatus.TODO


async def test_a_second_operator_waits_and_takes_over_and_both_are_told(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna, attached(LocalClient(engine), name="ben") as ben:
        assert "watcher" in (await ben.send(RunStep(step="2.1"))).reason
        assert (await ben.send(TakeOver())).accepted
        for follower in (anna, ben):
            await follower.until(lambda f: f.kinds().count("operator_changed") == 2)
            roles = {c.actor.name: c.actor.role for c in follower.state.clients}
            assert roles == {"anna": "watcher", "ben": "operator"}
        assert "watcher" in (await anna.send(RunStep(step="2.1"))).reason
        assert (await ben.send(RunStep(step="2.1"))).accepted
        assert "already" in (await ben.send(TakeOver())).reason
        assert (await anna.send(TakeOver())).accepted


async def test_when_the_operator_leaves_the_next_one_commands(engine: EngineThread) -> None:
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="2.4"))
        await anna.until(lambda f: f.state.step("2.4").log)
    async with attached(LocalClient(engine), name="ben") as ben:
        await ben.until_step("2.4", StepStatus.RUNNING)
        assert (await ben.send(AbortStep(step="2.4"))).accepted


async def test_with_two_persons_a_phrase_needs_another_one_too(run: Path) -> None:
    with engine_thread(run, settings={"run": {"two_person": True}}) as engine:
        async with (
            attached(LocalClient(engine)) as anna,
            attached(LocalClient(engine), role="approver", name="anna") as herself,
            attached(LocalClient(engine), role="approver", name="ben") as ben,
        ):
            await anna.send(RunStep(step="3.1"))
            question = await question_of(anna, "3.1")
            go = AnswerQuestion(question=question, choice="go", phrase=PHRASE)
            assert (await ben.send(go)).reason == "the operator has not confirmed it"
            assert (await anna.send(go)).accepted
            await ben.until(lambda f: f.state.confirmed == {question: "go"})
            assert ben.state.step("3.1").status is StepStatus.ASKING
            assert (await anna.send(go)).reason == "it waits for a second person's approval"
            assert (await herself.send(go)).reason == "a second, different person must approve"
            wrong = go.model_copy(update={"phrase": "x"})
            assert (await ben.send(wrong)).reason == "the typed phrase is not the one asked for"
            assert "approver" in (await ben.send(RunStep(step="2.1"))).reason
            assert (await ben.send(go)).accepted
            await anna.until_step("3.1", StepStatus.DONE)
            assert anna.state.step("3.1").summary == "go"


async def test_where_people_have_accounts_the_second_person_needs_another_one(run: Path) -> None:
    with engine_thread(run, settings={"run": {"two_person": True, "group": "dba"}}) as thread:
        async with attached(LocalClient(thread)) as anna:
            await anna.send(RunStep(step="3.1"))
            go = AnswerQuestion(question=await question_of(anna, "3.1"), choice="go", phrase=PHRASE)
            assert (await anna.send(go)).accepted
            replies = [await approve(thread, go, uid) for uid in (os.getuid(), os.getuid() + 1)]
            assert [reply.reason for reply in replies] == ["a second, different person must approve", ""]
            await anna.until_step("3.1", StepStatus.DONE)


async def approve(thread: EngineThread, answer: AnswerQuestion, uid: int) -> Reply:
    """What an approver called ben is told, from the account of that number."""
    session, _ = await thread.run(thread.engine.attach(Attach(role="approver", name="ben"), uid))
    return await thread.run(thread.engine.command(session, answer))


async def test_without_two_persons_an_approver_has_nothing_to_say(engine: EngineThread) -> None:
    async with (
        attached(LocalClient(engine)) as anna,
        attached(LocalClient(engine), role="approver", name="ben") as ben,
    ):
        await anna.send(RunStep(step="3.1"))
        question = await question_of(ben, "3.1")
        reply = await ben.send(AnswerQuestion(question=question, choice="go", phrase=PHRASE))
        assert reply.reason == "this run needs no approval"


# --- readings --------------------------------------------------------------------------------------------------------


async def test_a_figure_may_come_from_a_thread(run: Path) -> None:
    async def count(context: StepContext) -> str:
        figure = Reading(step=context.step, name="rows", values={"read": 7})
        await asyncio.to_thread(context.read, figure)
        await asyncio.sleep(3600)
        return "never"

    step = Step("1.1", "Count", StepKind.AUTOMATIC, action=count)
    with engine_thread(run, runbook=Runbook("threads", (Task(1, "Count", "", "", (step,)),))) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.send(RunStep(step="1.1"))
            await anna.until(lambda f: f.readings)
            assert [reading.values for reading in anna.readings] == [{"read": 7}]
            assert anna.state.step("1.1").status is StepStatus.RUNNING


# --- the right database --------------------------------------------------------------------------------------------


async def test_another_database_at_the_same_address_is_refused(run: Path) -> None:
    targets = ToyTargets()
    with engine_thread(run, targets=targets) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.send(RunStep(step="2.2"))
            await anna.until_step("2.2", StepStatus.FAILED)
            assert anna.state.targets["production"].identity.cluster == "c1"
            targets.identities["production"] = Identity("c2", 16384, PHRASE)
            await anna.send(RunStep(step="3.1"))
            await anna.until_step("3.1", StepStatus.FAILED)
            assert "this run was opened on shop (oid 16384) in cluster c1" in anna.state.step("3.1").summary
            assert not anna.state.questions


async def test_an_engine_looks_at_its_targets_when_it_opens(run: Path) -> None:
    targets = ToyTargets(names=("production", "test"))
    with engine_thread(run, targets=targets) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.until(lambda f: {"target_identified", "target_unreachable"} <= set(f.kinds()))
            assert anna.state.targets["production"].identity.database == PHRASE
            assert "test" not in anna.state.targets
            (missed,) = [r.event for r in anna.records if isinstance(r.event, TargetUnreachable)]
            assert (missed.target, missed.reason) == ("test", "There is no target called test.")
            # What does not answer at first is looked for again by the step that needs it.
            targets.identities["test"] = Identity("c1", 16385, "shop_test")
            await anna.send(RunStep(step="2.7"))
            await anna.until_step("2.7", StepStatus.DONE)
            assert anna.state.targets["test"].identity.database == "shop_test"


async def test_an_engine_that_opens_on_another_database_says_so_and_keeps_to_the_first(run: Path) -> None:
    targets = ToyTargets(names=("production",))
    with engine_thread(run, targets=targets) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.until(lambda f: "production" in f.state.targets)
    targets.identities["production"] = Identity("c2", 16384, PHRASE)
    with engine_thread(run, targets=targets) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.until(lambda f: "target_unreachable" in f.kinds())
            missed = next(r.event for r in anna.records if isinstance(r.event, TargetUnreachable))
            assert "this run was opened on shop (oid 16384) in cluster c1" in missed.reason
            assert anna.state.targets["production"].identity.cluster == "c1"


async def test_a_target_that_does_not_answer_holds_up_neither_start_nor_end(run: Path) -> None:
    targets = ToyTargets(names=("production",), answers=False)
    with engine_thread(run, targets=targets) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.send(RunStep(step="2.1"))
            await anna.until_step("2.1", StepStatus.DONE)
    assert [r.event.kind for r in read_journal(run)][-1] == "engine_stopped"


# --- beginning and end ---------------------------------------------------------------------------------------------


async def test_the_next_engine_goes_on_where_the_last_one_ended(run: Path) -> None:
    with engine_thread(run) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.send(RunStep(step="2.1"))
            await anna.until_step("2.1", StepStatus.DONE)
            await anna.send(RunStep(step="2.4"))
            await anna.until(lambda f: f.state.step("2.4").log)
    with engine_thread(run) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.until(lambda f: f.kinds().count("engine_started") == 2)
            assert anna.state.step("2.1").status is StepStatus.DONE
            stopped = anna.state.step("2.4")
            assert stopped.status is StepStatus.FAILED
            assert stopped.summary == "The engine was stopped: its work is done."
            assert anna.kinds().count("run_opened") == 1
            assert (await anna.send(RunStep(step="2.4"))).accepted


async def test_whoever_looks_goes_by_the_engines_settings(run: Path) -> None:
    given = {"limits": {"other_sessions": 3}, "service": {"health_url": "https://backend.example.com/health"}}
    with engine_thread(run, settings=given) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.until(lambda f: f.state.settings)
            seen = Settings().as_told(anna.state.settings)
            assert (seen.limits.other_sessions, seen.service.health_url) == (3, "https://backend.example.com/health")
    read = Settings().as_told(fold_all(read_journal(run)).settings)
    assert read == seen


async def test_stopping_ends_the_frames_with_the_last_event(run: Path) -> None:
    engine = engine_thread(run)
    engine.start()
    client = LocalClient(engine)
    async with attached(client) as anna:
        assert (await anna.send(StopEngine())).accepted
        await anna.until(lambda f: f.ended)
        assert anna.kinds()[-1] == "engine_stopped"
        with pytest.raises(EngineError, match="has ended"):
            await client.send(RunStep(step="2.1"))
    engine.stop()


def test_a_run_of_another_kind_is_refused(run: Path) -> None:
    with engine_thread(run):
        pass
    with pytest.raises(ConfigurationError, match="is of kind toy, not other"):
        engine_thread(run, runbook=Runbook("other", ())).start()


def test_a_run_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written"):
        engine_thread(tmp_path / "file" / "run").start()


async def test_no_step_starts_without_room_for_its_events(engine: EngineThread, run: Path) -> None:
    (run / RESERVE_FILE).symlink_to(run / "nowhere" / "x")  # cannot be made, like on a full disk
    async with attached(LocalClient(engine)) as anna:
        reply = await anna.send(RunStep(step="2.1"))
        assert not reply.accepted
        assert "cannot be kept" in reply.reason
        (run / RESERVE_FILE).unlink(missing_ok=True)
        assert (await anna.send(RunStep(step="2.1"))).accepted
        await anna.until_step("2.1", StepStatus.DONE)


async def test_a_dead_engines_questions_are_closed(run: Path) -> None:
    engine = engine_thread(run)
    engine.start()
    async with attached(LocalClient(engine)) as anna:
        await anna.send(RunStep(step="3.1"))
        question = await question_of(anna, "3.1")
    copy = run.parent / "copy"  # as a kill at this moment leaves it
    copy.mkdir()
    for file in run.glob(FILE + "*"):
        (copy / file.name).write_bytes(file.read_bytes())
    engine.stop()
    with engine_thread(copy) as again:
        async with attached(LocalClient(again)) as anna:
            await anna.until_step("3.1", StepStatus.FAILED)
            assert not anna.state.questions
            expired = [r.event for r in anna.records if isinstance(r.event, QuestionExpired)]
            assert [(e.question, e.choice) for e in expired] == [(question, "cancel")]
            assert "interrupted" in anna.state.step("3.1").summary
            reply = await anna.send(AnswerQuestion(question=question, choice="go", phrase=PHRASE))
            assert not reply.accepted
    assert fold_all(read_journal(copy)).step("3.1").status is StepStatus.FAILED
