"""A backup or a restore as it goes on, by its readings: a pure function of what the engine shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from core.events import Json
from core.runbook.backups.in_hand import READING
from tui import text

Values = Mapping[str, Json]


def backup_values(step: str, readings: Mapping[tuple[str, str], Values]) -> Values | None:
    """What the step's backup or restore shows at the moment; None when none goes on."""
    return readings.get((step, READING))


def backup_line(values: Values) -> str:
    """`dumping: 43 %; 1.2 GB of 2.9 GB; 45 MB/s; about 0:38 left; 12 of 47 tables`."""
    percent, total, speed = (
        _number(values, "percent"),
        _number(values, "bytes_total"),
        _number(values, "bytes_per_second"),
    )
    left, tables = _number(values, "seconds_left"), _number(values, "tables_total")
    stage = str(values.get("stage") or "backup")
    return text.sentence(
        (
            stage if percent is None else f"{stage}: {percent:.0f} %",
            f"{text.size(_number(values, 'bytes_done') or 0)} of {text.size(total)}" if total else "",
            f"{text.size(speed)}/s" if speed else "",
            f"about {text.duration(left)} left" if left is not None else "",
            f"{_number(values, 'tables_done') or 0:.0f} of {tables:.0f} tables" if tables else "",
        ),
        "; ",
    )


def backup_lines(values: Values) -> list[str]:
    """The same, and the tables that are being copied."""
    running = values.get("running")
    names = cast("list[object]", running) if isinstance(running, list) else []
    return [backup_line(values), *(f"copying {name}" for name in names)]


def _number(values: Values, name: str) -> float | None:
    found = values.get(name)
    return float(found) if isinstance(found, int | float) else None
