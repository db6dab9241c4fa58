"""Texts to paste into a chat or a mail: an update for everyone concerned, and the handover to the next shift.

Pure functions of the run's state: what they say stands in the journal, what no fact says is "not measured", and each
line is plain text, whatever a database or a person has put into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from core.runbook.gates import reports
from core.runbook.markdown import printable
from core.runbook.model import Runbook, Step
from core.runbook.reports.accomplished import (
    NOT_MEASURED,
    PRODUCTION,
    RECOVERY,
    Standing,
    accomplishments,
    downtime_seconds,
    health,
    monitoring,
    type_change,
)
from core.runbook.reports.blocker import blocker
from core.runbook.state import RunState, StepStatus
from core.runbook.timeline import DOWNTIME_BEGINS, DOWNTIME_ENDS, downtime, downtime_began
from core.runbook.way_back import way_back
from core.runbook.window.window import chosen_window
from core.runbook.words import age, counted, span
from core.settings import Settings

_THROUGH = (StepStatus.DONE, StepStatus.TICKED)
_BUSY = (StepStatus.RUNNING, StepStatus.ASKING, StepStatus.UNDECIDED)
MOST_NOTES = 20


def incident_update(runbook: Runbook, state: RunState, settings: Settings, now: datetime) -> str:
    """Where the recovery stands, for people who were not there: what is done, whether the service is down, what comes next."""
    return _text(_update(runbook, state, settings, now))


def shift_handover(runbook: Runbook, state: RunState, settings: Settings, now: datetime) -> str:
    """All that who goes on with the run must know: the update, then what waits, failed, was overridden or only ticked."""
    return _text(
        (*_update(runbook, state, settings, now, heading="SHIFT HANDOVER"), *_rest(runbook, state, settings, now))
    )


def _text(lines: Iterable[str]) -> str:
    """Each line on one line, an entry of a list moved in."""
    return "".join(f"{'  ' * line.startswith('  ')}{' '.join(printable(line).split())}\n" for line in lines)


def _update(
    runbook: Runbook, state: RunState, settings: Settings, now: datetime, *, heading: str = "INCIDENT UPDATE"
) -> Iterator[str]:
    source, target = type_change(settings)
    focus = settings.documents.focus or f"{source} to {target} conversion"
    known = state.targets.get(PRODUCTION)
    database = f" of {known.identity.database}" if known else ""
    yield f"{heading}, {_moment(now)}: {focus}{database}"
    yield f"Now: {_now(runbook, state)}"
    if runbook.name == RECOVERY:
        yield from _recovery(state, settings, now)
    statuses = [state.step(step.id).status for task in runbook.tasks for step in task.steps]
    done, ticked = statuses.count(StepStatus.DONE), statuses.count(StepStatus.TICKED)
    yield f"Steps: {done} proved, {ticked} ticked unverified, {len(statuses) - done - ticked} to go"
    window = chosen_window(state)
    yield f"Way back: {way_back(state, window_end=window.end if window else None)}"
    following = _next(runbook, state)
    yield f"Next: {f'{following.id} {following.title}' if following else 'nothing is left to do'}"


def _recovery(state: RunState, settings: Settings, now: datetime) -> Iterator[str]:
    yield f"Service: {_service(state, now)}"
    for line in accomplishments(state, settings):
        mark = {Standing.PROVED: "[x]", Standing.TICKED: "[t]", Standing.OPEN: "[ ]"}[line.standing]
        figures = ", ".join(f"{f.label} {f.value}" for f in line.figures if f.value is not None)
        vouched = f"; ticked by {' and '.join(line.by)}, unverified" if line.by else ""
        yield f"  {mark} {line.what}{f': {figures}' if figures else ''}{vouched}"
    found = blocker(state, settings)
    yield f"Blocker: {found.name}: {'resolved' if found.resolved else 'not resolved'}; {found.why}"
    for figure in (health(state), monitoring(state)):
        yield f"{figure.label}: {figure.value or NOT_MEASURED}"
    yield f"Window: {chosen_window(state) or 'none chosen'}"


def _now(runbook: Runbook, state: RunState) -> str:
    for task in runbook.tasks:
        for step in task.all_steps:
            status = state.step(step.id).status
            if status in _BUSY:
                return f"{step.id} {step.title}: {status.value}"
    failed = [step for task in runbook.tasks for step in task.steps if state.step(step.id).status is StepStatus.FAILED]
    return f"{failed[-1].id} {failed[-1].title}: failed" if failed else "no step runs"


def _service(state: RunState, now: datetime) -> str:
    seconds, measured = downtime_seconds(state)
    if seconds is not None:
        return f"serves again; it was down for {span(seconds)}{'' if measured else ' by the times of its steps'}"
    if downtime_began(state) is not None or (
        state.step(DOWNTIME_BEGINS).status in _THROUGH and state.step(DOWNTIME_ENDS).status not in _THROUGH
    ):
        down = downtime(state, now)
        return f"in maintenance{f' for {age(down)}' if down is not None else ''}"
    return "not in maintenance as far as the run knows"


def _next(runbook: Runbook, state: RunState) -> Step | None:
    steps = (step for task in runbook.tasks for step in task.steps)
    return next((step for step in steps if state.step(step.id).status not in _THROUGH), None)


def _rest(runbook: Runbook, state: RunState, settings: Settings, now: datetime) -> Iterator[str]:
    yield ""
    yield f"Run: {state.run}, opened {_moment(state.opened) if state.opened else NOT_MEASURED}, pgrecast {state.engine_program or state.program}"
    operator = next((c.actor.name for c in state.clients if c.client == state.operator), None)
    yield f"Operator: {operator or 'nobody'}; attached: {', '.join(c.actor.name for c in state.clients) or 'nobody'}"
    for name, target in state.targets.items():
        yield f"{name}: {target.identity.database} @ {target.address}, {target.server}"
    steps = [step for task in runbook.tasks for step in task.all_steps]
    yield from _section("Contacts", settings.service.contacts)
    yield from _section(
        "Waits for an answer",
        (f"{q.step}: {q.title} (until {_moment(q.expires_at)})" for q in state.questions.values()),
    )
    yield from _section(
        "Failed",
        (
            f"{step.id} {step.title}: {found.summary} {found.database} {found.advice}"
            for step in steps
            if (found := state.step(step.id)).status in (StepStatus.FAILED, StepStatus.UNDECIDED)
        ),
    )
    following = _next(runbook, state)
    closed = [gate for gate in reports(following, state, settings, now) if not gate.open] if following else []
    yield from _section("Closed gates of the next step", (f"{g.condition}: {g.value}" for g in closed))
    yield from _section(
        "Overridden", (f"{step.id} {told}" for step in steps for told in state.step(step.id).overridden)
    )
    yield from _section(
        "Only ticked, to be verified",
        (
            f"{step.id} {step.title}: {found.actor.name if found.actor else 'nobody'}, {_moment(found.ended) if found.ended else ''}"
            for step in steps
            if (found := state.step(step.id)).status is StepStatus.TICKED
        ),
    )
    notes = [f"{step.id} {note}" for step in steps for note in state.step(step.id).notes]
    notes += [f"task {number} {note}" for number, told in state.notes.items() for note in told]
    yield from _section(f"Notes{f' (the last {MOST_NOTES})' if len(notes) > MOST_NOTES else ''}", notes[-MOST_NOTES:])
    files = sum(len(state.step(step.id).files) for step in steps)
    yield f"Evidence: {counted(files, 'file')}; the whole run in Markdown: pgrecast status --report FILE"


def _section(heading: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    yield f"{heading}: {'none' if not found else ''}"
    yield from (f"  - {line}" for line in found)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
