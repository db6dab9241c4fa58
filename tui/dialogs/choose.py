"""A choice among a few, each with what it leads to; none of them needs a phrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from core.events import Choice, Question
from tui import style, text
from tui.dialogs.base import TOO_QUICK, Dialog, Facts, facts
from tui.store import Store
from tui.text import Cell
from tui.widgets.lines import Lines

NOT_NOW = Choice(name="", label="Not now")
ROWS_BESIDES = 4
"""Rows of the hint, and the blank ones."""


class Choose(Dialog[str]):
    """Dismissed with the choice's name. The default is marked; enter takes what is marked.

    Args:
        title: what is asked.
        choices: what can be taken.
        default: name of the choice that is marked at first.
        facts: what to know before, where no question of the engine's says it.
        question, store: of the engine's question, if it is one; it can be left unanswered then.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down,tab", "move(1)", "down", id="choose.down", tooltip="Next choice"),
        Binding("k,up,shift+tab", "move(-1)", "up", id="choose.up", tooltip="Choice before"),
        Binding("enter", "take", "take it", id="choose.take", tooltip="Take the marked choice"),
        Binding("q", "leave", "not now", id="choose.leave", tooltip="Leave the dialog; nothing is answered"),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        default: str,
        facts: Sequence[str] = (),
        question: Question | None = None,
        store: Store | None = None,
    ) -> None:
        super().__init__(question=question, store=store)
        self._asked = f"{question.step} asks: {title}" if question else title
        self._choices = [*choices, NOT_NOW] if question else list(choices)
        self._facts = facts
        self._marked = next((i for i, choice in enumerate(self._choices) if choice.name == default), 0)

    def body(self) -> ComposeResult:
        yield Lines(id="heading")
        yield Lines(id="target", classes="line")
        with Facts():
            yield Lines(id="facts")
        yield Lines(id="choices")
        yield Lines(id="consequence")
        yield Lines(id="hint", classes="line")

    def draw_clock(self) -> None:
        if not self.query_one("#hint", Lines).text.startswith(TOO_QUICK[:9]):
            self._hint()

    def write(self) -> None:
        width = self.text_width
        taken = self.write_head(self._asked) + self.write_target()
        self.query_one("#choices", Lines).show([self._choice(width, i) for i in range(len(self._choices))])
        outcomes = [text.paragraph(choice.consequence, width, style.QUIET, indent=3) for choice in self._choices]
        longest = max((len(lines) for lines in outcomes), default=0)
        consequence = self.query_one("#consequence", Lines)
        consequence.styles.height = longest
        consequence.show(outcomes[self._marked])
        told = [line for fact in self._facts for line in text.paragraph(fact, width - 1, hanging=2)]
        if self._question is not None:
            told = facts(self._question, width - 1)
        self.write_facts(told, besides=taken + len(self._choices) + longest + ROWS_BESIDES)
        self._hint()

    def _choice(self, width: int, index: int) -> Content:
        marked = index == self._marked
        mark = ">" if marked else ""
        return text.row(
            width, Cell(mark, 2, style.KEY), Cell(self._choices[index].label, None, "bold reverse" if marked else "")
        )

    def _hint(self) -> None:
        self.hint("j/k move", "enter takes", "pgdn reads on")

    def action_move(self, by: int) -> None:
        self._marked = (self._marked + by) % len(self._choices)
        self.write()

    def action_take(self) -> None:
        if self.deliberate():
            self.finish(self._choices[self._marked].name or None)
