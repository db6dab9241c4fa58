"""What an interrupted dump or restore has left, cleared away when the engine starts again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg

from core.backup.content import QUERIES
from core.backup.storage import discard
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.scratch import Leftover, drop_leftover, leftovers, remove_scratch_server
from core.runbook.facts import BACKUP_UNDER_WAY, SCRATCH_SERVER
from core.runbook.model import Reconciled, StepContext
from core.runbook.words import counted


async def reconcile_taking(context: StepContext) -> Reconciled:
    """Remove what an interrupted dump has left: its folder, and sessions of its that still run."""
    known = context.state.facts.get(BACKUP_UNDER_WAY)
    if not isinstance(known, dict):
        return Reconciled(
            "failed", "It was interrupted; no backup was begun, and the database is only read. Run it again."
        )
    begun = cast("Mapping[str, Any]", known)
    ended = await _end_sessions(context, str(begun["application_name"]))
    said = await asyncio.to_thread(discard, Path(str(begun["path"])))
    await context.fact(BACKUP_UNDER_WAY, None)
    sessions = (
        f" {counted(ended, 'session')} of it that still ran {'was' if ended == 1 else 'were'} ended." if ended else ""
    )
    return Reconciled("failed", f"It was interrupted. {said}{sessions} The database was only read. Run it again.")


async def _end_sessions(context: StepContext, name: str) -> int:
    spec, _ = await context.target("production")
    connection = await connect(spec)
    try:
        return len(await connection.fetch(QUERIES["end_sessions_named"], name))
    except asyncpg.PostgresError:
        return 0
    finally:
        connection.terminate()


async def reconcile_restoring(context: StepContext) -> Reconciled:
    """Clear away what an interrupted restore has left: a server of our own, or databases on the test database's server."""
    said = await clear_scratch(context)
    return Reconciled("failed", f"It was interrupted; production is not touched by it. {said}Run it again.")


async def clear_scratch(context: StepContext) -> str:
    """Remove what restores of the step's last attempt have left. Returns what is to be said of it, in a sentence."""
    begun = context.state.step(context.step).started
    removed: list[str] = []
    if isinstance(directory := context.state.facts.get(SCRATCH_SERVER), str):
        if await remove_scratch_server(Path(directory)):
            removed.append(f"the scratch server in {directory}")
        await context.fact(SCRATCH_SERVER, None)
    if context.settings.backup.restore == "test" and begun is not None:
        spec, _ = await context.target("test")
        removed += await drop_scratch_since(spec, begun)
    return f"Removed what it had left: {', '.join(removed)}. " if removed else ""


async def drop_scratch_since(server: ConnectionSpec, begun: datetime) -> list[str]:
    """Drop this role's scratch databases of that time or later in which nobody is any more. Returns their names."""
    connection = await connect(server, read_only=False)

    def left_behind(found: Leftover) -> bool:
        made = found.made_at is not None and found.made_at >= begun - timedelta(seconds=1)
        return found.owner == server.user and made and not found.sessions

    dropped: list[str] = []
    try:
        for found in filter(left_behind, await leftovers(connection)):
            await drop_leftover(connection, found.name)
            dropped.append(found.name)
    except asyncpg.PostgresError:
        return dropped
    finally:
        connection.terminate()
    return dropped
