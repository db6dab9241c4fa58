"""The maintenance window: proposed by the settings, or written by the operator, and read back from the run's facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Final, cast, get_args

from core.errors import UsageError
from core.events import Json
from core.runbook.facts import WINDOW_CHOSEN
from core.runbook.state import RunState
from core.settings.window import Weekday, WindowSettings

HOW_TO_WRITE: Final = (
    'begin in UTC, then the end or the length: "2026-03-07 02:00 to 04:00" or "2026-03-07 02:00 for 90 min"'
)

_WRITTEN: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[ T](?P<start>\d\d:\d\d)(?:\s*(?:UTC|Z))?"
    r"(?:\s+(?:to\s+(?P<end>\d\d:\d\d)(?:\s*(?:UTC|Z))?|for\s+(?P<length>\d+)\s*(?P<unit>min|h)))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Window:
    """When production may be down; both times in UTC."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """`Sat 2026-03-07 02:00 to 04:00 UTC`."""
        return _times(self.start, self.end, "UTC")

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def fact(self) -> Json:
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}

    def here_too(self, zone: tzinfo | None) -> str:
        """The same, and in another time zone, where that differs: `... UTC (03:00 to 05:00 CET)`.

        Args:
            zone: None for this machine's.
        """
        start, end = self.start.astimezone(zone), self.end.astimezone(zone)
        if start.utcoffset() == end.utcoffset() == timedelta(0):
            return str(self)
        return f"{self} ({_times(start, end, end.tzname() or 'here', dated=start.date() != self.start.date())})"


def _times(start: datetime, end: datetime, zone: str, *, dated: bool = True) -> str:
    day = f"{start:%a %Y-%m-%d} " if dated else ""
    end_day = f"{end:%a} " if end.date() != start.date() else ""
    return f"{day}{start:%H:%M} to {end_day}{end:%H:%M} {zone}"


def chosen_window(state: RunState) -> Window | None:
    """The window that was chosen; None when none was."""
    found = state.facts.get(WINDOW_CHOSEN)
    if not isinstance(found, dict):
        return None
    values = cast("Mapping[str, Any]", found)
    try:
        start, end = (datetime.fromisoformat(str(values[name])) for name in ("start", "end"))
    except (KeyError, ValueError):
        return None
    return Window(start, end) if start.tzinfo and end.tzinfo else None


def proposed_windows(now: datetime, wanted: WindowSettings) -> Iterator[Window]:
    """The windows of the settings that begin after now, the next first, without end; none when no day is set."""
    days = {get_args(Weekday).index(day) for day in wanted.days}
    date = now.astimezone(UTC).date()
    while days:
        start = datetime.combine(date, time.fromisoformat(wanted.start), UTC)
        if date.weekday() in days and start > now:
            yield Window(start, start + wanted.duration)
        date += timedelta(days=1)


def written_window(text: str, now: datetime, wanted: WindowSettings) -> Window:
    """The window that a person has written, as `HOW_TO_WRITE` says; as long as the settings say when no end is written.

    Raises:
        UsageError: it cannot be read, or is over already.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no window.", advice=f"Write its {HOW_TO_WRITE}.")
    try:
        start = datetime.combine(datetime.fromisoformat(found["date"]).date(), time.fromisoformat(found["start"]), UTC)
        end = start + wanted.duration
        if found["end"]:
            end = datetime.combine(start.date(), time.fromisoformat(found["end"]), UTC)
            end += timedelta(days=1) if end <= start else timedelta()
        elif found["length"]:
            end = start + int(found["length"]) * timedelta(
                **{"h": {"hours": 1}, "min": {"minutes": 1}}[found["unit"].lower()]
            )
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no window: {error}.", advice=f"Write its {HOW_TO_WRITE}.") from None
    if end <= max(start, now):
        raise UsageError(f"{Window(start, end)} is over already.", advice="Write one that is to come.")
    return Window(start, end)
