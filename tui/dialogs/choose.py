"""A choice among a few, each with what it leads to; none of them needs a phrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from core.events import Choice, Question
from tui import style, text
from tui.dialogs.base import TOO_QUICK, Dialog, Facts
from tui.store import Store
from tui.text import Cell
from tui.widgets.lines import Lines

NOT_NOW = Choice(name="", label="Not now")


class Choose(Dialog[str]):
    """Dismissed with the choice's name. The default is marked; enter takes what is marked.

    Args:
        title: what is asked.
        choices: what can be taken.
        default: name of the choice that is marked at first.
        facts: what to know before.
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
        yield Lines(id="heading", classes="line")
        with Facts():
            yield Lines(id="facts")
        yield Lines(id="choices")
        yield Lines(id="hint", classes="line")

    def on_mount(self) -> None:
        self.call_after_refresh(self._write)

    def on_resize(self) -> None:
        self.call_after_refresh(self._write)

    def draw_clock(self) -> None:
        if not self.query_one("#hint", Lines).text.startswith(TOO_QUICK[:9]):
            self._hint()

    def _write(self) -> None:
        width = self.query_one("#heading").size.width
        self.query_one("#heading", Lines).show(text.row(width, Cell(self._asked, None, style.WARN)))
        self.query_one("#facts", Lines).show(
            Content("\n").join([Content(text.clean_block(fact)) for fact in self._facts])
        )
        self.query_one("#choices", Lines).show(Content("\n").join([self._choice(i) for i in range(len(self._choices))]))
        self._hint()

    def _choice(self, index: int) -> Content:
        choice, marked = self._choices[index], index == self._marked
        label = f" {'>' if marked else ' '} {text.clean(choice.label)} "
        consequence = f"\n     {text.clean(choice.consequence)}" if choice.consequence else ""
        return Content.assemble((label, "bold reverse" if marked else ""), (consequence, style.QUIET))

    def _hint(self) -> None:
        words = text.sentence(
            ("j and k move", "enter takes it", "pgdn reads on" if self._facts else "", self.clock), " · "
        )
        hint = self.query_one("#hint", Lines)
        hint.show(text.row(max(1, hint.size.width), Cell(words, None, style.QUIET)))

    def action_move(self, by: int) -> None:
        self._marked = (self._marked + by) % len(self._choices)
        self._write()

    def action_take(self) -> None:
        if self.hurried:
            self.say(TOO_QUICK)
            return
        self.finish(self._choices[self._marked].name or None)
