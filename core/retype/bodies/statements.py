"""How a server can look at a statement of a body without running it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from core.retype.bodies.probe import Uncheckable, parsed
from core.retype.repair.syntax import Edit, Parsed, edited

Way = Literal["prepare", "parse", "create", "nothing"]

_PREPARED = {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"}
# What says something about types although it is not planned as a query.
_TYPED = {"ColumnRef", "A_Expr", "SelectStmt", "FuncCall", "DoStmt", "CreateFunctionStmt"}
_WITH_DATA = re.compile(r"\bwith\s+data\s*$", re.IGNORECASE)


def way_to_look_at(sql: str) -> Way:
    """`prepare` it, have it only parsed, `create` its temporary table without rows; or there is `nothing` to look at.

    Raises:
        pglast.parser.ParseError: the grammar does not know it.
        Uncheckable: there is no way.
    """
    tree = parsed(sql)
    if len(tree.tree) != 1:
        raise Uncheckable("it is not one statement")
    ((kind, fields),) = tree.tree[0]["stmt"].items()
    if kind in _PREPARED:
        return "prepare"
    if kind == "CallStmt":
        return "parse"
    if kind == "CreateTableAsStmt" and "SelectStmt" in fields["query"]:
        return "create"
    if kind == "CreateStmt" and fields["relation"].get("relpersistence") == "t" and "partbound" not in fields:
        return "create"
    if any(node.kind in _TYPED for node in tree.nodes()):
        raise Uncheckable("statements of its kind are looked at only when they run")
    return "nothing"


def without_rows(sql: str) -> str:
    """A CREATE TABLE that runs no query: nothing in it is evaluated. Its table outlives the statement's transaction."""
    tree = parsed(sql)
    ((kind, fields),) = tree.tree[0]["stmt"].items()
    kept = edited(sql, tuple(_on_commit(tree)))
    if kind == "CreateStmt" or fields["into"].get("skipData"):
        return kept
    return _WITH_DATA.sub("", kept) + "\nWITH NO DATA"


def _on_commit(tree: Parsed) -> Iterator[Edit]:
    """ON COMMIT and what follows, blanked."""
    tokens = tree.tokens
    for i in range(len(tokens) - 2):
        names = tuple(token.name for token in tokens[i : i + 3])
        if names[:2] == ("ON", "COMMIT"):
            end = tokens[i + (2 if names[2] == "DROP" else 3)].end
            yield Edit(tokens[i].start, end, " " * (end - tokens[i].start))


def literal_of(sql: str) -> str | None:
    """The text that a SELECT of one string constant gives, None of any other."""
    (statement,) = parsed(sql).tree
    targets = statement["stmt"]["SelectStmt"].get("targetList", ())
    if len(targets) != 1:
        return None
    constant = targets[0]["ResTarget"]["val"].get("A_Const", {})
    return constant.get("sval", {}).get("sval")
