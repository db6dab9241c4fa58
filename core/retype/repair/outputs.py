"""The output columns of a query, through the set operations and VALUES that it may be made of."""

from __future__ import annotations

from collections.abc import Iterator

from core.retype.repair.syntax import Parsed, Path, Tree

_SET_OPERATIONS = {"SETOP_UNION", "SETOP_INTERSECT", "SETOP_EXCEPT"}


def set_operations(parsed: Parsed) -> Iterator[Path]:
    """Every UNION, INTERSECT or EXCEPT, the innermost first."""
    found: list[Path] = []
    for node in parsed.nodes():
        if node.kind == "SelectStmt":
            waiting: list[Path] = [(*node.path, "SelectStmt")]
            while waiting:
                path = waiting.pop()
                if parsed.at(path).get("op") in _SET_OPERATIONS:
                    found.append(path)
                    waiting += [(*path, "larg"), (*path, "rarg")]
    return reversed(found)


def columns_of(parsed: Parsed, query: Path) -> list[list[Path]]:
    """The output columns of each query that a set operation joins, or of the one query."""
    fields: Tree = parsed.at(query)
    if fields.get("op") in _SET_OPERATIONS:
        return [*columns_of(parsed, (*query, "larg")), *columns_of(parsed, (*query, "rarg"))]
    if "valuesLists" in fields:
        return [
            [(*query, "valuesLists", i, "List", "items", k) for k in range(len(row["List"]["items"]))]
            for i, row in enumerate(fields["valuesLists"])
        ]
    return [[(*query, "targetList", k, "ResTarget", "val") for k in range(len(fields.get("targetList", ())))]]


def column(parsed: Parsed, query: Path, k: int) -> list[Path]:
    """The query's output column, counted from 0, in each query that it is made of."""
    return [columns[k] for columns in columns_of(parsed, query) if k < len(columns)]
