"""Rows without a counterpart behind foreign keys that do not see to it: NOT VALID, NOT ENFORCED, or switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import asyncpg

from core.postgres.catalog import Catalog, Constraint
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents import foreign_keys
from core.retype.model import Scope

SECONDS_FOR_EACH: Final = 20.0
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Orphans:
    """What was found behind one foreign key.

    Attributes:
        foreign_key: its oid.
        count: how many rows; None when it is not known.
        examples: values that reference nothing, a few; of several columns separated by commas.
        detail: why it is not known.
    """

    foreign_key: int
    count: int | None
    examples: tuple[str, ...] = ()
    detail: str = ""


async def find_orphans(connection: asyncpg.Connection, catalog: Catalog, scope: Scope) -> tuple[Orphans, ...]:
    """Count, for each foreign key of the scope that is not enforced or not validated, no longer than SECONDS_FOR_EACH.

    Args:
        connection: reads only; no transaction of its is disturbed.
    """
    keys = (catalog.constraint.get(oid) for oid in scope.foreign_keys)
    return tuple(
        [
            await count_orphans(connection, catalog, key, seconds=SECONDS_FOR_EACH)
            for key in keys
            if key is not None and not (key.validated and not is_switched_off(catalog, key))
        ]
    )


async def count_orphans(
    connection: asyncpg.Connection, catalog: Catalog, key: Constraint, *, seconds: float
) -> Orphans:
    """Count behind one foreign key, whether or not it is enforced.

    Args:
        connection: reads only; no transaction of its is disturbed.
        seconds: how long each of its queries may take.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        # Row security would hide rows silently; an error is better than a figure that is too small.
        await connection.execute(f"SET LOCAL statement_timeout = {round(seconds * 1000)}; SET LOCAL row_security = off")
        count = await connection.fetchval(f"SELECT count(*) {_without_counterpart(catalog, key)}")
        examples: list[asyncpg.Record] = []
        if count:
            values = ", ".join(f"h.{quote_identifier(name)}" for name, _ in _pairs(catalog, key))
            examples = await connection.fetch(
                f"SELECT concat_ws(', ', {values}) AS example {_without_counterpart(catalog, key)} LIMIT {_EXAMPLES}"
            )
    except asyncpg.QueryCanceledError:
        return Orphans(key.oid, None, detail=f"it took longer than {seconds:.0f} s")
    except asyncpg.PostgresError as error:
        return Orphans(key.oid, None, detail=str(error))
    else:
        return Orphans(key.oid, count, tuple(row["example"] for row in examples))
    finally:
        if not connection.is_closed():
            await transaction.rollback()


def is_switched_off(catalog: Catalog, key: Constraint) -> bool:
    """Whether triggers of the foreign key, or of its copies in partitions, are not in the ordinary state."""
    return any(one.enforcement for one in (key, *foreign_keys.copies(catalog, key.oid)))


def query_for_orphans(catalog: Catalog, key: Constraint) -> str:
    """What finds the rows that reference nothing."""
    return f"SELECT h.* {_without_counterpart(catalog, key)}"


def _without_counterpart(catalog: Catalog, key: Constraint) -> str:
    """FROM and WHERE of the rows; a row with a NULL in its key references nothing and is none (MATCH SIMPLE)."""
    pairs = _pairs(catalog, key)
    given = " AND ".join(f"h.{quote_identifier(here)} IS NOT NULL" for here, _ in pairs)
    equal = " AND ".join(f"t.{quote_identifier(there)} = h.{quote_identifier(here)}" for here, there in pairs)
    here, there = _rows(catalog, key.relation), _rows(catalog, key.foreign_relation)
    return f"FROM {here} h WHERE {given} AND NOT EXISTS (SELECT FROM {there} t WHERE {equal})"


def _rows(catalog: Catalog, oid: int) -> str:
    """A table as a foreign key sees it: with its partitions, without the tables that inherit from it."""
    relation = catalog.relation[oid]
    return f"{'' if relation.kind == 'p' else 'ONLY '}{qualified(relation.schema, relation.name)}"


def _pairs(catalog: Catalog, key: Constraint) -> list[tuple[str, str]]:
    """Names of the columns that it joins."""
    return [
        (catalog.column[key.relation, here].name, catalog.column[key.foreign_relation, there].name)
        for here, there in zip(key.columns, key.foreign_columns, strict=True)
    ]
