"""The steps of a task: marks in words, and everything about the marked one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from textual.content import Content

from core.runbook.checklists.lines import waiting_lines
from core.runbook.conversion_day.end_maintenance import standing
from core.runbook.gates import reports
from core.runbook.model import GateReport, Step, Task
from core.runbook.state import RunState, StepState, StepStatus
from core.runbook.timeline import task_time
from core.settings import Settings
from tui import style, summary, text
from tui.backing_up import backup_lines, backup_values
from tui.marks import mark, status_words
from tui.sentences import value_words
from tui.summary import Readings
from tui.text import Cell
from tui.watching import watch_values
from tui.widgets.watch import watch_lines

WINDOW_STEP = "6.1"
LIVE_LINES = 12
FACT_LINES = 12
ROOMY = 90
STATUS = 36
"""Cells of a step's status and time, where there is room."""


def step_row(width: int, step: Step, state: RunState, settings: Settings, now: datetime, *, marked: bool) -> Content:
    """A line of the list."""
    found = state.step(step.id)
    looks = style.STEP[found.status]
    words = status_words(step, found)
    if found.status is StepStatus.TODO and step.built and summary.closed_gates(step, state, settings, now):
        words, looks = "locked", style.QUIET
    if found.status is StepStatus.TICKED and width < ROOMY:
        words = words.removeprefix("ticked by ")  # the mark says that already
    took = text.duration(summary.step_time(found, now))
    return text.row(
        width,
        Cell(">" if marked else "", 2, style.KEY),
        Cell(mark(step, found), 4, looks),
        Cell(step.id, max(5, len(step.id) + 1), style.QUIET),
        Cell(step.title, None, style.STRONG if marked else ""),
        Cell("", 1),
        Cell(step.kind.value, 12, style.QUIET),
        Cell(words, (STATUS if width >= ROOMY else 20) - len(took), looks),
        Cell(took, len(took), style.QUIET),
        Cell("", 1),
    )


def step_detail(
    width: int, step: Step, task: Task, state: RunState, settings: Settings, readings: Readings, now: datetime
) -> list[Content]:
    """Everything about a step, the most urgent first."""
    found = state.step(step.id)
    through = found.status in (StepStatus.DONE, StepStatus.TICKED)
    lines = [
        Content.assemble(
            (f"{step.id} {text.clean(step.title)}", style.STRONG),
            "  ",
            (text.clean(status_words(step, found)), style.STEP[found.status]),
            (f"  {summary.how(step)}" if found.status is StepStatus.TODO else "", style.QUIET),
        )
    ]

    def section(heading: str, entries: Iterable[tuple[str, str]]) -> None:
        told = [line for entry, looks in entries for line in text.paragraph(entry, width, looks, indent=2, hanging=2)]
        if told:
            lines.extend((Content(""), Content.assemble((text.clean(heading), style.HEADING)), *told))

    question = summary.question_of(step.id, state)
    if question is not None:
        section(
            "A question",
            [(f"{summary.asks(question, state)} ({summary.question_clock(question, now)} if unanswered)", style.WARN)],
        )
    watched = watch_values(step.id, readings)
    if watched is not None:
        lines.extend((Content(""), *watch_lines(width, watched)))
    backing_up = backup_values(step.id, readings)
    if backing_up is not None:
        section("Now", [(line, "") for line in backup_lines(backing_up)])
    if found.status is StepStatus.FAILED:
        section("What went wrong", _failure(found))
        for tree in task.escalations_of(step.id):
            section(tree.title, [(f"{number}. {line}", "") for number, line in enumerate(tree.lines, 1)])
        section("Whom to call", [(contact, "") for contact in settings.service.contacts])
    if found.status is StepStatus.UNDECIDED:
        section("Not known yet", _failure(found))
    section("Alarms", [line for a in found.alarms for line in ((a.what, style.BAD), (f"  {a.advice}", ""))])
    if through:
        section("Outcome", [(found.summary, style.STEP[found.status])] if found.summary else [])
    gates = sorted(reports(step, state, settings, now), key=lambda gate: gate.open)
    section("Gates", [gate_line(gate, state, step.id) for gate in gates])
    section("Your checklists", _checklist_lines(step, state))
    section("Overridden so far", [(told, style.BAD) for told in found.overridden])
    conversion = state.conversions.get(step.id)
    if conversion is not None:
        outcome = (
            summary.conversion_line(conversion, readings) if conversion.ended is None else conversion.outcome or ""
        )
        section("Conversion", [(f"{outcome.replace('_', ' ')}; enter opens it", style.LIVE)])
    said = [(line, style.QUIET if through else "") for line in found.log[-LIVE_LINES:]]
    if not through:
        figures = [] if conversion is not None or watched is not None else _figures(step, readings)
        section("Live", [*figures, *said])
    section("What to do" if step.action is None else "What happens", [(line, "") for line in step.instructions])
    section("Notes", [(note, style.VOUCHED) for note in found.notes])
    section(
        "Evidence",
        [
            *((f"{fact.name} = {value_words(fact.value)}", "") for fact in found.facts[-FACT_LINES:]),
            *((f"{file.path}  {text.size(file.bytes)}  sha256 {file.sha256[:16]}", "") for file in found.files),
        ],
    )
    if through:
        section("It said", said)
    if task.downtime or task.number == summary.task_of(WINDOW_STEP):
        section("On now", [(line, style.WARN) for line in standing(state)])
        section("The window", [(line, "") for line in summary.window_words(state, settings)])
    times = summary.times_words(task_time(task, state, now))
    section("The task", [(f"why: {task.why}", ""), (f"leaves: {task.output}", ""), *((line, "") for line in times)])
    return lines


def _figures(step: Step, readings: Readings) -> list[tuple[str, str]]:
    """The newest passing figures of a step that has no view of its own."""
    return [
        (f"{name}: {', '.join(f'{key} {value_words(value)}' for key, value in values.items())}", style.LIVE)
        for (of, name), values in readings.items()
        if of == step.id
    ]


def _checklist_lines(step: Step, state: RunState) -> list[tuple[str, str]]:
    """The lines that wait to be marked with the step."""
    lines = waiting_lines(state, step.id)
    verb = {True: "ticks", False: "unticks"}
    return [
        (f"{line.file}:{line.line}: {line.text} [x shows it first, and {verb[line.tick]} it]", style.WARN)
        for line in lines
    ]


def _failure(found: StepState) -> list[tuple[str, str]]:
    """What happened, what state the database is in, what to do next."""
    parts = ((found.summary, style.BAD), (found.database, style.STRONG), (found.advice, ""))
    return [(part, looks) for part, looks in parts if part]


def gate_line(gate: GateReport, state: RunState, step: str) -> tuple[str, str]:
    """A gate: its condition, its present value, and the key that leads to what opens it."""
    overridden = state.overrides.get(step, {}).get(gate.name)
    word = "open" if gate.open else "overridden" if overridden is not None else "closed"
    words = f"{word:<7} {text.clean(gate.condition)}: {text.clean(gate.value)}"
    if overridden is not None and not gate.open:
        return f"{words}; {text.clean(overridden)}", style.BAD
    if not gate.open and gate.opens:
        words += f" [{summary.task_of(gate.opens) % 10} leads to {gate.opens}]"
    if not gate.open and gate.overridable:
        words += " [o overrides]"
    return words, style.GOOD if gate.open else style.WARN
