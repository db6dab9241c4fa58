"""A watch over production as it goes on, by its readings: pure functions of what the engine shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from core.events import Json
from core.runbook.monitor.watch import READING
from tui import text

Values = Mapping[str, Json]

PARTS: Final = {"health": ("health",), "logs": ("logs", "violations", "errors"), "orphans": ("orphans",), "rows": ("rows",),
                "sessions": ("sessions",), "plans": ("plans",)}  # fmt: skip
"""What is watched, in the order of the lines, and the alarms that each may raise."""


def watch_values(step: str, readings: Mapping[tuple[str, str], Values]) -> Values | None:
    """What the step's watch shows at the moment; None when none goes on."""
    return readings.get((step, READING))


def watch_line(values: Values) -> str:
    """`0:47:56 left; BAD: health; answers 500; 12 asked, 3 failed; 0 violations, 0 errors in 4,120 lines`."""
    words, bad = parts_in_words(values), [part for part in PARTS if is_bad(part, values)]
    return text.sentence(
        (
            f"{text.duration(seconds(values, 'left'))} left",
            f"BAD: {', '.join(bad)}" if bad else "",
            words.get("health", ""),
            words.get("logs", ""),
        ),
        "; ",
    )


def is_bad(part: str, values: Values) -> bool:
    bad = values.get("bad")
    return isinstance(bad, list) and any(name in bad for name in PARTS.get(part, (part,)))


def parts_in_words(values: Values) -> dict[str, str]:
    """Each part in words, in the order of PARTS, parts of a newer engine behind them."""
    found = values.get("words")
    words = {str(k): str(v) for k, v in cast("Mapping[Any, Any]", found).items()} if isinstance(found, dict) else {}
    return {part: words[part] for part in (*PARTS, *(p for p in words if p not in PARTS)) if part in words}


def seconds(values: Values, name: str) -> float:
    found = values.get(name)
    return float(found) if isinstance(found, int | float) else 0.0


def latencies(values: Values) -> list[float | None]:
    found = values.get("latencies")
    listed = cast("list[object]", found) if isinstance(found, list) else []
    return [float(value) if isinstance(value, int | float) else None for value in listed]
