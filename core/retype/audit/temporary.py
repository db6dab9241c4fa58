"""Temporary tables of a script, as queries: what a script saves in one and reads again later is known by asking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pglast import parse_sql
from pglast.stream import RawStream

from core.postgres.sql import quote_identifier
from core.retype.audit.asking import NotReadable


@dataclass
class _Table:
    columns: tuple[str, ...] = ()
    """As `name::type` lists them in the order of definition; empty when the query itself names them."""
    names: tuple[str, ...] = ()
    queries: list[str] = field(default_factory=list[str])
    unknown: str = ""
    """Why its rows are not known."""


class TemporaryTables:
    """The temporary tables that a script has made so far; `take` tells whether a statement was about one."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}

    def snapshot(self) -> dict[str, int]:
        return {name: len(table.queries) for name, table in self._tables.items()}

    def restore(self, snapshot: dict[str, int]) -> None:
        """Forget the rows that were added since."""
        for name, table in self._tables.items():
            del table.queries[snapshot.get(name, 0) :]

    def take(self, sql: str, *, unknown: str = "") -> bool:
        """Take a statement that makes a temporary table, or changes the rows of one.

        Args:
            unknown: why what it reads is not what it would read when it runs; empty if it is.
        """
        (raw,) = parse_sql(sql)
        node: Any = raw.stmt
        match type(node).__name__:
            case "CreateTableAsStmt" if node.into.rel.relpersistence == "t":
                self._tables[node.into.rel.relname] = _Table(queries=[_text(node.query)], unknown=unknown)
            case "CreateStmt" if node.relation.relpersistence == "t":
                self._tables[node.relation.relname] = _created(node)
            case "InsertStmt" if node.relation.relname in self._tables and not node.relation.schemaname:
                self._insert(self._tables[node.relation.relname], node, unknown)
            case "UpdateStmt" | "DeleteStmt" if node.relation.relname in self._tables:
                self._tables[node.relation.relname].unknown = "its rows are changed in a way that is not followed"
            case "SelectStmt" if node.intoClause is not None and node.intoClause.rel.relpersistence == "t":
                name = node.intoClause.rel.relname
                node.intoClause = None
                self._tables[name] = _Table(queries=[_text(node)], unknown=unknown)
            case "TruncateStmt" | "DropStmt":
                return self._emptied(node)
            case _:
                return False
        return True

    def names(self) -> frozenset[str]:
        return frozenset(self._tables)

    def around(self, query: str, used: frozenset[str]) -> str:
        """The query with the temporary tables that it reads put before it.

        Raises:
            NotReadable: the rows of one are not known.
        """
        if not used:
            return query
        parts: list[str] = []
        for name, table in self._tables.items():
            if name not in used:
                continue
            if table.unknown:
                raise NotReadable(f"it reads {name}, and {table.unknown}")
            rows = " UNION ALL ".join(f"({one})" for one in table.queries)
            if not rows:
                rows = f"SELECT {', '.join(f'NULL::{c}' for c in table.columns)} WHERE false"
            parts.append(f"{quote_identifier(name)} AS ({_typed(table, rows)})")
        return f"WITH {', '.join(parts)} SELECT * FROM ({query}) AS pgrecast"  # noqa: S608 - the script's own

    def _insert(self, table: _Table, node: Any, unknown: str) -> None:
        table.unknown = table.unknown or unknown
        given = [target.name for target in node.cols or ()]
        if node.selectStmt is None or node.returningClause is not None or node.onConflictClause is not None:
            table.unknown = "its rows are made in a way that is not followed"
            return
        query = _text(node.selectStmt)
        if given and list(table.names) != given:
            if not set(given) <= set(table.names):
                table.unknown = "it is filled with columns that it has not"
                return
            listed = ", ".join(map(quote_identifier, given))
            wanted = ", ".join(quote_identifier(n) if n in given else "NULL" for n in table.names)
            query = f"SELECT {wanted} FROM ({query}) AS v ({listed})"  # noqa: S608 - the script's own
        table.queries.append(query)

    def _emptied(self, node: Any) -> bool:
        is_drop = type(node).__name__ == "DropStmt"
        names: list[str] = (
            [named[-1].sval for named in node.objects if hasattr(named, "__getitem__")]
            if is_drop
            else [relation.relname for relation in node.relations]
        )
        own = [name for name in names if name in self._tables]
        for name in own:
            if is_drop:
                del self._tables[name]
            else:
                self._tables[name].queries.clear()
        return bool(names) and len(own) == len(names)


def _created(node: Any) -> _Table:
    columns = [element for element in node.tableElts or () if type(element).__name__ == "ColumnDef"]
    # A number that counts up is not followed: it orders, at most.
    types = [_text(column.typeName) for column in columns]
    types = ["integer" if t in {"serial", "bigserial", "smallserial"} else t for t in types]
    listed = tuple(f"{t} AS {quote_identifier(c.colname)}" for c, t in zip(columns, types, strict=True))
    return _Table(columns=listed, names=tuple(column.colname for column in columns))


def _typed(table: _Table, rows: str) -> str:
    """The rows with the columns' names and types, where the table was made with them."""
    if not table.columns or not table.queries:
        return rows
    names = ", ".join(map(quote_identifier, table.names))
    types = ", ".join(f"v.{quote_identifier(n)}::{c}" for n, c in zip(table.names, table.columns, strict=True))
    return f"SELECT {types} FROM ({rows}) AS v ({names})"  # noqa: S608 - the script's own


def _text(node: Any) -> str:
    return str(RawStream()(node))
