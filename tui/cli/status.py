"""`pgrecast status`: the run in plain text or as one JSON document, also while the engine runs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.journal import journal_sha256, read_journal
from core.runbook.conversion_day.end_maintenance import standing
from core.runbook.gates import reports
from core.runbook.model import Runbook
from core.runbook.one_step import CONVERSION
from core.runbook.recovery import RECOVERY
from core.runbook.reports.run_report import run_report
from core.runbook.state import RunState, StepStatus, fold_all
from core.runbook.window.timetable import timetable
from core.settings import Settings
from tui import text
from tui.cli.output import Output
from tui.cli.runs import existing_run
from tui.marks import mark
from tui.summary import (
    alarms,
    main_target,
    present_names,
    programs,
    proved,
    question_clock,
    steps_shown,
    summarize,
    target_words,
    way_back,
    window_words,
)

RUNBOOKS = {runbook.name: runbook for runbook in (RECOVERY, CONVERSION)}


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Print the run's state from its journal; attaches to nothing and changes nothing."""
    directory = existing_run(given.run, settings)
    state = fold_all(read_journal(directory))
    runbook = RUNBOOKS.get(state.runbook)
    if runbook is None:
        raise UsageError(
            f"The run in {directory} is of a kind that this version does not know: {state.runbook}.",
            advice="Use the version of pgrecast that began it.",
        )
    settings = settings.as_told(state.settings)
    runbook = runbook.fitted(settings)
    if given.report is not None:
        _write(given.report, await run_report(directory, runbook, settings))
    output.document(_document(directory, runbook, state, settings))
    output.lines(list(_lines(directory, runbook, state, settings)))
    return 0


def _write(path: Path, report: str) -> None:
    try:
        path.expanduser().write_text(report, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"The report cannot be written to {path}: {error.strerror}.", advice="Name another file with --report."
        ) from error


def _lines(directory: Path, runbook: Runbook, state: RunState, settings: Settings) -> Iterator[str]:
    now = datetime.now(UTC)
    yield f"run {state.run}, {proved(runbook, state)}"
    yield f"{main_target(state).upper()} {target_words(main_target(state), state)}; {present_names(state)}"
    yield f"way back: {way_back(state, {})}"
    for line in standing(state):
        yield f"on: {text.clean(line)}"
    for words in window_words(state, settings):
        yield f"window: {words}"
    for step, alarm in alarms(state):
        yield f"ALARM {step}: {text.clean(alarm.what)} {text.clean(alarm.advice)}"
    if other := programs(state):
        yield f"this run was {other}"
    for check in state.machine:
        yield f"{'this machine' if check is state.machine[0] else '':<12} {text.clean(check.name)}: {text.clean(check.value)}"
        if check.warning:
            yield f"{'':<12}    WARNING {text.clean(check.warning)}"
    for task in runbook.tasks:
        summary = summarize(task, state, settings, {}, now)
        worked = text.duration(summary.worked) if summary.worked else ""
        yield f"{task.number:2} {task.title:<34} {summary.status.value:<12} {summary.bar} {summary.tally:<8} {worked}"
        for step in task.all_steps:
            found = state.step(step.id)
            if found.status is StepStatus.TODO:
                continue
            by = found.actor.name if found.actor else "nobody"
            vouched = f" (ticked by {by}, unverified)" if found.status is StepStatus.TICKED else ""
            yield f"     {mark(step, found)} {step.id} {step.title}{vouched}: {text.clean(found.summary or found.status.value)}"
            if found.status is StepStatus.FAILED:
                yield f"         {text.clean(found.database)} {text.clean(found.advice)}"
            for told in found.overridden:
                yield f"         overridden: {text.clean(told)}"
    for step in (step for task in runbook.tasks for step in task.steps):
        if step.gates and state.step(step.id).status not in (StepStatus.DONE, StepStatus.TICKED):
            yield f"gates of {step.id} {step.title}:"
            overridden = state.overrides.get(step.id, {})
            for gate in reports(step, state, settings, now):
                word = "open" if gate.open else "overridden" if gate.name in overridden else "closed"
                ways = (
                    f"step {gate.opens} opens it" if gate.opens else "",
                    "can be overridden" if gate.overridable else "",
                )
                leads = f" ({text.sentence(ways)})" if word == "closed" and any(ways) else ""
                yield f"   {word:<10} {text.clean(gate.condition)}: {text.clean(gate.value)}{leads}"
    for question in state.questions.values():
        yield f"{question.step} asks: {text.clean(question.title)} ({question_clock(question, now)} if unanswered)"
        for choice in question.choices:
            typed = f", {choice.phrase} typed" if choice.phrase is not None else ""
            yield f"   {choice.name}{text.clean(typed)}: {text.clean(choice.label)}"
    yield f"journal {directory}"


def _window(state: RunState) -> dict[str, Any] | None:
    found = timetable(state)
    if found is None:
        return None
    window = found.window
    return {"start": window.start, "end": window.end, "latest_start": found.latest_start, "turn_back": found.turn_back}


def _document(directory: Path, runbook: Runbook, state: RunState, settings: Settings) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "run": state.run,
        "directory": str(directory),
        "program": state.program,
        "engine_program": state.engine_program,
        "runbook": state.runbook,
        "opened": state.opened,
        "events": state.last,
        "journal_sha256": journal_sha256(directory),
        "way_back": way_back(state, {}),
        "standing": standing(state),
        "window": _window(state),
        "alarms": [
            {"step": step, **alarm.model_dump(include={"name", "what", "advice"})} for step, alarm in alarms(state)
        ],
        "targets": {name: target.model_dump(exclude={"kind"}) for name, target in state.targets.items()},
        "machine": [check.model_dump() for check in state.machine],
        "clients": [client.actor.model_dump() for client in state.clients],
        "tasks": [
            {
                "number": task.number,
                "title": task.title,
                "status": summarize(task, state, settings, {}, now).status.value,
                "steps": [
                    {
                        "id": step.id,
                        "title": step.title,
                        "kind": step.kind.value,
                        "built": step.built,
                        "status": found.status.value,
                        "proved": found.status is StepStatus.DONE,
                        "by": found.actor.name if found.actor else None,
                        "summary": found.summary,
                        "notes": list(found.notes),
                        "overridden": list(found.overridden),
                        "gates": [
                            {**asdict(gate), "overridden": state.overrides.get(step.id, {}).get(gate.name)}
                            for gate in reports(step, state, settings, now)
                        ],
                        "started": found.started,
                        "ended": found.ended,
                    }
                    for step in steps_shown(task, state, settings, now)
                    for found in (state.step(step.id),)
                ],
            }
            for task in runbook.tasks
        ],
        "questions": [question.model_dump() for question in state.questions.values()],
        "facts": state.facts,
    }
