"""The confirmation: what will happen, what it costs, how to get back, and a phrase that must be typed.

It only carries the phrase: the engine checks it, against the step, the plan and the target.
"""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from core.events import Choice, Question
from tui import text
from tui.dialogs.base import LABEL, TOO_QUICK, Dialog, Facts, facts
from tui.store import Store
from tui.text import Cell
from tui.widgets.choice_button import ChoiceButton
from tui.widgets.lines import Lines

NOT_NOW = "not now"
ROWS_BESIDES = 7
"""Rows of the field, the buttons and the hint, and the blank ones between them."""


class Confirm(Dialog[tuple[str, str]]):
    """Dismissed with the choice's name and what was typed.

    The default choice has the focus. A choice with a phrase can be pressed once the phrase stands in the field, by going to
    its button; enter in the field does nothing, so a pasted line end or a held key never gets there.
    """

    def __init__(self, question: Question, store: Store) -> None:
        super().__init__(question=question, store=store)
        self.question = question
        self.store = store

    def body(self) -> ComposeResult:
        yield Lines(id="heading")
        yield Lines(id="target", classes="line")
        with Facts():
            yield Lines(id="facts")
        yield Lines(id="ask", classes="line")
        yield Input(id="phrase", compact=True, select_on_focus=False)
        with Horizontal(id="buttons"):
            for choice in self._ordered():
                yield ChoiceButton(
                    choice.name, choice.label, grave=choice.phrase is not None, disabled=choice.phrase is not None
                )
            yield ChoiceButton(NOT_NOW, "Not now")
        yield Lines(id="hint", classes="line")

    def _ordered(self) -> list[Choice]:
        """The default first."""
        return sorted(self.question.choices, key=lambda choice: choice.name != self.question.default)

    def on_mount(self) -> None:
        super().on_mount()
        self.query(ChoiceButton).first().focus()

    def write(self) -> None:
        question, width = self.question, self.text_width
        taken = self.write_head(f"{question.step} asks: {question.title}")
        taken += self.write_target()
        phrases = list(dict.fromkeys(choice.phrase for choice in question.choices if choice.phrase is not None))
        labels = " or ".join(choice.label for choice in question.choices if choice.phrase is not None)
        asked = f"Type {' or '.join(phrases)} here, then go to {labels}:"
        self.query_one("#ask", Lines).show(text.row(width, Cell(asked, None)))
        choices = tuple(f"{c.label}: {c.consequence}" for c in question.choices if c.consequence)
        told = text.labelled("Choices", choices, width=width - 1, label_width=LABEL)
        self.write_facts([*facts(question, width - 1), *told], besides=taken + ROWS_BESIDES)
        self._hint()

    def _hint(self) -> None:
        self.hint("tab moves", "enter presses", "pgdn reads on")

    def draw_clock(self) -> None:
        if not self.query_one("#hint", Lines).text.startswith(TOO_QUICK[:9]):
            self._hint()

    @on(Input.Changed)
    def _typed(self, changed: Input.Changed) -> None:
        for choice in self.question.choices:
            if choice.phrase is not None:
                self._button(choice).disabled = changed.value != choice.phrase
        self._hint()

    def _button(self, choice: Choice) -> ChoiceButton:
        return next(button for button in self.query(ChoiceButton) if button.name == choice.name)

    @on(ChoiceButton.Pressed)
    def _pressed(self, pressed: ChoiceButton.Pressed) -> None:
        name = pressed.button.name
        if name == NOT_NOW:
            self.finish(None)
            return
        choice = next(choice for choice in self.question.choices if choice.name == name)
        field = self.query_one(Input)
        if not self.deliberate(field if choice.phrase is not None else None):
            return
        if choice.phrase is not None and field.value != choice.phrase:
            return
        self.finish((choice.name, field.value if choice.phrase is not None else ""))
