"""What a schema does at run time, as figures to compare before and after: every table written, every view read, every
function called, with its triggers, rules, policies and defaults at work, and nothing of it left behind."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from core.postgres.catalog import Catalog, Column, Function, Relation
from core.postgres.sql import qualified, quote_identifier

Outcomes = dict[str, str]
"""What was tried → its command tag, with the number of rows, or the SQLSTATE with which it failed."""

# By type, or by how it begins: a value that such an argument could have.
_TYPICAL = {
    "uuid": "'00000000-0000-4000-8000-000000000001'::uuid",
    "integer": "1",
    "bigint": "1::bigint",
    "smallint": "1::smallint",
    "numeric": "1.5",
    "text": "'x'::text",
    "character varying": "'x'::varchar",
    "boolean": "true",
    "date": "date '2024-02-29'",
    "timestamp": "timestamptz '2024-02-29 12:00+00'",
    "jsonb": "'{}'::jsonb",
}
_FIRST = '(SELECT ctid, tableoid FROM {table} AS r ORDER BY (r.*)::text COLLATE "C" LIMIT 1)'


async def probe(connection: asyncpg.Connection, catalog: Catalog) -> Outcomes:
    """Try everything, each in a savepoint that is rolled back.

    Args:
        connection: in a transaction; afterwards nothing is changed but what no rollback takes back, such as sequences.
    """
    found: Outcomes = {}
    for relation in sorted(catalog.relations, key=lambda r: (r.schema, r.name)):
        name = qualified(relation.schema, relation.name)
        if relation.kind in "rp":
            for what, sql in _writes(catalog, relation).items():
                found[f"{what} {name}"] = await _outcome(connection, sql)
        if relation.kind in "vm":
            found[f"select {name}"] = await _outcome(connection, f"SELECT * FROM {name}")
    types = await _types(connection)
    for function in sorted(catalog.functions, key=lambda f: (f.schema, f.name, f.arguments)):
        if function.is_trigger or function.kind not in "fp" or function.extension is not None:
            continue
        for what, sql in _calls(function, types).items():
            call = f"{what} {qualified(function.schema, function.name)}({function.arguments})"
            found[call] = await _outcome(connection, sql)
    return found


def _writes(catalog: Catalog, table: Relation) -> dict[str, str]:
    name = qualified(table.schema, table.name)
    columns = [c for c in catalog.columns_of[table.oid] if not c.generated and c.identity != "a"]
    if not columns:
        return {}
    listed = ", ".join(quote_identifier(c.name) for c in columns)
    own = {attnum for c in catalog.constraints_of.get(table.oid, ()) if c.kind == "p" for attnum in c.columns} - {
        attnum for c in catalog.constraints_of.get(table.oid, ()) if c.kind == "f" for attnum in c.columns
    }
    values = ", ".join(_fresh(c, name) if c.attnum in own else quote_identifier(c.name) for c in columns)
    itself = ", ".join(f"{quote_identifier(c.name)} = {quote_identifier(c.name)}" for c in columns)
    first = f"WHERE (ctid, tableoid) = {_FIRST.format(table=name)}"
    return {
        "insert defaults": f"INSERT INTO {name} DEFAULT VALUES",
        "insert": f"INSERT INTO {name} ({listed}) SELECT {values} FROM {name} {first}",
        "update": f"UPDATE {name} SET {itself} {first}",
        "delete": f"DELETE FROM {name} {first}",
        "delete all": f"DELETE FROM {name}",
    }


def _fresh(column: Column, table: str) -> str:
    """A value that no row has."""
    if column.type == "uuid":
        return "gen_random_uuid()"
    if column.type == "text" or column.type.startswith("character varying"):
        return "gen_random_uuid()::text"
    if column.type in ("smallint", "integer", "bigint"):
        return f"(SELECT max({quote_identifier(column.name)}) + 1 FROM {table})"
    return quote_identifier(column.name)


def _calls(function: Function, types: dict[int, str]) -> dict[str, str]:
    name = qualified(function.schema, function.name)
    arguments = [types[oid] for oid in function.argument_types]
    nulls = ", ".join(f"NULL::{type_}" for type_ in arguments)
    typical = ", ".join(_typical(type_) for type_ in arguments)
    if function.kind == "p":
        return {"call with NULLs": f"CALL {name}({nulls})", "call": f"CALL {name}({typical})"}
    return {"select with NULLs": f"SELECT * FROM {name}({nulls})", "select": f"SELECT * FROM {name}({typical})"}


def _typical(type_: str) -> str:
    found = next((value for name, value in _TYPICAL.items() if type_ == name or type_.startswith(name)), None)
    return found or f"NULL::{type_}"


async def _types(connection: asyncpg.Connection) -> dict[int, str]:
    return {
        row["oid"]: row["name"]
        for row in await connection.fetch("SELECT oid, format_type(oid, NULL) AS name FROM pg_type")
    }


async def _outcome(connection: asyncpg.Connection, sql: str) -> str:
    try:
        async with _undone(connection):
            status = await connection.execute(sql)
            await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            return status
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)


@asynccontextmanager
async def _undone(connection: asyncpg.Connection) -> AsyncGenerator[None, None]:
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        yield
    finally:
        await savepoint.rollback()
