"""A client without a screen: runs a step, tells what happens, answers what is asked, and returns how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from pydantic import SecretStr

import core.errors
from core.engine.protocol import AbortStep, AnswerQuestion, Client, Command, RecordFrame, RunStep, StopEngine
from core.errors import ConversionFailed, EngineError, OutcomeUnknown, PgrecastError, Refused
from core.events import (
    Event,
    Question,
    QuestionAsked,
    Record,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepReconciled,
    UnknownEvent,
)
from core.redaction import redactor
from core.runbook.state import RunState, StepState, StepStatus, fold
from tui.sentences import sentence, step_of


class Answer(NamedTuple):
    """An answer to a question.

    Attributes:
        choice: its name.
        phrase: what is typed, where the choice has a phrase.
        value: what is entered, where the question asks for a value.
    """

    choice: str
    phrase: str = ""
    value: SecretStr | None = None


Answers = Callable[[Question], Answer]
"""Decides on a question; raises PgrecastError to stop the step instead."""

Tell = Callable[[str], None]

Leave = Callable[[RunState], PgrecastError | None]
"""Asked at an interruption: the error to leave with while the step goes on; None to stop the step."""

END_WITHIN = 10.0
"""Seconds that an engine which was told to end has for it."""

UNDER_WAY = (StepStatus.RUNNING, StepStatus.ASKING, StepStatus.UNDECIDED)


class EngineLost(EngineError):
    """The engine has ended before the step did."""


class Follower:
    """The operator of a run, for a command that has no screen.

    Args:
        client: this end of the engine, not yet attached.
        tell: told of what happens, a sentence at a time.
        answers: decides on what is asked.
        leave: what an interruption (Ctrl-C) means; the step is stopped unless that says otherwise.
    """

    def __init__(self, client: Client, *, tell: Tell, answers: Answers, leave: Leave = lambda _: None) -> None:
        self.state = RunState()
        self._client = client
        self._tell = tell
        self._answers = answers
        self._leave = leave
        self._replayed = 0
        self._ended: dict[str, asyncio.Future[StepFinished | StepFailed | StepReconciled]] = {}
        self._objections: dict[str, PgrecastError] = {}
        self._reading: asyncio.Task[None] | None = None
        self._replying: set[asyncio.Task[None]] = set()
        self._caught_up = asyncio.Event()

    async def attach(self, name: str) -> None:
        """Attach as the operator, and take in what has happened so far.

        Raises:
            EngineError: the engine cannot be reached.
            Refused: somebody else is the operator.
        """
        welcome = await self._client.attach(role="operator", name=name)
        if welcome.actor.role != "operator":
            await self._client.detach()
            raise Refused(
                "Somebody else is this run's operator.", advice="Ask them, or take over in the console (pgrecast)."
            )
        self._replayed = welcome.last
        self._reading = asyncio.create_task(self._read(), name="follow the engine")
        if not self._replayed:
            self._caught_up.set()
        await self._caught_up.wait()

    async def detach(self) -> None:
        """Leave; the engine stays as it is."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        await self._client.detach()

    async def end_engine(self) -> None:
        """Have the engine end, unless somebody else is attached or a step runs, and wait until it has."""
        if len(self.state.clients) > 1 or not (await self._client.send(StopEngine())).accepted:
            return
        await self.ended(END_WITHIN)

    async def ended(self, within: float) -> None:
        """Wait until the engine has ended the connection, so many seconds at most."""
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=within)

    async def run(self, step: str) -> StepState:
        """Run a step and return its state when it is done.

        An interruption (Ctrl-C) that does not leave stops the step, waits for its end, and is then told as the error that it
        ended with.

        Raises:
            Refused: it did not start.
            EngineLost: the engine has ended before the step did.
            PgrecastError: how it failed, of the class that the engine raised; or what `leave` said.
        """
        ended = self._ended[step] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._client.send(RunStep(step=step))
            if not reply.accepted:
                raise Refused(
                    f"The engine refused: {reply.reason}.",
                    advice="`pgrecast status` shows each step, and for each gate what opens it.",
                )
            event = await asyncio.shield(ended)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                raise
            task.uncancel()
            if (farewell := self._leave(self.state)) is not None:
                raise farewell from None
            self._tell("interrupted: stopping the step; what is not committed is rolled back")
            await self._client.send(AbortStep(step=step))
            event = await ended
        finally:
            self._ended.pop(step, None)
        objection = self._objections.pop(step, None)
        if isinstance(event, StepFailed):
            raise objection or failure(event)
        return self.state.step(step)

    async def found_out(self, step: str, within: float) -> StepState:
        """What a new engine finds out of a step that its predecessor left running: its state, if it is done.

        Args:
            within: seconds that it has for that.

        Raises:
            ConversionFailed: it is not done; what it had begun is rolled back.
            OutcomeUnknown: it could not be found out in time.
        """
        if self.state.step(step).status in UNDER_WAY:
            self._ended[step] = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._ended[step]}, timeout=within)
            del self._ended[step]
        found = self.state.step(step)
        if found.status in UNDER_WAY:
            raise OutcomeUnknown(
                f"The engine died, and what became of step {step} is not known yet: {found.summary}",
                state="The server decides it; the new engine goes on asking.",
                advice="`pgrecast status` tells what it finds out.",
            )
        if found.status is not StepStatus.DONE:
            raise ConversionFailed(f"The engine died, and another has looked: {found.summary}", state="")
        return found

    async def command(self, command: Command) -> None:
        """Send a command; raises Refused with the engine's reason when it does not accept it."""
        reply = await self._client.send(command)
        if not reply.accepted:
            raise Refused(f"The engine refused: {reply.reason}.")

    async def _read(self) -> None:
        try:
            async for frame in self._client.frames():
                if isinstance(frame, RecordFrame):
                    self._take(frame.record)
        finally:
            for ended in self._ended.values():
                if not ended.done():
                    ended.set_exception(
                        EngineLost(
                            "The engine has ended before the step did.",
                            state="What it had not committed is rolled back by the server.",
                            advice="`pgrecast status` shows what is known; the next start of the engine finds out the rest.",
                        )
                    )

    def _take(self, record: Record) -> None:
        self.state = fold(self.state, record)
        if record.seq > self._replayed:
            self._live(record.event)
        if record.seq >= self._replayed:
            self._caught_up.set()

    def _live(self, event: Event | UnknownEvent) -> None:
        if not isinstance(event, StatementStarted):
            step = step_of(event)
            self._tell(f"{step} {sentence(event)[0]}" if step else sentence(event)[0])
        if isinstance(event, QuestionAsked):
            task = asyncio.create_task(self._reply(event.question), name=f"answer {event.question.id}")
            self._replying.add(task)
            task.add_done_callback(self._replying.discard)
        if isinstance(event, StepFinished | StepFailed) or (
            isinstance(event, StepReconciled) and event.outcome != "undecided"
        ):
            ended = self._ended.get(event.step)
            if ended is not None and not ended.done():
                ended.set_result(event)

    async def _reply(self, question: Question) -> None:
        """Answer; where there is no answer, or the engine refuses it, the step is stopped and that is its error."""
        try:
            choice, phrase, value = self._answers(question)
            if question.entry is not None and question.entry.secret:
                redactor.add(value)
            answer = AnswerQuestion(question=question.id, choice=choice, phrase=phrase, plan=question.plan, value=value)
            await self.command(answer)
        except PgrecastError as error:
            self._objections[question.step] = error
            with suppress(EngineError):
                await self._client.send(AbortStep(step=question.step))


def failure(event: StepFailed) -> PgrecastError:
    """The error with which a step ended, of its own class where `core.errors` has it."""
    found = getattr(core.errors, event.error, PgrecastError)
    kind = found if isinstance(found, type) and issubclass(found, PgrecastError) else PgrecastError
    return kind(event.what, state=event.state, advice=event.advice)
