"""A conversion, live and afterwards."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content

from core.runbook.model import Step, Task
from tui import summary, text
from tui.actions import Action
from tui.commands import Refusal
from tui.screens.base import CONVERSION, RunScreen
from tui.widgets import conversion as rows
from tui.widgets.lines import Lines
from tui.widgets.rows import Rows


class ConversionScreen(RunScreen):
    """Phases above; below them, in one column or in two: who waits, the proof, the tables, the counts by root key."""

    is_the = CONVERSION

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step

    def body(self) -> ComposeResult:
        yield Lines(id="status", classes="line")
        yield Lines(id="phases")
        with Horizontal():
            yield Rows(id="left")
            yield Rows(id="right")

    @property
    def step_here(self) -> Step | None:
        return next((s for task in self.runbook.tasks for s in task.all_steps if s.id == self.step), None)

    @property
    def task_here(self) -> Task | None:
        number = summary.task_of(self.step)
        return next((task for task in self.runbook.tasks if task.number == number), None)

    def draw_body(self) -> None:
        conversion = self.state.conversions.get(self.step)
        if conversion is None:
            return
        now, readings, width = self.store.now(), self.store.readings, self.size.width
        question = summary.question_of(self.step, self.state)
        self.query_one("#status", Lines).show(rows.status_row(width, conversion, question, readings, now))
        self.query_one("#phases", Lines).show(
            [
                *(rows.phase_row(width, phase, now) for phase in conversion.phases),
                *rows.current_rows(width, conversion, readings),
            ]
        )
        left, right = self.query_one("#left", Rows), self.query_one("#right", Rows)
        cells = max(1, left.size.width - 1)
        beside = max(1, right.size.width - 1) if self.is_wide else cells
        news = [
            *rows.waiting_rows(beside, conversion, readings),
            *rows.blocker_rows(beside, conversion),
            *rows.proof_rows(beside, conversion),
        ]
        tables = rows.table_rows(cells, conversion, readings)
        counts = rows.count_rows(beside, conversion)
        warnings = rows.warning_rows(beside, conversion)
        blank = [text.row(cells)]
        if self.is_wide:
            _fill(left, tables)
            _fill(right, [*news, *(blank if news else []), *counts, *blank, *warnings])
        else:
            _fill(left, [*news, *(blank if news else []), *tables, *blank, *counts, *blank, *warnings])

    def refusal_here(self, action: Action) -> Refusal | None:
        if action.does == "open":
            return Refusal("There is nothing further to open here.")
        return super().refusal_here(action)

    def move(self, lines: int) -> None:
        for widget in self.query(Rows):
            widget.move(lines)

    def page(self, pages: int) -> None:
        for widget in self.query(Rows):
            widget.move(pages * widget.page)


def _fill(widget: Rows, lines: list[Content]) -> None:
    widget.show(len(lines), lambda index, width: lines[index])
