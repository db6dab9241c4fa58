"""Reading what can be known of columns outside the key graph: stored texts from the catalog, samples from the tables."""

from __future__ import annotations

import asyncio

import asyncpg

from core.postgres.catalog import Catalog
from core.retype.model import ScopeRequest
from core.retype.scope import join
from core.retype.soft_references.comparisons import find_comparisons
from core.retype.soft_references.find import Clues, keys_of, outside_columns, type_tells
from core.retype.soft_references.samples import sample_values


async def read_clues(connection: asyncpg.Connection, catalog: Catalog, request: ScopeRequest) -> Clues:
    """What speaks for references without a foreign key, besides names.

    Args:
        connection: reads only; no transaction of its is disturbed.

    Raises:
        UsageError: a column that the request names cannot be used.
    """
    joined = await asyncio.to_thread(join, catalog, request)
    outside = [column.key for column in outside_columns(catalog, request.types.source, joined.inside)]
    comparisons = await asyncio.to_thread(find_comparisons, catalog, outside)
    if not outside or not type_tells(request.types.source):
        return Clues(comparisons)
    keys = keys_of(catalog, {*joined.inside, *joined.converted}, joined.referenced)
    samples = await sample_values(connection, catalog, outside, keys, request.types.source)
    return Clues(comparisons, samples)
