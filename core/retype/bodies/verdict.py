"""What comes of holding what was seen before the conversion against what was seen after it; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pglast import split
from pglast.parser import ParseError

from core.postgres.catalog import Function
from core.retype.bodies.examine import DATATYPE_MISMATCH, Seen, written
from core.retype.bodies.probe import parsed, references
from core.retype.bodies.reading import Piece, Reading, line_of
from core.retype.bodies.selection import Affected
from core.retype.model import Repair
from core.retype.repair.complaints import Complaint

Kind = Literal["fails", "callers", "unchecked", "failing already"]
MOST_EXCERPT = 160
CALLERS = "the columns of its rows change their types, and its callers name them"
_NOT_THERE = ("42P01", "3F000")  # a table or schema: of another session, of another search path, not put back


@dataclass(frozen=True, slots=True)
class Remark:
    """About a statement of a body.

    Attributes:
        line: of the body, the first being the one that it begins on.
        sql: the statement, in one line, cut if it is long.
        message: the server's, or why there is none.
        context: the table of the trigger, where that matters.
    """

    kind: Kind
    step: int
    line: int
    sql: str
    message: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """About a function.

    Attributes:
        repair: its definition with casts, where that is certain.
        why_not: why there is none.
    """

    function: Function
    remarks: tuple[Remark, ...]
    repair: Repair | None = None
    why_not: str = ""

    def of_kind(self, *kinds: Kind) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if remark.kind in kinds)


def compare(
    reading: Reading, context: str, before: Sequence[Seen], after: Sequence[Seen], affected: Affected, *, is_whole: bool
) -> Iterator[Remark]:
    """What is to be said of the pieces of a body in one context.

    Args:
        is_whole: whether the clone has everything that the database has.
    """
    for old, new in zip(before, after, strict=True):
        piece = reading.steps[old.step]
        assert isinstance(piece, Piece)  # noqa: S101 - only pieces are seen
        kind, message, about = _judged(old, new, is_whole=is_whole)
        if kind is None or (kind == "unchecked" and not _matters(reading, piece, old, affected)):
            continue
        line, sql = _place(reading, piece, about)
        yield Remark(kind, old.step, line, sql, message, context)


def _judged(old: Seen, new: Seen, *, is_whole: bool) -> tuple[Kind | None, str, Complaint | None]:
    if old.unchecked or new.unchecked:
        return "unchecked", old.unchecked or new.unchecked, None
    if old.complaint is not None:
        if new.complaint is None:
            return None, "", None
        kind: Kind = "unchecked" if old.complaint.sqlstate in _NOT_THERE or not is_whole else "failing already"
        return kind, _message(old.complaint), old.complaint
    if new.complaint is not None:
        kind = "unchecked" if new.complaint.sqlstate in _NOT_THERE else "fails"
        return kind, _message(new.complaint), new.complaint
    return ("callers", CALLERS, None) if old.row != new.row else (None, "", None)


def _message(complaint: Complaint) -> str:
    if complaint.detail and complaint.sqlstate == DATATYPE_MISMATCH and complaint.position is None:
        return f"{complaint.message} ({complaint.detail.rstrip('.')})"
    return complaint.message


def _matters(reading: Reading, piece: Piece, seen: Seen, affected: Affected) -> bool:
    """Whether the piece has to do with what changes: it names it, or a variable of the former type or of such rows."""
    steps = [piece, *(reading.steps[i] for i in piece.arguments)]
    environment = seen.environment or {}
    for step in steps:
        if not isinstance(step, Piece):
            continue
        if affected.is_named_in(reading.sql(step)):
            return True
        try:
            tree = parsed(written(reading, step).sql)
        except (ParseError, RecursionError):
            return True
        for _, variable, *_ in references(tree, step.scope):
            known = environment.get(variable)
            declared = reading.variables[variable].type
            if affected.has_its_type(known.type if known else declared):
                return True
    return False


def _place(reading: Reading, piece: Piece, complaint: Complaint | None) -> tuple[int, str]:
    """The line, and what stands there: the lines of the piece, or the statement of a body in SQL."""
    body, at = reading.body, piece.start
    if complaint is not None and complaint.position is not None:
        at = max(
            piece.start, min(piece.start + complaint.position - len(written(reading, piece).before), piece.end - 1)
        )
    if (piece.start, piece.end) == (0, len(body)):
        start, end = _statement_at(body, at if complaint is not None and complaint.position is not None else None)
    else:
        start, end = body.rfind("\n", 0, piece.start) + 1, body.find("\n", piece.end)
        end = len(body) if end < 0 else end
    at = max(at, start)
    if end - start > MOST_EXCERPT:
        cut = max(start, min(at - MOST_EXCERPT // 2, end - MOST_EXCERPT))
        left, right = "…" if cut > start else "", "…" if cut + MOST_EXCERPT < end else ""
        text = f"{left}{body[cut : cut + MOST_EXCERPT]}{right}"
    else:
        text = body[start:end]
    return line_of(body, at), " ".join(text.split())


def _statement_at(body: str, at: int | None) -> tuple[int, int]:
    """Where the statement around a place, or the last one, begins and ends."""
    start = end = 0
    for statement in split(body):
        start = body.index(statement, end)
        end = start + len(statement)
        if at is not None and at < end:
            break
    return start, end
