"""Events as sentences, the same on a screen and in a report. The text is as the event holds it: no markup, not yet clean."""

from __future__ import annotations

import json
from collections.abc import Iterable

from core import events as e
from core.runbook.words import counted, size, span

LONGEST_VALUE = 200


def sentence(event: e.Event | e.UnknownEvent) -> str:
    """What happened."""
    match event:
        case e.RunOpened():
            return f"run {event.run} opened with pgrecast {event.program}"
        case e.EngineStarted():
            return f"engine started on {event.host}, process {event.pid}, pgrecast {event.program}"
        case e.EngineStopped():
            return f"engine stopped: {event.reason}"
        case e.ClientAttached():
            return f"{event.actor.name} attached as {event.actor.role}"
        case e.ClientDetached():
            return f"client {event.client} detached{_because(event.reason)}"
        case e.OperatorChanged():
            return f"{event.actor.name} is the operator now"
        case e.CommandRefused():
            return f"refused: {_words(event.command)}: {event.reason}"
        case e.TargetIdentified():
            return f"{event.target} is {event.identity.database} @ {event.address}, {event.server}"
        case e.TargetUnreachable():
            return f"{event.target} is not reached: {event.reason}"
        case e.MachineChecked():
            warned = [check.name for check in event.checks if check.warning]
            return f"this machine was looked at: {counted(len(warned), 'warning')}{_because(', '.join(warned))}"
        case e.QuestionAsked() | e.QuestionAnswered() | e.QuestionConfirmed() | e.AnswerRefused() | e.QuestionExpired():
            return _question(event)
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
            return _conversion(event)
        case e.UnknownEvent():
            return f"{_words(event.kind)} (an event of a newer version)"
        case _:
            return _step(event)


def _step(
    event: e.StepStarted
    | e.StepSaid
    | e.StepFinished
    | e.StepFailed
    | e.StepReconciled
    | e.StepTicked
    | e.StepUnticked
    | e.AlarmRaised
    | e.AlarmCleared
    | e.NoteAdded
    | e.FactRecorded
    | e.FileRecorded
    | e.GateOverridden,
) -> str:
    match event:
        case e.StepStarted():
            return f"started, attempt {event.attempt}" if event.attempt > 1 else "started"
        case e.StepSaid():
            return event.text
        case e.StepFinished():
            return f"done: {event.summary}"
        case e.StepFailed():
            return " ".join(filter(None, (f"failed: {event.what}", event.state, event.advice)))
        case e.StepReconciled():
            return f"after an interruption: {_words(event.outcome)}; {event.found}"
        case e.StepTicked():
            return f"ticked, unverified{_because(event.note)}"
        case e.StepUnticked():
            return f"tick taken back{_because(event.note)}"
        case e.AlarmRaised():
            return " ".join(filter(None, (f"ALARM: {event.what}", event.advice)))
        case e.AlarmCleared():
            return f"well again: {event.name}"
        case e.NoteAdded():
            return f"note: {event.text}"
        case e.FactRecorded():
            return f"fact {event.name} = {value_words(event.value)}"
        case e.FileRecorded():
            return f"file {event.name}, {size(event.bytes)}, sha256 {event.sha256[:12]}"
        case e.GateOverridden():
            return f"gate {event.gate} overridden: {event.reason}"


def _question(
    event: e.QuestionAsked | e.QuestionAnswered | e.QuestionConfirmed | e.AnswerRefused | e.QuestionExpired,
) -> str:
    match event:
        case e.QuestionAsked():
            return f"asks: {event.question.title}"
        case e.QuestionAnswered() if event.choice == e.ENTER:
            return f"entered: {event.value}" if event.value is not None else "a value was entered"
        case e.QuestionAnswered():
            return f"answered: {_words(event.choice)}"
        case e.QuestionConfirmed():
            return f"{_words(event.choice)} confirmed; a second person must approve it"
        case e.AnswerRefused():
            return f"answer refused: {event.reason}"
        case e.QuestionExpired():
            return f"not answered, {event.reason}: {_words(event.choice)}"


def _conversion(
    event: e.ConversionPlanned
    | e.TransactionOpened
    | e.PhaseStarted
    | e.StatementStarted
    | e.StatementFinished
    | e.PhaseFinished
    | e.ProofMade
    | e.CommitSent
    | e.TransactionEnded,
) -> str:
    match event:
        case e.ConversionPlanned():
            counts = (
                counted(sum(phase.statements for phase in event.phases), "statement"),
                counted(len(event.tables), "table"),
                counted(len(event.blockers), "blocker"),
                counted(len(event.warnings), "warning"),
            )
            return f"planned {', '.join(counts)}; plan {event.plan[:12]}"
        case e.TransactionOpened():
            return f"transaction {event.xid} opened on {event.target}, server process {event.backend_pid}"
        case e.PhaseStarted():
            return f"phase {event.phase} begins"
        case e.StatementStarted():
            return f"begins: {event.object}"
        case e.StatementFinished():
            return f"through in {_took(event.seconds)}: {event.object}"
        case e.PhaseFinished():
            return f"phase {event.phase} through in {_took(event.seconds)}{_because(_tallies(event.tallies))}"
        case e.ProofMade():
            verdict = "the proof holds" if event.held else "the proof does NOT hold"
            first = "" if event.held or not event.lines else f": {event.lines[0]}"
            return f"{verdict} ({event.depth}, {_took(event.seconds)}){first}"
        case e.CommitSent():
            return f"COMMIT of transaction {event.xid} sent"
        case e.TransactionEnded():
            took = f" in {_took(event.rollback_seconds)}" if event.rollback_seconds is not None else ""
            return f"transaction {_words(event.outcome)}{took}{_because(event.reason)}"


def value_words(value: e.Json, most: int = LONGEST_VALUE) -> str:
    """A fact's value in so many characters."""
    if isinstance(value, float):
        value = round(value, 3)
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def step_of(event: e.Event | e.UnknownEvent) -> str | None:
    """The step that the event is about, None where it is about none."""
    found = event.question.step if isinstance(event, e.QuestionAsked) else getattr(event, "step", None)
    return found if isinstance(found, str) else None


def _tallies(found: Iterable[e.Tally]) -> str:
    """The counts in total: `foreign keys dropped 42, views dropped 3`."""
    return ", ".join(f"{tally.what} {tally.count}" for tally in found if not tally.root)


def _took(seconds: float) -> str:
    """What a part of a conversion took; most of its statements need less than a tenth of a second."""
    return f"{seconds:.2f} s" if seconds < 1 else span(seconds)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
