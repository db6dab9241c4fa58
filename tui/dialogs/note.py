"""A line of text from a person."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from tui import text
from tui.dialogs.base import Dialog
from tui.text import Cell
from tui.widgets.lines import Lines

LONGEST = 2000


class Note(Dialog[str]):
    """Dismissed with the text.

    Args:
        heading: what is done.
        about: to what.
        label: what to write.
        empty: whether it may be left empty.
    """

    def __init__(self, heading: str, about: str, label: str, *, empty: bool) -> None:
        super().__init__()
        self._heading, self._about, self._label, self._empty = heading, about, label, empty

    def body(self) -> ComposeResult:
        yield Lines(id="heading")
        yield Lines(id="about")
        yield Lines(id="ask", classes="line")
        yield Input(id="note", compact=True, max_length=LONGEST)
        yield Lines(id="hint", classes="line")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Input).focus()

    def write(self) -> None:
        self.write_head(self._heading)
        self.query_one("#about", Lines).show(text.paragraph(self._about, self.text_width))
        self.query_one("#ask", Lines).show(text.row(self.text_width, Cell(f"{self._label}:", None)))
        self.hint("enter saves", "esc leaves it")

    @on(Input.Submitted)
    def _saved(self, submitted: Input.Submitted) -> None:
        words = submitted.value.strip()
        if words or self._empty:
            self.finish(words)
        else:
            self.say("There is nothing to save yet.")
