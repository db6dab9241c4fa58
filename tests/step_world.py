"""A step's world without an engine: an in-memory journal, evidence in a directory, and answers decided beforehand."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from core.errors import ConfigurationError
from core.events import (
    ENGINE,
    ENTER,
    NOTHING,
    Actor,
    Choice,
    Entry,
    Event,
    FactRecorded,
    FileRecorded,
    Json,
    Question,
    QuestionAnswered,
    QuestionAsked,
    Reading,
    Record,
    StepSaid,
)
from core.hosting.factory import host_of
from core.hosting.interface import Host
from core.postgres.connect import ConnectionSpec, connect, identify
from core.postgres.identity import Identity
from core.runbook.state import RunState, fold
from core.settings import Settings

Answer = Callable[[Question], str | Awaitable[str]]
Entering = Callable[[Question], SecretStr | None]


class StepWorld:
    """Implements `core.runbook.model.StepContext`.

    Args:
        specs: connections by target.
        answers: for a question, the name of the choice taken; None lets every question expire into its default.
        entering: for a question that asks for a value, the value; None enters nothing.
        host: the host of the run; None makes the one of the settings, without a key.
    """

    def __init__(
        self,
        directory: Path,
        settings: Settings,
        specs: Mapping[str, ConnectionSpec],
        answers: Answer | None = None,
        entering: Entering | None = None,
        host: Host | None = None,
    ) -> None:
        self.step = "0.0"
        self.settings = settings
        self.run_directory = directory
        self.specs = dict(specs)
        self.answers = answers
        self.entering = entering
        self._host = host
        self.state = RunState()
        self.events: list[Event] = []
        self.readings: list[Reading] = []
        self.questions: list[Question] = []

    def record(self, event: Event, actor: Actor = ENGINE) -> None:
        self.events.append(event)
        self.state = fold(self.state, Record(seq=len(self.events), at=datetime.now(UTC), actor=actor, event=event))

    async def target(self, name: str) -> tuple[ConnectionSpec, Identity]:
        if name not in self.specs:
            raise ConfigurationError(f"No {name} database is configured.")
        connection = await connect(self.specs[name])
        try:
            return self.specs[name], await identify(connection)
        finally:
            connection.terminate()

    async def host(self) -> Host:
        self._host = self._host or host_of(self.settings.hosting, None)
        return self._host

    async def publish(self, event: Event) -> None:
        self.record(event)

    def read(self, reading: Reading) -> None:
        self.readings.append(reading)

    async def say(self, text: str) -> None:
        self.record(StepSaid(step=self.step, text=text))

    async def fact(self, name: str, value: Json) -> None:
        self.record(FactRecorded(step=self.step, name=name, value=value))

    async def file(self, name: str, content: bytes) -> Path:
        digest = hashlib.sha256(content).hexdigest()
        path = self.run_directory / f"{digest}-{name}"
        path.write_bytes(content)
        self.record(FileRecorded(step=self.step, name=name, path=path.name, sha256=digest, bytes=len(content)))
        return path

    async def ask(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        default: str,
        expires_in: timedelta,
        target: str | None = None,
        plan: str | None = None,
        locks: Sequence[str] = (),
        duration: str = "",
        checked: Sequence[str] = (),
        cannot_undo: Sequence[str] = (),
        way_back: str = "",
        details: Sequence[str] = (),
    ) -> str:
        now = datetime.now(UTC)
        question = Question(
            id=f"q{len(self.questions)}",
            step=self.step,
            title=title,
            choices=tuple(choices),
            default=default,
            target=target,
            plan=plan,
            locks=tuple(locks),
            duration=duration,
            checked=tuple(checked),
            cannot_undo=tuple(cannot_undo),
            way_back=way_back,
            details=tuple(details),
            asked_at=now,
            expires_at=now + expires_in,
        )
        self.questions.append(question)
        self.record(QuestionAsked(question=question))
        answer = await self._answer(question)
        assert answer in {choice.name for choice in choices}
        self.record(QuestionAnswered(question=question.id, step=self.step, choice=answer))
        return answer

    async def enter(
        self, title: str, label: str, *, secret: bool, expires_in: timedelta, details: Sequence[str] = ()
    ) -> SecretStr | None:
        now = datetime.now(UTC)
        question = Question(
            id=f"q{len(self.questions)}",
            step=self.step,
            title=title,
            choices=(Choice(name=ENTER, label="Enter it"), Choice(name=NOTHING, label="Enter nothing")),
            default=NOTHING,
            entry=Entry(label=label, secret=secret),
            details=tuple(details),
            asked_at=now,
            expires_at=now + expires_in,
        )
        self.questions.append(question)
        self.record(QuestionAsked(question=question))
        value = self.entering(question) if self.entering else None
        shown = None if value is None or secret else value.get_secret_value()
        taken = NOTHING if value is None else ENTER
        self.record(QuestionAnswered(question=question.id, step=self.step, choice=taken, value=shown))
        return value

    async def _answer(self, question: Question) -> str:
        if self.answers is None:
            return question.default
        answer = self.answers(question)
        return answer if isinstance(answer, str) else await answer

    def evidence(self, name: str, step: str | None = None) -> str:
        """The newest evidence file of that name, as text."""
        files = [file for file in self.state.step(step or self.step).files if file.name == name]
        return (self.run_directory / files[-1].path).read_text()


def taking(*names: str) -> Callable[[Question], str]:
    """Answers that take the first of these choices that a question offers, and its default otherwise."""

    def answer(question: Question) -> str:
        offered = [choice.name for choice in question.choices]
        return next((name for name in names if name in offered), question.default)

    return answer
