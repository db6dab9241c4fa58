"""Definitions spelt so that PostgreSQL reads what it has stored.

`status IN ('a', 'b')` over a varchar column is printed as `(status)::text = ANY ((ARRAY['a'::varchar, 'b'::varchar])::text[])`.
Read again, that cast goes to the elements (`transformTypeCast` in PostgreSQL's parse_expr.c), and the definition is printed
otherwise ever after: `ANY (ARRAY[('a'::varchar)::text, …])`. Without the cast it is read as it was: ANY brings it along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pglast.parser import ParseError

from core.retype.repair.syntax import Edit, Parsed, Tree, edited

_CAST: Final = "::text[]"
_ANY_OR_ALL: Final = {"AEXPR_OP_ANY", "AEXPR_OP_ALL"}


def as_read_back(sql: str) -> str:
    """The statement, made of what PostgreSQL prints, so that what comes of it is printed like that again.

    Returns:
        the text as it is where the grammar does not know it.
    """
    if _CAST not in sql:
        return sql
    try:
        return edited(sql, tuple(_casts_of_lists(Parsed(sql))))
    except (ParseError, RecursionError):
        return sql


def _casts_of_lists(parsed: Parsed) -> Iterator[Edit]:
    for node in parsed.nodes():
        if node.kind != "A_Expr" or node.fields["kind"] not in _ANY_OR_ALL:
            continue
        cast = node.fields["rexpr"].get("TypeCast", {})
        place = parsed.location(cast)
        elements = cast.get("arg", {}).get("A_ArrayExpr", {}).get("elements", ())
        # Over elements of another kind, a uuid's say, the cast is what makes the comparison possible.
        implied = bool(elements) and all(_is_string(element) for element in elements)
        if implied and place is not None and parsed.text.startswith(_CAST, place):
            yield Edit(place, place + len(_CAST), "")


def _is_string(element: Tree) -> bool:
    names = element.get("TypeCast", {}).get("typeName", {}).get("names", ())
    return bool(names) and names[-1]["String"]["sval"] in ("varchar", "bpchar")
