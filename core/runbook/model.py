"""The words of the runbook as frozen data: task, step, gate, action, and the context in which an action runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import SecretStr

from core.events import Choice, Event, Json, Reading
from core.hosting.interface import Host
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.settings import Settings

if TYPE_CHECKING:
    from core.runbook.state import RunState


class StepKind(StrEnum):
    AUTOMATIC = "automatic"
    """The engine does it."""
    MANUAL = "manual"
    """A person does it and ticks it, with a note."""
    DECISION = "decision"
    """A person chooses."""
    DESTRUCTIVE = "destructive"
    """The engine does it after a confirmation."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """What a gate says of the run as it stands.

    Attributes:
        name: its name, stable ("backup").
        condition: the condition in words ("a verified backup younger than 24 h").
        open: whether it holds.
        value: its present value in words ("no backup yet").
        opens: id of the step that opens it ("3.2"), None where no step does.
        overridable: whether the operator may override it, by its name typed and a reason.
    """

    name: str
    condition: str
    open: bool
    value: str
    opens: str | None = None
    overridable: bool = False


Gate = Callable[["RunState", Settings, datetime], GateReport]
"""A pure function of the run's facts, the settings and the time (UTC): what was true once need not be any more."""


class StepContext(Protocol):
    """What the engine hands to an action: the world of one step, and nothing else."""

    @property
    def step(self) -> str: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def state(self) -> RunState:
        """The run as it stands now."""
        ...

    @property
    def run_directory(self) -> Path: ...

    async def target(self, name: str) -> tuple[ConnectionSpec, Identity]:
        """The target's connection, its identity just checked against the run's.

        Raises:
            ConfigurationError: no such target is configured.
            WrongDatabase: it is not the database the run was opened on.
        """
        ...

    async def host(self) -> Host:
        """The one host of the run, which the engine closes; a key given to its `use_key` stays for the steps that follow.

        Raises:
            ConfigurationError: its API key cannot be read from where the settings say.
        """
        ...

    async def publish(self, event: Event) -> None:
        """Write the event to the journal, then show it. Returns when it is on disk."""
        ...

    def read(self, reading: Reading) -> None:
        """Show a passing figure; never waits, never journaled. From any thread."""
        ...

    async def say(self, text: str) -> None:
        """Publish a line of the step's log (`StepSaid`)."""
        ...

    async def fact(self, name: str, value: Json) -> None:
        """Record a fact as evidence of this step."""
        ...

    async def file(self, name: str, content: bytes) -> Path:
        """Store content under the run's evidence by its sha256 and record it as evidence of this step."""
        ...

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
        """Ask the operator and return the name of the choice taken; `default` when the question expires.

        A choice with a phrase is accepted only with that phrase typed; the engine checks it, and binds the question to
        this step, `plan` and the target's identity.
        """
        ...

    async def enter(
        self, title: str, label: str, *, secret: bool, expires_in: timedelta, details: Sequence[str] = ()
    ) -> SecretStr | None:
        """Ask the operator for a value; None when nothing is entered, or the question expires.

        Args:
            title: what is asked.
            label: what to write, beside the field.
            secret: whether it is masked as it is typed and known to nobody but this step; otherwise it is journaled.
            expires_in: how long to wait for it.
            details: what to know before.
        """
        ...


Action = Callable[[StepContext], Awaitable[str]]
"""Does a step's work and returns its summary, one line; raises PgrecastError when it fails."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What became of a step that was running when its engine died, as the world tells it.

    Attributes:
        outcome: `undecided` is asked again later.
        found: one sentence that says what was found, and what it means.
    """

    outcome: Literal["finished", "failed", "rolled_back", "committed", "undecided"]
    found: str


Reconcile = Callable[[StepContext], Awaitable[Reconciled]]
"""Looks at the world for what became of an interrupted step; changes nothing but what the step had promised to clean up."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a task.

    Attributes:
        id: "7.3": task and place in it.
        title: what is done, in a few words.
        kind: who does it.
        instructions: exactly what a person does, or what the engine does, line by line, from the action plan.
        action: what the engine runs; None where only a person can do it, or where the program cannot yet (then `built`
            is False and the step can be ticked).
        gates: what must hold before it starts.
        repeatable: whether it is safe to run again after a success or an interruption.
        built: False for an automatic or destructive step whose action is not in this version.
        reconcile: how to find out what became of it when its engine died in the middle; None: as
            `core.runbook.reconciliation` does, for conversions and for whatever has changed nothing.
        requires: whether the settings have what the action needs; where not, the step is a person's. None: nothing.
        after_start: at the engine's start, looks at what an earlier engine's step may have left set outside of the run,
            whatever became of the step; a step that was interrupted is reconciled instead.
    """

    id: str
    title: str
    kind: StepKind
    instructions: tuple[str, ...] = ()
    action: Action | None = None
    gates: tuple[Gate, ...] = ()
    repeatable: bool = True
    built: bool = True
    reconcile: Reconcile | None = None
    requires: Callable[[Settings], bool] | None = None
    after_start: Callable[[StepContext], Awaitable[None]] | None = None

    @property
    def task(self) -> int:
        return int(self.id.split(".")[0])


@dataclass(frozen=True, slots=True)
class Escalation:
    """A branch of the action plan's "if … fails".

    Attributes:
        title: what went wrong.
        lines: what to do, in order.
        steps: ids of the steps whose failure is most likely this one.
    """

    title: str
    lines: tuple[str, ...]
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One of the ten tasks.

    Attributes:
        number: 1 to 10.
        title: its name on the board.
        why: why it is done, in a sentence.
        planned: planned duration, shortest and longest.
        output: what it leaves behind.
        downtime: whether its time counts as downtime.
        due: when it should be through, counted from the run's opening.
        ways_back: steps that lead back from what its steps have done. Nothing waits for them, and they count nowhere.
        asides: the same of steps that lead nowhere else: they are run whenever their gates are open.
    """

    number: int
    title: str
    why: str
    output: str
    steps: tuple[Step, ...]
    planned: tuple[timedelta, timedelta] | None = None
    downtime: bool = False
    escalations: tuple[Escalation, ...] = field(default=())
    due: timedelta | None = None
    ways_back: tuple[Step, ...] = ()
    asides: tuple[Step, ...] = ()

    def escalations_of(self, step: str) -> tuple[Escalation, ...]:
        """The branches, those first that the failure of this step most likely is."""
        return tuple(sorted(self.escalations, key=lambda branch: step not in branch.steps))

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """Its course, what can be done beside it, and the ways back from it."""
        return (*self.steps, *self.asides, *self.ways_back)


@dataclass(frozen=True, slots=True)
class Runbook:
    name: str
    tasks: tuple[Task, ...]

    def fitted(self, settings: Settings) -> Runbook:
        """The runbook as these settings allow it: what they lack something for is a person's step, to be ticked."""

        def fit(step: Step) -> Step:
            able = step.requires is None or step.requires(settings)
            return step if able else replace(step, action=None, kind=StepKind.MANUAL)

        return replace(self, tasks=tuple(replace(t, steps=tuple(map(fit, t.steps))) for t in self.tasks))

    def step(self, step: str) -> Step:
        """The step of that id; KeyError when there is none."""
        for task in self.tasks:
            for candidate in task.all_steps:
                if candidate.id == step:
                    return candidate
        raise KeyError(step)
