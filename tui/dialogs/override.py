"""A closed gate overridden: with a reason, and a phrase that must be typed. The engine checks both."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from core.runbook.model import GateReport, Step
from tui import style, text
from tui.dialogs.base import LABEL, Dialog, Facts
from tui.dialogs.note import LONGEST
from tui.text import Cell
from tui.widgets.choice_button import ChoiceButton
from tui.widgets.lines import Lines

CANCEL, OVERRIDE = "cancel", "override"
ROWS_BESIDES = 9
"""Rows of the two fields, the buttons and the hint, and the blank ones between them."""


class Override(Dialog[tuple[str, str]]):
    """Dismissed with the reason and the phrase. Cancel has the focus; enter in a field does nothing."""

    def __init__(self, step: Step, gate: GateReport) -> None:
        super().__init__()
        self._step, self._gate = step, gate
        self._phrase = f"override {gate.name}"

    def body(self) -> ComposeResult:
        yield Lines(id="heading")
        with Facts():
            yield Lines(id="facts")
        yield Lines(id="ask", classes="line")
        yield Input(id="reason", compact=True, max_length=LONGEST)
        yield Lines(id="type", classes="line")
        yield Input(id="phrase", compact=True)
        with Horizontal(id="buttons"):
            yield ChoiceButton(CANCEL, "Cancel")
            yield ChoiceButton(OVERRIDE, "Override", grave=True, disabled=True)
        yield Lines(id="hint", classes="line")

    def on_mount(self) -> None:
        super().on_mount()
        self.query(ChoiceButton).first().focus()

    def write(self) -> None:
        taken = self.write_head(f"Override the gate {self._gate.name} of {self._step.id} {self._step.title}?")
        groups = (
            ("Needed", self._gate.condition, ""),
            ("At present", self._gate.value, style.WARN),
            ("Then", f"{self._step.id} may start once although this does not hold.", style.BAD),
            ("Stays", "Your name and the reason stand in the journal and in every report.", ""),
        )
        width = self.text_width - 1
        told = [
            line
            for label, words, looks in groups
            for line in text.labelled(label, [words], width=width, label_width=LABEL, style=looks)
        ]
        self.query_one("#ask", Lines).show(text.row(self.text_width, Cell("The reason:", None)))
        typed = f"Type {self._phrase} here, then go to Override:"
        self.query_one("#type", Lines).show(text.row(self.text_width, Cell(typed, None)))
        self.write_facts(told, besides=taken + ROWS_BESIDES)
        self.hint("tab moves", "enter presses", "esc leaves it")

    @on(Input.Changed)
    def _typed(self) -> None:
        complete = bool(self._reason) and self.query_one("#phrase", Input).value == self._phrase
        self.query(ChoiceButton).last().disabled = not complete

    @property
    def _reason(self) -> str:
        return self.query_one("#reason", Input).value.strip()

    @on(ChoiceButton.Pressed)
    def _pressed(self, pressed: ChoiceButton.Pressed) -> None:
        if pressed.button.name == CANCEL:
            self.finish(None)
            return
        field = self.query_one("#phrase", Input)
        if self.deliberate(field):
            self.finish((self._reason, field.value))
