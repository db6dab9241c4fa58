"""Markdown of reports. Whatever comes from a database passes through `code`, so that none of it is markup."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """A text on one line as inline code, whatever is in it (CommonMark 0.31, "Code spans")."""
    line = " ".join(printable(text).split()) or " "
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def printable(text: str, keep: str = "") -> str:
    """Without controls, and marks that reorder or hide text: who reads a report in a terminal must see what stands there."""
    spaced = (" " if c.isspace() and c not in keep else c for c in text)
    return "".join(c for c in spaced if c in keep or not unicodedata.category(c).startswith("C"))


def block(text: str, language: str = "") -> str:
    """A text of several lines as a fenced code block."""
    text = printable(text, keep="\n\t")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown, in which only the bar is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_BARS.sub(_escaped_bar, cell) for cell in line)} |" for line in lines)


_BARS = re.compile(r"(\\*)\|")


def _escaped_bar(found: re.Match[str]) -> str:
    """An odd number of backslashes before the bar: after an even one, some readers end the cell there (GFM, "Tables")."""
    return found[1] + ("\\" if len(found[1]) % 2 == 0 else "\\\\") + "|"


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
