"""The papers of the maintenance window, as evidence that can be copied: a calendar entry, and messages to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, TypeVar, cast

from icalendar import Alarm, Calendar, Event

from core.runbook.facts import CALENDAR_FILE, ROLLBACK_TEAM_FILE, STAKEHOLDERS_FILE, WINDOW_TEAM
from core.runbook.model import StepContext
from core.runbook.state import RunState
from core.runbook.window.timetable import Timetable, timetable
from core.runbook.words import limit

STEP: Final = "6.1"
REMIND: Final = (timedelta(days=1), timedelta(hours=1))
"""How long before the window calendars remind of it."""


async def leave_papers(context: StepContext) -> None:
    """Write them anew from what is known by now; without a chosen window there are none."""
    state, zone = context.state, context.settings.window.zone
    papers = {
        CALENDAR_FILE: calendar_entry(state, datetime.now(UTC)),
        STAKEHOLDERS_FILE: message_to_stakeholders(state, zone),
        ROLLBACK_TEAM_FILE: message_to_rollback_team(state, zone),
    }
    for name, text in papers.items():
        if text is not None:
            path = await context.file(name, text.encode())
            await context.say(f"{name}: {path}")


def named_team(state: RunState) -> tuple[str, ...]:
    """Who was named for the way back."""
    found = state.facts.get(WINDOW_TEAM)
    return tuple(str(name) for name in cast("list[object]", found)) if isinstance(found, list) else ()


def calendar_entry(state: RunState, now: datetime) -> str | None:
    """The window as an iCalendar object (RFC 5545); None without one. A later one of the run takes an earlier one's place.

    Args:
        now: when it is written.
    """
    found, database = timetable(state), _database(state)
    if found is None:
        return None
    event = _filled(
        Event(),
        uid=f"window-{state.run or 'run'}@pgrecast.invalid",
        dtstamp=now,
        sequence=max(0, state.step(STEP).attempts - 1),  # RFC 5545, 3.8.7.4
        dtstart=found.window.start.astimezone(UTC),
        dtend=found.window.end.astimezone(UTC),
        summary=f"Maintenance: {database} is converted",
        description="\n".join(_times(found)),
    )
    for before in REMIND:
        reminder = f"Maintenance of {database} in {limit(before)}"
        event.add_component(_filled(Alarm(), action="DISPLAY", description=reminder, trigger=-before))
    calendar = _filled(Calendar(), prodid="-//pgrecast//maintenance window//EN", version="2.0", method="PUBLISH")
    calendar.add_component(event)
    return calendar.to_ical().decode()


C = TypeVar("C", Alarm, Calendar, Event)


def _filled(component: C, **properties: object) -> C:
    for name, value in properties.items():
        component.add(name, value)  # pyright: ignore[reportUnknownMemberType]
    return component


def message_to_stakeholders(state: RunState, zone: tzinfo | None) -> str | None:
    """What everyone concerned is told: when the service is away, and for how long; None without a chosen window."""
    found = timetable(state)
    if found is None:
        return None
    return "\n".join(
        (
            f"Subject: Planned maintenance, {found.window}",
            "",
            "Hello,",
            "",
            f"the service on the database {_database(state)} is not available during this maintenance window:",
            "",
            f"    {found.window.here_too(zone)}",
            "",
            "In it the database's keys get another type, which new versions of the application need. No data is lost, and",
            "nothing has to be done on your side; please save your work before it begins, and log in again afterwards.",
            "If the maintenance cannot be finished in time, everything is put back as it was before the window's end.",
            "",
            "We tell you when the service is back.",
            "",
        )
    )


def message_to_rollback_team(state: RunState, zone: tzinfo | None) -> str | None:
    """What those are told who take part in the way back; None without a chosen window."""
    found = timetable(state)
    if found is None:
        return None
    return "\n".join(
        (
            f"Subject: Be reachable: conversion of {_database(state)}, {found.window}",
            "",
            "Hello,",
            "",
            "please be reachable during the whole of this window, to take part in the way back should it be needed:",
            "",
            f"    {found.window.here_too(zone)}",
            "",
            f"Named: {'; '.join(named_team(state)) or 'nobody yet (step 6.3)'}.",
            "",
            *_times(found),
            "",
            "The ways back, in this order: until COMMIT the transaction rolls back by itself; after COMMIT, before migrations",
            "run, the reverse plan undoes the conversion; after that only the backup leads back.",
            "",
        )
    )


def _times(found: Timetable) -> tuple[str, ...]:
    return (
        f"Expected: {found.expected}.",
        f"Latest start of the conversion: {found.latest_start:%a %Y-%m-%d %H:%M:%S} UTC.",
        f"Latest moment to turn back: {found.turn_back:%a %Y-%m-%d %H:%M:%S} UTC.",
        f"End of the window: {found.window.end:%a %Y-%m-%d %H:%M:%S} UTC.",
        *(() if found.fits else (f"The window is {found.fit_words}.",)),
    )


def _database(state: RunState) -> str:
    target = state.targets.get("production")
    return target.identity.database if target else "production"
