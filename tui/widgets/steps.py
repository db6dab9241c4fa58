"""The steps of a task: marks in words, and everything about the marked one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from textual.content import Content

from core.runbook.gates import reports
from core.runbook.model import GateReport, Step, Task
from core.runbook.state import RunState, StepState, StepStatus
from core.settings import Settings
from tui import style, summary, text
from tui.sentences import value_words
from tui.summary import Readings
from tui.text import Cell

LIVE_LINES = 12
FACT_LINES = 12

MARKS = {
    StepStatus.TODO: "[ ]",
    StepStatus.RUNNING: "[>]",
    StepStatus.ASKING: "[?]",
    StepStatus.DONE: "[x]",
    StepStatus.TICKED: "[t]",
    StepStatus.FAILED: "[!]",
    StepStatus.UNDECIDED: "[~]",
}
NOT_BUILT = "[-]"


def mark(step: Step, state: StepState) -> str:
    """`[x]` done, `[t]` ticked, `[ ]` to do, `[>]` running, `[?]` asking, `[!]` failed, `[~]` undecided, `[-]` not built."""
    return NOT_BUILT if state.status is StepStatus.TODO and not step.built else MARKS[state.status]


def status_words(step: Step, state: StepState) -> str:
    """The mark in words: `ticked by anna, unverified`."""
    if state.status is StepStatus.TICKED:
        return f"ticked by {state.actor.name if state.actor else 'somebody'}, unverified"
    if state.status is StepStatus.TODO and not step.built:
        return "not yet built"
    return state.status.value


def step_row(width: int, step: Step, state: RunState, settings: Settings, now: datetime, *, marked: bool) -> Content:
    """A line of the list."""
    found = state.step(step.id)
    looks = style.STEP[found.status]
    words = status_words(step, found)
    if found.status is StepStatus.TODO and step.built and summary.closed_gates(step, state, settings):
        words, looks = "locked", style.QUIET
    kind = 13
    return text.row(
        width,
        Cell(">" if marked else "", 2, style.KEY),
        Cell(mark(step, found), 4, looks),
        Cell(step.id, 5, style.QUIET),
        Cell(step.title, None, style.STRONG if marked else ""),
        Cell("", 1),
        Cell(step.kind.value, kind, style.QUIET),
        Cell(words, max(13, min(32, width - 68)) if width >= 90 else 13 if len(words) <= 13 else 18, looks),
        Cell(text.duration(summary.step_time(found, now)), 8, style.QUIET, right=True),
        Cell("", 1),
    )


def step_detail(
    step: Step, task: Task, state: RunState, settings: Settings, readings: Readings, now: datetime
) -> Content:
    """Everything about a step, the most urgent first."""
    found = state.step(step.id)
    parts: list[Content] = [
        Content.assemble(
            (f"{step.id} {text.clean(step.title)}", style.STRONG),
            "  ",
            (text.clean(status_words(step, found)), style.STEP[found.status]),
            (f"  {summary.how(step)}" if found.status is StepStatus.TODO else "", style.QUIET),
        )
    ]
    question = summary.question_of(step.id, state)
    if question is not None:
        asked = f"{text.clean(question.title)} ({summary.question_clock(question, now)} if unanswered)"
        parts.append(section("It asks", [(asked, style.WARN)]))
    if found.status in (StepStatus.FAILED, StepStatus.UNDECIDED):
        parts.append(_failure(found))
        parts += [
            section(tree.title, numbered(tree.lines)) for tree in task.escalations if found.status is StepStatus.FAILED
        ]
    if found.status in (StepStatus.DONE, StepStatus.TICKED) and found.summary:
        parts.append(section("Outcome", [(text.clean(found.summary), style.STEP[found.status])]))
    gates = reports(step, state, settings)
    if gates:
        parts.append(
            section("Gates", [gate_line(gate, state, step.id) for gate in sorted(gates, key=lambda g: g.open)])
        )
    conversion = state.conversions.get(step.id)
    if conversion is not None:
        line = (
            summary.conversion_line(conversion, readings)
            if conversion.ended is None
            else f"{conversion.outcome}".replace("_", " ")
        )
        parts.append(section("Conversion", [(f"{line}; enter opens it", style.LIVE)]))
    if found.log and found.status not in (StepStatus.DONE, StepStatus.TICKED):
        parts.append(section("Live", [(text.clean(line), "") for line in found.log[-LIVE_LINES:]]))
    if step.instructions:
        parts.append(
            section(
                "What to do" if step.action is None else "What happens",
                [(text.clean_block(line), "") for line in step.instructions],
            )
        )
    if found.notes:
        parts.append(section("Notes", [(text.clean_block(note), style.VOUCHED) for note in found.notes]))
    evidence = [f"{f.name} = {value_words(f.value)}" for f in found.facts[-FACT_LINES:]]
    evidence += [f"{f.path}  {text.size(f.bytes)}  sha256 {f.sha256[:16]}" for f in found.files]
    if evidence:
        parts.append(section("Evidence", [(text.clean(line), "") for line in evidence]))
    if found.log and found.status in (StepStatus.DONE, StepStatus.TICKED):
        parts.append(section("It said", [(text.clean(line), style.QUIET) for line in found.log[-LIVE_LINES:]]))
    return Content("\n").join(parts)


def _failure(found: StepState) -> Content:
    lines = [(found.summary, style.BAD), (found.database, style.STRONG), (found.advice, "")]
    return section(
        "What went wrong" if found.status is StepStatus.FAILED else "Not known yet",
        [(text.clean(line), looks) for line, looks in lines if line],
    )


def gate_line(gate: GateReport, state: RunState, step: str) -> tuple[str, str]:
    """A gate: its condition, its present value, and the key that leads to what opens it."""
    overridden = state.overrides.get(step, {}).get(gate.name)
    word = "open" if gate.open else "overridden" if overridden is not None else "closed"
    words = f"{word:<7} {text.clean(gate.condition)}: {text.clean(gate.value)}"
    if overridden is not None and not gate.open:
        return f"{words}; {text.clean(overridden)}", style.BAD
    if not gate.open and gate.opens:
        words += f" [{summary.task_of(gate.opens) % 10} leads to {gate.opens}]"
    return words, style.GOOD if gate.open else style.WARN


def numbered(lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{number}. {text.clean(line)}", "") for number, line in enumerate(lines, 1)]


def section(heading: str, lines: Iterable[tuple[str, str]]) -> Content:
    """A heading and its indented lines."""
    parts: list[str | tuple[str, str]] = ["\n", (text.clean(heading), style.HEADING)]
    for line, looks in lines:
        indented = line.replace("\n", "\n  ")
        parts += ["\n  ", (indented, looks)]
    return Content.assemble(*parts)
