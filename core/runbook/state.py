"""The state of a run: a pure fold over its events, total: any events, in any order, give a state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from core import events as e
from core.events import Actor, AlarmRaised, FactRecorded, FileRecorded, Json, Question, TargetIdentified
from core.runbook.conversion_state import ConversionEvent, ConversionState, PhaseState, TableState, fold_conversion

__all__ = [
    "ClientState",
    "ConversionState",
    "PhaseState",
    "RunState",
    "StepState",
    "StepStatus",
    "TableState",
    "fold",
    "fold_all",
]

LOG_LINES = 200
"""Lines of a step's own log that the state keeps; the journal keeps all."""

K = TypeVar("K")
V = TypeVar("V")


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
    first_started: datetime | None = None
    """Start of its first attempt."""
    started: datetime | None = None
    ended: datetime | None = None
    actor: Actor | None = None
    """Who started or ticked it."""
    confirmed: bool = False
    """Whether its present attempt was confirmed by a typed phrase; until then a destructive step changes nothing."""
    summary: str = ""
    """What it said when it finished, or what went wrong."""
    database: str = ""
    """After a failure: what state the database is in."""
    advice: str = ""
    notes: tuple[str, ...] = ()
    """Each with the name of who wrote it."""
    overridden: tuple[str, ...] = ()
    """Every gate that was overridden for one of its attempts: by whom, when, which, and why."""
    facts: tuple[FactRecorded, ...] = ()
    """The newest of each name."""
    files: tuple[FileRecorded, ...] = ()
    alarms: tuple[AlarmRaised, ...] = ()
    """What its last attempt watched and found bad, and has not found well again."""
    log: tuple[str, ...] = ()
    """The last lines that it said (bounded)."""


@dataclass(frozen=True, slots=True)
class ClientState:
    client: str
    actor: Actor


@dataclass(frozen=True)
class RunState:
    run: str = ""
    runbook: str = "recovery"
    program: str = ""
    """Version of pgrecast that began the run."""
    engine_program: str = ""
    """Version of the last engine."""
    engine_started: datetime | None = None
    settings: Json = None
    """What the last engine goes by (`Settings.told`); None when it is too old to say."""
    opened: datetime | None = None
    last: int = 0
    """Sequence number of the last event folded in."""
    targets: dict[str, TargetIdentified] = field(default_factory=dict[str, TargetIdentified])
    machine: tuple[e.MachineCheck, ...] = ()
    """The last look at the engine's machine and its connection; empty before the first."""
    steps: dict[str, StepState] = field(default_factory=dict[str, StepState])
    """By id; a step that nothing happened to is absent (`step()` gives its empty state)."""
    facts: dict[str, Json] = field(default_factory=dict[str, Json])
    """The newest value of each fact by name."""
    fact_times: dict[str, datetime] = field(default_factory=dict[str, datetime])
    questions: dict[str, Question] = field(default_factory=dict[str, Question])
    """Open questions by id."""
    confirmed: dict[str, str] = field(default_factory=dict[str, str])
    """Open questions that the operator has confirmed and a second person must approve: the choice by the question's id."""
    overrides: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Overridden gates by step: the reason by the gate's name. Good for one attempt."""
    notes: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    """Notes on whole tasks."""
    conversions: dict[str, ConversionState] = field(default_factory=dict[str, ConversionState])
    """By step; the one that its last attempt planned."""
    committed: dict[str, ConversionState] = field(default_factory=dict[str, ConversionState])
    """The last committed conversion by target, whatever its step has planned since."""
    clients: tuple[ClientState, ...] = ()
    operator: str | None = None
    """The client that may command."""

    def step(self, step: str) -> StepState:
        return self.steps.get(step, StepState())


_RECONCILED = {
    "finished": StepStatus.DONE,
    # Its proof was made, and journaled, before COMMIT could be sent.
    "committed": StepStatus.DONE,
    "failed": StepStatus.FAILED,
    "rolled_back": StepStatus.FAILED,
    "undecided": StepStatus.UNDECIDED,
}


def fold_all(records: Iterable[e.Record], state: RunState | None = None) -> RunState:
    """Fold the records, in order, into `state`, or into that of a run to which nothing has happened."""
    state = state or RunState()
    for record in records:
        state = fold(state, record)
    return state


def fold(state: RunState, record: e.Record) -> RunState:
    """The state after the record."""
    return replace(_apply(state, record), last=max(state.last, record.seq))


def _apply(state: RunState, record: e.Record) -> RunState:
    event, at = record.event, record.at
    match event:
        case e.RunOpened():
            return replace(state, run=event.run, runbook=event.runbook, program=event.program, opened=at)
        case e.EngineStarted():
            program, settings = event.program, event.settings
            return replace(
                state, clients=(), operator=None, engine_program=program, engine_started=at, settings=settings
            )
        case e.EngineStopped():
            return replace(state, clients=(), operator=None)
        case e.ClientAttached():
            others = tuple(c for c in state.clients if c.client != event.client)
            return replace(state, clients=(*others, ClientState(event.client, event.actor)))
        case e.ClientDetached():
            clients = tuple(c for c in state.clients if c.client != event.client)
            return replace(state, clients=clients, operator=None if state.operator == event.client else state.operator)
        case e.OperatorChanged():
            return _change_operator(state, event)
        case e.TargetIdentified():
            return replace(state, targets=_with(state.targets, event.target, event))
        case e.MachineChecked():
            return replace(state, machine=event.checks)
        case e.NoteAdded():
            return _add_note(state, event, record.actor)
        case e.FactRecorded():
            state = replace(
                state,
                facts=_with(state.facts, event.name, event.value),
                fact_times=_with(state.fact_times, event.name, at),
            )
            older = tuple(fact for fact in state.step(event.step).facts if fact.name != event.name)
            return _step(state, event.step, facts=(*older, event))
        case e.FileRecorded():
            return _step(state, event.step, files=(*state.step(event.step).files, event))
        case e.GateOverridden():
            gates = _with(state.overrides.get(event.step, {}), event.gate, event.reason)
            told = f"{record.actor.name}, {at:%Y-%m-%d %H:%M} UTC: {event.gate}: {event.reason}"
            state = _step(state, event.step, overridden=(*state.step(event.step).overridden, told))
            return replace(state, overrides=_with(state.overrides, event.step, gates))
        case e.QuestionAsked() | e.QuestionAnswered() | e.QuestionConfirmed() | e.QuestionExpired():
            return _question(state, event)
        case (
            e.ConversionPlanned()
            | e.TransactionOpened()
            | e.PhaseStarted()
            | e.StatementStarted()
            | e.StatementFinished()
            | e.PhaseFinished()
            | e.ProofMade()
            | e.CommitSent()
            | e.TransactionEnded()
        ):
            return _convert(state, event, at)
        case (
            e.TargetUnreachable() | e.CommandRefused() | e.AnswerRefused() | e.UnknownEvent()
        ):  # shown in the log, and nothing else
            return state
        case _:
            return _progress(state, event, record)


def _progress(
    state: RunState,
    event: e.StepStarted
    | e.StepSaid
    | e.StepFinished
    | e.StepFailed
    | e.StepReconciled
    | e.StepTicked
    | e.StepUnticked
    | e.AlarmRaised
    | e.AlarmCleared,
    record: e.Record,
) -> RunState:
    step, at = state.step(event.step), record.at
    match event:
        case e.StepStarted():
            return _step(
                state,
                event.step,
                status=StepStatus.RUNNING,
                attempts=event.attempt,
                first_started=step.first_started or at,
                started=at,
                ended=None,
                actor=record.actor,
                confirmed=False,
                summary="",
                database="",
                advice="",
                alarms=(),
                log=(),
            )
        case e.StepSaid():
            return _step(state, event.step, log=(*step.log, event.text)[-LOG_LINES:])
        case e.AlarmRaised() | e.AlarmCleared():
            others = tuple(alarm for alarm in step.alarms if alarm.name != event.name)
            raised = (event,) if isinstance(event, e.AlarmRaised) else ()
            return _step(state, event.step, alarms=(*others, *raised))
        case e.StepFinished():
            return _end(state, event.step, StepStatus.DONE, at, summary=event.summary)
        case e.StepFailed():
            return _end(
                state,
                event.step,
                StepStatus.FAILED,
                at,
                summary=event.what,
                database=event.state,
                advice=event.advice,
            )
        case e.StepReconciled():
            return _end(state, event.step, _RECONCILED[event.outcome], at, summary=event.found)
        case e.StepTicked():
            return _step(
                state,
                event.step,
                status=StepStatus.TICKED,
                ended=at,
                actor=record.actor,
                summary="",
                database="",
                advice="",
                notes=_noted(step.notes, event.note, record.actor),
            )
        case e.StepUnticked():
            return _step(
                state,
                event.step,
                status=StepStatus.TODO if step.status is StepStatus.TICKED else step.status,
                ended=None if step.status is StepStatus.TICKED else step.ended,
                notes=_noted(step.notes, event.note, record.actor),
            )


def _step(state: RunState, step: str, **changes: Any) -> RunState:
    return replace(state, steps=_with(state.steps, step, replace(state.step(step), **changes)))


def _end(
    state: RunState, step: str, status: StepStatus, at: datetime, *, summary: str, database: str = "", advice: str = ""
) -> RunState:
    """The step has ended: nothing is asked for it any more, and what was overridden for it counts no more."""
    questions = {id_: question for id_, question in state.questions.items() if question.step != step}
    state = replace(
        state,
        questions=questions,
        confirmed={id_: choice for id_, choice in state.confirmed.items() if id_ in questions},
        overrides={key: value for key, value in state.overrides.items() if key != step},
    )
    return _step(state, step, status=status, ended=at, summary=summary, database=database, advice=advice)


def _question(
    state: RunState, event: e.QuestionAsked | e.QuestionAnswered | e.QuestionConfirmed | e.QuestionExpired
) -> RunState:
    match event:
        case e.QuestionAsked():
            questions, step = _with(state.questions, event.question.id, event.question), event.question.step
            confirmed = state.confirmed
        case e.QuestionConfirmed():
            questions, step = state.questions, event.step
            confirmed = _with(state.confirmed, event.question, event.choice)
        case _:
            questions, step = _without(state.questions, event.question), event.step
            confirmed = _without(state.confirmed, event.question)
            if isinstance(event, e.QuestionAnswered) and _has_phrase(state.questions.get(event.question), event.choice):
                state = _step(state, step, confirmed=True)
    state = replace(state, questions=questions, confirmed=confirmed)
    if state.step(step).status not in (StepStatus.RUNNING, StepStatus.ASKING):
        return state
    asking = any(question.step == step for question in questions.values())
    return _step(state, step, status=StepStatus.ASKING if asking else StepStatus.RUNNING)


def _has_phrase(question: Question | None, name: str) -> bool:
    return question is not None and any(c.name == name and c.phrase is not None for c in question.choices)


def _change_operator(state: RunState, event: e.OperatorChanged) -> RunState:
    """The client that commanded so far goes on as a watcher."""

    def role(client: ClientState) -> ClientState:
        if client.client == event.client:
            return ClientState(client.client, event.actor)
        if client.client == state.operator:
            return ClientState(client.client, client.actor.model_copy(update={"role": "watcher"}))
        return client

    return replace(state, operator=event.client, clients=tuple(map(role, state.clients)))


def _add_note(state: RunState, event: e.NoteAdded, actor: e.Actor) -> RunState:
    if event.step is not None:
        return _step(state, event.step, notes=_noted(state.step(event.step).notes, event.text, actor))
    notes = _noted(state.notes.get(event.task, ()), event.text, actor)
    return replace(state, notes=_with(state.notes, event.task, notes))


def _noted(notes: tuple[str, ...], text: str, actor: e.Actor) -> tuple[str, ...]:
    return (*notes, f"{actor.name}: {text}") if text else notes


def _convert(state: RunState, event: ConversionEvent, at: datetime) -> RunState:
    conversion = fold_conversion(state.conversions.get(event.step), event, at)
    state = replace(state, conversions=_with(state.conversions, event.step, conversion))
    if conversion.outcome != "committed":
        return state
    if conversion.undoes:  # what it had proved is true no more
        state = _step(state, conversion.undoes, status=StepStatus.TODO, summary="undone")
    return replace(state, committed=_with(state.committed, conversion.target, conversion))


def _with(mapping: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    return {**mapping, key: value}


def _without(mapping: Mapping[str, V], key: str) -> dict[str, V]:
    return {other: value for other, value in mapping.items() if other != key}
