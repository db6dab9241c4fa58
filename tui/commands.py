"""What the console asks of the engine, dialogs included, and why it would not: one place for every commanding key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from core.engine.protocol import (
    AbortStep,
    AddNote,
    AnswerQuestion,
    Command,
    OverrideGate,
    RunStep,
    TakeOver,
    TickStep,
    UntickStep,
)
from core.events import ENTER, NOTHING, Choice, Question
from core.redaction import redactor
from core.runbook.checklists.lines import waiting_lines
from core.runbook.checklists.tick import STEP as CHECKLISTS
from core.runbook.model import GateReport, Runbook, Step, Task
from core.runbook.reports.handover_texts import incident_update, shift_handover
from core.runbook.state import RunState, StepStatus
from core.runbook.window.papers import message_to_rollback_team, message_to_stakeholders
from core.settings import Settings
from tui import summary
from tui.copies import keep_copy
from tui.dialogs.choose import Choose
from tui.dialogs.confirm import Confirm
from tui.dialogs.enter import Enter
from tui.dialogs.note import Note
from tui.dialogs.override import Override
from tui.store import Store

if TYPE_CHECKING:
    from tui.app import Console

ACTIVE = frozenset({StepStatus.RUNNING, StepStatus.ASKING})
CANCEL = Choice(name="cancel", label="Cancel")
TEXTS = (
    Choice(name="incident update", label="An incident update", consequence="For everyone concerned: where it stands."),
    Choice(
        name="shift handover",
        label="A shift handover",
        consequence="For who goes on: also what waits, failed, was overridden or only ticked.",
    ),
    Choice(name="stakeholders", label="A message to stakeholders", consequence="When the service is away (step 6.2)."),
    Choice(
        name="rollback team",
        label="A message to the rollback team",
        consequence="When to be reachable, and by when to turn back (step 6.3).",
    ),
)
NO_WINDOW = "No window is chosen yet (step 6.1)."


def _message(write: Callable[[RunState, tzinfo | None], str | None]) -> Callable[..., str]:
    def written(runbook: Runbook, state: RunState, settings: Settings, now: datetime) -> str:
        del runbook, now
        return write(state, settings.window.zone) or NO_WINDOW

    return written


_WRITTEN = {
    "incident update": incident_update,
    "shift handover": shift_handover,
    "stakeholders": _message(message_to_stakeholders),
    "rollback team": _message(message_to_rollback_team),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a key does nothing now.

    Attributes:
        reason: one sentence.
        barred: whether it is this console's role (the key is shown in brackets then), not the moment.
    """

    reason: str
    barred: bool = False


def refused_role(store: Store, *, answering: bool = False) -> Refusal | None:
    """Why this console may command nothing, None when it may."""
    if not store.attached:
        return Refusal("The engine is not connected; commands wait until it is.", barred=True)
    if store.commands or (answering and store.role == "approver"):
        return None
    operator = next((c.actor.name for c in store.state.clients if c.client == store.state.operator), None)
    who = f"{operator} operates this run" if operator else "nobody operates this run"
    if store.role == "watcher":
        return Refusal(f"You watch: {who}. This console commands nothing.", barred=True)
    return Refusal(f"You watch: {who}. Take over first (t).", barred=True)


def cannot_run(step: Step | None, store: Store) -> Refusal | None:
    if step is None:
        return Refusal("No step is marked.")
    status = store.state.step(step.id).status
    if status in ACTIVE:
        return Refusal(f"{step.id} runs already.")
    if step.action is None:
        why = "The program cannot do it yet" if not step.built else "A person does it"
        return Refusal(f"{step.id}: {why}; follow its lines, then tick it.")
    if status is StepStatus.DONE and not step.repeatable:
        return Refusal(f"{step.id} is done and must not be run twice.")
    return None


def cannot_tick(step: Step | None, store: Store) -> Refusal | None:
    if step is None:
        return Refusal("No step is marked.")
    if not summary.can_tick(step):
        return Refusal(f"{step.id} is done by the engine and proved; it is run, not ticked.")
    if store.state.step(step.id).status in ACTIVE:
        return Refusal(f"{step.id} runs.")
    return None


def cannot_abort(step: Step | None, store: Store) -> Refusal | None:
    return None if running_step(step, store) else Refusal("Nothing runs.")


def cannot_mark(store: Store) -> Refusal | None:
    if store.state.step(CHECKLISTS).status in ACTIVE:
        return Refusal("Your checklists are being marked; what is asked waits for its answer.")
    return None if waiting_lines(store.state) else Refusal("No line of your checklists waits to be marked.")


def running_step(step: Step | None, store: Store) -> str | None:
    """The step to abort: the marked one if it runs, otherwise the one that does."""
    running = [id_ for id_, found in store.state.steps.items() if found.status in ACTIVE]
    return step.id if step is not None and step.id in running else next(iter(running), None)


def asked(step: Step | None, store: Store) -> Question | None:
    """The question that the answer key means: the marked step's, otherwise the oldest."""
    mine = summary.question_of(step.id, store.state) if step else None
    return mine or summary.question_of(None, store.state)


class Commands:
    """The commanding keys' work. Each method runs in a worker of the application."""

    def __init__(self, app: Console) -> None:
        self._app = app
        self._store = app.store

    async def _send(self, command: Command) -> bool:
        reply = await self._store.send(command)
        if not reply.accepted:
            self._app.tell(f"Refused: {reply.reason}", severity="warning")
        return reply.accepted

    async def run(self, step: Step) -> None:
        await self._send(RunStep(step=step.id))

    async def tick(self, step: Step) -> None:
        """Tick the step with a note; take the tick back when it has one."""
        ticked = self._store.state.step(step.id).status is StepStatus.TICKED
        heading = f"Take back the tick of {step.id}" if ticked else f"Tick {step.id}: unverified, on your word"
        note = await self._app.push_screen_wait(
            Note(heading, step.title, "Why (may be empty)" if ticked else "How you know (may be empty)", empty=True)
        )
        if note is not None:
            await self._send(UntickStep(step=step.id, note=note) if ticked else TickStep(step=step.id, note=note))

    async def note(self, task: Task, step: Step | None) -> None:
        about = f"{step.id} {step.title}" if step else f"{task.number} {task.title}"
        text = await self._app.push_screen_wait(Note("A note", about, "Note", empty=False))
        if text:
            await self._send(AddNote(task=task.number, step=step.id if step else None, text=text))

    async def abort(self, step: str) -> None:
        """Ask, then abort what runs."""
        conversion = self._store.state.conversions.get(step)
        open_ = conversion is not None and conversion.xid is not None and conversion.outcome is None
        target = summary.target_words(conversion.target, self._store.state) if conversion else ""
        facts = (
            (
                f"The statement that runs is cancelled, and the transaction on {target} is rolled back.",
                f"Way back: {summary.way_back(self._store.state, self._store.readings)}.",
            )
            if open_
            else ("The step is cancelled where it stands; what it has changed is said afterwards.",)
        )
        go_on = Choice(name="go_on", label="Let it go on")
        choice = await self._app.push_screen_wait(
            Choose(f"Abort {step}?", (go_on, Choice(name="abort", label=f"Abort {step}")), default="go_on", facts=facts)
        )
        if choice == "abort":
            await self._send(AbortStep(step=step))

    async def answer(self, question: Question) -> None:
        """Show the question, and carry the answer to the engine, which checks it."""
        if question.entry is not None:
            value = await self._app.push_screen_wait(Enter(question, question.entry, self._store))
            if value is not None:
                entered = AnswerQuestion(question=question.id, choice=ENTER, value=value)
                nothing = AnswerQuestion(question=question.id, choice=NOTHING)
                await self._send(entered if value.get_secret_value() else nothing)
            return
        if any(choice.phrase is not None for choice in question.choices):
            answer = await self._app.push_screen_wait(Confirm(question, self._store))
        else:
            choice = await self._app.push_screen_wait(
                Choose(
                    question.title,
                    question.choices,
                    default=question.default,
                    question=question,
                    store=self._store,
                )
            )
            answer = (choice, "") if choice else None
        if answer is not None:
            await self._send(AnswerQuestion(question=question.id, choice=answer[0], phrase=answer[1]))

    async def override(self, step: Step, gate: GateReport) -> None:
        """Ask for the reason and the phrase, and carry both to the engine, which checks them."""
        given = await self._app.push_screen_wait(Override(step, gate))
        if given is not None:
            await self._send(OverrideGate(step=step.id, gate=gate.name, reason=given[0], phrase=given[1]))

    async def mark_checklists(self) -> None:
        """Have the engine show which lines of the checklists wait, and ask."""
        await self._send(RunStep(step=CHECKLISTS))

    async def copy(self) -> None:
        """Ask which text, and copy it; a file keeps it too, and is told where the clipboard may not reach."""
        app, store = self._app, self._store
        title = "Copy which text? It tells the run as it stands now."
        name = await app.push_screen_wait(Choose(title, TEXTS, default=TEXTS[0].name))
        if name is None:
            return
        now = store.now()
        text = redactor.redact(_WRITTEN[name](app.runbook, store.state, app.settings, now))
        app.copy_to_clipboard(text)
        try:
            path = await asyncio.to_thread(keep_copy, name, store.state.run, text, now)
        except OSError as error:
            app.tell(f"Copied to the terminal's clipboard; it could not be kept in a file: {error.strerror}.")
        else:
            app.tell(f"Copied to the terminal's clipboard, if it takes it; kept in {path}", seconds=30)

    async def take_over(self) -> None:
        """Become the operator; asks first where there is one."""
        state = self._store.state
        operator = next((c.actor.name for c in state.clients if c.client == state.operator), None)
        if operator is not None:
            choice = await self._app.push_screen_wait(
                Choose(
                    f"Take over from {operator}?",
                    (CANCEL, Choice(name="take_over", label="Take over")),
                    default=CANCEL.name,
                    facts=(f"{operator} goes on watching, and is told. What runs goes on.",),
                )
            )
            if choice != "take_over":
                return
        await self._send(TakeOver())
