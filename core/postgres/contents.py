"""Counts and contents of tables, as figures that are the same before and after a conversion, or a dump and its restore.

A row counts by its text: a uuid's text is its varchar, a number's text is the same in a wider type. The sum over all rows
depends on no order, and because a hash stands for the whole row, values that were swapped between two rows change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncpg

from core.postgres.catalog import Relation
from core.postgres.sql import load_queries, qualified

_QUERIES = load_queries(Path(__file__).parent / "queries")

# Tables in one statement; each is a branch of a UNION ALL, whose nesting the server's stack bounds.
TABLES_AT_ONCE = 400

PARALLEL_SETTINGS: Mapping[str, str] = {
    "max_parallel_workers_per_gather": "2",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
}
# Several tables at once, a process each (Parallel Append), is what measured best; where one table outweighs all others
# together it is better read by several processes itself.
MANY_TABLES: Mapping[str, str] = {**PARALLEL_SETTINGS, "min_parallel_table_scan_size": "100GB"}
ONE_TABLE: Mapping[str, str] = {**PARALLEL_SETTINGS, "min_parallel_table_scan_size": "8MB"}

TableName = tuple[str, str]
"""(schema, name)."""

Depth = Literal["catalog", "counts", "contents"]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table.

    Attributes:
        count: how many there are.
        digest: sum of their hashes, None where only counted.
    """

    count: int
    digest: int | None = None


def holds_rows(relation: Relation) -> bool:
    """Whether it has rows of its own: a partitioned parent has none, a foreign table's are elsewhere."""
    return relation.kind == "r" or (relation.kind == "m" and relation.populated)


async def read_rows(
    connection: asyncpg.Connection, relations: Iterable[Relation], depth: Depth
) -> dict[TableName, Rows]:
    """Count rows and, for `contents`, hash them; memory does not grow with the rows.

    Args:
        connection: in a transaction, whose row_security is off.
        relations: what to read, each without its partitions and children; those that hold no rows are left out.
        depth: `catalog` reads nothing.

    Raises:
        asyncpg.PostgresError: a table cannot be read.
    """
    if depth == "catalog":
        return {}
    tables: dict[int, Relation] = {relation.oid: relation for relation in relations if holds_rows(relation)}
    sizes = {row["oid"]: int(row["bytes"]) for row in await connection.fetch(_QUERIES["heap_sizes"], list(tables))}
    # The largest first, or the last process would begin with it when the others are through.
    order = sorted(tables.values(), key=lambda table: (-sizes[table.oid], table.schema, table.name))
    settings = ONE_TABLE if order and 2 * sizes[order[0].oid] > sum(sizes.values()) else MANY_TABLES
    await connection.fetch(_QUERIES["set_locally"], list(settings), list(settings.values()))
    found: dict[TableName, Rows] = {}
    for start in range(0, len(order), TABLES_AT_ONCE):
        group = order[start : start + TABLES_AT_ONCE]
        for number, count, digest in await connection.fetch(_question(group, depth)):  # fetchval is never parallel
            table = group[int(number)]
            found[table.schema, table.name] = Rows(int(count), None if digest is None else int(digest))
    return found


def _question(tables: Sequence[Relation], depth: Depth) -> str:
    """One statement for all tables, each with its place among them; a sum of bigints is a numeric and never overflows."""
    digest = 'sum(hashtextextended((this_row.*)::text COLLATE "C", 0))::text' if depth == "contents" else "NULL"
    return " UNION ALL ".join(
        f"SELECT {number}, count(*), {digest} FROM ONLY {qualified(table.schema, table.name)} AS this_row"  # noqa: S608
        for number, table in enumerate(tables)
    )
