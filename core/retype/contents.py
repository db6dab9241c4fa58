"""Counts and contents of tables, as figures that are the same before and after a conversion.

A row counts by its text: a uuid's text is its varchar, a number's text is the same in a wider type. The sum over all rows
depends on no order, and because a hash stands for the whole row, values that were swapped between two rows change it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.postgres.catalog import Catalog, Relation
from core.postgres.sql import load_queries, qualified
from core.retype.model import ProofDepth

QUERIES = load_queries(Path(__file__).parent / "queries")

# Tables in one statement; each is a branch of a UNION ALL, whose nesting the server's stack bounds.
TABLES_AT_ONCE = 400

# Several tables at once, one process each (Parallel Append), instead of one table in several processes; measured.
PARALLEL_SETTINGS: Mapping[str, str] = {
    "max_parallel_workers_per_gather": "2",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "100GB",
}

TableName = tuple[str, str]
"""(schema, name)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table.

    Attributes:
        count: how many there are.
        digest: sum of their hashes, None where only counted.
    """

    count: int
    digest: int | None = None


def tables_to_read(catalog: Catalog, relations: Iterable[int]) -> tuple[TableName, ...]:
    """Tables and materialized views among `relations` that hold rows of their own, largest first.

    Partitioned parents hold none, a foreign table's are elsewhere, a materialized view may not be populated.
    """

    def holds_rows(relation: Relation) -> bool:
        return relation.kind == "r" or (relation.kind == "m" and relation.populated)

    found = [catalog.relation[oid] for oid in set(relations) if oid in catalog.relation]
    # The largest first, or the last process would begin with it when the others are through.
    found.sort(key=lambda r: (-r.heap_bytes, r.schema, r.name))
    return tuple((r.schema, r.name) for r in found if holds_rows(r))


async def read_rows(
    connection: asyncpg.Connection, tables: Collection[TableName], depth: ProofDepth
) -> dict[TableName, Rows]:
    """Count the tables' rows and, for `contents`, hash them; memory does not grow with the rows.

    Args:
        connection: in a transaction, whose row_security is off.
        tables: without their partitions and children.
        depth: `catalog` reads nothing.

    Raises:
        asyncpg.PostgresError: a table cannot be read.
    """
    if depth == "catalog":
        return {}
    digest = 'sum(hashtextextended((this_row.*)::text COLLATE "C", 0))::text' if depth == "contents" else "NULL"
    found: dict[TableName, Rows] = {}
    await connection.fetch(QUERIES["set_for_transaction"], list(PARALLEL_SETTINGS), list(PARALLEL_SETTINGS.values()))
    for group in _batches(list(tables), TABLES_AT_ONCE):
        # A sum of bigints is a numeric: it does not overflow.
        sql = " UNION ALL ".join(
            f"SELECT {number}, count(*), {digest} FROM ONLY {qualified(*table)} AS this_row"  # noqa: S608 - quoted
            for number, table in enumerate(group)
        )
        for number, count, value in await connection.fetch(sql):  # fetchrow and fetchval would never run in parallel
            found[group[number]] = Rows(count, None if value is None else int(value))
    return found


def _batches(tables: list[TableName], size: int) -> Iterable[list[TableName]]:
    return (tables[at : at + size] for at in range(0, len(tables), size))
