"""The maintenance window."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from core.settings.base import Duration, Section

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _known_zone(name: str) -> str:
    if name:
        try:
            ZoneInfo(name)
        except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError, and a name may be a directory's
            raise ValueError('write a name of the time zone database, such as "Europe/Berlin"') from None
        except KeyError:
            raise ValueError('there is no such time zone; write one such as "Europe/Berlin"') from None
    return name


class WindowSettings(Section):
    days: tuple[Weekday, ...] = ("saturday", "sunday")
    """Days on which a maintenance window is proposed."""
    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "02:00"
    """When it begins, UTC."""
    duration: Duration = timedelta(hours=2)
    """How long it is."""
    timezone: Annotated[str, AfterValidator(_known_zone)] = ""
    """The time zone in which times are shown beside UTC; this machine's when empty."""
    team: tuple[str, ...] = ()
    """Who is reachable during the window and takes part in the way back; step 6.3 asks for them when empty."""

    @property
    def zone(self) -> tzinfo | None:
        """The time zone, as `datetime.astimezone` takes it: None for this machine's."""
        return ZoneInfo(self.timezone) if self.timezone else None
