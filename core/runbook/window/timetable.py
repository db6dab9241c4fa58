"""What must happen by when within the maintenance window: a pure function of the run's facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from core.events import Json
from core.retype.estimate import ROLLBACK_BYTES_PER_SECOND, ROLLBACK_SECONDS
from core.runbook.facts import INVESTIGATION_SECONDS, INVESTIGATION_TOTALS, REHEARSAL_SECONDS, RESTORE_SECONDS
from core.runbook.state import RunState
from core.runbook.window.window import Window, chosen_window
from core.runbook.words import age, span


@dataclass(frozen=True, slots=True)
class Expected:
    """What the conversion of production and its ways back take, in seconds; None where nothing tells.

    Attributes:
        conversion: the longer of what the rehearsal took and what production's size lets expect.
        rehearsed: what the rehearsal took, without the wait for the answer.
        rollback: of a rollback at the end of the conversion; at most, were every byte of the database rewritten.
        restore: of the backup, as a restore was timed.
    """

    conversion: float | None = None
    rehearsed: float | None = None
    rollback: float | None = None
    restore: float | None = None

    @property
    def turning_back(self) -> timedelta:
        """What must be left of the window to turn back in: the rollback, then the restore should that not be enough."""
        return timedelta(seconds=(self.rollback or 0.0) + (self.restore or 0.0))

    @property
    def whole(self) -> timedelta:
        """The conversion, and turning back at its end."""
        return timedelta(seconds=self.conversion or 0.0) + self.turning_back

    def __str__(self) -> str:
        """`conversion 41 s (as rehearsed), rollback 0.5 s, restore of the backup 3 min 20 s`."""
        if self.conversion is None:
            conversion = "conversion: not known before an investigation or a rehearsal"
        else:
            basis = "as rehearsed" if self.conversion == self.rehearsed else "by production's size"
            conversion = f"conversion {span(self.conversion)} ({basis})"
        rollback = "" if self.rollback is None else f", rollback at most {span(self.rollback)}"
        restore = "not timed yet (step 6.5)" if self.restore is None else span(self.restore)
        return f"{conversion}{rollback}, restore of the backup {restore}"


@dataclass(frozen=True, slots=True)
class Timetable:
    """A window, and what must happen by when within it."""

    window: Window
    expected: Expected

    @property
    def latest_start(self) -> datetime:
        """The last moment to begin the conversion, and still be able to turn back at its end."""
        return self.window.end - self.expected.whole

    @property
    def turn_back(self) -> datetime:
        """The last moment to turn back, and have the rollback and a restore of the backup behind one at the window's end."""
        return self.window.end - self.expected.turning_back

    @property
    def fits(self) -> bool:
        return self.latest_start >= self.window.start

    @property
    def fit_words(self) -> str:
        """How the window's length compares: `fits, 1 h 55 min to spare` or `TOO SHORT by 12 min`."""
        spare = self.latest_start - self.window.start
        return f"fits, {age(spare)} to spare" if self.fits else f"TOO SHORT by {age(-spare)}"

    def __str__(self) -> str:
        """`start by 03:12:40, turn back by 03:41:20 UTC`."""
        return f"start by {self._time(self.latest_start)}, turn back by {self._time(self.turn_back)} UTC"

    def _time(self, at: datetime) -> str:
        """With its day where that is not the window's first."""
        return f"{at:%H:%M:%S}" if at.date() == self.window.start.date() else f"{at:%a %H:%M:%S}"


def expected(state: RunState) -> Expected:
    """What the run's facts let expect."""
    rehearsed = _seconds(state.facts.get(REHEARSAL_SECONDS))
    by_size = _seconds(state.facts.get(INVESTIGATION_SECONDS))
    totals = state.facts.get(INVESTIGATION_TOTALS)
    size = _seconds(cast("Mapping[str, Any]", totals).get("database_bytes")) if isinstance(totals, dict) else None
    return Expected(
        conversion=max((s for s in (rehearsed, by_size) if s is not None), default=None),
        rehearsed=rehearsed,
        rollback=None if size is None else ROLLBACK_SECONDS + size / ROLLBACK_BYTES_PER_SECOND,
        restore=_seconds(state.facts.get(RESTORE_SECONDS)),
    )


def timetable(state: RunState) -> Timetable | None:
    """What must happen by when; None as long as no window is chosen."""
    window = chosen_window(state)
    return Timetable(window, expected(state)) if window else None


def _seconds(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
