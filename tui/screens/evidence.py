"""What the steps left behind: facts, and files with their sha256."""

from __future__ import annotations

import json
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.content import Content

from core.events import FactRecorded, FileRecorded
from core.runbook.model import Task
from tui import style, text
from tui.actions import Action
from tui.commands import Refusal
from tui.screens.base import EVIDENCE, RunScreen
from tui.screens.task import Reader
from tui.sentences import value_words
from tui.text import Cell
from tui.widgets.lines import Lines
from tui.widgets.rows import Rows

LONGEST = 20_000
"""Characters of a fact that are shown."""


@dataclass(frozen=True, slots=True)
class Piece:
    step: str
    evidence: FactRecorded | FileRecorded


class EvidenceScreen(RunScreen):
    """A list, the marked piece in full below it; of one task, or of all."""

    is_the = EVIDENCE

    def __init__(self, task: int | None) -> None:
        super().__init__()
        self.task_number = task
        self._marked = 0

    def body(self) -> ComposeResult:
        yield Lines(id="title", classes="line")
        yield Rows(id="pieces")
        with Reader(id="reader"):
            yield Lines(id="piece")

    @property
    def task_here(self) -> Task | None:
        return next((task for task in self.runbook.tasks if task.number == self.task_number), None)

    def _pieces(self) -> list[Piece]:
        tasks = [self.task_here] if self.task_here else list(self.runbook.tasks)
        return [
            Piece(step.id, evidence)
            for task in tasks
            for step in task.all_steps
            for evidence in (*self.state.step(step.id).facts, *self.state.step(step.id).files)
        ]

    def draw_body(self) -> None:
        pieces = self._pieces()
        of = f"of task {self.task_here.number}, {self.task_here.title}" if self.task_here else "of the run"
        self.query_one("#title", Lines).show(
            text.row(
                self.size.width,
                Cell("", 1),
                Cell(f"Evidence {of}: {text.plural(len(pieces), 'piece')}", None, style.STRONG),
            )
        )
        rows = self.query_one("#pieces", Rows)
        if not pieces:
            rows.show(
                1,
                lambda i, width: text.row(
                    width, Cell("", 3), Cell("No step has left anything yet.", None, style.QUIET)
                ),
            )
            self.query_one("#piece", Lines).show(Content(""))
            return
        self._marked = min(self._marked, len(pieces) - 1)
        rows.show(len(pieces), lambda i, width: _row(width, pieces[i], marked=i == self._marked), cursor=self._marked)
        self.query_one("#piece", Lines).show(_full(pieces[self._marked]))

    def refusal_here(self, action: Action) -> Refusal | None:
        if action.does == "open":
            return Refusal("The marked piece is shown in full below.")
        return super().refusal_here(action)

    def move(self, lines: int) -> None:
        self._marked = max(0, min(len(self._pieces()) - 1, self._marked + lines))
        self.query_one(Reader).scroll_home(animate=False)

    def page(self, pages: int) -> None:
        reader = self.query_one(Reader)
        reader.scroll_to(y=reader.scroll_offset.y + pages * max(1, reader.size.height - 1), animate=False)


def _row(width: int, piece: Piece, *, marked: bool) -> Content:
    found = piece.evidence
    if isinstance(found, FileRecorded):
        kind, name, value = "file", found.name, f"{text.size(found.bytes)}  {found.path}"
    else:
        kind, name, value = "fact", found.name, value_words(found.value)
    return text.row(
        width,
        Cell(">" if marked else "", 1, style.KEY),
        Cell(piece.step, 5, style.KEY),
        Cell(kind, 5, style.QUIET),
        Cell(name, 30),
        Cell("", 1),
        Cell(value, None, style.QUIET),
    )


def _full(piece: Piece) -> Content:
    found = piece.evidence
    if isinstance(found, FileRecorded):
        lines = (("bytes", text.count(found.bytes)), ("sha256", found.sha256), ("in the run directory", found.path))
        return Content.assemble(
            (text.clean(found.name), style.STRONG), *(f"\n{name:<21} {text.clean(value)}" for name, value in lines)
        )
    value = (
        found.value
        if isinstance(found.value, str)
        else json.dumps(found.value, indent=2, ensure_ascii=False, default=str)
    )
    shown = text.clean_block(value[:LONGEST]) + (text.ELLIPSIS if len(value) > LONGEST else "")
    return Content.assemble((text.clean(found.name), style.STRONG), "\n", shown)
