"""What libpg_query, PostgreSQL's own parser of PL/pgSQL, finds in a body that the reader has read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from pglast import parse_plpgsql
from pglast.parser import ParseError

from core.retype.bodies.reading import Reading

_ASSIGNMENTS = {3, 4, 5}  # RawParseMode (src/include/parser/parser.h)
_NOT_READ = {"argquery", "PLpgSQL_stmt_fetch"}  # a cursor's arguments, put in order; how far a FETCH goes
_GAP = re.compile(r"/\*\*+/")  # where an INTO clause stands
_CASE_VARIABLE = re.compile(r'"__Case__Variable_\d+__"IN\((.*)\)', re.DOTALL)


def found_by_libpg_query_alone(reading: Reading, definition: str) -> str | None:
    """SQL of the body that the reader has missed, without its blanks; None if there is none, or no second opinion.

    Args:
        definition: the whole CREATE FUNCTION statement.
    """
    try:
        theirs = set(_queries(parse_plpgsql(definition)))
    except (ParseError, RecursionError):
        return None
    texts = [(piece.before, _GAP.sub("", reading.sql(piece))) for _, piece in reading.pieces()]
    ours = {_squeeze(text) for before, sql in texts for text in (sql, before + sql)}
    return min(theirs - ours, default=None)


def _queries(tree: Any) -> Iterator[str]:
    if isinstance(tree, list):
        for item in cast("list[Any]", tree):
            yield from _queries(item)
    elif isinstance(tree, dict):
        for key, value in cast("dict[str, Any]", tree).items():
            if key in _NOT_READ:
                continue
            if key == "PLpgSQL_expr":
                yield _plain(value["query"], value.get("parseMode"))
            else:
                yield from _queries(value)


def _plain(query: str, mode: int | None) -> str:
    text = _squeeze(query)
    if mode in _ASSIGNMENTS:
        return text.partition("=")[2]
    case = _CASE_VARIABLE.fullmatch(text)
    return case[1] if case else text


def _squeeze(text: str) -> str:
    return "".join(text.split())
