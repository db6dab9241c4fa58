"""A value from a person: a secret masked as it is typed, anything else in plain sight."""

from __future__ import annotations

from pydantic import SecretStr
from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from core.engine.questions import LONGEST_VALUE
from core.events import Entry, Question
from core.redaction import redactor
from tui import text
from tui.dialogs.base import TOO_QUICK, Dialog, Facts, facts
from tui.store import Store
from tui.text import Cell
from tui.widgets.lines import Lines

ROWS_BESIDES = 6
"""Rows of the label, the field and the hint, and the blank ones between them."""

EMPTY = SecretStr("")


class Enter(Dialog[SecretStr]):
    """Dismissed with what was entered; `EMPTY` is the answer of who enters nothing.

    Args:
        question: of the engine's, with an entry.
    """

    def __init__(self, question: Question, entry: Entry, store: Store) -> None:
        super().__init__(question=question, store=store)
        self.question = question
        self.entry = entry

    def body(self) -> ComposeResult:
        yield Lines(id="heading")
        with Facts():
            yield Lines(id="facts")
        yield Lines(id="ask", classes="line")
        yield Input(id="value", compact=True, password=self.entry.secret, max_length=LONGEST_VALUE)
        yield Lines(id="hint", classes="line")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Input).focus()

    def write(self) -> None:
        width = self.text_width
        taken = self.write_head(f"{self.question.step} asks: {self.question.title}")
        masked = " (masked as you type)" if self.entry.secret else ""
        self.query_one("#ask", Lines).show(text.row(width, Cell(text.clean(f"{self.entry.label}{masked}:"), None)))
        self.write_facts(facts(self.question, width - 1), besides=taken + ROWS_BESIDES)
        self._hint()

    def _hint(self) -> None:
        self.hint("enter gives it", "empty: nothing", "esc not now")

    def draw_clock(self) -> None:
        if not self.query_one("#hint", Lines).text.startswith(TOO_QUICK[:9]):
            self._hint()

    @on(Input.Submitted)
    def _given(self, submitted: Input.Submitted) -> None:
        value = SecretStr(submitted.value)
        if not submitted.value.strip():
            if self.deliberate():
                self.finish(EMPTY)
            return
        if self.entry.secret:
            redactor.add(value)
        self.finish(value)
