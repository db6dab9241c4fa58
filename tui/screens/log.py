"""Everything that happened, in order."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content

from tui import style, text
from tui.actions import Action
from tui.commands import Refusal
from tui.screens.base import LOG, RunScreen
from tui.store import Entry
from tui.text import Cell
from tui.widgets.lines import Lines
from tui.widgets.rows import Rows


class LogScreen(RunScreen):
    """The last events, one line each; the marked one in full below. At the end, it follows what happens."""

    is_the = LOG

    def __init__(self) -> None:
        super().__init__()
        self._marked: int | None = None
        """Sequence number of the marked event; None follows the last."""

    def body(self) -> ComposeResult:
        yield Rows(id="events")
        yield Lines(id="event")

    def draw_body(self) -> None:
        entries = list(self.store.log)
        rows = self.query_one("#events", Rows)
        if not entries:
            rows.show(1, lambda i, width: text.row(width, Cell(" Nothing has happened yet.", None, style.QUIET)))
            return
        place = self._place(entries)
        rows.show(
            len(entries),
            lambda i, width: _row(width, entries[i], marked=i == place),
            cursor=place,
            follow=self._marked is None,
        )
        self.query_one("#event", Lines).show(_full(entries[place]))

    def _place(self, entries: list[Entry]) -> int:
        if self._marked is None:
            return len(entries) - 1
        # Sequence numbers grow, and the oldest lines go: the first that is not older is the marked one or its heir.
        return next((i for i, entry in enumerate(entries) if entry.seq >= self._marked), len(entries) - 1)

    def refusal_here(self, action: Action) -> Refusal | None:
        if action.does == "open":
            return Refusal("The marked line is shown in full below.")
        return super().refusal_here(action)

    def move(self, lines: int) -> None:
        entries = list(self.store.log)
        if entries:
            place = max(0, min(len(entries) - 1, self._place(entries) + lines))
            self._marked = None if place == len(entries) - 1 else entries[place].seq

    def page(self, pages: int) -> None:
        self.move(pages * self.query_one("#events", Rows).page)


def _row(width: int, entry: Entry, *, marked: bool) -> Content:
    return text.row(
        width,
        Cell(">" if marked else "", 1, style.KEY),
        Cell(text.clock(entry.at), 9, style.QUIET),
        Cell(entry.step or "", 5, style.KEY),
        Cell(entry.actor, 10, style.QUIET),
        Cell("", 1),
        Cell(entry.text, None, entry.style),
    )


def _full(entry: Entry) -> Content:
    where = f", step {entry.step}" if entry.step else ""
    return Content.assemble(
        (f"event {entry.seq}, {entry.at:%Y-%m-%d %H:%M:%S} UTC, by {text.clean(entry.actor)}{where}\n", style.QUIET),
        (text.clean_block(entry.text), entry.style),
    )
