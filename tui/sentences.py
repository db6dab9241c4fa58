"""Events as they are shown, in the log and in the panes: their sentences, and the style that goes with each."""

from __future__ import annotations

from core import events as e
from core.runbook import sentences
from core.runbook.sentences import step_of
from tui import style, text

__all__ = ["sentence", "step_of", "value_words"]

_STYLES: dict[type[e.Event] | type[e.UnknownEvent], str] = {
    e.RunOpened: style.STRONG,
    e.EngineStopped: style.WARN,
    e.ClientAttached: style.QUIET,
    e.ClientDetached: style.QUIET,
    e.OperatorChanged: style.STRONG,
    e.CommandRefused: style.WARN,
    e.TargetIdentified: style.STRONG,
    e.TargetUnreachable: style.WARN,
    e.StepStarted: style.LIVE,
    e.StepFinished: style.GOOD,
    e.StepFailed: style.BAD,
    e.StepReconciled: style.STRONG,
    e.StepTicked: style.VOUCHED,
    e.StepUnticked: style.VOUCHED,
    e.AlarmRaised: style.BAD,
    e.AlarmCleared: style.GOOD,
    e.NoteAdded: style.VOUCHED,
    e.GateOverridden: style.BAD,
    e.QuestionAsked: style.WARN,
    e.QuestionAnswered: style.STRONG,
    e.QuestionConfirmed: style.WARN,
    e.AnswerRefused: style.WARN,
    e.QuestionExpired: style.WARN,
    e.TransactionOpened: style.STRONG,
    e.StatementStarted: style.QUIET,
    e.StatementFinished: style.QUIET,
    e.CommitSent: style.STRONG,
    e.UnknownEvent: style.QUIET,
}


def sentence(event: e.Event | e.UnknownEvent) -> tuple[str, str]:
    """What happened, not yet clean, and its style."""
    return sentences.sentence(event), _style(event)


def value_words(value: e.Json) -> str:
    """A fact's value in one line."""
    return text.clean(sentences.value_words(value))


def _style(event: e.Event | e.UnknownEvent) -> str:
    match event:
        case e.MachineChecked():
            return style.WARN if any(check.warning for check in event.checks) else ""
        case e.ProofMade():
            return style.GOOD if event.held else style.BAD
        case e.TransactionEnded():
            return style.BAD if event.outcome == "undecided" else style.STRONG
        case _:
            return _STYLES.get(type(event), "")
