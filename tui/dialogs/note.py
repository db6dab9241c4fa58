"""A line of text from a person."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input

from tui import style, text
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
        yield Lines(id="heading", classes="line")
        yield Lines(id="facts")
        yield Lines(id="ask", classes="line")
        yield Input(id="note", compact=True, max_length=LONGEST)
        yield Lines(id="hint", classes="line")

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self.call_after_refresh(self._write)

    def on_resize(self) -> None:
        self.call_after_refresh(self._write)

    def _write(self) -> None:
        width = self.query_one("#heading").size.width
        self.query_one("#heading", Lines).show(text.row(width, Cell(self._heading, None, style.WARN)))
        self.query_one("#facts", Lines).show(Content(text.clean(self._about)))
        self.query_one("#ask", Lines).show(text.row(width, Cell(f"{self._label}:", None)))
        hint = self.query_one("#hint", Lines)
        hint.show(text.row(max(1, hint.size.width), Cell("enter saves · esc leaves it", None, style.QUIET)))

    @on(Input.Submitted)
    def _saved(self, submitted: Input.Submitted) -> None:
        words = submitted.value.strip()
        if words or self._empty:
            self.finish(words)
        else:
            self.say("There is nothing to save yet.")
