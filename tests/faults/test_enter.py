"""A value that a step asks a person for: over the socket to the step, and nowhere else when it is a secret."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from core.engine.address import SocketPlace
from core.engine.client import SocketClient
from core.engine.engine import Engine
from core.engine.protocol import AnswerQuestion, Reply, RunStep
from core.engine.questions import LONGEST_VALUE
from core.engine.server import Server
from core.events import ENTER, NOTHING, Question, QuestionAnswered, QuestionAsked
from core.journal import read_journal
from core.redaction import redactor
from core.runbook.model import Runbook, Step, StepContext, StepKind, Task
from core.runbook.state import StepStatus
from core.settings import Settings
from tests.toy import Follower, ToyTargets, attached
from tui.cli.follow import Answer
from tui.cli.follow import Follower as Headless

SENTINEL = "sentinel-of-an-entry-7f3a/+ü"
taken: list[str | None] = []
"""What the steps got."""


async def _enter(context: StepContext, *, secret: bool, expires_in: timedelta = timedelta(minutes=1)) -> str:
    value = await context.enter("Which one?", "The key", secret=secret, expires_in=expires_in, details=("typed",))
    taken.append(value.get_secret_value() if value is not None else None)
    return f"{value is not None}"


async def enter_secret(context: StepContext) -> str:
    await _enter(context, secret=True)
    await context.say(f"It is {taken[-1]}.")  # a mistake that must stay without consequence
    await context.file("report.md", f"key: {taken[-1]}\n".encode())
    return f"got {taken[-1]}"


async def enter_text(context: StepContext) -> str:
    return await _enter(context, secret=False)


async def expire(context: StepContext) -> str:
    return await _enter(context, secret=True, expires_in=timedelta(seconds=0.1))


RUNBOOK = Runbook(
    "toy",
    (
        Task(
            1,
            "Enter",
            "",
            "",
            (
                Step("1.1", "A secret", StepKind.AUTOMATIC, action=enter_secret),
                Step("1.2", "A text", StepKind.AUTOMATIC, action=enter_text),
                Step("1.3", "Too late", StepKind.AUTOMATIC, action=expire),
            ),
        ),
    ),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    taken.clear()
    return tmp_path / "run"


@asynccontextmanager
async def serving(run: Path, role: Literal["operator", "watcher"] = "operator") -> AsyncGenerator[Follower]:
    """An engine behind its socket, and its first client."""
    engine = Engine(run, Settings(), RUNBOOK, ToyTargets())
    await engine.start()
    place = SocketPlace(run)
    listening = Server(engine, place.path)
    await listening.start()
    place.announce()
    try:
        async with attached(SocketClient(run), role=role) as anna:
            yield anna
    finally:
        place.remove()
        await engine.stop("the test is over")
        await listening.stop()


async def asked(follower: Follower, step: str) -> Question:
    await follower.send(RunStep(step=step))
    await follower.until_step(step, StepStatus.ASKING)
    return next(q for q in follower.state.questions.values() if q.step == step)


async def give(follower: Follower, question: Question, value: str) -> Reply:
    return await follower.send(AnswerQuestion(question=question.id, choice=ENTER, value=SecretStr(value)))


def everything(run: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file())


async def test_a_secret_reaches_the_step_and_nobody_else(run: Path) -> None:
    async with serving(run) as anna, attached(SocketClient(run), role="watcher", name="ben") as ben:
        question = await asked(anna, "1.1")
        assert question.entry is not None
        assert question.entry.secret
        assert (await give(anna, question, SENTINEL)).accepted
        await ben.until_step("1.1", StepStatus.DONE)
        seen = "".join(record.model_dump_json() for record in (*anna.records, *ben.records))
    assert taken == [SENTINEL]
    assert SENTINEL not in seen
    assert json.dumps(SENTINEL)[1:-1] not in seen
    assert SENTINEL.encode() not in everything(run)
    assert "It is ***." in seen
    (answered,) = [r.event for r in read_journal(run) if isinstance(r.event, QuestionAnswered)]
    assert (answered.choice, answered.value) == (ENTER, None)


async def test_a_text_is_journaled(run: Path) -> None:
    async with serving(run) as anna:
        question = await asked(anna, "1.2")
        assert (await give(anna, question, "Sunday, 02:00")).accepted
        await anna.until_step("1.2", StepStatus.DONE)
    assert taken == ["Sunday, 02:00"]
    (answered,) = [r.event for r in read_journal(run) if isinstance(r.event, QuestionAnswered)]
    assert answered.value == "Sunday, 02:00"
    assert redactor.redact("Sunday, 02:00") == "Sunday, 02:00"


async def test_nothing_is_an_answer_too(run: Path) -> None:
    async with serving(run) as anna:
        question = await asked(anna, "1.1")
        assert (await anna.send(AnswerQuestion(question=question.id, choice=NOTHING))).accepted
        await anna.until_step("1.1", StepStatus.DONE)
    assert taken == [None]


async def test_who_is_too_late_enters_nothing_and_the_value_is_masked_all_the_same(run: Path) -> None:
    late = "sentinel-too-late-9c1b"
    async with serving(run) as anna:
        question = await asked(anna, "1.3")
        await anna.until_step("1.3", StepStatus.DONE)
        assert not (await give(anna, question, late)).accepted
    assert taken == [None]
    assert redactor.redact(f"x {late} x") == "x *** x"
    assert late.encode() not in everything(run)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "nothing was entered"),
        ("   ", "nothing was entered"),
        ("sentinel\nof two lines", "the value has characters that cannot be typed"),
        ("sentinel\0", "the value has characters that cannot be typed"),
        ("s" * (LONGEST_VALUE + 1), f"the value is longer than {LONGEST_VALUE} characters"),
    ],
)
async def test_a_value_that_is_none_is_refused_without_being_repeated(run: Path, value: str, reason: str) -> None:
    async with serving(run) as anna:
        question = await asked(anna, "1.1")
        reply = await give(anna, question, value)
        assert (reply.accepted, reply.reason) == (False, reason)
        assert (await give(anna, question, SENTINEL)).accepted
        await anna.until_step("1.1", StepStatus.DONE)
    assert taken == [SENTINEL]


async def test_only_the_operator_enters(run: Path) -> None:
    async with serving(run) as anna, attached(SocketClient(run), role="watcher", name="ben") as ben:
        question = await asked(anna, "1.1")
        reply = await give(ben, question, SENTINEL)
        assert reply.reason == "a watcher cannot answer"
        assert taken == []
    assert SENTINEL.encode() not in everything(run)


async def test_a_client_without_a_screen_enters_it(run: Path) -> None:
    told: list[str] = []

    def answer(question: Question) -> Answer:
        return Answer(ENTER, value=SecretStr(SENTINEL))

    async with serving(run, "watcher"):
        headless = Headless(SocketClient(run), tell=told.append, answers=answer)
        await headless.attach("script")
        state = await headless.run("1.1")
        await headless.detach()
    assert taken == [SENTINEL]
    assert state.summary == "got ***"
    assert "1.1 a value was entered" in told
    assert SENTINEL not in "".join(told)


def test_a_secret_on_the_socket_is_masked_everywhere_else() -> None:
    answer = AnswerQuestion(question="q", choice=ENTER, value=SecretStr(SENTINEL))
    assert SENTINEL in json.loads(answer.model_dump_json())["value"]
    assert SENTINEL not in f"{answer} {answer!r} {answer.model_dump()}"


def test_a_question_of_an_older_journal_asks_for_no_value() -> None:
    asked_then: dict[str, Any] = {
        "kind": "question_asked",
        "question": {
            "id": "q", "step": "1.1", "title": "Go?", "choices": [], "default": "no",
            "asked_at": "2026-01-04T02:00:00Z", "expires_at": "2026-01-04T02:05:00Z",
        },
    }  # fmt: skip
    assert QuestionAsked.model_validate(asked_then).question.entry is None
    answered = {"kind": "question_answered", "question": "q", "step": "1.1", "choice": "no"}
    assert QuestionAnswered.model_validate(answered).value is None
