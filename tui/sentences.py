"""Events as sentences, for the log and for the panes."""

from __future__ import annotations

import json
from collections.abc import Iterable

from core import events as e
from tui import style, text


def sentence(event: e.Event | e.UnknownEvent) -> tuple[str, str]:
    """What happened, and the style that goes with it. The text is as the event holds it: not yet clean."""
    match event:
        case e.RunOpened():
            return f"run {event.run} opened with pgrecast {event.program}", style.STRONG
        case e.EngineStarted():
            return f"engine started on {event.host}, process {event.pid}, pgrecast {event.program}", ""
        case e.EngineStopped():
            return f"engine stopped: {event.reason}", style.WARN
        case e.ClientAttached():
            return f"{event.actor.name} attached as {event.actor.role}", style.QUIET
        case e.ClientDetached():
            return f"client {event.client} detached{_because(event.reason)}", style.QUIET
        case e.OperatorChanged():
            return f"{event.actor.name} is the operator now", style.STRONG
        case e.CommandRefused():
            return f"refused: {_words(event.command)}: {event.reason}", style.WARN
        case e.TargetIdentified():
            where = f"{event.identity.database} @ {event.address}"
            return f"{event.target} is {where}, {event.server}", style.STRONG
        case e.TargetUnreachable():
            return f"{event.target} is not reached: {event.reason}", style.WARN
        case e.MachineChecked():
            warned = [check.name for check in event.checks if check.warning]
            more = f": {', '.join(warned)}" if warned else ""
            told = f"this machine was looked at: {text.plural(len(warned), 'warning')}{more}"
            return told, style.WARN if warned else ""
        case e.StepStarted():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return f"started{again}", style.LIVE
        case e.StepSaid():
            return event.text, ""
        case e.StepFinished():
            return f"done: {event.summary}", style.GOOD
        case e.StepFailed():
            return text.sentence((f"failed: {event.what}", event.state, event.advice), " "), style.BAD
        case e.StepReconciled():
            return f"after an interruption: {_words(event.outcome)}; {event.found}", style.STRONG
        case e.StepTicked():
            return f"ticked, unverified{_because(event.note)}", style.VOUCHED
        case e.StepUnticked():
            return f"tick taken back{_because(event.note)}", style.VOUCHED
        case e.AlarmRaised():
            return text.sentence((f"ALARM: {event.what}", event.advice), " "), style.BAD
        case e.AlarmCleared():
            return f"well again: {event.name}", style.GOOD
        case e.NoteAdded():
            return f"note: {event.text}", style.VOUCHED
        case e.FactRecorded():
            return f"fact {event.name} = {value_words(event.value)}", ""
        case e.FileRecorded():
            return f"file {event.name}, {text.size(event.bytes)}, sha256 {event.sha256[:12]}", ""
        case e.GateOverridden():
            return f"gate {event.gate} overridden: {event.reason}", style.BAD
        case e.QuestionAsked() | e.QuestionAnswered() | e.QuestionConfirmed() | e.AnswerRefused() | e.QuestionExpired():
            return _question(event)
        case e.UnknownEvent():
            return f"{_words(event.kind)} (an event of a newer version)", style.QUIET
        case _:
            return _conversion(event)


def _question(
    event: e.QuestionAsked | e.QuestionAnswered | e.QuestionConfirmed | e.AnswerRefused | e.QuestionExpired,
) -> tuple[str, str]:
    match event:
        case e.QuestionAsked():
            return f"asks: {event.question.title}", style.WARN
        case e.QuestionAnswered():
            if event.choice == e.ENTER:
                return f"entered: {event.value}" if event.value is not None else "a value was entered", style.STRONG
            return f"answered: {_words(event.choice)}", style.STRONG
        case e.QuestionConfirmed():
            return f"{_words(event.choice)} confirmed; a second person must approve it", style.WARN
        case e.AnswerRefused():
            return f"answer refused: {event.reason}", style.WARN
        case e.QuestionExpired():
            return f"not answered, {event.reason}: {_words(event.choice)}", style.WARN


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
) -> tuple[str, str]:
    match event:
        case e.ConversionPlanned():
            statements = sum(phase.statements for phase in event.phases)
            counts = (
                text.plural(statements, "statement"),
                text.plural(len(event.tables), "table"),
                text.plural(len(event.blockers), "blocker"),
                text.plural(len(event.warnings), "warning"),
            )
            return f"planned {', '.join(counts)}; plan {event.plan[:12]}", ""
        case e.TransactionOpened():
            return f"transaction {event.xid} opened on {event.target}, server process {event.backend_pid}", style.STRONG
        case e.PhaseStarted():
            return f"phase {event.phase} begins", ""
        case e.StatementStarted():
            return f"begins: {event.object}", style.QUIET
        case e.StatementFinished():
            return f"through in {text.seconds(event.seconds)}: {event.object}", style.QUIET
        case e.PhaseFinished():
            told = tallies(event.tallies)
            return f"phase {event.phase} through in {text.seconds(event.seconds)}{_because(told)}", ""
        case e.ProofMade():
            verdict = ("the proof holds", style.GOOD) if event.held else ("the proof does NOT hold", style.BAD)
            first = "" if event.held or not event.lines else f": {event.lines[0]}"
            return f"{verdict[0]} ({event.depth}, {text.seconds(event.seconds)}){first}", verdict[1]
        case e.CommitSent():
            return f"COMMIT of transaction {event.xid} sent", style.STRONG
        case e.TransactionEnded():
            found = style.BAD if event.outcome == "undecided" else style.STRONG
            took = f" in {text.seconds(event.rollback_seconds)}" if event.rollback_seconds is not None else ""
            return f"transaction {_words(event.outcome)}{took}{_because(event.reason)}", found


def tallies(found: Iterable[e.Tally]) -> str:
    """The counts in total: `foreign keys dropped 42, views dropped 3`."""
    return text.sentence(f"{tally.what} {tally.count}" for tally in found if not tally.root)


def value_words(value: e.Json, most: int = 200) -> str:
    """A fact's value in one line."""
    if isinstance(value, float):
        value = round(value, 3)
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.cut(text.clean(shown), most)


def step_of(event: e.Event | e.UnknownEvent) -> str | None:
    """The step that the event is about, None where it is about none."""
    found = event.question.step if isinstance(event, e.QuestionAsked) else getattr(event, "step", None)
    return found if isinstance(found, str) else None


def _words(name: str) -> str:
    return name.replace("_", " ")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
