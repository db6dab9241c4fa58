"""The watch over production after the conversion."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from core.settings.base import Duration, Section
from core.settings.hosting import CommandLine


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]


class MonitorSettings(Section):
    duration: Duration = timedelta(hours=1)
    """How long production is watched."""
    interval: Duration = timedelta(seconds=10)
    """How often the service, the logs and the database are looked at."""
    failures: int = Field(default=3, ge=1)
    """Failed health probes in a row that count as bad."""
    lock_wait: Duration = timedelta(seconds=30)
    """How long a session may wait for a lock before that counts as bad."""
    query_time: Duration = timedelta(seconds=30)
    """Time-out of each query that looks for orphans or counts rows."""
    alert_command: CommandLine = ""
    """A command that alerts people, run without a shell; the text is its standard input, and PGRECAST_ALERT in its
    environment. Run when something turns bad, and in step 6.4 for a test."""
    error_patterns: tuple[Pattern, ...] = (
        r"(?i)\b(?:error|critical|fatal|panic|exception)\b",
        r"Traceback \(most recent",
    )
    """Regular expressions for log lines that are errors."""
    violation_patterns: tuple[Pattern, ...] = (
        r"(?i)violates foreign key constraint",
        r"(?i)ForeignKeyViolation",
        r"(?i)is not present in table",
        r"(?i)operator does not exist: .*\buuid\b",
    )
    """Regular expressions for log lines that tell of a foreign key violation, or of a type that does not fit."""
    ignore_patterns: tuple[Pattern, ...] = ()
    """Regular expressions for log lines that are left out, whatever else they match."""
