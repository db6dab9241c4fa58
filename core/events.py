"""What can happen in a run: the immutable events of the journal, and the passing readings beside them.

An event is on disk before anyone sees it; state is a pure fold over events (`core.runbook.state`). A reading is a passing
figure: newest wins, never journaled. Names of steps are those of `core.runbook` ("7.3"); of targets `production`, `test`
or a scratch copy's name. Models ignore fields that they do not know, so that an older program can read a newer journal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Json = Any
"""A value that JSON can hold."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Actor(_Model):
    """Who did it: the operator's name, the kernel's uid of the peer (None for the engine itself), and the client's role."""

    name: str
    uid: int | None = None
    role: Literal["engine", "operator", "watcher", "approver"] = "operator"


ENGINE = Actor(name="pgrecast", role="engine")


class TargetIdentity(_Model):
    """`core.postgres.identity.Identity` as it stands in the journal."""

    cluster: str
    database_oid: int
    database: str


# --- the run and its clients ------------------------------------------------------------------------------------------


class RunOpened(_Model):
    kind: Literal["run_opened"] = "run_opened"
    run: str
    program: str
    """Version of pgrecast that began the run."""
    runbook: str = "recovery"
    """`recovery` for the ten tasks, `conversion` for a one-step run of `convert --dsn`."""


class EngineStarted(_Model):
    kind: Literal["engine_started"] = "engine_started"
    pid: int
    host: str
    program: str
    settings: Json = None
    """What it goes by (`Settings.told`); None in journals of older versions."""


class EngineStopped(_Model):
    kind: Literal["engine_stopped"] = "engine_stopped"
    reason: str


class ClientAttached(_Model):
    kind: Literal["client_attached"] = "client_attached"
    client: str
    actor: Actor


class ClientDetached(_Model):
    kind: Literal["client_detached"] = "client_detached"
    client: str
    reason: str = ""


class OperatorChanged(_Model):
    kind: Literal["operator_changed"] = "operator_changed"
    client: str
    actor: Actor


class CommandRefused(_Model):
    kind: Literal["command_refused"] = "command_refused"
    command: str
    step: str | None = None
    reason: str


class TargetIdentified(_Model):
    kind: Literal["target_identified"] = "target_identified"
    target: str
    identity: TargetIdentity
    address: str
    server: str
    """Version text of the server."""


class TargetUnreachable(_Model):
    """At the engine's opening the target did not answer, or another database did; a step that needs it looks again."""

    kind: Literal["target_unreachable"] = "target_unreachable"
    target: str
    reason: str


class MachineCheck(_Model):
    """One thing that was looked at on the engine's machine, or on its connection to the database."""

    name: str
    value: str
    """How it is, in words."""
    warning: str = ""
    """What may go wrong, and what to do; empty when nothing does."""


class MachineChecked(_Model):
    """The engine's machine and its connection were looked at, whether they are fit for a run."""

    kind: Literal["machine_checked"] = "machine_checked"
    checks: tuple[MachineCheck, ...]


# --- steps, ticks, evidence --------------------------------------------------------------------------------------------


class StepStarted(_Model):
    kind: Literal["step_started"] = "step_started"
    step: str
    attempt: int = 1


class StepSaid(_Model):
    """A line of a step's own log, for the live view."""

    kind: Literal["step_said"] = "step_said"
    step: str
    text: str


class StepFinished(_Model):
    """The step is done: what it promised is proved by the evidence recorded before this event."""

    kind: Literal["step_finished"] = "step_finished"
    step: str
    summary: str


class StepFailed(_Model):
    kind: Literal["step_failed"] = "step_failed"
    step: str
    error: str
    """Name of the exception's class in `core.errors`."""
    what: str
    state: str
    advice: str


class StepReconciled(_Model):
    """A step that was running when the engine died, and what the world says became of it."""

    kind: Literal["step_reconciled"] = "step_reconciled"
    step: str
    outcome: Literal["finished", "failed", "rolled_back", "committed", "undecided"]
    found: str


class StepTicked(_Model):
    """A person vouches for the step; nothing proves it."""

    kind: Literal["step_ticked"] = "step_ticked"
    step: str
    note: str = ""


class StepUnticked(_Model):
    kind: Literal["step_unticked"] = "step_unticked"
    step: str
    note: str = ""


class AlarmRaised(_Model):
    """Something that a running step watches has turned bad; the step goes on. One of a name stands for its latest."""

    kind: Literal["alarm_raised"] = "alarm_raised"
    step: str
    name: str
    """What turned bad: `health`, `locks`."""
    what: str
    advice: str


class AlarmCleared(_Model):
    kind: Literal["alarm_cleared"] = "alarm_cleared"
    step: str
    name: str


class NoteAdded(_Model):
    kind: Literal["note_added"] = "note_added"
    task: int
    step: str | None = None
    text: str


class FactRecorded(_Model):
    kind: Literal["fact_recorded"] = "fact_recorded"
    step: str
    name: str
    value: Json


class FileRecorded(_Model):
    kind: Literal["file_recorded"] = "file_recorded"
    step: str
    name: str
    path: str
    """Relative to the run directory."""
    sha256: str
    bytes: int


class GateOverridden(_Model):
    kind: Literal["gate_overridden"] = "gate_overridden"
    step: str
    gate: str
    reason: str


# --- what a person is asked --------------------------------------------------------------------------------------------


class Choice(_Model):
    name: str
    label: str
    phrase: str | None = None
    """The text that must be typed for this choice (the target's database name); None when a key is enough."""
    consequence: str = ""


class Entry(_Model):
    """A value that a question asks for: what to write, and whether it is a secret, which is shown to nobody."""

    label: str
    secret: bool


ENTER = "enter"
"""The choice with which a value comes."""
NOTHING = "nothing"
"""The choice of who enters nothing."""


class Question(_Model):
    """Something that the engine asks of a person and whose answer the ENGINE checks.

    A confirmation is a question in which the choice that goes on has a phrase. It is bound to the step, to the plan's
    fingerprint and to the target's identity, is good for one answer, and expires into `default`.
    """

    id: str
    step: str
    title: str
    choices: tuple[Choice, ...]
    default: str
    """The choice that has the focus, and the one taken when the question expires."""
    target: str | None = None
    identity: TargetIdentity | None = None
    plan: str | None = None
    locks: tuple[str, ...] = ()
    """What will be locked, in words."""
    duration: str = ""
    checked: tuple[str, ...] = ()
    cannot_undo: tuple[str, ...] = ()
    way_back: str = ""
    details: tuple[str, ...] = ()
    entry: Entry | None = None
    """The value that comes with the choice `ENTER`, where one is asked for."""
    asked_at: datetime
    expires_at: datetime


class QuestionAsked(_Model):
    kind: Literal["question_asked"] = "question_asked"
    question: Question


class QuestionAnswered(_Model):
    kind: Literal["question_answered"] = "question_answered"
    question: str
    step: str
    choice: str
    value: str | None = None
    """What was entered, where that is no secret."""


class QuestionConfirmed(_Model):
    """The operator has answered with a phrase, and a second person must approve before it counts."""

    kind: Literal["question_confirmed"] = "question_confirmed"
    question: str
    step: str
    choice: str


class AnswerRefused(_Model):
    kind: Literal["answer_refused"] = "answer_refused"
    question: str
    reason: str


class QuestionExpired(_Model):
    kind: Literal["question_expired"] = "question_expired"
    question: str
    step: str
    choice: str
    reason: str = "expired"


# --- a conversion ------------------------------------------------------------------------------------------------------


class Tally(_Model):
    """A count that the conversion reports, in total (`root` empty) or per root key ("users.id")."""

    what: str
    """e.g. `foreign keys dropped`, `keys retyped`, `references retyped`, `foreign keys recreated`."""
    root: str = ""
    count: int


class PhasePlanned(_Model):
    phase: int
    name: str
    statements: int
    tallies: tuple[Tally, ...] = ()
    """What the phase will count when it is through."""


class TablePlanned(_Model):
    name: str
    columns: int
    rows: int
    bytes: int


class ConversionPlanned(_Model):
    kind: Literal["conversion_planned"] = "conversion_planned"
    step: str
    target: str
    plan: str
    """The plan's fingerprint."""
    phases: tuple[PhasePlanned, ...]
    tables: tuple[TablePlanned, ...]
    blockers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class TransactionOpened(_Model):
    kind: Literal["transaction_opened"] = "transaction_opened"
    step: str
    target: str
    xid: str
    backend_pid: int


class PhaseStarted(_Model):
    kind: Literal["phase_started"] = "phase_started"
    step: str
    phase: int


class StatementStarted(_Model):
    kind: Literal["statement_started"] = "statement_started"
    step: str
    phase: int
    number: int
    object: str
    table: str | None = None


class StatementFinished(_Model):
    kind: Literal["statement_finished"] = "statement_finished"
    step: str
    phase: int
    number: int
    object: str
    table: str | None = None
    seconds: float
    tallies: tuple[Tally, ...] = ()


class PhaseFinished(_Model):
    kind: Literal["phase_finished"] = "phase_finished"
    step: str
    phase: int
    seconds: float
    tallies: tuple[Tally, ...] = ()


class ProofMade(_Model):
    kind: Literal["proof_made"] = "proof_made"
    step: str
    depth: Literal["catalog", "counts", "contents"]
    held: bool
    lines: tuple[str, ...]
    """What was compared and found, one sentence each; differences first when it did not hold."""
    seconds: float


class CommitSent(_Model):
    """On disk before COMMIT goes out: without it, an interrupted transaction has certainly been rolled back."""

    kind: Literal["commit_sent"] = "commit_sent"
    step: str
    target: str
    xid: str


class TransactionEnded(_Model):
    kind: Literal["transaction_ended"] = "transaction_ended"
    step: str
    target: str
    outcome: Literal["committed", "rolled_back", "undecided"]
    reason: str = ""
    seconds: float
    """From its begin to its end."""
    rollback_seconds: float | None = None
    """What of that the roll back took, where we have done it."""


Event = Annotated[
    RunOpened
    | EngineStarted
    | EngineStopped
    | ClientAttached
    | ClientDetached
    | OperatorChanged
    | CommandRefused
    | TargetIdentified
    | TargetUnreachable
    | MachineChecked
    | StepStarted
    | StepSaid
    | StepFinished
    | StepFailed
    | StepReconciled
    | StepTicked
    | StepUnticked
    | AlarmRaised
    | AlarmCleared
    | NoteAdded
    | FactRecorded
    | FileRecorded
    | GateOverridden
    | QuestionAsked
    | QuestionAnswered
    | QuestionConfirmed
    | AnswerRefused
    | QuestionExpired
    | ConversionPlanned
    | TransactionOpened
    | PhaseStarted
    | StatementStarted
    | StatementFinished
    | PhaseFinished
    | ProofMade
    | CommitSent
    | TransactionEnded,
    Field(discriminator="kind"),
]


class UnknownEvent(BaseModel):
    """An event of a newer version: kept and shown by its kind, not understood."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str


class Record(_Model):
    """An event as the journal holds it."""

    seq: int
    at: datetime
    """UTC."""
    actor: Actor
    event: Annotated[Event | UnknownEvent, Field(union_mode="left_to_right")]


class Reading(_Model):
    """A passing figure of a running step: newest wins, never journaled."""

    step: str
    name: str
    """e.g. `rewrite`, `waiting`, `hold`."""
    values: dict[str, Json]
