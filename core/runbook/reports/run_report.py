"""The report of a whole run, in Markdown: who did what when, every gate, every figure, the proof, the way back.

What is told comes from the journal alone, so that it can be written again at any time, by anyone who may read the run.
Nothing of it is markup but what stands here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.redaction import redactor
from core.runbook.conversion_state import ConversionState
from core.runbook.facts import (
    BACKUP_TAKEN,
    BACKUP_VERIFIED,
    RESTORE_FILE,
    RESTORE_SECONDS,
    RUN_REPORT_FILE,
    UNDO_SCRIPT_FILE,
)
from core.runbook.gates import reports
from core.runbook.markdown import bullets, code, table
from core.runbook.model import Runbook, Step, StepContext
from core.runbook.reports.accomplished import (
    NOT_MEASURED,
    RECOVERY,
    Figure,
    counts,
    downtime_seconds,
    health,
    monitoring,
    results,
)
from core.runbook.reports.blocker import blocker
from core.runbook.reports.chronicle import Account, Asked, Entry, read_account
from core.runbook.sentences import value_words
from core.runbook.state import RunState, StepState, StepStatus
from core.runbook.timeline import task_time
from core.runbook.way_back import way_back
from core.runbook.window.window import chosen_window
from core.runbook.words import counted, limit, size, span
from core.settings import Settings

MOST_ENTRIES = 5000
"""Lines of the chronicle; of more, the first and the last are told."""
LONGEST_VALUE = 400
"""Characters of a fact; the journal has all of it."""

_THROUGH = (StepStatus.DONE, StepStatus.TICKED)


async def run_report(run_directory: Path, runbook: Runbook, settings: Settings) -> str:
    """The report of the run as it stands now; see `render`. Raises what `read_account` does."""
    account = await asyncio.to_thread(read_account, run_directory)
    return render(account, runbook, settings, datetime.now(UTC))


async def write_run_report(context: StepContext) -> str:
    """Leave the report of the run, up to this step, among the evidence."""
    from core.runbook.recovery import RECOVERY  # which holds this step

    runbook = RECOVERY.fitted(context.settings)
    path = await context.file(
        RUN_REPORT_FILE, (await run_report(context.run_directory, runbook, context.settings)).encode()
    )
    await context.say(f"The report is {path}; written again at any time by: pgrecast status --report FILE")
    statuses = [context.state.step(step.id).status for task in runbook.tasks for step in task.steps]
    proved, ticked = statuses.count(StepStatus.DONE), statuses.count(StepStatus.TICKED)
    return f"report written: {counted(proved, 'step')} proved, {ticked:,} ticked"


def render(account: Account, runbook: Runbook, settings: Settings, now: datetime) -> str:
    """The report, in Markdown.

    Args:
        account: the journal.
        runbook: the run's, as the settings allow it.
        settings: those that the engine goes by.
        now: when it is written, UTC.
    """
    state = account.state
    parts = [
        f"# Run report: {code(state.run)}",
        bullets(_head(state, runbook, settings, now)),
        *(("## Results", _results(state, settings)) if runbook.name == RECOVERY else ()),
        "## Way back",
        _way_back(state, runbook),
        "## Tasks",
        _tasks(runbook, state, now),
        *_steps(runbook, state),
        "## Proved, and ticked",
        *_vouched(runbook, state),
        "## Gates, as they stand now",
        _gates(runbook, state, settings, now),
        "## Overrides",
        bullets(code(told) for step in runbook_steps(runbook) for told in state.step(step.id).overridden) or "None.",
        "## What was asked, what had been checked, and who answered",
        "\n\n".join(_question(asked) for asked in account.asked.values()) or "Nothing.",
        "## Conversions",
        "\n\n".join(_conversion(c) for c in _conversions(state)) or "None.",
        "## Figures",
        _facts(state),
        "## Evidence",
        _files(runbook, state),
        "## Who did what, when (UTC)",
        _chronicle(account.entries),
        "## Journal",
        bullets(
            (
                f"Events: {state.last:,}",
                f"sha256 of these events: {code(account.digest)}",
                "Of each event's five columns (seq, at, actor, kind, event), tab-separated, a line each, in order.",
            )
        ),
    ]
    return redactor.redact("\n\n".join(parts)) + "\n"


def runbook_steps(runbook: Runbook) -> Iterator[Step]:
    """Every step, ways back included, in order."""
    return (step for task in runbook.tasks for step in task.all_steps)


# --- the head ----------------------------------------------------------------------------------------------------------


def _head(state: RunState, runbook: Runbook, settings: Settings, now: datetime) -> Iterator[str]:
    statuses = [state.step(step.id).status for task in runbook.tasks for step in task.steps]
    proved, ticked = statuses.count(StepStatus.DONE), statuses.count(StepStatus.TICKED)
    yield f"Written: {_moment(now)}"
    yield f"Opened: {_moment(state.opened) if state.opened else NOT_MEASURED}"
    yield f"pgrecast: {code(state.program)}" + (
        f", goes on with {code(state.engine_program)}" if state.engine_program not in ("", state.program) else ""
    )
    for name, target in state.targets.items():
        identity = target.identity
        where = f"{identity.database} @ {target.address}, cluster {identity.cluster}, oid {identity.database_oid}"
        yield f"{code(name)}: {code(where)}, {code(target.server)}"
    yield f"Steps: {len(statuses)}, of which {proved} proved, {ticked} ticked on a person's word, {len(statuses) - proved - ticked} not through"
    if runbook.name == RECOVERY:
        yield from _recovery_head(state, settings)


def _recovery_head(state: RunState, settings: Settings) -> Iterator[str]:
    yield f"Maintenance window: {chosen_window(state) or 'none chosen'}"
    seconds, measured = downtime_seconds(state)
    how = "" if measured else " (by the times of its steps)"
    yield f"Downtime: {span(seconds) + how if seconds is not None else NOT_MEASURED}"
    found = blocker(state, settings)
    yield f"Blocker: {code(found.name)}: **{'resolved' if found.resolved else 'not resolved'}** ({code(found.why)})"
    yield from map(_figure, (health(state), monitoring(state)))


def _results(state: RunState, settings: Settings) -> str:
    return bullets(map(_figure, results(state, settings)))


def _figure(figure: Figure) -> str:
    return f"{figure.label}: {code(figure.value) if figure.value is not None else NOT_MEASURED}{_held(figure.held)}"


def _way_back(state: RunState, runbook: Runbook) -> str:
    window = chosen_window(state)
    lines = [f"Production: {code(str(way_back(state, window_end=window.end if window else None)))}"]
    if runbook.name == RECOVERY:
        backup = state.facts.get(BACKUP_VERIFIED) or state.facts.get(BACKUP_TAKEN)
        lines.append(f"Backup: {code(value_words(backup, LONGEST_VALUE)) if backup else NOT_MEASURED}")
        seconds = state.facts.get(RESTORE_SECONDS)
        lines.append(f"Restore: {span(seconds) if isinstance(seconds, int | float) else NOT_MEASURED}")
    for words, name in (("Its commands", RESTORE_FILE), ("The undo, for psql", UNDO_SCRIPT_FILE)):
        files = [(step.id, file) for step in runbook_steps(runbook) for file in state.step(step.id).files]
        lines += [f"{words} (step {step}): {code(file.path)}" for step, file in files if file.name == name]
    return bullets(lines)


# --- tasks and steps ---------------------------------------------------------------------------------------------------


def _tasks(runbook: Runbook, state: RunState, now: datetime) -> str:
    def row(number: int) -> tuple[str, ...]:
        task = runbook.tasks[number]
        times = task_time(task, state, now)
        statuses = [state.step(step.id).status for step in task.steps]
        planned = f"{limit(task.planned[0])} to {limit(task.planned[1])}" if task.planned else ""
        due = f"{_moment(times.due)}{' (late)' if times.overdue else ''}" if times.due else ""
        through = (
            f"{statuses.count(StepStatus.DONE)} proved, {statuses.count(StepStatus.TICKED)} ticked of {len(statuses)}"
        )
        begun = _moment(times.started) if times.started else ""
        ended = _moment(times.ended) if times.ended else ""
        worked = span(times.worked.total_seconds()) if times.started else ""
        return f"{task.number} {code(task.title)}", through, planned, due, begun, ended, worked

    return table(("task", "steps", "planned", "due", "begun", "through", "worked"), map(row, range(len(runbook.tasks))))


def _steps(runbook: Runbook, state: RunState) -> Iterator[str]:
    for task in runbook.tasks:
        yield f"### {task.number} {code(task.title)}"
        yield table(
            ("step", "", "kind", "stands", "by", "began", "ended", "attempts", "came to"),
            (_step(step, state.step(step.id)) for step in task.all_steps if _is_told(step, task.steps, state)),
        )
        notes = [f"{step.id}: {code(note)}" for step in task.all_steps for note in state.step(step.id).notes]
        notes += [code(note) for note in state.notes.get(task.number, ())]
        if notes:
            yield "Notes:"
            yield bullets(notes)


def _is_told(step: Step, course: Sequence[Step], state: RunState) -> bool:
    return step in course or state.step(step.id).status is not StepStatus.TODO


def _step(step: Step, found: StepState) -> tuple[str, ...]:
    stands = f"**{found.status.value}**"
    if found.status is StepStatus.TICKED:
        stands += ", unverified"
    came_to = " ".join(part for part in (found.summary, found.database, found.advice) if part)
    return (
        step.id,
        code(step.title),
        step.kind.value,
        stands,
        code(found.actor.name) if found.actor else "",
        _moment(found.started) if found.started else "",
        _moment(found.ended) if found.ended else "",
        str(found.attempts or ""),
        code(came_to) if came_to else "",
    )


def _vouched(runbook: Runbook, state: RunState) -> Iterator[str]:
    course = [step for task in runbook.tasks for step in task.steps]
    for status, words in (
        (StepStatus.DONE, "Proved by evidence"),
        (StepStatus.TICKED, "Ticked: a person vouches, nothing proves it"),
    ):
        found = [(step, state.step(step.id)) for step in course if state.step(step.id).status is status]
        yield f"{words}: {len(found)}"
        by = [f"{step.id} {code(step.title)}{_by(s) if status is StepStatus.TICKED else ''}" for step, s in found]
        yield bullets(by) or "None."
    left = [step for step in course if state.step(step.id).status not in _THROUGH]
    yield f"Not through: {len(left)}"
    yield bullets(f"{step.id} {code(step.title)}: {state.step(step.id).status.value}" for step in left) or "None."


def _by(found: StepState) -> str:
    return f": {code(found.actor.name)}" if found.actor else ""


def _gates(runbook: Runbook, state: RunState, settings: Settings, now: datetime) -> str:
    rows = [
        (step.id, code(gate.name), code(gate.condition), "open" if gate.open else "closed", code(gate.value))
        for step in runbook_steps(runbook)
        for gate in reports(step, state, settings, now)
    ]
    return table(("step", "gate", "condition", "stands", "value"), rows) if rows else "None."


# --- questions, conversions, facts, files ------------------------------------------------------------------------------


def _question(asked: Asked) -> str:
    question = asked.question
    lines = [f"Asked: {_moment(question.asked_at)}, until {_moment(question.expires_at)}"]
    if question.target:
        lines.append(f"About: {code(question.target)}{f', plan {code(question.plan)}' if question.plan else ''}")
    lines += [f"Checked: {code(text)}" for text in question.checked]
    lines += [f"Irrevocable: {code(text)}" for text in question.cannot_undo]
    lines += [f"Way back: {code(question.way_back)}"] if question.way_back else []
    lines += [f"Answered: {code(answer)}" for answer in asked.answers] or ["Not answered yet."]
    return f"### {question.step}: {code(question.title)}\n\n{bullets(lines)}"


def _conversions(state: RunState) -> list[ConversionState]:
    """Every step's latest, and what is committed although its step has planned again since."""
    found = list(state.conversions.values())
    return found + [c for c in state.committed.values() if c not in found]


def _conversion(found: ConversionState) -> str:
    outcome = (found.outcome or "not ended").replace("_", " ")
    verdict = {True: "holds", False: "does NOT hold", None: "not made"}[found.proof_held]
    lines = [
        f"Outcome: **{outcome}**" + (f": {code(found.reason)}" if found.reason else ""),
        f"Plan: {code(found.plan)}",
        f"Transaction: {code(found.xid) if found.xid else 'none was opened'}"
        + (f", opened {_moment(found.opened)}" if found.opened else ""),
        f"Open for: {span(found.seconds) if found.seconds is not None else NOT_MEASURED}",
        f"Tables: {len(found.tables)}, {size(sum(t.bytes for t in found.tables))}",
        *(f"{code(what)}: {count:,}" for what, count in counts(found).items()),
        *(f"Blocker: {code(text)}" for text in found.blockers),
        *(f"Warning: {code(text)}" for text in found.warnings),
        f"Proof ({code(found.proof_depth or 'none')}): **{verdict}**",
        *(code(line) for line in found.proof),
    ]
    phases = table(
        ("phase", "statements", "through", "took"),
        (
            (f"{p.number} {code(p.name)}", str(p.statements), str(p.done), span(p.seconds) if p.seconds is not None else "")
            for p in found.phases
        ),
    )  # fmt: skip
    return f"### {found.step}: {code(found.target)}\n\n{bullets(lines)}\n\n{phases}"


def _facts(state: RunState) -> str:
    rows = [
        (code(name), code(value_words(state.facts[name], LONGEST_VALUE)), _moment(state.fact_times[name]))
        for name in sorted(state.facts)
    ]
    return table(("fact", "value", "as of"), rows) if rows else "None."


def _files(runbook: Runbook, state: RunState) -> str:
    rows = [
        (step.id, code(file.name), size(file.bytes), code(file.sha256), code(file.path))
        for step in runbook_steps(runbook)
        for file in state.step(step.id).files
    ]
    return table(("step", "file", "size", "sha256", "in the run directory"), rows) if rows else "None."


# --- the chronicle -----------------------------------------------------------------------------------------------------


def _chronicle(entries: Sequence[Entry]) -> str:
    half = MOST_ENTRIES // 2
    told: Iterable[Entry] = entries
    left_out = max(0, len(entries) - MOST_ENTRIES)
    if left_out:
        told = (*entries[:half], *entries[-half:])
    rows = [(f"{entry.at:%Y-%m-%d %H:%M:%S}", code(entry.actor), entry.step, code(entry.what)) for entry in told]
    words = f"\n\n{left_out:,} lines in the middle are left out; the journal has them." if left_out else ""
    return table(("when", "who", "step", "what"), rows) + words


# --- words -------------------------------------------------------------------------------------------------------------


def _held(held: bool | None) -> str:
    return "" if held is None else " ✓" if held else " ✗"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
