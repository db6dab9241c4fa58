"""A session in an empty clone that has SQL looked at, and runs nothing of what a body says.

PREPARE analyses and rewrites a statement and does not plan it, so that not even an IMMUTABLE function is evaluated. The columns
of a query are those of a temporary table that is made of it WITH NO DATA.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
from pglast.parser import ParseError

from core.errors import QueryFailed
from core.postgres.sql import load_queries, quote_identifier
from core.retype.bodies.probe import Known
from core.retype.bodies.routine import Column
from core.retype.bodies.statements import way_to_look_at, without_rows
from core.retype.repair.complaints import Complaint
from core.retype.repair.said import complaint_of, speak_plainly

QUERIES = load_queries(Path(__file__).parent.parent / "queries")
_PREPARE, _DEALLOCATE = "PREPARE pgrecast AS ", "\n; DEALLOCATE pgrecast"
_LOST = ("08", "57")  # classes of SQLSTATE: the connection, the operator's intervention; not about the statement
_PSEUDO, _COMPOSITE = "p", "c"  # typtype
_DUPLICATE_TABLE = "42P07"
_DUPLICATE_COLUMN = "42701"


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a query's rows, and a row type that has them."""

    type: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def known(self) -> Known:
        return Known(self.type, frozenset(self.names))


class Look:
    """
    Raises:
        QueryFailed: the clone's server is lost.
    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._types: dict[tuple[str, ...], Known | None] = {}
        self._path = ""
        self._shapes = 0

    async def begin(self, search_path: str) -> None:
        """Begin with another function."""
        await self._connection.execute("DISCARD TEMP")
        await self._connection.execute("SELECT set_config('search_path', $1, false)", search_path)
        self._path, self._shapes = search_path, 0

    async def prepare(self) -> None:
        """Make the session fit to look at things with."""
        await speak_plainly(self._connection)
        await self._connection.execute("SET check_function_bodies = on; SET row_security = off")

    async def routines(self) -> list[asyncpg.Record]:
        """The functions of the clone, as the query of that name has them."""
        await self.begin("pg_catalog")
        return await self._connection.fetch(QUERIES["routines"])

    # --- statements ---

    async def complaint(self, sql: str) -> Complaint | None:
        """What the server says of the statement; positions are the statement's.

        Raises:
            pglast.parser.ParseError, Uncheckable: it cannot be looked at.
        """
        match way_to_look_at(sql):
            case "prepare":
                found = await self._attempt(_PREPARE + sql + _DEALLOCATE)
                if found is not None and found.position is not None:
                    found = replace(found, position=found.position - len(_PREPARE))
                return found
            case "parse":
                return await self._parsed(sql)
            case "create":
                found = await self._attempt(without_rows(sql))
                return None if found is not None and found.sqlstate == _DUPLICATE_TABLE else found
            case "nothing":
                return None

    async def defined(self, definition: str) -> Complaint | None:
        """What the server says of a function's definition; the function stays as it is."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            return await self._attempt(definition)
        finally:
            await transaction.rollback()

    async def _parsed(self, sql: str) -> Complaint | None:
        try:
            await self._connection.prepare(sql)
        except asyncpg.PostgresError as error:
            return self._said(error)
        return None

    async def _attempt(self, sql: str) -> Complaint | None:
        try:
            await self._connection.execute(sql)
        except asyncpg.PostgresError as error:
            return self._said(error)
        return None

    def _said(self, error: asyncpg.PostgresError) -> Complaint:
        complaint = complaint_of(error)
        if complaint.sqlstate.startswith(_LOST):
            raise QueryFailed(
                f"The scratch database could not be asked any more: {complaint.message}",
                advice="Try again; the scratch server's log tells more.",
            ) from error
        return complaint

    # --- types ---

    async def shape(self, query: str, names: Sequence[str] = ()) -> Shape | None:
        """The columns of a query; of what gives rows otherwise, those of its RETURNING. None if they are not known.

        Args:
            names: for the first columns, in the place of their own.
        """
        try:
            if way_to_look_at(query) != "prepare":
                return None
        except ParseError:
            return None
        self._shapes += 1
        table = f"pg_temp.pgrecast_{self._shapes}"
        if not await self._made(table, query, names):
            return None
        rows = await self._connection.fetch(QUERIES["columns_of"], table)
        return Shape(table, tuple(row["column"] for row in rows), tuple(_column(row) for row in rows))

    async def _made(self, table: str, query: str, names: Sequence[str]) -> bool:
        listed = f" ({', '.join(map(quote_identifier, names))})" if names else ""
        create = f"CREATE TEMPORARY TABLE {table}{listed} AS "
        for source in (query, f"WITH pgrecast AS ({query}\n) SELECT * FROM pgrecast"):  # noqa: S608
            complaint = await self._attempt(f"{create}{source}\nWITH NO DATA")
            if complaint is None:
                return True
            if complaint.sqlstate == _DUPLICATE_COLUMN and not names:
                return await self._made(table, query, await self._own_names(query))
        return False

    async def _own_names(self, query: str) -> list[str]:
        """The names of the query's columns, those that come again with a number."""
        try:
            attributes = (await self._connection.prepare(query)).get_attributes()
        except asyncpg.PostgresError:
            return []
        names = [attribute.name for attribute in attributes]
        return [name if name not in names[:i] else f"{name} {i}" for i, name in enumerate(names)]

    async def columns_of(self, relation: str) -> tuple[Column, ...]:
        return tuple(_column(row) for row in await self._connection.fetch(QUERIES["columns_of"], relation))

    async def type_named(self, text: str) -> Known | None:
        """A type that can be a variable's; None if there is none of that name."""
        key = (self._path, text)
        if key not in self._types:
            self._types[key] = await self._type(text)
        return self._types[key]

    async def _type(self, text: str) -> Known | None:
        try:
            row = await self._connection.fetchrow(QUERIES["type_named"], text)
        except asyncpg.PostgresError as error:
            self._said(error)
            return None
        if row is None or row["kind"] == _PSEUDO:
            return None
        return Known(row["type"], frozenset(row["fields"]) if row["kind"] == _COMPOSITE else None)

    async def type_of_column(self, relation: str, column: str) -> Known | None:
        try:
            name = await self._connection.fetchval(QUERIES["type_of_column"], relation, column)
        except asyncpg.PostgresError as error:
            self._said(error)
            return None
        return await self.type_named(name) if name is not None else None

    async def stand_in(self, name: str, relation: str) -> None:
        """Have an empty table of that name and with a relation's columns, as a trigger's transition table is."""
        view = f"pg_temp.{quote_identifier(name)}"
        await self._attempt(f"DROP VIEW IF EXISTS {view}")
        await self._attempt(f"CREATE VIEW {view} AS SELECT * FROM {relation}")  # noqa: S608 - quoted


def _column(row: asyncpg.Record) -> Column:
    return Column(row["type"], row["modifier"], row["name"], row["full_name"])


def columns_from_json(text: str | None) -> tuple[Column, ...] | None:
    if text is None:
        return None
    return tuple(
        Column(int(one["type"]), int(one["modifier"]), one["name"], one["full_name"]) for one in json.loads(text)
    )
