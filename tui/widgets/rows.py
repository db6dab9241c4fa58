"""A list of any length, of which only the visible lines are ever made."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

MakeRow = Callable[[int, int], Content]
"""Makes the row of an index, for a width in cells."""


class Rows(ScrollView, can_focus=False):
    """Scrolling rows, one line each, with a marked one where `cursor` is not None."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}
    DEFAULT_CSS = """
    Rows { width: 1fr; height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; }
    Rows > .rows--cursor { background: $panel; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002, textual's name
        super().__init__(id=id, classes=classes)
        self._count = 0
        self._row: MakeRow = lambda index, width: Content("")
        self._cursor: int | None = None

    def show(self, count: int, row: MakeRow, *, cursor: int | None = None, follow: bool = False) -> None:
        """Replace what is shown.

        Args:
            count: number of rows.
            row: makes one of them.
            cursor: the marked row, which is scrolled into view when the mark has moved.
            follow: whether the last row is scrolled into view.
        """
        moved = cursor != self._cursor or count != self._count
        self._count, self._row, self._cursor = count, row, cursor
        self.virtual_size = Size(0, count)
        if follow:
            self.scroll_to(y=max(0, count - self.size.height), animate=False, immediate=True)
        elif moved and cursor is not None:
            self._reveal(cursor)
        self.refresh()

    def _reveal(self, index: int) -> None:
        height = self.scrollable_content_region.height
        top = self.scroll_offset.y
        if index < top:
            self.scroll_to(y=index, animate=False, immediate=True)
        elif height and index >= top + height:
            self.scroll_to(y=index - height + 1, animate=False, immediate=True)

    def move(self, lines: int) -> None:
        """Scroll by so many lines."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, immediate=True)

    @property
    def page(self) -> int:
        """Lines of a page, one kept for the eye."""
        return max(1, self.size.height - 1)

    def on_resize(self) -> None:
        if self._cursor is not None:
            self._reveal(self._cursor)

    def render_line(self, y: int) -> Strip:
        index, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if not 0 <= index < self._count:
            return Strip.blank(width, self.rich_style)
        marked = index == self._cursor
        looks = self.get_visual_style("rows--cursor") if marked else self.visual_style
        content = self._row(index, width)
        return Visual.to_strips(self, content.truncate(width), width, 1, looks, pad=True)[0]
