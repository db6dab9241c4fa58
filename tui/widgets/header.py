"""The first two lines of every screen: which database, who is here, how long until the window, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.cells import cell_len
from textual.content import Content

from core.runbook.model import Runbook
from core.runbook.state import RunState
from tui import style, summary, text
from tui.summary import Readings
from tui.text import Cell
from tui.widgets.lines import Lines

WIDE = 120
LABEL = "way back: "


class Header(Lines):
    """The target in words, who is attached, the countdown."""


class WayBack(Lines):
    """The way back as it stands, and what is proved against what is ticked."""


def header(width: int, state: RunState, configured: Mapping[str, str], me: str | None, now: datetime) -> Content:
    """` PRODUCTION  ma_saas_platform @ db.example     operator + 1 watching   T-02:14:09 `."""
    target = summary.main_target(state)
    word, where = f" {target.upper()} ", summary.target_words(target, state, configured)
    people = summary.present_names(state) if width >= WIDE else summary.present(state, me)
    people = text.clean(people)
    clock = summary.window_clock(state, now)
    if clock:
        room = width - len(word) - cell_len(where) - cell_len(people) - 7
        clock = text.first_that_fits((f"{summary.window_times(state)}  {clock}", clock), max(room, len(clock)))
    right = cell_len(people) + (len(clock) + 3 if clock else 0)
    return text.row(
        width,
        Cell(word, len(word), style.chip(target), blank=True),
        Cell("", 1),
        Cell(where, max(0, width - len(word) - 2 - right), style.STRONG),
        Cell(people, None, style.QUIET if me != state.operator else "", right=True),
        Cell(clock, len(clock) + 3 if clock else 0, style.HEADING, right=True),
        Cell("", 1),
    )


def way_back(width: int, runbook: Runbook, state: RunState, readings: Readings, now: datetime) -> Content:
    """`way back: nothing has changed                    12 proved, 3 ticked of 61 steps`."""
    back = summary.way_back(state, readings)
    steps, briefly = summary.proved(runbook, state), summary.proved_briefly(runbook, state)
    down = summary.downtime_words(state, now)
    forms = [text.sentence(form, " · ") for form in ((down, steps, f"run {state.run}"), (down, steps), (down, briefly))]
    right = text.first_that_fits(forms, max(0, width - len(LABEL) - len(back) - 4))
    return text.row(
        width,
        Cell("", 1),
        Cell(LABEL, len(LABEL), style.QUIET, blank=True),
        Cell(back, None, style.GOOD),
        Cell("", 2),
        Cell(right, len(right), style.QUIET),
        Cell("", 1),
    )
