"""A block of text that the screen writes anew, and that is drawn anew only when it says something else."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget


class Lines(Widget, can_focus=False):
    """Shows content; its height is that of the stylesheet, or of the text where that is `auto`."""

    DEFAULT_CSS = """
    Lines { width: 1fr; height: auto; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002, textual's name
        super().__init__(id=id, classes=classes)
        self._content = Content("")

    def show(self, content: Content | Iterable[Content]) -> None:
        """Replace what is shown."""
        joined = content if isinstance(content, Content) else Content("\n").join(list(content))
        if not joined.is_same(self._content):
            lines = joined.plain.count("\n") != self._content.plain.count("\n")
            grows = self.styles.height is not None and self.styles.height.is_auto
            self._content = joined
            self.refresh(layout=grows and (lines or self.styles.text_wrap == "wrap"))

    @property
    def text(self) -> str:
        return self._content.plain

    def render(self) -> Content:
        return self._content
