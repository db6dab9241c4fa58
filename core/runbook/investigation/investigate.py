"""Task 2: the investigation of production. Reads only; every session of it is READ ONLY."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from core.postgres.catalog import Catalog
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.postgres.inspect import Progress
from core.postgres.sql import qualified, quote_identifier
from core.retype.clone import CloneSettings
from core.retype.estimate import estimate
from core.runbook.conversion.convert import scope_request
from core.runbook.conversion.planning import clone_of_run, clone_settings, plan_conversion, reading, show_inspection
from core.runbook.facts import REPORT_FILE
from core.runbook.investigation.findings import Findings, conclusion, facts_of, find_table, key_name, key_type, render
from core.runbook.investigation.row_counts import count_rows
from core.runbook.machine.preflight import preflight, record_preflight
from core.runbook.model import StepContext
from core.runbook.monitor.worst_queries import record_worst_queries
from core.settings import Settings

VERSION_TABLE = "alembic_version"
VERSION_COLUMN = "version_num"


async def investigate(context: StepContext) -> str:
    """Investigate production: answer the action plan's questions, find blockers, write the report."""
    spec, identity = await context.target("production")
    await context.say(f"Reads {spec}, read only, over up to {context.settings.limits.connections} connections.")
    findings = await find_out(
        spec,
        identity,
        context.settings,
        directory=context.run_directory,
        clone=await clone_of_run(context),
        progress=show_inspection(context),
    )
    await record_preflight(context, findings.machine)
    await record_worst_queries(context, spec)
    await context.file(REPORT_FILE, render(findings).encode())
    for name, value in facts_of(findings).items():
        await context.fact(name, value)
    for blocker in findings.plan.blockers:
        await context.say(f"Blocker: {blocker.object}: {blocker.reason} Way out: {blocker.way_out}")
    for warning in findings.plan.warnings:
        await context.say(f"Warning {warning.id}: {warning.reason}")
    return conclusion(findings)


async def find_out(
    spec: ConnectionSpec,
    identity: Identity,
    settings: Settings,
    *,
    directory: Path,
    clone: CloneSettings | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Read a database and answer the investigation's questions.

    Args:
        identity: the database that it must be.
        directory: the run's, or where runs are made.
        clone: how the empty copy is made, where not as the settings say.
        progress: told of each query of the reading.

    Raises:
        UsageError: a name in the settings cannot be one, or names several things.
        ConnectionFailed, QueryFailed: the database could not be read.
    """
    wanted = settings.investigation
    clone = clone or await asyncio.to_thread(clone_settings, settings)
    planned = await plan_conversion(
        spec, identity, scope_request(settings), settings.limits, progress=progress, clone=clone
    )
    catalog = planned.catalog
    async with reading(spec, settings.limits) as connection:
        revisions = await _revisions(connection, catalog)
        counts = {name: await count_rows(connection, find_table(catalog, name)) for name in wanted.count_tables}
    return Findings(
        at=datetime.now(UTC),
        where=str(spec),
        catalog=catalog,
        plan=planned.plan,
        estimate=estimate(planned.plan, depth=settings.conversion.proof),
        revisions=revisions,
        indicators={name: find_table(catalog, name) is not None for name in wanted.indicator_tables},
        key_column=wanted.key_column,
        key_type=key_type(catalog, wanted.key_column),
        counts=counts,
        orphans={
            key_name(catalog.constraint[found.foreign_key]): found.count
            for found in planned.activity.orphans
            if found.count
        },
        machine=await preflight(spec, directory, settings),
    )


async def _revisions(connection: asyncpg.Connection, catalog: Catalog) -> tuple[str, ...] | None:
    table = find_table(catalog, VERSION_TABLE)
    if table is None or VERSION_COLUMN not in {column.name for column in catalog.columns_of.get(table.oid, ())}:
        return None
    rows = await connection.fetch(
        f"SELECT {quote_identifier(VERSION_COLUMN)}::text FROM {qualified(table.schema, table.name)} ORDER BY 1"  # noqa: S608
    )
    return tuple(str(row[0]) for row in rows)
