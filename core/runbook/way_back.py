"""How to get back to where the run began, known at every moment: a pure function of the run's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.runbook.facts import CONVERSION_UNDOABLE, MIGRATION_BEGAN, RESTORE_SECONDS, RESTORE_SERVING
from core.runbook.state import ConversionState, RunState, StepStatus

MIGRATING_STEPS: Mapping[str, str] = {"production": "7.5", "test": "5.3"}
"""By target the step that applies migrations to what was converted: once they run, the reverse plan undoes too little."""


class Way(StrEnum):
    NOTHING = "nothing has changed"
    ROLLBACK = "rolls back"
    UNKNOWN = "not known before the transaction's outcome is"
    REVERSE = "undo by the reverse plan"
    BACKUP = "only the backup"


@dataclass(frozen=True, slots=True)
class WayBack:
    """A way back, and what it takes.

    Attributes:
        seconds: what it takes, as far as is known.
        latest: the last moment to take it, and be through when the window ends; None without a window.
        unchanged: the target, when nothing has changed there but elsewhere.
    """

    way: Way
    seconds: float | None = None
    latest: datetime | None = None
    unchanged: str = ""

    def __str__(self) -> str:
        words = self.way.value
        if self.unchanged:
            words = f"{self.unchanged} has not changed"
        elif self.way is Way.ROLLBACK and self.seconds is not None:
            words = f"rolls back in about {max(1, round(self.seconds))} s"
        return words if self.latest is None else f"{words}, at the latest at {self.latest:%H:%M} UTC"


def way_back(
    state: RunState,
    *,
    target: str = "production",
    rollback_seconds: float | None = None,
    window_end: datetime | None = None,
) -> WayBack:
    """The way back for a target.

    Args:
        state: the run's.
        target: whose.
        rollback_seconds: what a rollback takes now, by the running conversion's own reading.
        window_end: when the target must be back in service.
    """
    conversion = _last_conversion(state, target)
    if conversion is not None and _backup_serves_since(state, conversion):
        return WayBack(Way.NOTHING)
    if conversion is None or conversion.outcome == "rolled_back":
        return WayBack(Way.NOTHING, unchanged=target if state.committed.keys() - {target} else "")
    match conversion.outcome:
        case None if not conversion.commit_sent:
            return _within(Way.ROLLBACK, rollback_seconds, window_end)
        case "committed":
            if conversion.undoes:
                return WayBack(Way.NOTHING)
            if _migrated_since(state, conversion) or _is_known_to_stay(state, conversion):
                return _within(Way.BACKUP, state.facts.get(RESTORE_SECONDS), window_end)
            return _within(Way.REVERSE, conversion.seconds, window_end)
        case _:
            return WayBack(Way.UNKNOWN)


def _last_conversion(state: RunState, target: str) -> ConversionState | None:
    """The conversion of the target that has touched it last: one that was never opened has not, nor a failed undo."""
    known = (*state.conversions.values(), *state.committed.values())
    opened = [
        (c.opened, c)
        for c in known
        if c.target == target and c.opened is not None and not (c.undoes and c.outcome == "rolled_back")
    ]
    return max(opened, key=lambda pair: pair[0])[1] if opened else None


def _migrated_since(state: RunState, conversion: ConversionState) -> bool:
    """Whether migrations may have run on it since: they were let go, or a person vouches for the step."""
    step = state.step(MIGRATING_STEPS.get(conversion.target, ""))
    let_go: dict[str, str] = state.facts.get(MIGRATION_BEGAN) or {}
    began = let_go.get(conversion.target)
    times = [datetime.fromisoformat(began)] if began else []
    if step.status in (StepStatus.TICKED, StepStatus.DONE) and step.ended is not None:
        times.append(step.ended)
    return any(conversion.ended is None or at >= conversion.ended for at in times)


def _is_known_to_stay(state: RunState, conversion: ConversionState) -> bool:
    """Whether it was found, after that conversion, that it cannot be undone any more."""
    at = state.fact_times.get(CONVERSION_UNDOABLE)
    if at is None or state.facts[CONVERSION_UNDOABLE]:
        return False
    return conversion.target == "production" and (conversion.ended is None or at >= conversion.ended)


def _backup_serves_since(state: RunState, conversion: ConversionState) -> bool:
    """Whether a restored backup has taken production's place after that conversion."""
    at = state.fact_times.get(RESTORE_SERVING)
    if at is None or conversion.target != "production":
        return False
    return (conversion.ended or conversion.opened or at) <= at


def _within(way: Way, seconds: float | None, window_end: datetime | None) -> WayBack:
    latest = window_end - timedelta(seconds=seconds) if window_end is not None and seconds is not None else None
    return WayBack(way, seconds, latest)
