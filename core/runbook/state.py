"""The state of a run: a pure fold over its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.events import Actor, FactRecorded, FileRecorded, Json, Question, Tally, TargetIdentified


class StepStatus(StrEnum):
    TODO = "to do"
    RUNNING = "running"
    ASKING = "asking"
    """Running, and a question waits for a person."""
    DONE = "done"
    """Proved by evidence."""
    TICKED = "ticked"
    """A person vouches for it, unverified."""
    FAILED = "failed"
    UNDECIDED = "undecided"
    """Interrupted, and its outcome is not known yet."""


@dataclass(frozen=True, slots=True)
class StepState:
    status: StepStatus = StepStatus.TODO
    attempts: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    actor: Actor | None = None
    """Who started or ticked it."""
    summary: str = ""
    """What it said when it finished, or what went wrong."""
    database: str = ""
    """After a failure: what state the database is in."""
    advice: str = ""
    notes: tuple[str, ...] = ()
    facts: tuple[FactRecorded, ...] = ()
    files: tuple[FileRecorded, ...] = ()
    log: tuple[str, ...] = ()
    """The last lines that it said (bounded)."""


@dataclass(frozen=True, slots=True)
class PhaseState:
    number: int
    name: str
    statements: int
    done: int = 0
    seconds: float | None = None
    started: datetime | None = None
    expected: tuple[Tally, ...] = ()
    tallies: tuple[Tally, ...] = ()
    """Counts so far."""


@dataclass(frozen=True, slots=True)
class TableState:
    name: str
    columns: int
    rows: int
    bytes: int
    status: str = "waiting"
    """waiting, running, done."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ConversionState:
    """A conversion as it is shown live and remembered afterwards; one for each step that ran one."""

    step: str
    target: str
    plan: str
    phases: tuple[PhaseState, ...]
    tables: tuple[TableState, ...]
    blockers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    xid: str | None = None
    opened: datetime | None = None
    current: str = ""
    """The statement's object that runs now."""
    proof_depth: str | None = None
    proof_held: bool | None = None
    proof: tuple[str, ...] = ()
    outcome: str | None = None
    """committed, rolled_back, undecided; None while open."""
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClientState:
    client: str
    actor: Actor


@dataclass(frozen=True)
class RunState:
    run: str = ""
    runbook: str = "recovery"
    program: str = ""
    opened: datetime | None = None
    last: int = 0
    """Sequence number of the last event folded in."""
    targets: dict[str, TargetIdentified] = field(default_factory=dict[str, TargetIdentified])
    steps: dict[str, StepState] = field(default_factory=dict[str, StepState])
    """By id; a step that nothing happened to is absent (`step()` gives its empty state)."""
    facts: dict[str, Json] = field(default_factory=dict[str, Json])
    """The newest value of each fact by name."""
    fact_times: dict[str, datetime] = field(default_factory=dict[str, datetime])
    questions: dict[str, Question] = field(default_factory=dict[str, Question])
    """Open questions by id."""
    conversions: dict[str, ConversionState] = field(default_factory=dict[str, ConversionState])
    """By step."""
    clients: tuple[ClientState, ...] = ()
    operator: str | None = None
    """The client that may command."""

    def step(self, step: str) -> StepState:
        return self.steps.get(step, StepState())
