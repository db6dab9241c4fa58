"""From a project and a database to its place in the history: reads both, replays, decides. Changes nothing there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.errors import ConnectionFailed, QueryFailed
from core.postgres.catalog import Catalog
from core.postgres.connect import connect
from core.postgres.connection_errors import lost
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.inspect import inspect
from core.postgres.scratch import scratch_server
from core.postgres.sql import load_queries, qualified, quote_identifier
from core.revisions.application import ApplicationProject
from core.revisions.locate import Location, locate
from core.revisions.obstacles import Obstacle
from core.revisions.process import Log
from core.revisions.replay import Replay, ReplayProgress, read_graph, replay
from core.revisions.schema import Item, schema_of
from core.revisions.spelling import TypePair
from core.revisions.version_table import Claim, read_claim

# Stands in for an extension that a server without OpenSSL does not have, and that many histories begin with.
UUID_STAND_IN = "CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'"

_QUERIES = load_queries(Path(__file__).parent / "queries")


@dataclass(frozen=True)
class Survey:
    """What was found out.

    Attributes:
        location: where the schema is, and why.
        replay: of the history, with its graph.
        holding_rows: of the tables in a pending revision's way those that hold rows, or may: they could not be read.
    """

    location: Location
    replay: Replay
    holding_rows: frozenset[Item]


async def survey(
    project: ApplicationProject,
    database: ConnectionSpec,
    *,
    scratch: ConnectionSpec | None,
    log: Log,
    catalog: Catalog | None = None,
    converted: Iterable[TypePair] = (),
    cache: Path | None = None,
    progress: Callable[[ReplayProgress], None] = lambda _: None,
) -> Survey:
    """Locate a database in the history of a project.

    Args:
        project: whose history it is.
        database: the live one; read only.
        scratch: where the history is replayed: a login that may create databases; None for a server of our own.
        log: takes what the application prints.
        catalog: of the live database, where it has been read already.
        converted: types that a conversion has just exchanged (see `locate`), as (live, wanted).
        cache: a directory to keep replays in; None for the default.
        progress: told of each replayed revision.

    Raises:
        ConfigurationError: the project cannot be loaded or replayed.
        ConnectionFailed, QueryFailed: the live database cannot be read.
        Refused, EmbeddedServerError: there is no scratch database to be had.
    """
    try:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read_graph(project, log))
            inspecting = group.create_task(_given(catalog) if catalog else inspect(database))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    graph, catalog = reading.result(), inspecting.result()
    connection = await connect(database)
    try:
        path = _beyond_public(await connection.fetchval(_QUERIES["schemas_of_the_path"]))
        async with scratch_server(scratch) as server:
            replayed = await replay(
                project,
                graph,
                server,
                log=log,
                prerequisites=prerequisites_of(catalog),
                search_path=path,
                cache=cache,
                progress=progress,
            )
        table = replayed.graph.version_table
        claim: Claim = await read_claim(connection, table)
        major = catalog.server.version_num // 10_000
        location = locate(replayed, schema_of(catalog, table), major, claim, converted)
        holding = await _holding_rows(connection, location.obstacles)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise ConnectionFailed(f"The connection to {database} was lost: {error}", advice="Try again.") from error
        raise QueryFailed(
            f"{database} cannot be read: {error}.", advice="Log in as the owner of the database."
        ) from error
    finally:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await connection.close(timeout=5)
    return Survey(location, replayed, holding)


def prerequisites_of(catalog: Catalog) -> tuple[str, ...]:
    """Statements that make what the live database has and an administrator may have made before the first revision."""
    schemas = [f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(s.name)}" for s in catalog.schemas if s.name != "public"]
    extensions = [
        f"CREATE EXTENSION IF NOT EXISTS {quote_identifier(extension.name)} SCHEMA {quote_identifier(extension.schema)}"
        for extension in catalog.extensions
        if extension.name != "plpgsql"
    ]
    return (*sorted(schemas), *sorted(extensions), UUID_STAND_IN)


def _beyond_public(path: Iterable[str]) -> Sequence[str]:
    """The schemas in which migrations make things, where "public" is not the only one."""
    schemas = [schema for schema in path if schema != "pg_catalog"]
    return () if schemas in ([], ["public"]) else schemas


async def _given(catalog: Catalog) -> Catalog:
    return catalog


async def _holding_rows(connection: asyncpg.Connection, obstacles: Iterable[Obstacle]) -> frozenset[Item]:
    """The tables in the way that hold rows. One that cannot be read counts as one that does."""
    holding: set[Item] = set()
    for item in {o.item for o in obstacles if o.kind == "exists" and o.item.kind == "table"}:
        try:
            async with connection.transaction(readonly=True):
                await connection.execute("SET LOCAL row_security = off; SET LOCAL statement_timeout = '5s'")
                # Quoted by its one function.
                sql = f"SELECT EXISTS (SELECT FROM {qualified(item.schema, item.name)})"  # noqa: S608
                if await connection.fetchval(sql):
                    holding.add(item)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError):
            holding.add(item)
    return frozenset(holding)
