"""Questions that a script puts to the system catalogs while it runs, put to them beforehand: read only, and none that could do more.

A loop over `pg_constraint` drops what its query finds; what it finds is known by asking. Only queries over the system catalogs
and the information schema are asked, that call nothing but PostgreSQL's own functions which change nothing; everything else is
said not to be readable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
from pglast.parser import ParseError

from core.postgres.sql import load_queries, quote_identifier, quote_literal
from core.retype.repair.syntax import Edit, Parsed, edited

_QUERIES: Final = load_queries(Path(__file__).parent / "queries")
MOST_ROWS: Final = 10_000
TIMEOUT_MS: Final = 15_000
_CHANGING: Final = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "IntoClause", "LockingClause"})
# These look like functions to the grammar, and are none, or are aggregates and window functions of pg_catalog anyway.
_SYSTEM_SCHEMAS: Final = frozenset({"pg_catalog", "information_schema"})


class NotReadable(Exception):
    """What a script does here cannot be known without running it; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as text (None for NULL) and its type, empty where any will do."""

    text: str | None
    type: str = ""

    @property
    def literal(self) -> str:
        text = "NULL" if self.text is None else quote_literal(self.text)
        return f"({text}::{self.type})" if self.type else f"({text})"


Row = Mapping[str, Value]
Variables = Mapping[str, Value | Row]
"""Of a program: a value, or a record's fields, by name."""


class Asker(Protocol):
    async def ask(self, query: str) -> list[Row]:
        """The rows of a query over the system catalogs.

        Raises:
            NotReadable: it is none, or the server does not answer it.
        """
        ...


@dataclass
class CatalogAsker:
    """Asks the server. The session must be read only."""

    connection: asyncpg.Connection
    _harmless: frozenset[str] = field(default=frozenset(), init=False)
    _relations: frozenset[str] = field(default=frozenset(), init=False)

    async def ask(self, query: str) -> list[Row]:
        if not self._harmless:
            self._harmless = frozenset(r["name"] for r in await self.connection.fetch(_QUERIES["harmless_functions"]))
            self._relations = frozenset(r["name"] for r in await self.connection.fetch(_QUERIES["system_relations"]))
        require_harmless(query, self._harmless, self._relations)
        transaction = self.connection.transaction(readonly=True)
        await transaction.start()
        try:
            await self.connection.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
            columns = (await self.connection.prepare(query)).get_attributes()
            names = [column.name for column in columns]
            if len(set(names)) < len(names):
                raise NotReadable("two columns of its query have the same name")
            texts = ", ".join(f"q.{quote_identifier(name)}::text AS {quote_identifier(name)}" for name in names)
            rows = await self.connection.fetch(f"SELECT {texts} FROM ({query}) AS q LIMIT {MOST_ROWS + 1}")  # noqa: S608
        except asyncpg.PostgresError as error:
            raise NotReadable(f"the server does not answer its query: {error}") from None
        finally:
            await transaction.rollback()
        if len(rows) > MOST_ROWS:
            raise NotReadable(f"its query gives more than {MOST_ROWS:,} rows")
        types = {column.name: _type(column.type) for column in columns}
        return [{name: Value(row[name], types[name]) for name in names} for row in rows]


def require_harmless(query: str, functions: frozenset[str], relations: frozenset[str]) -> None:
    """Raise NotReadable unless the query only reads system catalogs, with functions that change nothing.

    Args:
        functions: names of PostgreSQL's own functions that change nothing.
        relations: names of the system's own relations that need no schema.
    """
    try:
        parsed = Parsed(query)
    except ParseError as error:
        raise NotReadable(f"its query cannot be parsed: {error}") from None
    if len(parsed.tree) != 1 or set(parsed.tree[0]["stmt"]) != {"SelectStmt"}:
        raise NotReadable("it is no query")
    nodes = list(parsed.nodes())
    common = {node.fields["ctename"] for node in nodes if node.kind == "CommonTableExpr"}
    for node in nodes:
        if node.kind in _CHANGING or _has_clause(node.fields):
            raise NotReadable("its query changes or locks something")
        if node.kind == "RangeVar" or "relname" in node.fields:
            schema, name = node.fields.get("schemaname", ""), node.fields["relname"]
            known = schema in _SYSTEM_SCHEMAS if schema else name in common or name in relations
            if not known:
                raise NotReadable(
                    f"its query reads {'.'.join(filter(None, (schema, name)))}, which is no system catalog"
                )
        if node.kind == "FuncCall":
            *schema, name = (part["String"]["sval"] for part in node.fields["funcname"])
            if name not in functions or (schema and schema[0] != "pg_catalog"):
                raise NotReadable(f"its query calls {'.'.join((*schema, name))}, which may do more than read")


def _has_clause(fields: Mapping[str, Any]) -> bool:
    return bool(fields.get("lockingClause") or fields.get("intoClause"))


def put_in(expression: str, variables: Variables, *, is_query: bool = False) -> str:
    """The expression, or query, with the values of variables in their places.

    Raises:
        NotReadable: it cannot be parsed.
    """
    prefix = "" if is_query else "SELECT "
    try:
        parsed = Parsed(prefix + expression)
    except ParseError as error:
        raise NotReadable(f"it cannot be parsed: {error}") from None
    starts = {token.start: i for i, token in enumerate(parsed.tokens)}
    edits: list[Edit] = []
    for node in parsed.nodes():
        if node.kind != "ColumnRef":
            continue
        names = [part.get("String", {}).get("sval", "*") for part in node.fields["fields"]]
        value = _variable(names, variables)
        start = parsed.location(node.fields)
        if value is None or start is None:
            continue
        last = parsed.tokens[starts[start] + 2 * (len(names) - 1)]
        edits.append(Edit(start, last.end, value.literal))
    return edited(parsed.text, tuple(edits)).removeprefix(prefix)


def _variable(names: Sequence[str], variables: Variables) -> Value | None:
    found = variables.get(names[0])
    if isinstance(found, Value):
        return found if len(names) == 1 else None
    if found is not None and len(names) == 2:
        return found.get(names[1])
    return None


def _type(found: asyncpg.Type) -> str:
    """The type as SQL names it; empty for one that no text can be cast to."""
    if found.name in {"record", "unknown", "void"} or found.kind == "composite":
        return ""
    name, array = (found.name[:-2], "[]") if found.name.endswith("[]") else (found.name, "")
    return f"{quote_identifier(found.schema)}.{quote_identifier(name)}{array}"
