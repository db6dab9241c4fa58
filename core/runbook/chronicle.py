"""What people and the engine did in a run, one after another, and what was asked: read from its journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from core import events as e
from core.events import Actor, Record
from core.journal import journal_sha256, read_journal
from core.runbook.state import RunState, fold


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the chronicle: who did what, when, on which step."""

    at: datetime
    actor: str
    step: str
    what: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what became of it; `answers` are whose word it was, and which."""

    question: e.Question
    answers: tuple[str, ...]


@dataclass
class Account:
    """A journal as the report needs it: read once, and no more of it kept than is told."""

    state: RunState = field(default_factory=RunState)
    entries: list[Entry] = field(default_factory=list[Entry])
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    digest: str = ""
    """sha256 of the journal up to the last record."""

    def take(self, record: Record) -> None:
        """Fold a record in."""
        self.state = fold(self.state, record)
        match record.event:
            case e.QuestionAsked(question=question):
                self.asked[question.id] = Asked(question, ())
            case e.QuestionAnswered() | e.QuestionConfirmed() | e.QuestionExpired() as answer:
                if (asked := self.asked.get(answer.question)) is not None:
                    told = f"{record.at:%Y-%m-%d %H:%M:%S} {record.actor.name}: {answer.choice}"
                    how = {"question_confirmed": ", to be approved", "question_expired": ", not answered"}
                    self.asked[answer.question] = Asked(
                        asked.question, (*asked.answers, told + how.get(answer.kind, ""))
                    )
            case _:
                pass
        if (entry := _entry(record)) is not None:
            self.entries.append(entry)


def read_account(run_directory: Path) -> Account:
    """Read a run's journal as far as it is written now.

    Raises:
        JournalError: there is none, or it cannot be read.
    """
    account = Account()
    for record in read_journal(run_directory):
        account.take(record)
    account.digest = journal_sha256(run_directory, account.state.last)
    return account


def _entry(record: Record) -> Entry | None:
    """What the record says of somebody's doing; None for what another part of the report tells, or for passing things."""
    what = _what(record)
    step = (
        record.event.question.step if isinstance(record.event, e.QuestionAsked) else getattr(record.event, "step", "")
    )
    return Entry(record.at, _who(record.actor), step if isinstance(step, str) else "", what) if what else None


def _who(actor: Actor) -> str:
    return actor.name if actor.uid is None else f"{actor.name} (uid {actor.uid}, {actor.role})"


def _what(record: Record) -> str:
    match record.event:
        case e.RunOpened() as event:
            return f"opened the run {event.run} with pgrecast {event.program}"
        case e.EngineStarted() as event:
            return f"engine started on {event.host}, process {event.pid}, pgrecast {event.program}"
        case e.EngineStopped() as event:
            return f"engine stopped: {event.reason}"
        case e.ClientAttached() as event:
            return f"attached as {event.actor.role}"
        case e.ClientDetached() as event:
            return f"detached{f': {event.reason}' if event.reason else ''}"
        case e.OperatorChanged() as event:
            return f"{event.actor.name} is the operator"
        case e.CommandRefused() as event:
            return f"refused: {event.command}: {event.reason}"
        case e.TargetIdentified() as event:
            return f"{event.target} is {event.identity.database} @ {event.address}"
        case e.TargetUnreachable() as event:
            return f"{event.target} is not reached: {event.reason}"
        case _:
            return _of_a_step(record.event)


def _of_a_step(event: e.Event | e.UnknownEvent) -> str:
    match event:
        case e.StepStarted():
            return f"started, attempt {event.attempt}"
        case e.StepFinished():
            return f"done: {event.summary}"
        case e.StepFailed():
            return f"failed: {event.what} {event.state} {event.advice}"
        case e.StepReconciled():
            return f"after an interruption: {event.outcome}: {event.found}"
        case e.StepTicked():
            return f"ticked, unverified{f': {event.note}' if event.note else ''}"
        case e.StepUnticked():
            return f"tick taken back{f': {event.note}' if event.note else ''}"
        case e.NoteAdded():
            return f"note: {event.text}"
        case e.GateOverridden():
            return f"gate {event.gate} overridden: {event.reason}"
        case e.QuestionAsked():
            return f"asks: {event.question.title}"
        case e.QuestionAnswered():
            return f"answered: {event.choice}"
        case e.QuestionConfirmed():
            return f"confirmed, to be approved: {event.choice}"
        case e.AnswerRefused():
            return f"answer refused: {event.reason}"
        case e.QuestionExpired():
            return f"not answered, {event.reason}: {event.choice}"
        case e.TransactionOpened():
            return f"transaction {event.xid} opened on {event.target}"
        case e.ProofMade():
            return f"proof ({event.depth}): {'holds' if event.held else 'does NOT hold'}"
        case e.CommitSent():
            return f"COMMIT of transaction {event.xid} sent"
        case e.TransactionEnded():
            return f"transaction {event.outcome}{f': {event.reason}' if event.reason else ''}"
        case _:
            return ""
