"""Watch a conversion from a second session, which touches nothing that is locked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from core.errors import PgrecastError
from core.events import Json, Reading
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.sql import load_queries
from core.retype.locking import Session, session_of
from core.retype.progress import Progress, bytes_moved, rollback_seconds, seconds_left, table_progress

QUERIES = load_queries(Path(__file__).parent / "queries")

INTERVAL = 0.5  # seconds
RECONNECT_PAUSE = 3.0  # seconds
STATEMENT_TIMEOUT_MS = 2000


class Observer:
    """Readings of a conversion, twice a second, until it is stopped.

    - `progress`: phase, statement, object, bytes, seconds left, seconds that a rollback would take;
    - `tables`: state, bytes and seconds of each table;
    - `server`: growth of the database and of the write-ahead log, what the backend waits for, the index being built;
    - `waiting`: who waits for the conversion, and whom it waits for.

    The first two need no server and go on when it cannot be watched.

    Args:
        pid: the backend that converts.
        progress: where it stands.
    """

    def __init__(
        self,
        spec: ConnectionSpec,
        pid: int,
        *,
        step: str,
        read: Callable[[Reading], None],
        progress: Callable[[], Progress],
        interval: float = INTERVAL,
    ) -> None:
        self._spec = spec
        self._pid = pid
        self._step = step
        self._read = read
        self._progress = progress
        self._interval = interval
        self._connection: asyncpg.Connection | None = None
        self._next_attempt = 0.0
        self._first: tuple[int, int] | None = None
        self._task: asyncio.Task[None] | None = None
        self.waiters: tuple[Session, ...] = ()
        """Who waited for the conversion when it was last looked."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="observe the conversion")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _run(self) -> None:
        while True:
            self._read_progress()
            try:
                await self._read_server()
            except (PgrecastError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                self._lose(error)
            await asyncio.sleep(self._interval)

    def _lose(self, error: Exception) -> None:
        """What was asked ran out of time, or the connection is gone: try again later, and say so meanwhile."""
        if not isinstance(error, asyncpg.QueryCanceledError) and self._connection is not None:
            self._connection.terminate()
            self._connection = None
        self._next_attempt = asyncio.get_running_loop().time() + RECONNECT_PAUSE
        self.waiters = ()
        reason = error.what if isinstance(error, PgrecastError) else str(error) or type(error).__name__
        self._say("server", {"unseen": reason})

    def _read_progress(self) -> None:
        progress = self._progress()
        done, total = bytes_moved(progress)
        current = progress.plan.statements[progress.current] if progress.current is not None else None
        self._say(
            "progress",
            {
                "stage": progress.stage,
                "phase": int(current.phase) if current else None,
                "statement": progress.current + 1 if progress.current is not None else None,
                "statements_done": len(progress.finished),
                "statements": len(progress.plan.statements),
                "object": current.object if current else None,
                "table": current.table if current else None,
                "seconds": round(progress.elapsed, 1),
                "bytes_done": done,
                "bytes_total": total,
                "seconds_left": round(seconds_left(progress), 1),
                "rollback_seconds": round(rollback_seconds(progress), 1),
            },
        )
        self._say(
            "tables",
            {
                table.name: {"state": table.status, "bytes": table.bytes, "seconds": round(table.seconds, 1)}
                for table in table_progress(progress)
            },
        )

    async def _read_server(self) -> None:
        if asyncio.get_running_loop().time() < self._next_attempt:
            return
        if self._connection is None:
            self._connection = await connect(
                self._spec, application_name="pgrecast observer", statement_timeout_ms=STATEMENT_TIMEOUT_MS
            )
        (row,) = await self._connection.fetch(QUERIES["observe"], self._pid)
        size, wal = row["database_bytes"], row["wal_bytes"]
        first_size, first_wal = self._first = self._first or (size, wal)
        values: dict[str, Json] = {
            "database_bytes": size,
            "growth": size - first_size,
            "wal_bytes": wal - first_wal,
            "state": row["state"],
            "waits_for": row["wait_event"] if row["wait_event_type"] else None,
        }
        if row["index_phase"] is not None:
            values["index"] = {"phase": row["index_phase"], "done": row["index_done"], "total": row["index_total"]}
        self._say("server", values)
        await self._read_waiting(self._connection)

    async def _read_waiting(self, connection: asyncpg.Connection) -> None:
        rows = await connection.fetch(QUERIES["waiters"], self._pid)
        self.waiters = tuple(session_of(row, "waiter") for row in rows if row["holder"] == self._pid)
        holders = tuple(session_of(row, "holder") for row in rows if row["waiter"] == self._pid)
        self._say("waiting", {"waiters": list(map(str, self.waiters)), "blocked_by": list(map(str, holders))})

    def _say(self, name: str, values: dict[str, Any]) -> None:
        self._read(Reading(step=self._step, name=name, values=values))
