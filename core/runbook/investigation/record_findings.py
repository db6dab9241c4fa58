"""Step 2.4 with the user's own procedure: its SQL blocks run read-only, its template filled in after a preview."""

from __future__ import annotations

import asyncpg

from core.errors import ConfigurationError, Refused
from core.runbook.conversion.planning import reading
from core.runbook.facts import INVESTIGATION_FINGERPRINT
from core.runbook.investigation.procedure import Block, answers, filled, sql_blocks
from core.runbook.markdown import code, table
from core.runbook.model import StepContext
from core.runbook.project_file import read_project_file
from core.runbook.rewriting import Rewrite, write_when_agreed
from core.runbook.words import counted
from core.settings import Settings

MOST_ROWS = 200
"""Rows of a query that are recorded; the rest is said to be left out."""
RESULTS_FILE = "procedure-results.md"


def has_procedure(settings: Settings) -> bool:
    """Whether the settings name the user's procedure."""
    return settings.investigation.procedure is not None


async def record_findings(context: StepContext) -> str:
    """Run the procedure's SQL blocks, record the results, and fill in its template when the operator agrees."""
    path = context.settings.investigation.procedure
    if path is None:
        raise ConfigurationError("No procedure is configured.", advice="Set procedure under [investigation].")
    if INVESTIGATION_FINGERPRINT not in context.state.facts:
        raise Refused("Production was not investigated.", advice="Run step 2.2 first.")
    procedure = read_project_file(path, "procedure under [investigation]")
    blocks = sql_blocks(procedure.text)
    spec, _ = await context.target("production")
    parts = [f"# {path.name}: its queries on {spec.database}"]
    for block in blocks:
        await context.say(f"Runs the block in line {block.line}: {block.heading or 'without a heading'}.")
        parts.append(f"## {code(block.heading or f'line {block.line}')}")
        # A session for each block: what one has left behind is nothing to the next.
        async with reading(spec, context.settings.limits) as connection:
            parts += await _results(connection, block)
    await context.file(RESULTS_FILE, "\n\n".join(parts).encode())
    changed = filled(procedure.text, answers(context.state.facts, context.settings.investigation.key_column))
    ran = f"{counted(len(blocks), 'block')} run"
    if changed == procedure.text:
        return f"{ran}; the template has no blank that the investigation answers"
    await write_when_agreed(context, f"Write these findings into {path.name}?", (Rewrite(procedure, changed),))
    return f"{ran}; the template in {path.name} is filled in"


async def _results(connection: asyncpg.Connection, block: Block) -> list[str]:
    parts = [f"Not run: {code(text)}" for text in block.left_out]
    for statement in block.statements:
        parts.append(code(" ".join(statement.split())))
        try:
            async with connection.transaction(readonly=True):
                rows = await _some_rows(connection, statement)
        except asyncpg.PostgresError as error:
            parts.append(f"The server refused: {code(str(error))}")
            continue
        if not rows:
            parts.append("No rows.")
            continue
        parts.append(
            table(tuple(rows[0].keys()), (tuple(code(str(v)) for v in row.values()) for row in rows[:MOST_ROWS]))
        )
        if len(rows) > MOST_ROWS:
            parts.append(f"More than {MOST_ROWS} rows; the rest is left out.")
    return parts


async def _some_rows(connection: asyncpg.Connection, statement: str) -> list[asyncpg.Record]:
    """At most one row more than are recorded: memory does not grow with the table."""
    prepared = await connection.prepare(statement)
    if not prepared.get_attributes():
        await connection.execute(statement)
        return []
    cursor = await prepared.cursor()
    return await cursor.fetch(MOST_ROWS + 1)
