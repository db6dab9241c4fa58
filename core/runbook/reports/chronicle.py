"""What people and the engine did in a run, one after another, and what was asked: read from its journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from core import events as e
from core.events import Actor, Record
from core.journal import journal_sha256, read_journal
from core.runbook.sentences import sentence, step_of
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


# Told elsewhere in a report, or passing.
_UNTOLD = (
    e.StepSaid,
    e.FactRecorded,
    e.FileRecorded,
    e.ConversionPlanned,
    e.PhaseStarted,
    e.PhaseFinished,
    e.StatementStarted,
    e.StatementFinished,
)


def _entry(record: Record) -> Entry | None:
    """What the record says of somebody's doing; None for what says nothing of that."""
    if isinstance(record.event, _UNTOLD):
        return None
    return Entry(record.at, _who(record.actor), step_of(record.event) or "", sentence(record.event))


def _who(actor: Actor) -> str:
    return actor.name if actor.uid is None else f"{actor.name} (uid {actor.uid}, {actor.role})"
