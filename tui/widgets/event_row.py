"""An event in one line."""

from __future__ import annotations

from textual.content import Content

from tui import style, text
from tui.store import Entry
from tui.text import Cell


def event_row(width: int, entry: Entry) -> Content:
    """`02:14:09 5.1  phase 3 begins`."""
    return text.row(
        width,
        Cell(text.clock(entry.at), 9, style.QUIET),
        Cell(entry.step or "", 5, style.QUIET),
        Cell(entry.text, None, entry.style),
    )
