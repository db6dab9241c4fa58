"""JOIN … USING over columns that no longer compare, written as the same join ON a condition with a cast in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

from pglast.parser import ParseError

from core.postgres.sql import quote_identifier
from core.retype.repair.syntax import Edit, Node, Parsed, Token, Tree, edited, without_places

MOST_COLUMNS = 4
"""Of a join USING, that are cast together."""
_MERGED_FROM = {"JOIN_INNER": "larg", "JOIN_LEFT": "larg", "JOIN_RIGHT": "rarg"}


def conditions(parsed: Parsed, way: str, count: int, *, cast_left: bool) -> Iterator[tuple[Edit, ...]]:
    """Every join USING of the text, one at a time, with some of its columns cast.

    Args:
        way: what the columns are cast to.
        count: how many of them are cast.
        cast_left: whether the left side's columns are cast, not the right side's.
    """
    for node in parsed.nodes():
        names = (
            [name["String"]["sval"] for name in node.fields.get("usingClause", ())] if node.kind == "JoinExpr" else []
        )
        for cast in combinations(names, count):
            for condition in _on(node.fields, names, cast, way, cast_left=cast_left):
                for start, end in _using_clauses(parsed, len(names)):
                    edit = Edit(start, end, f"ON ({condition})")
                    if _is_that_join(parsed, node, edit):
                        yield (edit,)


def _on(join: Tree, names: list[str], cast: tuple[str, ...], way: str, *, cast_left: bool) -> Iterator[str]:
    """The condition, once for each pair of tables that could have the columns."""
    lefts, rights = (list(dict.fromkeys(_holders(join[side], names))) for side in ("larg", "rarg"))
    for left, right in product(lefts, rights):
        parts: list[str] = []
        for name in names:
            one, other = (f"{quote_identifier(table)}.{quote_identifier(name)}" for table in (left, right))
            if name in cast and cast_left:
                one = f"({one})::{way}"
            elif name in cast:
                other = f"({other})::{way}"
            parts.append(f"({one} = {other})")
        yield " AND ".join(parts)


def _holders(item: Tree, names: list[str]) -> Iterator[str]:
    """Names of the tables of a FROM item that could hold the columns."""
    ((kind, fields),) = item.items()
    alias = fields.get("alias", {}).get("aliasname")
    if alias is not None:
        yield alias
    elif kind == "RangeVar":
        yield fields["relname"]
    elif kind == "JoinExpr":
        merged = {name["String"]["sval"] for name in fields.get("usingClause", ())}
        if merged.issuperset(names):  # of an outer join one side alone holds the merged column's value
            if side := _MERGED_FROM.get(fields["jointype"]):
                yield from _holders(fields[side], names)
        else:
            yield from _holders(fields["larg"], names)
            yield from _holders(fields["rarg"], names)


def _using_clauses(parsed: Parsed, width: int) -> Iterator[tuple[int, int]]:
    """Where `USING (…)` stands in the text with that many columns."""
    tokens = parsed.tokens
    for i, token in enumerate(tokens):
        end = i + 2 * width + 1
        if token.name == "USING" and end < len(tokens) and _is_parenthesis(tokens, i + 1, end):
            yield token.start, tokens[end].end


def _is_parenthesis(tokens: tuple[Token, ...], start: int, end: int) -> bool:
    return tokens[start].name == "ASCII_40" and tokens[end].name == "ASCII_41"


def _is_that_join(parsed: Parsed, node: Node, edit: Edit) -> bool:
    """Whether the edit has changed that join, and nothing else."""
    try:
        changed = Parsed(edited(parsed.text, (edit,)))
        found: Any = changed.at((*node.path, "JoinExpr"))
    except (ParseError, KeyError, IndexError, TypeError):
        return False
    if "quals" not in found:
        return False
    found["usingClause"] = parsed.at((*node.path, "JoinExpr"))["usingClause"]
    del found["quals"]
    return bool(without_places(changed.tree) == parsed.bare)
