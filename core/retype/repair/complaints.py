"""What the server says of an expression that does not type-check, read into data.

The texts are PostgreSQL's own, in English (src/backend/parser: parse_oper.c, parse_func.c, parse_coerce.c, parse_target.c,
parse_cte.c, parse_expr.c; src/backend/executor/functions.c); a session that is to be understood sets lc_messages to C. What is
not understood is None, and nobody guesses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error of the server's.

    Attributes:
        position: the index of the character that it points at, None if at none.
    """

    sqlstate: str
    message: str
    detail: str = ""
    position: int | None = None


@dataclass(frozen=True, slots=True)
class OperatorMissing:
    """`left` is None for a prefix operator."""

    left: str | None
    operator: str
    right: str


@dataclass(frozen=True, slots=True)
class FunctionMissing:
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypesDiffer:
    """Branches of one construct (CASE, COALESCE, UNION …): those so far, and the one that is complained about."""

    construct: str
    so_far: str
    this: str


@dataclass(frozen=True, slots=True)
class WrongAssignment:
    column_type: str
    type: str


@dataclass(frozen=True, slots=True)
class RecursionWidens:
    type: str
    overall: str


@dataclass(frozen=True, slots=True)
class WrongResult:
    """A function's query gives another type than was declared, in that column, counted from 1."""

    declared: str
    type: str
    column: int


@dataclass(frozen=True, slots=True)
class NoSuchCast:
    type: str
    target: str


@dataclass(frozen=True, slots=True)
class NoCollation:
    type: str


@dataclass(frozen=True, slots=True)
class WrongOperatorClass:
    name: str
    type: str


Problem = (
    OperatorMissing
    | FunctionMissing
    | TypesDiffer
    | WrongAssignment
    | RecursionWidens
    | WrongResult
    | NoSuchCast
    | NoCollation
    | WrongOperatorClass
)

_OPERATOR = re.compile(
    r"operator does not exist: (?:(?P<left>.+?) )?(?P<name>(?:\S+\.)?[-+*/<>=~!@#%^&|`?]+) (?P<right>.+)"
)
_FUNCTION = re.compile(r"(?:function|procedure) .+\((?P<arguments>[^(]*)\) does not exist", re.DOTALL)
_TYPES = re.compile(r"(?P<construct>[A-Z/]+) types (?P<so_far>.+) and (?P<this>.+) cannot be matched")
_ASSIGNMENT = re.compile(
    r'column ".+" is of type (?P<column>.+) but (?:default )?expression is of type (?P<type>.+)', re.DOTALL
)
_RECURSION = re.compile(
    r'recursive query ".+" column \d+ has type (?P<type>.+) in non-recursive term but type (?P<overall>.+) overall',
    re.DOTALL,
)
_RESULT = re.compile(r"return type mismatch in function declared to return (?P<declared>.+)")
_ACTUAL = re.compile(r"Actual return type is (?P<type>.+)\.")
_ACTUAL_COLUMN = re.compile(
    r"Final statement returns (?P<type>.+) instead of (?P<declared>.+) at column (?P<column>\d+)\."
)
_STRUCTURE = "structure of query does not match function result type"
_RETURNED = re.compile(
    r"Returned type (?P<type>.+) does not match expected type (?P<declared>.+) in column (?P<column>\d+)\."
)
_CAST = re.compile(r"cannot cast type (?P<type>.+) to (?P<target>.+)")
_COLLATION = re.compile(r"collations are not supported by type (?P<type>.+)")
_CLASS = re.compile(r'operator class "(?P<name>.+)" does not accept data type (?P<type>.+)')
_NAMED_ARGUMENT = re.compile(r".+ (?:=>|:=) ")


def problem(complaint: Complaint) -> Problem | None:
    """What the complaint is about; None if it is about nothing that a cast could answer."""
    text = complaint.message
    if match := _OPERATOR.fullmatch(text):
        return OperatorMissing(match["left"], match["name"], match["right"])
    if match := _FUNCTION.fullmatch(text):
        listed = match["arguments"].split(", ") if match["arguments"] else []
        return FunctionMissing(tuple(_NAMED_ARGUMENT.sub("", argument) for argument in listed))
    if match := _TYPES.fullmatch(text):
        return TypesDiffer(match["construct"], match["so_far"], match["this"])
    if match := _ASSIGNMENT.fullmatch(text):
        return WrongAssignment(match["column"], match["type"])
    if match := _RECURSION.fullmatch(text):
        return RecursionWidens(match["type"], match["overall"])
    if match := _RESULT.fullmatch(text):
        return _wrong_result(match["declared"], complaint.detail)
    if text == _STRUCTURE and (match := _RETURNED.fullmatch(complaint.detail)):
        return WrongResult(match["declared"], match["type"], int(match["column"]))
    if match := _CAST.fullmatch(text):
        return NoSuchCast(match["type"], match["target"])
    if match := _COLLATION.fullmatch(text):
        return NoCollation(match["type"])
    if match := _CLASS.fullmatch(text):
        return WrongOperatorClass(match["name"], match["type"])
    return None


def _wrong_result(declared: str, detail: str) -> WrongResult | None:
    if match := _ACTUAL.fullmatch(detail):
        return WrongResult(declared, match["type"], 1)
    if match := _ACTUAL_COLUMN.fullmatch(detail):
        return WrongResult(match["declared"], match["type"], int(match["column"]))
    return None
