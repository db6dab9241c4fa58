"""The queries that take most of the server's time, by pg_stat_statements, and what EXPLAIN says of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from core.errors import JournalError, PgrecastError
from core.postgres.connect import ConnectionSpec
from core.postgres.sql import load_queries, qualified
from core.runbook.conversion.planning import reading
from core.runbook.evidence import read_evidence
from core.runbook.facts import QUERIES_FILE
from core.runbook.model import StepContext
from core.runbook.monitor.plans import Explained, Query
from core.runbook.words import counted

QUERIES: Final = load_queries(Path(__file__).parent / "queries")
INVESTIGATION: Final = "2.2"
MOST: Final = 10
_PREPARED: Final = "pgrecast_explained"


@dataclass(frozen=True, slots=True)
class WorstQueries:
    """Up to ten queries, the worst first; `reason` says why there are none."""

    queries: tuple[Query, ...] = ()
    reason: str = ""


async def read_worst_queries(connection: asyncpg.Connection) -> WorstQueries:
    """Read and explain them; nothing is run. Where the statistics cannot be read, the reason says why.

    Args:
        connection: reads only.

    Raises:
        asyncpg.InterfaceError, OSError, asyncpg.PostgresConnectionError: it was lost.
    """
    schema = await connection.fetchval(QUERIES["statements_extension"])
    if schema is None:
        return WorstQueries(reason="the extension pg_stat_statements is not in this database")
    try:
        view = qualified(schema, "pg_stat_statements")
        rows = await connection.fetch(QUERIES["worst_queries"].replace(":view", view), MOST)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        return WorstQueries(reason=f"pg_stat_statements cannot be read: {error}")
    if not rows:
        return WorstQueries(reason="pg_stat_statements shows no query of the application's to this role")
    return WorstQueries(
        tuple([Query(r["query"], r["calls"], r["total_ms"], await explain(connection, r["query"])) for r in rows])
    )


async def explain(connection: asyncpg.Connection, query: str) -> Explained:
    """What the planner makes of a query without its constants: its generic plan.

    The text comes from the server's own statistics. PREPARE takes one statement only, which the extended protocol sees to,
    the transaction is READ ONLY, and EXPLAIN without ANALYZE runs nothing.
    """
    transaction = connection.transaction(readonly=True)
    await transaction.start()
    try:
        # As the application runs it: with its policies, which a count before may have switched off.
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL row_security = on")
        await connection.fetch(f"PREPARE {_PREPARED} AS {query}")
        parameters = int(await connection.fetchval(QUERIES["parameters"], _PREPARED) or 0)
        values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
        found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE {_PREPARED}{values}")
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        passing = isinstance(error, asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError)
        return Explained(None, str(error), passing=passing)
    finally:
        if not connection.is_closed():
            await transaction.rollback()
            await connection.execute("DEALLOCATE ALL")  # what is prepared outlives a rollback
    return Explained(json.loads(found)[0]["Plan"])


async def record_worst_queries(context: StepContext, spec: ConnectionSpec) -> None:
    """Leave them as evidence, for the comparison after the conversion; what keeps them from being read is said, and no more."""
    try:
        async with reading(spec, context.settings.limits) as connection:
            found = await read_worst_queries(connection)
    except PgrecastError as error:
        found = WorstQueries(reason=error.what)
    if found.reason:
        await context.say(f"The worst queries' plans cannot be compared later: {found.reason}.")
        return
    await context.file(QUERIES_FILE, json.dumps([query.document for query in found.queries], indent=1).encode())
    await context.say(
        f"{counted(len(found.queries), 'plan')} of the worst queries kept, to compare after the conversion."
    )


def recorded_queries(context: StepContext) -> WorstQueries:
    """The queries as the investigation has recorded them."""
    try:
        content = read_evidence(context, INVESTIGATION, QUERIES_FILE)
        if content is None:
            return WorstQueries(reason="they were not recorded before the conversion")
        return WorstQueries(tuple(Query.of_document(found) for found in json.loads(content)))
    except JournalError as error:
        return WorstQueries(reason=error.what)
    except (KeyError, TypeError, ValueError):
        return WorstQueries(reason=f"{QUERIES_FILE} of step {INVESTIGATION} is of another version of pgrecast")
