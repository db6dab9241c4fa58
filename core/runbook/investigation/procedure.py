"""The user's own investigation procedure, a Markdown document: its SQL blocks, and the template that it ends with.

Pure functions of its text. A template's line is filled only where it is certain what it asks: a label that names one of the
questions, and a blank (three or more underscores) or check boxes behind it. Everything else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pglast import split
from pglast.parser import ParseError

from core.events import Json
from core.runbook.facts import (
    INVESTIGATION_COUNTS,
    INVESTIGATION_INDICATORS,
    INVESTIGATION_KEY_TYPE,
    INVESTIGATION_REVISION,
    INVESTIGATION_SECONDS,
    LOCATED,
)
from core.runbook.words import span

_FENCE = re.compile(r"^\s*(```+|~~~+)\s*(\w*)\s*$")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
_BLANK = re.compile(r"`?_{3,}`?")
_BOX = re.compile(r"\[ \](\s*)([\w() ]+?)(?=\s*(?:\[ \]|[,/|]|$))")
_WORD = re.compile(r"[a-z0-9_.]+")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of SQL: the heading above it, its line in the document, and its statements.

    `left_out` are lines that only psql understands, or the whole text where it is not SQL.
    """

    heading: str
    line: int
    statements: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the investigation knows.

    Attributes:
        words: all of them, in lower case, stand in the label of a line that asks for it; of a tuple, one of them.
        value: what is written into the blank.
    """

    words: tuple[str | tuple[str, ...], ...]
    value: str


def sql_blocks(text: str) -> tuple[Block, ...]:
    """The document's fenced SQL blocks, in order."""
    return tuple(_blocks(text.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    heading, fence, language, begun = "", "", "", 0
    inside: list[str] = []
    for number, line in enumerate(lines, 1):
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not found[2]:
                if language in ("sql", "postgresql", "pgsql"):
                    yield _block(heading, begun, inside)
                fence, inside = "", []
            else:
                inside.append(line)
        elif found:
            fence, language, begun = found[1], found[2].lower(), number
        elif title := _HEADING.match(line):
            heading = title[1]


def _block(heading: str, line: int, inside: list[str]) -> Block:
    meta = tuple(text for text in inside if text.lstrip().startswith("\\"))
    sql = "\n".join(text for text in inside if text not in meta)
    try:
        return Block(heading, line, tuple(split(sql)), meta)
    except ParseError:
        return Block(heading, line, (), (*meta, sql))


def answers(facts: Mapping[str, Json], key_column: str) -> tuple[Answer, ...]:
    """The answers that the investigation has recorded, by the names in `core.runbook.facts`."""
    found: list[Answer] = []
    counts: dict[str, Json] = facts.get(INVESTIGATION_COUNTS) or {}
    indicators: dict[str, Json] = facts.get(INVESTIGATION_INDICATORS) or {}
    located: dict[str, Json] = facts.get(LOCATED) or {}
    revisions: list[str] | None = facts.get(INVESTIGATION_REVISION)
    if revisions is not None:
        found.append(Answer(("alembic_version",), ", ".join(revisions) or "empty"))
    if located.get("revisions"):
        found.append(
            Answer((("true", "actual", "real"), ("revision", "migration", "state")), ", ".join(located["revisions"]))
        )
    if kind := facts.get(INVESTIGATION_KEY_TYPE):
        found.append(Answer((key_column, ("type", "uuid")), str(kind)))
    for table, rows in counts.items():
        if rows is not None:
            found.append(Answer((table, ("count", "many", "rows", "number", "total")), str(rows)))
    for table, there in indicators.items():
        found.append(Answer((table, ("exist", "exists", "present", "table")), "yes" if there else "no"))
    seconds = facts.get(INVESTIGATION_SECONDS)
    if seconds is not None:
        found.append(Answer((("time", "duration", "estimate", "estimated"), "conversion"), f"about {span(seconds)}"))
    return tuple(found)


def filled(text: str, known: tuple[Answer, ...]) -> str:
    """The document with its template's blanks filled where exactly one answer fits the line; the rest untouched."""
    fence = ""
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if found := _FENCE.match(line):
            fence = "" if fence else found[1]
        lines.append(line if fence and _is_sql(line) else _filled_line(line, known))
    return "".join(lines)


def _is_sql(line: str) -> bool:
    return ";" in line or bool(re.match(r"\s*(select|from|where|update|insert|with)\b", line, re.IGNORECASE))


def _filled_line(line: str, known: tuple[Answer, ...]) -> str:
    at = _BLANK.search(line) or _BOX.search(line)
    if at is None:
        return line
    label = set(_WORD.findall(line[: at.start()].lower().replace("`", "")))
    label |= {word.rstrip(".") for word in label}
    fitting = [answer for answer in known if all(_named(word, label) for word in answer.words)]
    if len(fitting) != 1:
        return line
    value = fitting[0].value
    if _BLANK.search(line):
        return _BLANK.sub(lambda _: value, line, count=1)
    return _BOX.sub(lambda box: f"[x]{box[1]}{box[2]}" if _same(box[2], value) else box[0], line)


def _named(word: str | tuple[str, ...], label: set[str]) -> bool:
    return word in label if isinstance(word, str) else any(one in label for one in word)


def _same(option: str, value: str) -> bool:
    """Whether a check box's option is the value, as people write types and yes or no."""
    plain = option.strip().lower().replace("varchar", "character varying").replace(" ", "")
    return plain == value.lower().replace(" ", "")
