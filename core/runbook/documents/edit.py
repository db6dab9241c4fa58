"""Small changes to a Markdown document of somebody else's: a section between two marks, lines of the form KEY: value.

Pure functions of its text; every line that they do not mean stays as it is, to the byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt

from core.errors import Refused
from core.runbook.project_file import lines_of

_PARSER = MarkdownIt("commonmark")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its line, counted from 0, its level and its text."""

    line: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Outline:
    """What a document's lines are: its headings outside of lists and quotes, and the lines that are code."""

    headings: tuple[Heading, ...]
    code: frozenset[int]


def outline(text: str) -> Outline:
    """Parse a document as CommonMark has it."""
    headings: list[Heading] = []
    code: set[int] = set()
    level = 0
    for token in _PARSER.parse(text):
        if token.map is None:
            continue
        if token.type in ("fence", "code_block"):
            code.update(range(*token.map))
        elif token.type == "heading_open":
            level = int(token.tag[1:]) if token.level == 0 else 0
        elif token.type == "inline" and level:
            headings.append(Heading(token.map[0], level, token.content))
            level = 0
    return Outline(tuple(headings), frozenset(code))


Place = Callable[[Outline, int], int]
"""Where a new section goes: the number of the line before which it stands, given the outline and the number of lines."""


def marks(run: str) -> tuple[str, str]:
    """The lines between which a run's own section stands, as HTML comments."""
    name = re.sub(r"[^A-Za-z0-9_.-]|--+", "_", run)[:80].strip("-")  # a comment must not hold two hyphens
    if name != run:
        name += "." + hashlib.sha256(run.encode()).hexdigest()[:8]
    return f"<!-- pgrecast:begin {name} -->", f"<!-- pgrecast:end {name} -->"


def has_section(text: str, run: str) -> bool:
    """Whether the run's own section stands there."""
    return any(line.strip() in marks(run) for line in lines_of(text))


def with_section(text: str, run: str, section: Sequence[str], place: Place, newline: str) -> str:
    """The document with the run's own section: replaced where it stands, otherwise put in its place.

    Args:
        section: its lines without their ends and without the marks.
        newline: how its lines end.

    Raises:
        Refused: the marks are not one pair, or the section would stand within a block of code.
    """
    begin, end = marks(run)
    lines = lines_of(text)
    begins = [i for i, line in enumerate(lines) if line.strip() == begin]
    ends = [i for i, line in enumerate(lines) if line.strip() == end]
    new = [f"{line}{newline}" for line in (begin, *section, end)]
    if begins or ends:
        if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
            where = ", ".join(str(i + 1) for i in sorted((*begins, *ends)))
            raise Refused(
                f"The marks around this run's section are no pair: they stand in the lines {where}.",
                advice=f"Leave one line {begin} and one {end} after it, or none of both, and run the step again.",
            )
        at, rest = begins[0], lines[ends[0] + 1 :]
        if not rest and not lines[-1].endswith(("\n", "\r")):
            new[-1] = end
        changed = "".join((*lines[:at], *new, *rest))
    else:
        at = place(outline(text), len(lines))
        before, after = lines[:at], lines[at:]
        if before and not before[-1].endswith(("\n", "\r")):
            before[-1] += newline
        if before and before[-1].strip():
            before.append(newline)
        if after and after[0].strip():
            new.append(newline)
        at, changed = len(before), "".join((*before, *new, *after))
    if at in outline(changed).code:
        raise Refused(
            f"The section would stand within a block of code, in line {at + 1}.",
            advice="Close the block of code that is open there, and run the step again.",
        )
    return changed


def with_values(text: str, values: Mapping[str, str], missing: Iterable[str], newline: str) -> str:
    """The document with the lines `KEY: value` of these keys replaced in place.

    A line within a block of code counts only where none stands outside of one.

    Args:
        values: by key, on one line each.
        missing: those of the keys that are added, below the last of the others, when they do not stand there.
        newline: how a line that is added ends.

    Raises:
        Refused: a key stands there more than once.
    """
    lines = lines_of(text)
    code = outline(text).code
    last: int | None = None
    added: list[str] = []
    for key, value in values.items():
        found = [(i, match) for i, line in enumerate(lines) if (match := _keyed(key).match(line))]
        found = [(i, match) for i, match in found if i not in code] or found
        if len(found) > 1:
            where = ", ".join(str(i + 1) for i, _ in found)
            raise Refused(
                f"{key} stands in the lines {where}: which one counts is not certain.",
                advice="Leave one of them, and run the step again.",
            )
        if found:
            last, match = found[0]
            head = match["head"] if match["head"][-1].isspace() else match["head"] + " "
            lines[last] = f"{head}{value}{match['tail']}"
        elif key in missing:
            added.append(f"{key}: {value}{newline}")
    if not added:
        return "".join(lines)
    if last is None:
        if lines and lines[-1].strip():
            added.insert(0, newline)
        last = len(lines) - 1
    if lines and not lines[last].endswith(("\n", "\r")):
        lines[last] += newline
    return "".join((*lines[: last + 1], *added, *lines[last + 1 :]))


def _keyed(key: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<head>[ \t]*(?:[-*+][ \t]+)?(?:\*\*|__|`)?{re.escape(key)}(?:\*\*|__|`)?[ \t]*:(?:\*\*|__)?[ \t]*)"
        r"(?P<value>[^\r\n]*?)(?P<tail>[ \t]*(?:\r\n|\n|\r)?)\Z"
    )
