"""What clients may tell the engine: each command checked, done or refused with its reason, refusals journaled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from core.engine.hub import Hub, Session
from core.engine.protocol import (
    AbortStep,
    AddNote,
    AnswerQuestion,
    Attach,
    Command,
    OverrideGate,
    Reply,
    RunStep,
    StopEngine,
    TakeOver,
    TickStep,
    UntickStep,
)
from core.engine.questions import Questions
from core.engine.steps import Steps
from core.errors import JournalError
from core.events import (
    CommandRefused,
    GateOverridden,
    NoteAdded,
    OperatorChanged,
    StepTicked,
    StepUnticked,
)
from core.runbook.model import Runbook, Step
from core.runbook.state import StepStatus


class Commands:
    """Belongs to the engine's loop.

    Args:
        stop: asks the engine to end.
    """

    def __init__(
        self, hub: Hub, runbook: Runbook, steps: Steps, questions: Questions, stop: Callable[[str], None]
    ) -> None:
        self._hub = hub
        self._runbook = runbook
        self._steps = steps
        self._questions = questions
        self._stop = stop

    async def handle(self, session: Session, command: Command) -> Reply:
        """Do what the client says, or tell it why not."""
        try:
            reason = await self._handle(session, command)
        except JournalError as error:
            return Reply(accepted=False, reason=str(error))
        # A refused answer stands in the journal as AnswerRefused already.
        if reason is not None and not isinstance(command, AnswerQuestion):
            step = getattr(command, "step", None)
            with suppress(JournalError):  # a full disk makes it no less refused
                await self._hub.publish(
                    session.actor, CommandRefused(command=command.command, step=step, reason=reason)
                )
        return Reply(accepted=reason is None, reason=reason or "")

    async def _handle(self, session: Session, command: Command) -> str | None:
        actor = session.actor
        match command:
            case Attach():
                return "this client is attached already"
            case AnswerQuestion():
                return await self._questions.answer(actor, command)
            case TakeOver():
                return await self._take_over(session)
            case _ if actor.role != "operator":
                return f"only the operator may do this; this client is attached as {actor.role}"
            case RunStep():
                return await self._steps.run(actor, command.step)
            case AbortStep():
                return await self._steps.abort(actor, command.step)
            case TickStep():
                return await self._tick(session, command)
            case UntickStep():
                return await self._untick(session, command)
            case AddNote():
                return await self._note(session, command)
            case OverrideGate():
                return await self._override(session, command)
            case StopEngine():
                if self._steps.running:
                    return f"step {self._steps.running[0]} runs; stop it first"
                self._stop(f"{actor.name} has stopped it")
                return None

    def _step(self, id_: str) -> Step | str:
        try:
            return self._runbook.step(id_)
        except KeyError:
            return f"there is no step {id_}"

    async def _take_over(self, session: Session) -> str | None:
        if self._hub.operator == session.id:
            return "this client is the operator already"
        if not session.may_command:
            return f"it attached as {session.actor.role}; only one that attached as operator can take over"
        before = self._hub.sessions.get(self._hub.operator or "")
        if before is not None:
            before.actor = before.actor.model_copy(update={"role": "watcher"})
        self._hub.operator = session.id
        session.actor = session.actor.model_copy(update={"role": "operator"})
        await self._hub.publish(session.actor, OperatorChanged(client=session.id, actor=session.actor))
        return None

    async def _tick(self, session: Session, command: TickStep) -> str | None:
        if isinstance(step := self._step(command.step), str):
            return step
        match self._hub.state.step(step.id).status:
            case StepStatus.DONE:
                return f"step {step.id} is proved; there is nothing to vouch for"
            case StepStatus.RUNNING | StepStatus.ASKING | StepStatus.UNDECIDED:
                return f"step {step.id} has not ended"
            case _:
                await self._hub.publish(session.actor, StepTicked(step=step.id, note=command.note))
                return None

    async def _untick(self, session: Session, command: UntickStep) -> str | None:
        if isinstance(step := self._step(command.step), str):
            return step
        if self._hub.state.step(step.id).status is not StepStatus.TICKED:
            return f"step {step.id} is not ticked"
        await self._hub.publish(session.actor, StepUnticked(step=step.id, note=command.note))
        return None

    async def _note(self, session: Session, command: AddNote) -> str | None:
        if not command.text.strip():
            return "the note is empty"
        if all(task.number != command.task for task in self._runbook.tasks):
            return f"there is no task {command.task}"
        if command.step is not None:
            if isinstance(step := self._step(command.step), str):
                return step
            if step.task != command.task:
                return f"step {step.id} is not of task {command.task}"
        await self._hub.publish(session.actor, NoteAdded(task=command.task, step=command.step, text=command.text))
        return None

    async def _override(self, session: Session, command: OverrideGate) -> str | None:
        if isinstance(step := self._step(command.step), str):
            return step
        report = next((r for r in self._steps.closed_gates(step) if r.name == command.gate), None)
        if report is None:
            return f"step {step.id} has no closed gate {command.gate}"
        if not report.overridable:
            return f"the gate {report.name} cannot be overridden: {report.condition} is needed"
        if command.phrase != f"override {report.name}":
            return f"the typed phrase is not 'override {report.name}'"
        if not command.reason.strip():
            return "an override needs a reason"
        await self._hub.publish(session.actor, GateOverridden(step=step.id, gate=report.name, reason=command.reason))
        return None
