"""Words and figures for the screen: pure functions from plain values to one line of plain text or styled content.

Nothing here is markup: text goes into `Content` part by part, so `[/foo]` in a table's name stays those six characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size
from textual.content import Content

ELLIPSIS = "…"


def _printable(character: str) -> bool:
    """Not a control, and no mark that reorders or hides text (direction overrides, zero-width characters)."""
    return not unicodedata.category(character).startswith("C")


def clean(text: str) -> str:
    """One line of printable text: controls, escapes and direction marks out, every run of white space one blank."""
    spaced = (" " if c.isspace() else c for c in text)
    kept = "".join(filter(_printable, spaced))
    return " ".join(kept.split())


def clean_block(text: str) -> str:
    """The same for text of several lines, whose line ends and indents stay."""
    lines = text.expandtabs(4).splitlines()
    return "\n".join("".join(filter(_printable, line)).rstrip() for line in lines)


def cut(text: str, cells: int) -> str:
    """The text in at most so many cells, with an ellipsis where something is missing."""
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, cells - 1).rstrip() + ELLIPSIS if cells > 0 else ""


def fit(text: str, cells: int, *, right: bool = False) -> str:
    """The text in exactly so many cells: cut, or filled with blanks."""
    short = cut(text, cells)
    blanks = " " * (cells - cell_len(short))
    return blanks + short if right else short + blanks


def first_that_fits(forms: Iterable[str], cells: int) -> str:
    """The first of the forms that needs no cut; the last one, cut, when none does."""
    form = ""
    for form in forms:
        if cell_len(form) <= cells:
            return form
    return cut(form, cells)


def wrap(words: str, cells: int) -> list[str]:
    """The text in lines of at most so many cells, broken at blanks, and inside a word only where it is longer than a line."""
    lines = [""]
    for word in words.split():
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) > cells:
            lines.append("")
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        while cell_len(joined) > cells > 1:
            head = set_cell_size(joined, cells)
            lines[-1], joined = head, joined[len(head.rstrip(" ")) :]
            lines.append("")
        lines[-1] = joined
    return lines


def paragraph(words: str, width: int, style: str = "", *, indent: int = 0, hanging: int = 0) -> list[Content]:
    """Text in as many lines as it needs, the further ones moved in by `hanging`."""
    lines: list[Content] = []
    for line in clean_block(words).split("\n") or [""]:
        own = len(line) - len(line.lstrip(" "))
        for number, part in enumerate(wrap(line, max(8, width - indent - hanging - own))):
            lines.append(Content.assemble(" " * (indent + own + (hanging if number else 0)), (part, style)))
    return lines


def labelled(label: str, entries: Iterable[str], *, width: int, label_width: int, style: str = "") -> list[Content]:
    """Entries below each other, wrapped, beside a label: a definition list's item."""
    lines: list[Content] = []
    for entry in entries:
        for line in paragraph(clean(entry), max(8, width - label_width), style):
            lines.append(Content.assemble((fit("" if lines else label, label_width), "$quiet"), line))
    return lines


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a row.

    Attributes:
        text: one line, not yet clean.
        width: cells that it takes; None for what the others leave (one cell of a row, at most).
        style: style of the text.
        right: whether it stands at the right of its cells.
        blank: whether blanks around it are kept.
    """

    text: str
    width: int | None = None
    style: str = ""
    right: bool = False
    blank: bool = False

    @property
    def clean(self) -> str:
        if not self.blank:
            return clean(self.text)
        before = self.text[: len(self.text) - len(self.text.lstrip(" "))]
        after = self.text[len(self.text.rstrip(" ")) :]
        return f"{before}{clean(self.text)}{after}"


def row(width: int, *cells: Cell) -> Content:
    """A line of exactly `width` cells."""
    rest = max(0, width - sum(cell.width or 0 for cell in cells))
    parts = [(fit(c.clean, rest if c.width is None else c.width, right=c.right), c.style) for c in cells]
    return Content.assemble(*parts).truncate(width)


def bar(done: int, ticked: int, total: int, width: int = 10) -> str:
    """`#` for what is proved, `+` for what a person vouches for, `.` for what is to do; full only when all is.

    >>> bar(3, 0, 5), bar(3, 1, 5), bar(99, 0, 100)
    ('######....', '######++..', '#########.')
    """
    if total <= 0:
        return "." * width
    proved = width * done // total
    both = width * (done + ticked) // total
    return "#" * proved + "+" * (both - proved) + "." * (width - both)


SPARKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, full: float) -> str:
    """The last values as bars, `x` for None.

    Args:
        width: cells; fewer values take fewer.
        full: the value of a whole bar, where none is larger.

    >>> sparkline([0.0, 0.1, None, 0.2], 10, 0.2)
    '▁▄x█'
    """
    shown = values[max(0, len(values) - max(0, width)) :]
    top = max([full, *(value for value in shown if value is not None)])
    most = len(SPARKS) - 1
    return "".join("x" if value is None else SPARKS[min(most, max(0, int(most * value / top)))] for value in shown)


def tally(done: int, ticked: int, total: int) -> str:
    """`4/6`, or `4+1/6` where a person vouches for one."""
    return f"{done}+{ticked}/{total}" if ticked else f"{done}/{total}"


def count(number: int) -> str:
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 table`, `2 tables`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Bytes as PostgreSQL's `pg_size_pretty` counts them (1 kB is 1024 bytes)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(number) < 1024 or unit == "TB":
            return f"{number:.1f} {unit}" if unit != "B" and number < 10 else f"{number:.0f} {unit}"
        number /= 1024
    raise AssertionError("unreachable")


def _seconds(value: float | timedelta) -> int:
    return max(0, int(value.total_seconds() if isinstance(value, timedelta) else value))


def duration(value: float | timedelta | None) -> str:
    """A time that passes: `0:41`, `12:04`, `1:02:03`, `2d 03:04:05`; nothing for None."""
    if value is None:
        return ""
    minutes, seconds = divmod(_seconds(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}:{minutes:02}:{seconds:02}"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def seconds(value: float | None) -> str:
    """A time that was measured: `0.4 s`, `12.1 s`, then as `duration`; nothing for None."""
    if value is None:
        return ""
    if value < 60:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    return duration(value)


def countdown(value: timedelta) -> str:
    """`T-02:14:09`, with days before it where there are any."""
    hours, rest = divmod(_seconds(value), 3600)
    days, hours = divmod(hours, 24)
    return f"T-{f'{days}d ' if days else ''}{hours:02}:{rest // 60:02}:{rest % 60:02}"


def span(shortest: timedelta, longest: timedelta) -> str:
    """A planned time: `30-60 min`, `1-2 h`, `30 min`."""

    def short(value: timedelta, *, hours: bool) -> str:
        return f"{value.total_seconds() / (3600 if hours else 60):g}"

    hours = all(v >= timedelta(hours=1) and not v.total_seconds() % 1800 for v in (shortest, longest))
    unit = "h" if hours else "min"
    if shortest == longest:
        return f"{short(longest, hours=hours)} {unit}"
    return f"{short(shortest, hours=hours)}-{short(longest, hours=hours)} {unit}"


def clock(at: datetime) -> str:
    """A moment of today, in UTC as everything of a run: `02:14:09`."""
    return at.strftime("%H:%M:%S")


def moment(at: datetime) -> str:
    """A moment of any day: `2025-11-15 02:14 UTC`."""
    return at.strftime("%Y-%m-%d %H:%M UTC")


def sentence(parts: Iterable[str], join: str = ", ") -> str:
    """The parts that are not empty, joined."""
    return join.join(part for part in parts if part)
