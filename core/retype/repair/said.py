"""What a server says, as data."""

from __future__ import annotations

import contextlib

import asyncpg

from core.redaction import redactor
from core.retype.repair.complaints import Complaint


async def speak_plainly(connection: asyncpg.Connection) -> None:
    """Have the session's errors told in PostgreSQL's own words, which alone are understood, where the role may choose."""
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
        async with connection.transaction():
            await connection.execute("SET lc_messages = 'C'")


def complaint_of(error: asyncpg.PostgresError) -> Complaint:
    position = getattr(error, "position", None)
    return Complaint(
        sqlstate=error.sqlstate or "",
        message=redactor.redact(getattr(error, "message", None) or str(error)),
        detail=getattr(error, "detail", None) or "",
        position=int(position) - 1 if position else None,
    )
