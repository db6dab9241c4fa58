"""Task 6: the maintenance window, proposed by the settings, chosen by the operator, and kept as a fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast, get_args

from core.errors import Refused
from core.events import Choice
from core.runbook.facts import WINDOW_CHOSEN
from core.runbook.model import StepContext
from core.runbook.state import RunState
from core.runbook.words import limit
from core.settings.window import Weekday, WindowSettings

NOW = "now"
LATER = "later"
PROPOSED = 4
"""Windows among which is chosen."""

TIME = timedelta(hours=8)
"""Long enough to ask colleagues."""


@dataclass(frozen=True, slots=True)
class Window:
    """When production may be down; both times in UTC."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """`Sat 2026-03-07 02:00 to 04:00 UTC`."""
        return _times(self.start, self.end, "UTC")

    @property
    def here_too(self) -> str:
        """The same, and in the time zone of this machine, where that is another: `... UTC (03:00 to 05:00 CET)`."""
        start, end = self.start.astimezone(), self.end.astimezone()
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


async def choose_window(context: StepContext) -> str:
    """Ask which of the next windows it is to be, and record it.

    Raises:
        Refused: none was chosen.
    """
    now, wanted = datetime.now(UTC), context.settings.window
    proposed = [window for window, _ in zip(proposed_windows(now, wanted), range(PROPOSED), strict=False)]
    known = chosen_window(context.state)
    answer = await context.ask(
        "When is production converted?",
        (
            *(Choice(name=f"{window.start:%Y-%m-%dT%H:%MZ}", label=window.here_too) for window in proposed),
            Choice(name=NOW, label=f"Now, for {limit(wanted.duration)}", consequence="The window is open at once."),
            Choice(name=LATER, label="Decide later", consequence="Nothing is changed."),
        ),
        default=LATER,
        expires_in=TIME,
        details=(
            *((f"Chosen so far: {known.here_too}.",) if known else ()),
            "Other days, times and lengths: [window] in the settings.",
            "What still runs in the transaction when the window ends is cancelled and rolled back.",
        ),
        way_back="Nothing is changed by choosing; the step can be run again.",
    )
    if answer == LATER:
        raise Refused("No window was chosen.", advice="Run the step again when it is known.")
    now = datetime.now(UTC).replace(microsecond=0)
    chosen = next((w for w in proposed if f"{w.start:%Y-%m-%dT%H:%MZ}" == answer), Window(now, now + wanted.duration))
    await context.fact(WINDOW_CHOSEN, {"start": chosen.start.isoformat(), "end": chosen.end.isoformat()})
    return chosen.here_too
