"""Log lines of the service, told apart: pure functions of the lines and the settings' patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.hosting.interface import LogLine
from core.settings.monitor import MonitorSettings

LONGEST = 2000
"""Characters of a line that are looked at."""
ERROR_LEVELS = frozenset(("error", "critical", "fatal", "panic", "alert", "emergency"))
OVERLAP = timedelta(seconds=15)
"""How far back a next reading begins before the last one's newest line: lines of several instances come out of order."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """What was found in some lines."""

    lines: int
    errors: tuple[LogLine, ...]
    violations: tuple[LogLine, ...]
    """Of foreign keys, or of types that do not fit; they count as errors, too."""


class Patterns:
    """The settings' patterns, compiled."""

    def __init__(self, settings: MonitorSettings) -> None:
        self._errors, self._violations, self._ignored = (
            tuple(map(re.compile, patterns))
            for patterns in (settings.error_patterns, settings.violation_patterns, settings.ignore_patterns)
        )

    def sort(self, lines: Iterable[LogLine]) -> Sorted:
        """Tell errors and violations from the rest; a line's level counts as well as its text."""
        count = 0
        errors: list[LogLine] = []
        violations: list[LogLine] = []
        for line in lines:
            count += 1
            text = line.text[:LONGEST]
            if _matches(self._ignored, text):
                continue
            violates = _matches(self._violations, text)
            if violates:
                violations.append(line)
            if violates or line.level.lower() in ERROR_LEVELS or _matches(self._errors, text):
                errors.append(line)
        return Sorted(count, tuple(errors), tuple(violations))


def _matches(patterns: Sequence[re.Pattern[str]], text: str) -> bool:
    return any(pattern.search(text) for pattern in patterns)


Key = tuple[str, str, datetime | None]
"""Service, text and time of a line."""


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a log has been read.

    Attributes:
        since: where the next reading begins.
        known: lines that the last reading has given, not to be counted again.
    """

    since: datetime
    known: frozenset[Key] = frozenset()

    def take(self, lines: Sequence[LogLine], asked: datetime, *, full: bool) -> tuple[tuple[LogLine, ...], Position]:
        """The lines that are new, and the position behind them.

        Args:
            asked: when the host was asked. A later time on a line is that of the reading: the host does not know the line's.
            full: whether it is as many as one reading gives, so that the next goes on right behind the last line.
        """
        if not lines:
            return (), self
        keys: list[Key] = [(line.service, line.text, line.at if line.at <= asked else None) for line in lines]
        new = tuple(line for line, key in zip(lines, keys, strict=True) if key not in self.known)
        newest = max(line.at for line in lines)
        since = asked if newest > asked else max(self.since, newest if full else newest - OVERLAP)
        return new, Position(since, frozenset(keys))


def told(line: LogLine) -> str:
    """`2026-03-07 03:12:44 web: ERROR …`, in one line, cut."""
    text = " ".join(line.text.split())
    cut = text if len(text) <= 300 else f"{text[:299]}…"
    return f"{line.at:%Y-%m-%d %H:%M:%S} {f'{line.service}: ' if line.service else ''}{cut}"
