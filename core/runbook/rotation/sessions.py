"""Sessions that were opened with a login that has a successor: listed, and ended when that is agreed to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from core.errors import ConnectionFailed, QueryFailed
from core.events import Choice
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.runbook.rotation.successor import Rotation
from core.runbook.words import counted
from core.secrets.sessions import OldSession, end_sessions, old_sessions

END = "end"
LEAVE_OPEN = "leave open"

MOST_LISTED = 20


async def now(spec: ConnectionSpec) -> datetime:
    """The time by the server's clock."""
    return (await sessions_of(spec, "", None))[1]


async def sessions_of(
    spec: ConnectionSpec, role: str, before: datetime | None
) -> tuple[Sequence[OldSession], datetime]:
    """The role's sessions that began before then, or before now; and the time by the server's clock."""
    try:
        connection = await connect(spec)
        try:
            now: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return await old_sessions(connection, role, before or now), now
        finally:
            connection.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise QueryFailed(f"The sessions cannot be read: {error}.", advice="Run the step again.") from error


async def end_old_sessions(rotation: Rotation, spec: ConnectionSpec) -> None:
    """List the sessions that were opened with the old login, and end them when that is agreed to."""
    context, at = rotation.context, rotation.progress.altered_at
    if at is None or rotation.progress.ended is not None:
        return
    found, _ = await sessions_of(spec, rotation.old.user, at)
    for session in found[:MOST_LISTED]:
        await context.say(f"Opened with the old login: {session}")
    if not found:
        await rotation.note(ended=0)
        return
    chosen = await context.ask(
        f"End {counted(len(found), 'session')} opened with the old login?",
        (
            Choice(
                name=END, label="End them", consequence="What they are doing is rolled back; whoever can, comes back."
            ),
            Choice(name=LEAVE_OPEN, label="Leave them open", consequence="They live on until they end by themselves."),
        ),
        default=LEAVE_OPEN,
        expires_in=context.settings.limits.confirmation,
        details=[str(session) for session in found[:MOST_LISTED]],
    )
    if chosen != END:
        await context.say("They are left open: a leaked session lives until it ends by itself.")
        await rotation.note(ended=0, left_open=len(found))
        return
    try:
        connection = await connect(spec)
        try:
            ended = await end_sessions(connection, found)
        finally:
            connection.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise ConnectionFailed(f"The sessions could not be ended: {error}.", advice="Run the step again.") from error
    await rotation.note(ended=len(ended))
    await context.say(f"{counted(len(ended), 'session')} ended.")
