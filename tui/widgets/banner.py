"""The line above the footer: what needs a person now, or else what happened last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from textual.content import Content

from core.runbook.state import RunState
from tui import style, summary, text
from tui.store import Entry, Lost
from tui.text import Cell
from tui.widgets.lines import Lines


class Banner(Lines):
    """What needs a person, in one line."""


ALARM = "bold on $alarm"

TOLD_FOR = timedelta(minutes=1)
"""How long it is told that an engine of another version has taken over."""


@dataclass(frozen=True, slots=True)
class BannerKeys:
    """The keys that the banner names: for the answer to a question, and for the look at the engine's machine."""

    answer: str
    machine: str


def banner(
    width: int, state: RunState, lost: Lost | None, last: Entry | None, keys: BannerKeys, now: datetime
) -> Content:
    """What matters most: a lost engine, a question, an alarm, another version's start, before the first step what this machine
    warns of, and otherwise the last event.
    """
    if lost is not None:
        again = text.duration(lost.retry_at - now)
        forms = (
            f"ENGINE LOST at {text.clock(lost.since)}; the run goes on without this screen. Trying again in {again}",
            f"ENGINE LOST at {text.clock(lost.since)}; trying again in {again}",
        )
        return text.row(
            width, Cell(f" {text.first_that_fits(forms, width - 2)}", None, "bold on $production", blank=True)
        )
    question = summary.question_of(None, state)
    if question is not None:
        key = f" {keys.answer} answers "
        clock = f" {summary.question_clock(question, now)} "
        title = f" {question.step} {summary.asks(question, state)} "
        return text.row(
            width,
            Cell(title, None, ALARM, blank=True),
            Cell(clock, len(clock) if len(title) + len(clock) + len(key) <= width else 0, ALARM, blank=True),
            Cell(key, len(key), "bold reverse", blank=True),
        )
    alarms = summary.alarms(state)
    if alarms:
        step, alarm = alarms[-1]
        more = f" and {len(alarms) - 1} more" if len(alarms) > 1 else ""
        words = f" ALARM{more} {step} {alarm.what} "
        return text.row(width, Cell(words, None, "bold $on-target on $production", blank=True))
    other = summary.programs(state)
    if other and state.engine_started is not None and now - state.engine_started < TOLD_FOR:
        return text.row(width, Cell("", 1), Cell(f"This run was {other}.", None, style.WARN))
    warned = [check.name for check in state.machine if check.warning]
    if warned and not any(step.attempts for step in state.steps.values()):
        key = f" {keys.machine} tells what to do "
        told = f"Before the first step: {text.plural(len(warned), 'warning')} about this machine"
        fits = text.first_that_fits((f"{told}: {', '.join(warned)}", told), width - len(key) - 2)
        return text.row(
            width, Cell("", 1), Cell(fits, None, style.WARN), Cell(key, len(key), "bold reverse", blank=True)
        )
    if last is None:
        return text.row(width, Cell("", None))
    return text.row(
        width,
        Cell("", 1),
        Cell(text.clock(last.at), 9, style.QUIET),
        Cell(last.step or "", 5 if last.step else 0, style.QUIET),
        Cell(last.text, None, last.style or style.QUIET),
    )
