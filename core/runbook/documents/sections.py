"""The three documents of task 9 as the run's facts would have them: pure functions of state, settings and their old text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from core.redaction import redactor
from core.runbook.documents.edit import Heading, Outline, has_section, outline, with_section, with_values
from core.runbook.facts import DEPLOYED, FRONTEND_DEPLOYED, MIGRATED_PRODUCTION
from core.runbook.markdown import code
from core.runbook.project_file import lines_of
from core.runbook.reports.accomplished import (
    NOT_MEASURED,
    Accomplishment,
    Figure,
    Standing,
    accomplishments,
    converted,
    deployed_commit,
    head,
    health,
    results,
    session_seconds,
    type_change,
)
from core.runbook.reports.blocker import blocker
from core.runbook.state import RunState
from core.runbook.words import span
from core.settings import Settings

LATEST, PREVIOUS = "Latest Deployment", "Previous Deployment"
SESSION = "Session "
YES, NO = "✓", "✗"


def tracker(text: str, state: RunState, settings: Settings, next_steps: Sequence[str], newline: str) -> str:
    """The progress tracker with this session's section.

    Args:
        next_steps: what is still to be done, where the settings do not say it.

    Raises:
        Refused: as `with_section`.
    """
    source, target = type_change(settings)
    focus = settings.documents.focus or f"{source} → {target} conversion to align production with application code"
    seconds = session_seconds(state)
    section = [
        f"## {SESSION}{_day(state)}: Database Recovery & Schema Alignment",
        "",
        f"**Date**: {_day(state)}",
        f"**Duration**: {span(seconds) if seconds is not None else NOT_MEASURED}",
        f"**Focus**: {focus}",
        "",
        "### Completed",
        *(_completed(line) for line in accomplishments(state, settings)),
        "",
        "### Results",
        *(f"- {_figure(figure)}" for figure in results(state, settings)),
        "",
        "### Next Steps",
        *(f"- [ ] {step}" for step in settings.documents.next_steps or next_steps),
    ]
    return with_section(text, state.run, _redacted(section), _among_sessions, newline)


def workflow_status(text: str, state: RunState, settings: Settings, newline: str) -> str:
    """The workflow status with its keyed lines as the settings and the facts have them.

    Raises:
        Refused: as `with_values`.
    """
    wanted, found = settings.documents, blocker(state, settings)
    values = {
        "NEXT_ACTION": wanted.next_action,
        "NEXT_COMMAND": wanted.next_command,
        "NEXT_AGENT": wanted.next_agent,
        "BLOCKER_RESOLVED": f"{found.name} - Conversion complete" if found.resolved else f"no: {found.why}",
    }
    # What is not resolved is said where somebody has said otherwise, and nowhere else.
    missing = [key for key in values if found.resolved or key != "BLOCKER_RESOLVED"]
    given = {key: redactor.redact(value) for key, value in values.items() if value}
    return with_values(text, given, missing, newline)


def left_alone(settings: Settings) -> tuple[str, ...]:
    """Of the workflow status's lines, those that only a person knows and has not set, a sentence each."""
    wanted = settings.documents
    unset = {"NEXT_ACTION": wanted.next_action, "NEXT_COMMAND": wanted.next_command, "NEXT_AGENT": wanted.next_agent}
    return tuple(
        f"{key} stays as it is: {key.lower()} is not set under [documents]." for key, v in unset.items() if not v
    )


def deployment_health(text: str, state: RunState, newline: str) -> str:
    """The deployment's health with this run's deployment as the latest one.

    Raises:
        Refused: as `with_section`.
    """
    aligned = "schema aligned" if converted(state) is not None else "schema not aligned"
    revision = head(state)
    backend, frontend = (deployed_commit(state, fact) for fact in (DEPLOYED, FRONTEND_DEPLOYED))
    found = health(state)
    section = [
        f"## {LATEST}: {_deployed_on(state)}{' (Post-Conversion)' if converted(state) is not None else ''}",
        "",
        f"**Backend**: {code(backend) if backend else NOT_MEASURED}",
        f"**Frontend**: {code(frontend) if frontend else NOT_MEASURED}",
        f"**Database**: {aligned}, migrations at {code(revision) if revision else NOT_MEASURED}",
        f"**Health**: {_held(found)}{found.value or NOT_MEASURED}",
    ]
    if not has_section(text, state.run):
        text = _demoted(text)
    return with_section(text, state.run, _redacted(section), _before_deployments, newline)


# --- places ------------------------------------------------------------------------------------------------------------


def _among_sessions(found: Outline, lines: int) -> int:
    """Before the sessions where the newest stands first, otherwise behind the last of them, or at the end."""
    sessions = [h for h in found.headings if h.level == 2 and h.text.startswith(SESSION)]
    if not sessions:
        return lines
    dates = [day for h in sessions if (day := _date_of(h)) is not None]
    if len(dates) > 1 and dates[0] > dates[-1]:
        return sessions[0].line
    behind = [h.line for h in found.headings if h.level <= 2 and h.line > sessions[-1].line]
    return behind[0] if behind else lines


def _date_of(heading: Heading) -> date | None:
    try:
        return date.fromisoformat(heading.text.removeprefix(SESSION)[:10])
    except ValueError:
        return None


def _before_deployments(found: Outline, lines: int) -> int:
    second = [h for h in found.headings if h.level == 2]
    mine = [h for h in second if h.text.startswith((LATEST, PREVIOUS))] or second
    return mine[0].line if mine else lines


def _demoted(text: str) -> str:
    """What was the latest deployment so far is the previous one."""
    lines = lines_of(text)
    for heading in outline(text).headings:
        if heading.level == 2 and heading.text.startswith(LATEST):
            lines[heading.line] = lines[heading.line].replace(LATEST, PREVIOUS, 1)
    return "".join(lines)


# --- words -------------------------------------------------------------------------------------------------------------


def _completed(line: Accomplishment) -> str:
    through = line.standing is not Standing.OPEN
    figures = [f for f in line.figures if f.value is not None or through]
    told = f" ({', '.join(map(_figure, figures))})" if figures else ""
    vouched = f"; ticked by {' and '.join(map(code, line.by))}, unverified" if line.standing is Standing.TICKED else ""
    return f"- [{'x' if through else ' '}] {line.what}{told}{vouched}"


def _figure(figure: Figure) -> str:
    held = f" {YES if figure.held else NO}" if figure.held is not None else ""
    return f"{figure.label}: {code(figure.value) if figure.value is not None else NOT_MEASURED}{held}"


def _held(figure: Figure) -> str:
    return "" if figure.held is None else f"{YES if figure.held else NO} "


def _day(state: RunState) -> str:
    return f"{state.opened:%Y-%m-%d}" if state.opened else NOT_MEASURED


def _deployed_on(state: RunState) -> str:
    at = state.fact_times.get(DEPLOYED) or state.fact_times.get(MIGRATED_PRODUCTION) or state.step("7.5").ended
    return f"{at:%Y-%m-%d}" if at else NOT_MEASURED


def _redacted(lines: Sequence[str]) -> list[str]:
    return [redactor.redact(line) for line in lines]
