"""Figures in words, the same in every report and question."""

from __future__ import annotations

from datetime import timedelta

from core.retype.findings import size

__all__ = ["age", "counted", "limit", "size", "span"]


def span(seconds: float) -> str:
    """A span of time, e.g. `0.4 s`, `12 s`, `3 min 20 s`, `1 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def limit(of: timedelta) -> str:
    """A span that somebody has set, in its largest whole unit, e.g. `24 h`, `90 min`."""
    seconds = round(of.total_seconds())
    for unit, size_ in (("h", 3600), ("min", 60)):
        if seconds and not seconds % size_:
            return f"{seconds // size_} {unit}"
    return f"{seconds} s"


def age(of: timedelta) -> str:
    """How long ago something was, no finer than it matters, e.g. `12 s`, `3 min`, `2 h 05 min`, `3 days`."""
    seconds = max(0, int(of.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // (24 * 60)} days"


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun, e.g. `1 table`, `1,204 tables`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
