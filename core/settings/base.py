"""What every section of the settings is made of."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*", value)
        if match is None:
            raise ValueError('write a number and a unit: "30s", "15min", "24h" or "2d"')
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError('write a text with a unit: "30s", "15min", "24h" or "2d"')


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]
"""A span of time, written as a number and a unit: "30s", "15min", "24h", "2d"."""


def state_directory() -> Path:
    """Where programs of this user keep their state (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_STATE_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".local" / "state"


def default_config() -> Path:
    """The configuration file that is read when none is named (XDG Base Directory Specification).

    Never one in the working directory: a configuration can name a command to run.
    """
    given = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".config") / "pgrecast" / "config.toml"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
