"""The board: ten panes."""

from __future__ import annotations

from textual.app import ComposeResult

from core.runbook.model import Step, Task
from tui import summary
from tui.actions import Action
from tui.commands import Refusal
from tui.screens.base import RunScreen
from tui.widgets import pane
from tui.widgets.pane import Pane


class Board(RunScreen):
    """All tasks at a glance. The commanding keys mean the marked task's current step, which its second line names."""

    def __init__(self) -> None:
        super().__init__()
        self.marked = 0

    def body(self) -> ComposeResult:
        for task in self.runbook.tasks:
            yield Pane(task.number)

    @property
    def task_here(self) -> Task | None:
        return self.runbook.tasks[self.marked]

    @property
    def step_here(self) -> Step | None:
        return self._summary(self.runbook.tasks[self.marked]).current

    def _summary(self, task: Task) -> summary.TaskSummary:
        return summary.summarize(task, self.state, self.settings, self.store.readings, self.store.now())

    def draw_body(self) -> None:
        for index, task in enumerate(self.runbook.tasks):
            shown = self._summary(task)
            widget = self.query_one(f"#task-{task.number}", Pane)
            width, height = widget.content_size
            if not width or not height:
                continue
            marked = index == self.marked
            widget.set_class(marked, "-marked")
            if self.is_wide:
                widget.border_title = pane.title(shown, marked=marked)
                events = self.store.tails.get(task.number, ())
                widget.show(pane.wide(width, height, shown, tuple(events), marked=marked))
            else:
                widget.show(pane.narrow(width, shown, marked=marked))

    def refusal_here(self, action: Action) -> Refusal | None:
        if action.does == "back":
            return Refusal(
                f"This is the board; {self.console.key_of('run.detach')} leaves the console, and the run goes on."
            )
        return super().refusal_here(action)

    def move(self, lines: int) -> None:
        self.mark(self.marked + lines)

    def page(self, pages: int) -> None:
        self.mark(self.marked + pages * 5)

    def mark(self, index: int) -> None:
        """Mark the task of that place."""
        self.marked = max(0, min(len(self.runbook.tasks) - 1, index))

    def do_jump(self, number: int) -> None:
        for index, task in enumerate(self.runbook.tasks):
            if task.number == number:
                self.mark(index)

    def do_open(self) -> None:
        step = self.step_here
        self.console.show_task(self.runbook.tasks[self.marked].number, step.id if step else None)
