"""A body's SQL as a server can look at it without running it: each variable is a NULL of its type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from core.postgres.sql import quote_identifier
from core.retype.bodies.reading import Scope
from core.retype.repair.syntax import Edit, Node, Parsed, Path, edited

_CALLED_AFTER = {"TypeCast": "arg", "CollateClause": "arg", "CaseExpr": "defresult"}


class Uncheckable(Exception):
    """Nothing can be said of the SQL, and why."""


@dataclass(frozen=True, slots=True)
class Known:
    """A type that a variable surely has.

    Attributes:
        type: as SQL names it.
        fields: of a row type, its columns; None of every other.
    """

    type: str
    fields: frozenset[str] | None = None

    @property
    def null(self) -> str:
        return f"(NULL::{self.type})"

    def named(self, name: str) -> str:
        """A NULL of the type that has a name as a column of a result has."""
        return f"(SELECT NULL::{self.type} AS {quote_identifier(name)})"


Environment = Mapping[int, Known | None]
"""By the variables' indexes; None where the type is not known."""


@dataclass(frozen=True, slots=True)
class Probe:
    """SQL to look at, and the edits that made it out of what was written."""

    sql: str
    written: str
    edits: tuple[Edit, ...] = ()

    def place(self, position: int) -> int:
        """The index in what was written that belongs to one in the SQL to look at."""
        shift = 0
        for edit in sorted(self.edits):
            start = edit.start + shift
            if position < start:
                break
            shift += len(edit.text) - (edit.end - edit.start)
            if position < start + len(edit.text):
                return edit.start
        return position - shift


@lru_cache(maxsize=4096)
def parsed(sql: str) -> Parsed:
    return Parsed(sql)


def probe(sql: str, scope: Scope, environment: Environment, *, columns_at: frozenset[int] = frozenset()) -> Probe:
    """The SQL with NULLs in the place of variables.

    Args:
        columns_at: where names stand that are surely columns'.

    Raises:
        pglast.parser.ParseError: the grammar does not know the SQL.
        Uncheckable: it names a variable whose type is not known.
    """
    tree = parsed(sql)
    naming = set(_naming(tree))
    edits: list[Edit] = []
    for node, variable, names, used in references(tree, scope):
        start = tree.location(node.fields)
        if start is None or start in columns_at:
            continue
        known = environment.get(variable)
        if known is None:
            raise Uncheckable(f"the type of {'.'.join(names[:used])} is not known before it runs")
        further = names[used:]
        if further and (known.fields is None or not (further[0] == "*" or further[0] in known.fields)):
            continue  # of a table of that name
        end = _end_of_names(tree, start, used)
        alone = not further and node.path in naming
        edits.append(Edit(start, end, known.named(names[used - 1]) if alone else known.null))
    return Probe(edited(sql, tuple(edits)), sql, tuple(edits))


def references(tree: Parsed, scope: Scope) -> Iterator[tuple[Node, int, list[str], int]]:
    """What may be variables' names: the node, the variable, all names of it, and how many of them name the variable."""
    for node in tree.nodes():
        if node.kind == "ColumnRef":
            names = [field["String"]["sval"] if "String" in field else "*" for field in node.fields["fields"]]
        elif node.kind == "ParamRef":
            names = [f"${node.fields.get('number', 0)}"]
        else:
            continue
        if (found := scope.lookup(names)) is not None:
            yield node, found[0], names, found[1]


def _end_of_names(tree: Parsed, start: int, count: int) -> int:
    """Where so many names end that begin at `start`, with dots between."""
    first = next(i for i, token in enumerate(tree.tokens) if token.start == start)
    return tree.tokens[first + 2 * (count - 1)].end


def _naming(tree: Parsed) -> Iterator[Path]:
    """Names that a result's column is called after (FigureColname in src/backend/parser/parse_target.c)."""
    for node in tree.nodes():
        if node.kind == "ResTarget" and "name" not in node.fields:
            path: Path = (*node.path, "ResTarget", "val")
            while (inner := _named_after(tree.at(path))) is not None:
                path = (*path, *inner)
            yield path


def _named_after(expression: Any) -> Path | None:
    ((kind, fields),) = expression.items()
    if kind == "A_Indirection":
        return None if any("String" in part for part in fields["indirection"]) else (kind, "arg")
    field = _CALLED_AFTER.get(kind)
    return (kind, field) if field is not None and field in fields else None
