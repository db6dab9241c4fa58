"""What is in a database at one moment, as figures: read under a dump's snapshot, and again from what was restored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from core.backup.manifest import Content, SequenceFigures, TableFigures
from core.postgres.catalog import Catalog, Grant, Relation
from core.postgres.contents import Depth, holds_rows, read_rows
from core.postgres.fingerprint import Canonical, canonical, fingerprint, objects
from core.postgres.inspect import Progress, inspect_within
from core.postgres.sql import load_queries

QUERIES = load_queries(Path(__file__).parent / "queries")

# A row counts by its text: these decide how values are written.
STABLE: Mapping[str, str] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "search_path": "pg_catalog",
    "row_security": "off",  # rows that a policy hides must not go missing unnoticed
    "jit": "off",
}

Values = Mapping[tuple[str, str], int | None]
"""Last values of sequences by schema and name; None: never used."""


@dataclass(frozen=True)
class Reading:
    """A database's content, the canonical form of its catalog, and its extensions."""

    content: Content
    canonical: Canonical
    extensions: tuple[str, ...]


async def read_content(
    connection: asyncpg.Connection,
    *,
    depth: Depth = "contents",
    before: Values | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Read counts, contents and the catalog.

    Args:
        connection: a session with the settings STABLE, in a transaction whose snapshot stays.
        depth: `counts` leaves the contents out.
        before: the sequences' values of an earlier moment, from which they count; None: of now.
        progress: told of each query of the catalog's reading.

    Raises:
        ConnectionFailed, QueryFailed: the catalog could not be read.
        asyncpg.PostgresError: a table could not be read.
    """
    catalog = await inspect_within(connection, progress=progress)
    relations = [relation for relation in catalog.relations if _is_dumped(relation)]
    rows = await read_rows(connection, relations, depth)
    now = await sequence_values(connection)
    first = now if before is None else before
    large_objects = await connection.fetchval(QUERIES["large_objects"])
    form = canonical(catalog)
    derived = {(relation.schema, relation.name) for relation in relations if relation.kind == "m"}
    content = Content(
        fingerprint=fingerprint(form),
        tables=tuple(
            TableFigures(
                schema_=schema, name=name, rows=found.count, digest=found.digest, derived=(schema, name) in derived
            )
            for (schema, name), found in sorted(rows.items())
        ),
        sequences=tuple(
            SequenceFigures(schema_=schema, name=name, first=first.get((schema, name)), last=value)
            for (schema, name), value in sorted(now.items())
        ),
        large_objects=int(large_objects),
        roles=tuple(sorted(roles_in(catalog))),
    )
    return Reading(content, form, tuple(sorted(extension.name for extension in catalog.extensions)))


async def sequence_values(connection: asyncpg.Connection) -> Values:
    """What each sequence has come to."""
    return {
        (row["schema"], row["name"]): row["last_value"] for row in await connection.fetch(QUERIES["sequence_values"])
    }


def roles_in(catalog: Catalog) -> frozenset[str]:
    """Every role that an object of the catalog names."""
    return frozenset(name for _, item in objects(catalog) for name in _roles(item)) - {"PUBLIC", "public", ""}


def _roles(item: Any) -> Iterator[str]:
    if isinstance(owner := getattr(item, "owner", None), str):
        yield owner
    grants: Iterable[Grant] = getattr(item, "acl", ())
    for grant in grants:
        yield grant.grantee
        yield grant.grantor
    yield from getattr(item, "roles", ())


def _is_dumped(relation: Relation) -> bool:
    """Whether pg_dump writes its rows: an extension brings its own tables."""
    return holds_rows(relation) and relation.persistence != "t" and relation.extension is None
