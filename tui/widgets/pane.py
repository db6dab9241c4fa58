"""A task on the board: two lines at 80 columns, a box with more of the same where there is room."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from core.runbook.model import Step
from core.runbook.state import StepState
from tui import style, text
from tui.marks import mark
from tui.store import Entry
from tui.summary import TaskStatus, TaskSummary
from tui.text import Cell
from tui.widgets.event_row import event_row
from tui.widgets.lines import Lines

BAR = 10
WIDE_BAR = 20


class Pane(Lines):
    """One of the ten."""

    def __init__(self, number: int) -> None:
        super().__init__(id=f"task-{number}")
        self.number = number


def narrow(width: int, task: TaskSummary, *, marked: bool) -> list[Content]:
    """The two lines of a pane at 80 columns."""
    looks = style.TASK[task.status]
    first = text.row(
        width,
        Cell(">" if marked else "", 1, style.KEY),
        Cell(str(task.task.number), 2, style.KEY, right=True),
        Cell("", 1),
        Cell(task.task.title, 29, style.STRONG if marked else ""),
        Cell(task.status.value, 11, looks),
        Cell(task.bar, BAR, looks),
        Cell("", 2),
        Cell(task.tally, 9),
        Cell(
            text.sentence(("overdue" if task.late else "", text.duration(task.worked)), " "),
            None,
            style.WARN if task.late else style.QUIET,
            right=True,
        ),
        Cell("", 1),
    )
    return [first, text.row(width, Cell("", 4), Cell(_detail(task, width - 5), None, _tone(task)))]


def title(task: TaskSummary, *, marked: bool) -> Content:
    """A box's title."""
    mark = "> " if marked else ""
    return Content.assemble(
        (f"{mark}{task.task.number} ", style.KEY), (task.task.title, style.STRONG if marked else ""), " "
    )


def wide(width: int, height: int, task: TaskSummary, events: Sequence[Entry], *, marked: bool) -> list[Content]:
    """The lines inside a box: how far it is, what happens, and the last events as far as there is room."""
    looks = style.TASK[task.status]
    planned = f"planned {text.span(*task.task.planned)}" if task.task.planned else ""
    due = f"due {text.moment(task.times.due)}" if task.times.due and not task.times.ended else ""
    overdue = "OVERDUE" if task.late else ""
    lines = [
        text.row(
            width,
            Cell(task.status.value, 11, looks),
            Cell(
                task.bar if width < 90 else text.bar(task.done, task.ticked, task.total, WIDE_BAR),
                BAR if width < 90 else WIDE_BAR,
                looks,
            ),
            Cell("", 2),
            Cell(task.tally, 9),
            Cell(text.sentence((planned, due, overdue)), None, style.WARN if task.late else style.QUIET),
            Cell(text.duration(task.worked), 11, style.QUIET, right=True),
        ),
        text.row(width, Cell(_detail(task, width), None, _tone(task))),
    ]
    room = height - len(lines) - 1
    if room > 0:
        lines.append(text.row(width))
        lines += [event_row(width, entry) for entry in events[-room:]] or [
            _step(width, s) for s in task.task.steps[:room]
        ]
    return lines[:height]


def _step(width: int, step: Step) -> Content:
    """A step of a task to which nothing has happened yet."""
    return text.row(
        width,
        Cell(mark(step, StepState()), 4, style.QUIET),
        Cell(step.id, 5, style.QUIET),
        Cell(step.title, None, style.QUIET),
    )


def _detail(task: TaskSummary, width: int) -> str:
    return text.first_that_fits([text.clean(form) for form in task.details], width)


def _tone(task: TaskSummary) -> str:
    match task.status:
        case TaskStatus.FAILED:
            return style.BAD
        case TaskStatus.ASKING | TaskStatus.UNDECIDED:
            return style.WARN
        case TaskStatus.RUNNING:
            return style.LIVE
        case _:
            return style.QUIET
