"""Step 2.4 with the user's own procedure: its SQL blocks run read-only, its template filled in after a preview."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import asyncpg

from core.errors import ConfigurationError, Refused
from core.events import Choice
from core.runbook.facts import INVESTIGATION_FINGERPRINT
from core.runbook.markdown import code, table
from core.runbook.model import StepContext
from core.runbook.planning import reading
from core.runbook.procedure import Block, answers, filled, sql_blocks
from core.runbook.questions import CANCEL, STOP
from core.runbook.words import counted
from core.settings import Settings

WRITE = "write"
MOST_ROWS = 200
"""Rows of a query that are recorded; the rest is said to be left out."""
RESULTS_FILE = "procedure.md"


def has_procedure(settings: Settings) -> bool:
    """Whether the settings name the user's procedure."""
    return settings.investigation.procedure is not None


async def record_findings(context: StepContext) -> str:
    """Run the procedure's SQL blocks, record the results, and fill in its template when the operator agrees."""
    path = context.settings.investigation.procedure
    if path is None:
        raise ConfigurationError("No procedure is configured.", advice="Set procedure under [investigation].")
    path = path.expanduser()
    if INVESTIGATION_FINGERPRINT not in context.state.facts:
        raise Refused("Production was not investigated.", advice="Run step 2.2 first.")
    text = _read(path)
    blocks = sql_blocks(text)
    spec, _ = await context.target("production")
    parts = [f"# {path.name}: its queries on {spec.database}"]
    for block in blocks:
        await context.say(f"Runs the block in line {block.line}: {block.heading or 'without a heading'}.")
        parts.append(f"## {code(block.heading or f'line {block.line}')}")
        # A session for each block: what one has left behind is nothing to the next.
        async with reading(spec, context.settings.limits) as connection:
            parts += await _results(connection, block)
    await context.file(RESULTS_FILE, "\n\n".join(parts).encode())
    changed = filled(text, answers(context.state.facts, context.settings.investigation.key_column))
    ran = f"{counted(len(blocks), 'block')} run"
    if changed == text:
        return f"{ran}; the template has no blank that the investigation answers"
    await _write_when_agreed(context, path, text, changed)
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


async def _write_when_agreed(context: StepContext, path: Path, before: str, after: str) -> None:
    chosen = await context.ask(
        f"Write these findings into {path.name}?",
        (Choice(name=WRITE, label="Write them", consequence="Only the lines shown are changed."), STOP),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        details=tuple(difference(before, after)),
        way_back="The file as it was is kept as evidence.",
    )
    if chosen != WRITE:
        raise Refused("The findings were not written.", advice="Run the step again, or record them by hand.")
    if _read(path) != before:
        raise Refused(f"{path} was changed meanwhile.", advice="Run the step again; it shows the difference anew.")
    await context.file(f"{path.name}.before", before.encode())
    write_atomically(path, after)


def difference(before: str, after: str) -> Iterable[str]:
    """The changed lines, as a unified diff without its head."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content, its mode kept: readers see the old or the new, never half.

    Raises:
        ConfigurationError: it cannot be written; it is as it was.
    """
    path = path.resolve()  # a link stays a link
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}.", advice="Correct its permissions, and run the step again."
        ) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"The procedure {path} cannot be read: {reason}.", advice="Correct procedure under [investigation]."
        ) from None
