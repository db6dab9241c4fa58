"""Keys and words."""

from __future__ import annotations

from itertools import groupby

from textual.app import ComposeResult

from tui import style, text
from tui.actions import Action, key_name
from tui.commands import Refusal
from tui.screens.base import HELP, RunScreen
from tui.text import Cell
from tui.widgets.rows import Rows

WORDS = (
    ("[x] done", "proved by evidence"),
    ("[t] ticked", "a person vouches for it, unverified; it opens no gate where a fact exists"),
    ("[ ] to do", "nothing has happened yet; `locked` says that a gate is closed"),
    ("[>] running", "the engine is at it; it goes on when you leave"),
    ("[?] asking", "it waits for a person's answer"),
    ("[!] failed", "what went wrong, the database's state and the next move stand in the step"),
    ("[~] undecided", "interrupted; the outcome is being looked up"),
    ("[-] not yet built", "this version cannot do it; a person can, and ticks it"),
    ("4+1/6 ####+.", "of 6 steps 4 are proved (#), 1 is ticked (+)"),
    ("gate", "a condition that must hold before a step may start"),
    ("times", "all times of day are UTC"),
    ("way back", "how to get back to where the run began, as it stands now"),
)

WORD_WIDTH = 20


class HelpScreen(RunScreen):
    """Every key, from the registry of actions, and what the marks mean."""

    is_the = HELP

    def body(self) -> ComposeResult:
        yield Rows(id="help")

    def draw_body(self) -> None:
        lines = self._lines()
        self.query_one("#help", Rows).show(len(lines), lambda index, width: text.row(width, *lines[index]))

    def _lines(self) -> list[tuple[Cell, ...]]:
        lines: list[tuple[Cell, ...]] = []
        jumps = [action for action in self.console.actions if action.does == "jump"]
        shown = [action for action in self.console.actions if action.does != "jump" or action is jumps[0]]
        for group, actions in groupby(shown, key=lambda action: action.group):
            lines += _headed(group, bool(lines))
            for action in actions:
                keys, tells = (
                    (_jumps(jumps), "Go to a task; the last is ten")
                    if action is jumps[0]
                    else (action.shown, action.tooltip)
                )
                lines += self._explained(keys, tells, style.KEY)
        lines += _headed("Words and marks", blank=True)
        for word, means in WORDS:
            lines += self._explained(word, means, style.STRONG)
        return lines

    def _explained(self, word: str, means: str, looks: str) -> list[tuple[Cell, ...]]:
        wrapped = text.wrap(means, max(20, self.size.width - WORD_WIDTH - 5))
        return [
            (Cell("", 3), Cell("" if number else word, WORD_WIDTH, looks), Cell(line, None))
            for number, line in enumerate(wrapped)
        ]

    def refusal_here(self, action: Action) -> Refusal | None:
        return Refusal("Go back first.") if action.does == "open" else super().refusal_here(action)

    def move(self, lines: int) -> None:
        self.query_one(Rows).move(lines)

    def page(self, pages: int) -> None:
        rows = self.query_one(Rows)
        rows.move(pages * rows.page)


def _jumps(jumps: list[Action]) -> str:
    first, second, *_, last = (key_name(action.keys[0]) for action in jumps)
    return f"{first}, {second} ... {last}"


def _headed(heading: str, blank: bool) -> list[tuple[Cell, ...]]:
    line = (Cell("", 1), Cell(heading, None, style.HEADING))
    return [(), line] if blank else [line]
