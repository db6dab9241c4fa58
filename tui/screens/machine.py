"""The engine's machine and its connection to the database: whether they are fit for a run, and what to do if not."""

from __future__ import annotations

from textual.app import ComposeResult

from core.events import MachineCheck
from tui import style, text
from tui.actions import Action
from tui.commands import Refusal
from tui.screens.base import MACHINE, RunScreen
from tui.text import Cell
from tui.widgets.rows import Rows

NAME_WIDTH = 14


class MachineScreen(RunScreen):
    """Each thing that was looked at, and below it what may go wrong and what to do."""

    is_the = MACHINE

    def body(self) -> ComposeResult:
        yield Rows(id="machine")

    def draw_body(self) -> None:
        width = max(20, self.size.width - NAME_WIDTH - 8)
        lines = [line for check in self.state.machine for line in _told(check, width)]
        if not lines:
            lines = [(Cell(" It was not looked at yet.", None, style.QUIET),)]
        self.query_one(Rows).show(len(lines), lambda index, width: text.row(width, *lines[index]))

    def refusal_here(self, action: Action) -> Refusal | None:
        return Refusal("Go back first.") if action.does == "open" else super().refusal_here(action)

    def move(self, lines: int) -> None:
        self.query_one(Rows).move(lines)

    def page(self, pages: int) -> None:
        rows = self.query_one(Rows)
        rows.move(pages * rows.page)


def _told(check: MachineCheck, width: int) -> list[tuple[Cell, ...]]:
    mark, looks = ("[!]", style.WARN) if check.warning else ("[x]", style.GOOD)
    lines = [(line, "") for line in text.wrap(text.clean(check.value), width)]
    lines += [(line, style.WARN) for line in text.wrap(text.clean(check.warning), width)] if check.warning else []
    return [
        (
            Cell("", 1),
            Cell("" if number else mark, 4, looks),
            Cell("" if number else check.name, NAME_WIDTH, style.STRONG),
            Cell(line, None, colour),
        )
        for number, (line, colour) in enumerate(lines)
    ]
