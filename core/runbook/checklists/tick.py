"""The project's checklists brought in line with the run: ticked with their steps, unticked with them, after a preview."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from core.errors import ConfigurationError
from core.runbook.checklists.lines import Line, Waiting, look, ticked_lines, waiting_lines, with_boxes
from core.runbook.facts import CHECKLISTS_TICKED, CHECKLISTS_WAITING
from core.runbook.model import GateReport, Runbook, Step, StepContext, StepKind
from core.runbook.project_file import ProjectFile, read_project_file
from core.runbook.rewriting import Rewrite, write_when_agreed
from core.runbook.state import RunState, StepStatus
from core.runbook.words import counted
from core.settings import Settings

STEP = "9.checklists"
SETTING = "checklists under [run]"
MOST_BYTES = 512 * 1024
"""A checklist of more is none that a person ticks; it would be parsed at every step's end."""


def lines_wait(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """A gate that is open while lines of the checklists do not say what the run says, as of the last look."""
    del settings, now
    lines = waiting_lines(state)
    value = counted(len(lines), "line") if lines else "none"
    return GateReport("lines", "lines of your checklists that wait", open=bool(lines), value=value, opens=STEP)


def read_checklists(settings: Settings) -> tuple[dict[str, ProjectFile], tuple[str, ...]]:
    """The checklists by path, and why others cannot be read, a sentence each."""
    found: dict[str, ProjectFile] = {}
    trouble: list[str] = []
    for path in settings.run.checklists:
        try:
            file = _read(path)
        except ConfigurationError as error:
            trouble.append(error.what)
        else:
            found[str(file.path)] = file
    return found, tuple(trouble)


def _read(path: Path) -> ProjectFile:
    file = read_project_file(path, SETTING)
    if len(file.text) > MOST_BYTES:
        raise ConfigurationError(f"{path} is no checklist: it has more than {MOST_BYTES // 1024} kB.")
    return file


def look_at(files: Mapping[str, ProjectFile], runbook: Runbook, state: RunState) -> Waiting:
    """See `core.runbook.checklists.lines.look`."""
    return look({path: file.text for path, file in files.items()}, runbook, state)


async def tick_checklists(context: StepContext) -> str:
    """Show what is to be ticked and unticked, and write it when the operator agrees.

    Raises:
        ConfigurationError: no checklist can be read, or one cannot be written.
        Refused: it was not agreed to, or a checklist has changed meanwhile.
    """
    from core.runbook.recovery import RECOVERY  # which holds this step

    files, trouble = await asyncio.to_thread(read_checklists, context.settings)
    for sentence in trouble:
        await context.say(sentence)
    if not files:
        raise ConfigurationError(
            trouble[0] if trouble else "No checklist is configured.", advice=f"Correct {SETTING}, or the files."
        )
    runbook = RECOVERY.fitted(context.settings)
    waiting = await asyncio.to_thread(look_at, files, runbook, context.state)
    for line in waiting.unclear:
        steps = ", ".join(line.steps)
        await context.say(f"Not ticked, since what it means is not clear ({steps}): {_where(line)}: {line.text}")
    if waiting.lines:
        rewrites = [
            Rewrite(file, with_boxes(file.text, [line for line in waiting.lines if line.file == path]))
            for path, file in files.items()
            if any(line.file == path for line in waiting.lines)
        ]
        title = f"Bring {counted(len(waiting.lines), 'line')} of your checklists in line with the run?"
        await write_when_agreed(
            context, title, rewrites, details=[_told(line, context.state) for line in waiting.lines]
        )
        await context.fact(CHECKLISTS_TICKED, _ticked_now(context.state, waiting))
    await context.fact(CHECKLISTS_WAITING, [])
    ticked = sum(line.tick for line in waiting.lines)
    unclear = f"; {counted(len(waiting.unclear), 'line')} not clear" if waiting.unclear else ""
    if not waiting.lines:
        return f"the checklists say what the run says{unclear}"
    return f"{counted(ticked, 'line')} ticked, {len(waiting.lines) - ticked:,} unticked{unclear}"


def _ticked_now(state: RunState, waiting: Waiting) -> list[dict[str, object]]:
    gone = {(line.file, line.text) for line in waiting.lines if not line.tick}
    kept = [line for line in ticked_lines(state) if (line.file, line.text) not in gone]
    return [line.model_dump(mode="json") for line in (*kept, *(line for line in waiting.lines if line.tick))]


def _told(line: Line, state: RunState) -> str:
    """`SECURITY.md:12: Revoke the leaked API key: 1.3 ticked by anna, unverified`."""
    found = [(step, state.step(step)) for step in line.steps]
    by = sorted({s.actor.name if s.actor else "nobody" for _, s in found if s.status is StepStatus.TICKED})
    steps = ", ".join(line.steps)
    if not line.tick:
        return f"{_where(line)}: unticked, since {steps} is not through any more: {line.text}"
    how = f"ticked by {' and '.join(by)}, unverified" if by else "proved"
    return f"{_where(line)}: {line.text}: {steps} {how}"


def _where(line: Line) -> str:
    return f"{Path(line.file).name}:{line.line}"


CHECKLISTS = Step(
    STEP,
    "Tick your checklists",
    StepKind.AUTOMATIC,
    (
        "Lines - [ ] of the Markdown files under [run] checklists that mean a step which is through are ticked, once the",
        "change has been shown and agreed to. Lines that this run has ticked are unticked with their step.",
        "A line means a step where it has its words, or names it: <!-- pgrecast: 1.3 -->. What is not clear is left alone.",
    ),
    action=tick_checklists,
    gates=(lines_wait,),
)
"""Beside the course of task 9: it can be run whenever lines wait."""
