"""Whether the values of a column are values of keys: a bounded sample, looked for in each key. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from core.postgres.catalog import Catalog, Column, ColumnKey
from core.postgres.sql import qualified, quote_identifier
from core.retype.names import column_name

MOST_VALUES: Final = 100
MOST_ALTOGETHER: Final = 5_000
FEWEST_VALUES: Final = 10
SECONDS_FOR_EACH: Final = 2.0
SECONDS_IN_ALL: Final = 20.0
_MOST_ROWS: Final = 2_000
_MOST_SHOWN: Final = 3
_SET: Final = "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS wanted (name, value)"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found of one column.

    Attributes:
        values: how many different values were looked for.
        found: how many of them are in any key.
        by_key: the same for each key that has one of them, most first.
        detail: why there is nothing to tell, or what could not be looked at.
    """

    values: int = 0
    found: int = 0
    by_key: tuple[tuple[str, int], ...] = ()
    detail: str = ""

    def __str__(self) -> str:
        if not self.values:
            return self.detail or "it holds no values to look for"
        of = f"of {self.values} sampled values" if self.values > 1 else "of 1 sampled value"
        if not self.by_key:
            said = f"none {of} is in a key"
        elif self.by_key[0][1] == self.found:
            said = f"{self.found} {of} {'are' if self.found > 1 else 'is'} in {self.by_key[0][0]}"
        else:
            parts = [f"{name} {count}" for name, count in self.by_key[:_MOST_SHOWN]]
            more = [f"{len(self.by_key) - _MOST_SHOWN} others"] if len(self.by_key) > _MOST_SHOWN else []
            said = f"{self.found} {of} are in several keys ({', '.join([*parts, *more])})"
        return f"{said} ({self.detail})" if self.detail else said


async def sample_values(
    connection: asyncpg.Connection,
    catalog: Catalog,
    columns: Iterable[ColumnKey],
    keys: Iterable[ColumnKey],
    type_text: str,
) -> Mapping[ColumnKey, Sample]:
    """Look for some values of each column in every key, within SECONDS_IN_ALL altogether.

    Args:
        connection: reads only, in no transaction; its settings are as before in the end.
        columns: of the type, of arrays of it, or of a domain over it.
        keys: where to look, the likeliest first: what is found in one is not looked for in the next. Of the type, or of one
            that its text can be cast to.
        type_text: the keys' type.
    """
    columns = tuple(columns)
    most = min(MOST_VALUES, max(FEWEST_VALUES, MOST_ALTOGETHER // max(1, len(columns))))
    sampler = _Sampler(connection, catalog, type_text)
    async with _bounded(connection):
        values, failed = await sampler.values_of_all(columns, most)
        present, missing = await sampler.present_in_all(keys, set[str]().union(*values.values()))
    detail = "; ".join([*missing[:1], *([f"and {len(missing) - 1} others"] if len(missing) > 1 else [])])
    found = {key: _sample(some, present, detail) for key, some in values.items()}
    return found | {key: Sample(detail=why) for key, why in failed.items()}


def _sample(values: frozenset[str], present: Mapping[str, frozenset[str]], detail: str) -> Sample:
    counts = {name: len(values & those) for name, those in present.items()}
    found = len(values & frozenset[str]().union(*present.values()))
    ordered = sorted(((name, n) for name, n in counts.items() if n), key=lambda item: -item[1])
    return Sample(len(values), found, tuple(ordered), detail if values else "")


class _NotRead(Exception):
    """Values could not be read; the text says why."""


class _Sampler:
    def __init__(self, connection: asyncpg.Connection, catalog: Catalog, type_text: str) -> None:
        self.connection = connection
        self.catalog = catalog
        self.type = type_text
        self.ends = time.monotonic() + SECONDS_IN_ALL / 2

    async def values_of_all(
        self, columns: Iterable[ColumnKey], most: int
    ) -> tuple[dict[ColumnKey, frozenset[str]], dict[ColumnKey, str]]:
        """Some values of each column, and why there are none of others."""
        values: dict[ColumnKey, frozenset[str]] = {}
        failed: dict[ColumnKey, str] = {}
        for key in columns:
            try:
                values[key] = await self.values_of(self.catalog.column[key], most)
            except _NotRead as error:
                failed[key] = f"its values could not be looked at: {error}"
        return values, failed

    async def present_in_all(
        self, keys: Iterable[ColumnKey], wanted: set[str]
    ) -> tuple[dict[str, frozenset[str]], list[str]]:
        """Which of the values each key has, by its name, and what could not be looked at."""
        self.ends += SECONDS_IN_ALL / 2  # its own half of the time
        present: dict[str, frozenset[str]] = {}
        missing: list[str] = []
        for key in keys:
            if not wanted:
                break
            column = self.catalog.column[key]
            try:
                present[column_name(column)] = await self.present_in(column, sorted(wanted))
            except _NotRead as error:
                missing.append(f"{column_name(column)} could not be looked at: {error}")
            else:
                wanted -= present[column_name(column)]
        return present, missing

    async def values_of(self, column: Column, most: int) -> frozenset[str]:
        relation = self.catalog.relation[column.relation]
        table, name = qualified(relation.schema, relation.name), quote_identifier(column.name)
        value = f"unnest({name})" if column.type.endswith("[]") else name
        rows = relation.estimated_rows
        places = [""]
        if relation.kind == "r" and rows > 10 * _MOST_ROWS and not self.catalog.children_of.get(relation.oid):
            places.insert(0, f" TABLESAMPLE SYSTEM ({max(100 * _MOST_ROWS / rows, 0.001):.3f}) REPEATABLE (1)")
        for place in places:
            few = f"SELECT {value} AS value FROM {table}{place} WHERE {name} IS NOT NULL LIMIT {_MOST_ROWS}"  # noqa: S608
            found = await self._fetch(
                f"SELECT DISTINCT value::{self.type}::text AS value FROM ({few}) AS few WHERE value IS NOT NULL "  # noqa: S608
                f"LIMIT {most}"
            )
            if found:
                return found
        return frozenset()

    async def present_in(self, key: Column, values: list[str]) -> frozenset[str]:
        name = quote_identifier(key.name)
        return await self._fetch(
            f"SELECT {name}::text AS value FROM {qualified(key.schema, key.table)} "  # noqa: S608
            f"WHERE {name} = ANY ($1::text[]::{key.type}[])",
            values,
        )

    async def _fetch(self, sql: str, *arguments: list[str]) -> frozenset[str]:
        if time.monotonic() > self.ends:
            raise _NotRead(f"{SECONDS_IN_ALL:.0f} s for all samples were up")
        try:
            return frozenset(row["value"] for row in await self.connection.fetch(sql, *arguments))
        except asyncpg.QueryCanceledError:
            raise _NotRead(f"it took longer than {SECONDS_FOR_EACH:.1g} s") from None
        except asyncpg.PostgresError as error:
            raise _NotRead(str(error)) from None


@asynccontextmanager
async def _bounded(connection: asyncpg.Connection) -> AsyncGenerator[None, None]:
    """Queries see all rows or fail, and none takes long, nor waits for a lock longer than it may take."""
    wanted = {"statement_timeout": str(round(SECONDS_FOR_EACH * 1000)), "row_security": "off"}
    names = list(wanted)
    before = await connection.fetchval("SELECT array_agg(current_setting(name)) FROM unnest($1::text[]) AS name", names)
    await connection.fetch(_SET, names, list(wanted.values()))
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.fetch(_SET, names, before)
