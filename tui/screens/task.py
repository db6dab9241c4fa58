"""A task: its steps, and everything about the marked one."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll

from core.runbook.model import Step, Task
from tui import style, summary, text
from tui.screens.base import TASK, RunScreen
from tui.text import Cell
from tui.widgets.event_row import event_row
from tui.widgets.lines import Lines
from tui.widgets.rows import Rows
from tui.widgets.steps import step_detail, step_row

DETAIL_ROWS = 8
"""Rows that the marked step's text keeps at 80x24, however many steps a task has."""


class Reader(VerticalScroll, can_focus=False):
    """Text that is read by paging."""


class TaskScreen(RunScreen):
    """The steps in order, the marked one told in full below them (wide: beside them)."""

    is_the = TASK

    def __init__(self, task: Task, step: str | None = None) -> None:
        super().__init__()
        self._task_shown = task
        self._marked = 0
        self.show(task, step)

    def show(self, task: Task, step: str | None = None) -> None:
        """Turn to a task, and to one of its steps; to the first that is not through when none is named."""
        self._task_shown = task
        ids = [s.id for s in task.all_steps]
        self._marked = ids.index(step) if step in ids else 0

    def body(self) -> ComposeResult:
        yield Lines(id="title", classes="line")
        with Container(id="split"):
            with Vertical(id="left"):
                yield Rows(id="steps")
                yield Lines(id="events")
            with Reader(id="reader"):
                yield Lines(id="detail")

    @property
    def task_here(self) -> Task:
        return self._task_shown

    @property
    def step_here(self) -> Step:
        return self._steps[min(self._marked, len(self._steps) - 1)]

    @property
    def _steps(self) -> tuple[Step, ...]:
        return summary.steps_shown(self._task_shown, self.state, self.settings, self.store.now())

    def draw_body(self) -> None:
        task, state, settings, now = self._task_shown, self.state, self.settings, self.store.now()
        shown = summary.summarize(task, state, settings, self.store.readings, now)
        planned = f"planned {text.span(*task.planned)}" if task.planned else ""
        self.query_one("#title", Lines).show(
            text.row(
                self.size.width,
                Cell(str(task.number), 3, style.KEY, right=True),
                Cell("", 1),
                Cell(task.title, 21, style.STRONG),
                Cell(shown.status.value, 11, style.TASK[shown.status]),
                Cell(shown.bar, 10, style.TASK[shown.status]),
                Cell("", 2),
                Cell(shown.tally, 8),
                Cell(text.sentence((planned, text.duration(shown.worked)), "  "), None, style.QUIET, right=True),
                Cell("", 1),
            )
        )
        steps = self.query_one("#steps", Rows)
        listed = self._steps
        steps.styles.height = min(len(listed), max(3, self.size.height - 5 - DETAIL_ROWS))
        steps.show(
            len(listed),
            lambda i, width: step_row(width, listed[i], state, settings, now, marked=listed[i] is self.step_here),
            cursor=min(self._marked, len(listed) - 1),
        )
        if self.is_wide:
            self._draw_events()
        width = max(20, self.query_one(Reader).size.width - 1)
        self.query_one("#detail", Lines).show(
            step_detail(width, self.step_here, task, state, settings, self.store.readings, now)
        )

    def _draw_events(self) -> None:
        """What happened last in the task, as far as there is room below its steps."""
        events = self.query_one("#events", Lines)
        width, height = events.content_size
        tail = list(self.store.tails.get(self._task_shown.number, ()))[-max(0, height - 1) :]
        heading = [text.row(width, Cell("Last events", None, style.HEADING))] if tail else []
        events.show([*heading, *(event_row(width, entry) for entry in tail)])

    def move(self, lines: int) -> None:
        before = self._marked
        self._marked = max(0, min(len(self._steps) - 1, self._marked + lines))
        if before != self._marked:
            self.query_one(Reader).scroll_home(animate=False)

    def page(self, pages: int) -> None:
        reader = self.query_one(Reader)
        reader.scroll_to(y=reader.scroll_offset.y + pages * max(1, reader.size.height - 1), animate=False)

    def do_open(self) -> None:
        if self.step_here.id in self.state.conversions:
            self.console.show_conversion(self.step_here.id)
