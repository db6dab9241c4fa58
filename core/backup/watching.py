"""Shows where a dump or a restore stands, as a second connection sees it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence

import asyncpg

from core.backup.content import QUERIES
from core.backup.progress import Copying, Course, values
from core.errors import PgrecastError
from core.events import Json
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec

Show = Callable[[dict[str, Json]], None]
"""Shown where it stands, about once a second: `core.backup.progress.values`, and the `stage`."""

EVERY = 1.0
TIMEOUT_MS = 3_000


@contextlib.asynccontextmanager
async def watched(
    spec: ConnectionSpec, application_name: str, course: Course, show: Show, *, stage: str, afterwards: str = ""
) -> AsyncGenerator[None]:
    """Show where it stands while the block runs.

    Args:
        application_name: of the sessions whose copying is looked at.
        course: told by the program itself.
        stage: what is done with the tables' rows, in a word.
        afterwards: what follows when all rows are there, and of which nothing but its name can be told.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    task = asyncio.create_task(_watch(spec, application_name, course, show, stage, afterwards))
    try:
        yield
        show({"stage": stage, **values(course.standing(loop.time() - began), course)})
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(spec: ConnectionSpec, name: str, course: Course, show: Show, stage: str, afterwards: str) -> None:
    """Without a second connection only whole tables are told."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    observer: asyncpg.Connection | None = None
    with contextlib.suppress(PgrecastError):
        observer = await connect(spec, statement_timeout_ms=TIMEOUT_MS)
    try:
        while True:
            copying: Sequence[Copying] = ()
            if observer is not None:
                try:
                    rows = await observer.fetch(QUERIES["copies_under_way"], name)
                    copying = [Copying(row["schema"], row["name"], row["rows"], row["bytes"]) for row in rows]
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    observer.terminate()
                    observer = None
            if afterwards and course.tables and course.tables_done >= len(course.tables):
                show({"stage": afterwards})
            else:
                standing = course.standing(loop.time() - began, copying)
                show({"stage": stage, **values(standing, course, copying)})
            await asyncio.sleep(EVERY)
    finally:
        if observer is not None:
            observer.terminate()
