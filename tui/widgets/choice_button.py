"""A choice that is pressed: marked by brackets and arrows as well as by colour, and silent while it may not be taken."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui import style, text


class ChoiceButton(Widget, can_focus=True):
    """One of a dialog's answers.

    Args:
        name: what the dialog is told.
        label: what is shown.
        grave: whether it changes something.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "press", "press", id="button.press", tooltip="Press the marked button")
    ]

    class Pressed(Message):
        def __init__(self, button: ChoiceButton) -> None:
            super().__init__()
            self.button = button

    def __init__(self, name: str, label: str, *, grave: bool = False, disabled: bool = False) -> None:
        super().__init__(name=name, disabled=disabled)
        self.label = text.clean(label)
        self._grave = grave

    def get_content_width(self, container: object, viewport: object) -> int:
        return len(self.label) + 6

    def render(self) -> Content:
        if self.disabled:
            return Content.assemble((f" ( {self.label} ) ", style.QUIET))
        if self.has_focus:
            looks = "bold reverse $error" if self._grave else "bold reverse"
            return Content.assemble((f" > {self.label} < ", looks))
        return Content.assemble((f" [ {self.label} ] ", style.BAD if self._grave else ""))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def watch_disabled(self, disabled: bool) -> None:
        super().watch_disabled(disabled)
        self.refresh()

    def action_press(self) -> None:
        self.post_message(self.Pressed(self))
