"""The maintenance window."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from core.settings.base import Duration, Section

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class WindowSettings(Section):
    days: tuple[Weekday, ...] = ("saturday", "sunday")
    """Days on which a maintenance window is proposed."""
    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "02:00"
    """When it begins, UTC."""
    duration: Duration = timedelta(hours=2)
    """How long it is."""
