"""The live view of a watch over production: a line for each part, whether it is well in a word."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from tui import style, text
from tui.text import Cell
from tui.watching import Values, is_bad, latencies, parts_in_words, seconds

SLOW: Final = 0.2
"""Seconds that fill a bar of the latencies, where no probe took longer."""
LABEL: Final = 10
ROOMY: Final = 100
SPARKS: Final = 20
SPARKS_WIDE: Final = 60


def watch_lines(width: int, values: Values) -> list[Content]:
    """How long it goes on, then a line for each part: whether it is well, in a word, and what was seen."""
    times = f"{text.duration(seconds(values, 'elapsed'))} watched, {text.duration(seconds(values, 'left'))} left"
    lines = [text.row(width, Cell(f"Watching: {times}", None, style.HEADING))]
    sparks = SPARKS_WIDE if width >= ROOMY else SPARKS
    for part, words in parts_in_words(values).items():
        skipped, bad = words.startswith("not "), is_bad(part, values)
        word, looks = ("BAD", style.BAD) if bad else ("-", style.QUIET) if skipped else ("ok", style.GOOD)
        spark = text.sparkline(latencies(values), sparks, SLOW) if part == "health" and not skipped else ""
        lines.append(
            text.row(
                width,
                Cell("", 2),
                Cell(word, 4, looks),
                Cell(part, LABEL, style.STRONG if bad else ""),
                Cell(spark, len(spark) + 1 if spark else 0, style.LIVE),
                Cell(words, None, style.BAD if bad else style.QUIET if skipped else ""),
            )
        )
    return lines
