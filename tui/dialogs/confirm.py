"""The confirmation: what will happen, what it costs, how to get back, and a phrase that must be typed.

It only carries the phrase: the engine checks it, against the step, the plan and the target.
"""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input

from core.events import Choice, Question
from tui import style, summary, text
from tui.dialogs.base import TOO_QUICK, Dialog, Facts
from tui.store import Store
from tui.text import Cell
from tui.widgets.choice_button import ChoiceButton
from tui.widgets.lines import Lines

NOT_NOW = "not now"
ROWS_BESIDES = 8
"""Rows of the target, the field, the buttons and the hint, and the blank ones between them."""


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
        if question.target is not None:
            word = f" {question.target.upper()} "
            database = question.identity.database if question.identity else ""
            where = summary.target_words(question.target, self.store.state)
            named = where if where.startswith(f"{database} @") else text.sentence((database, where))
            self.query_one("#target", Lines).show(
                text.row(
                    width,
                    Cell(word, len(word), style.chip(question.target), blank=True),
                    Cell("", 1),
                    Cell(named, None, style.STRONG),
                )
            )
        phrases = list(dict.fromkeys(choice.phrase for choice in question.choices if choice.phrase is not None))
        labels = " or ".join(choice.label for choice in question.choices if choice.phrase is not None)
        asked = f"Type {' or '.join(phrases)} here, then go to {labels}:"
        self.query_one("#ask", Lines).show(text.row(width, Cell(asked, None)))
        self.write_facts(facts(question, width - 1), besides=taken + ROWS_BESIDES)
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
        if self.hurried:
            if choice.phrase is not None:
                # Away from the button, where the repeats of a held key do nothing.
                field.focus()
            self.say(TOO_QUICK)
            return
        if choice.phrase is not None and field.value != choice.phrase:
            return
        self.finish((choice.name, field.value if choice.phrase is not None else ""))


LABEL = 14


def facts(question: Question, width: int) -> list[Content]:
    """What a person must know before answering, in the order in which it matters."""
    groups: list[tuple[str, tuple[str, ...], str]] = [
        ("Will lock", question.locks, ""),
        ("For how long", (question.duration,) if question.duration else (), ""),
        ("Irrevocable", question.cannot_undo, style.BAD),
        ("Way back", (question.way_back,) if question.way_back else (), style.GOOD),
        ("Was checked", question.checked, ""),
        ("Choices", tuple(f"{c.label}: {c.consequence}" for c in question.choices if c.consequence), ""),
        ("Plan", (question.plan[:16],) if question.plan else (), style.QUIET),
        ("Details", question.details, style.QUIET),
    ]
    return [
        line
        for label, lines, looks in groups
        for line in text.labelled(label, lines, width=width, label_width=LABEL, style=looks)
    ]
