"""What follows a COMMIT before anyone is let back in: a change of type deletes the columns' statistics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from core.errors import NeedsPerson, PgrecastError
from core.events import Event, Reading, StepSaid
from core.postgres.catalog import Catalog
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.sql import qualified
from core.retype.model import Plan
from core.retype.statement_log import StatementLog


def tables_to_analyze(plan: Plan, before: Catalog, after: Catalog) -> tuple[str, ...]:
    """Qualified names of the tables that were rewritten and of the materialized views that were made anew."""
    scoped = {relation for relation, _ in plan.scope.keys}
    anew = {r.oid for r in after.relations if r.kind == "m" and r.oid not in before.relation}
    found = [after.relation[oid] for oid in scoped | anew if oid in after.relation]
    return tuple(sorted(qualified(r.schema, r.name) for r in found if r.kind in "rpm"))


async def analyze(
    spec: ConnectionSpec,
    connection: asyncpg.Connection,
    tables: Sequence[str],
    *,
    step: str,
    publish: Callable[[Event], Awaitable[None]],
    read: Callable[[Reading], None],
    log: StatementLog,
) -> None:
    """ANALYZE the tables, each in a transaction of its own.

    Args:
        spec: where to connect when `connection` was lost meanwhile.
        connection: the conversion's, after COMMIT.
        tables: qualified names.

    Raises:
        NeedsPerson: some could not be analysed.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    failed: dict[str, str] = {}
    own = connection
    try:
        if connection.is_closed():
            own = await connect(spec, read_only=False)
        # A role's or database's time-outs are not for this; search_path as ANALYZE itself sets it for index expressions.
        await own.execute("SET statement_timeout = 0; SET lock_timeout = '30s'; SET search_path = pg_catalog")
        for number, table in enumerate(tables, 1):
            read(Reading(step=step, name="analyze", values={"table": table, "number": number, "tables": len(tables)}))
            log.statement(f"ANALYZE {table}")
            try:
                await own.execute(f"ANALYZE {table}")
            except asyncpg.PostgresError as error:
                if own.is_closed():
                    raise
                failed[table] = str(error)
    except (PgrecastError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        failed = failed or dict.fromkeys(tables, str(error))
    finally:
        if own is not connection:
            own.terminate()
    if failed:
        table, reason = next(iter(failed.items()))
        log.note(f"not analysed: {', '.join(failed)}: {reason}")
        raise NeedsPerson(
            f"{len(failed)} of {len(tables)} tables could not be analysed, {table} first: {reason}",
            state="The conversion is committed. Without statistics queries may be slow.",
            advice="Run ANALYZE on the database before anyone is let back in.",
        )
    await publish(StepSaid(step=step, text=f"ANALYZE of {len(tables)} tables took {loop.time() - began:.1f} s"))
