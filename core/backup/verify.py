"""Is a backup good? In three depths: its files; restored into a scratch database; and compared with what was dumped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import asyncpg

from core.backup.comparison import MOST_NAMED, Circumstances, Comparison, compared
from core.backup.content import STABLE, Reading, read_content
from core.backup.files import read_catalog_file, verify_files
from core.backup.manifest import Content, Manifest, Verified
from core.backup.restore import Restored, RestoreOptions, restored
from core.backup.storage import Backup, forget, remember
from core.backup.watching import Show
from core.errors import BackupError, ConnectionFailed, PgrecastError
from core.events import Json
from core.postgres.connect import connect
from core.postgres.connection_errors import lost
from core.postgres.connection_spec import ConnectionSpec
from core.redaction import redactor

Depth = Literal["files", "restore", "equal"]
Say = Callable[[str], Awaitable[None]]
COUNTED_ONLY = "the contents of the rows, which were only counted"
LEAVES_OUT = "whether its contents are those of the database at the moment of the dump: nobody recorded them then"


@dataclass(frozen=True)
class Verification:
    """What a verification has found; nothing of it was bad.

    Attributes:
        depth: what was reached.
        seconds: in all.
        restored: how it was restored; None where it was not. Its database is gone by now.
        content: what was in the restored database; None where it was not read.
        comparison: with what was dumped; None where nothing was compared.
        unproved: what remains unproved, one sentence each.
    """

    depth: Depth
    seconds: float
    restored: Restored | None = None
    content: Content | None = None
    comparison: Comparison | None = None
    unproved: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line."""
        if self.restored is None:
            return "every file is as it was written, and can be read to its end"
        took = f"restored in {self.restored.seconds:.1f} s"
        if self.comparison is None:
            return f"every file is as it was written; {took}"
        found = self.comparison
        what = f"{found.rows:,} rows in {found.tables} tables, {found.objects:,} objects"
        if self.depth == "equal":
            return f"{took}, equal to what was dumped: {what}"
        return f"{took}, with the counts and the catalog of what was dumped: {what}"


async def verify(
    backup: Backup,
    depth: Depth,
    options: RestoreOptions,
    *,
    say: Say | None = None,
    show: Show = lambda _: None,
) -> Verification:
    """Verify a backup as deep as asked, or, where what was dumped is not known, as deep as can be.

    What is reached is remembered beside it; a check that fails makes it unverified again.

    Raises:
        BackupError: it is damaged, cannot be restored, or is not what was dumped.
        Refused: it cannot be restored where it should be (room, extensions, rights); that says nothing of the backup.
        ConfigurationError, ConnectionFailed, EmbeddedServerError: as their texts say.
    """
    loop = asyncio.get_running_loop()
    began, total = loop.time(), max(1, backup.manifest.bytes)

    def read(count: int) -> None:  # in a thread
        values: dict[str, Json] = {"stage": "reading its files", "percent": round(100 * count / total, 1)}
        loop.call_soon_threadsafe(show, values)

    try:
        await verify_files(backup, client_programs=options.client_programs, progress=read)
        await _said(say, f"Every file of {backup.name} is as its manifest says, and can be read to its end.")
        found = Verification("files", 0.0, unproved=backup.manifest.unproved)
        if depth != "files":
            found = await _restored_too(backup, depth, options, say, show)
    except BackupError:
        forget(backup)
        raise
    seconds = loop.time() - began
    found = Verification(found.depth, seconds, found.restored, found.content, found.comparison, found.unproved)
    restore_seconds = found.restored.seconds if found.restored else None
    remember(backup, Verified(at=datetime.now(UTC), depth=found.depth, restore_seconds=restore_seconds))
    return found


async def _restored_too(
    backup: Backup, depth: Depth, options: RestoreOptions, say: Say | None, show: Show
) -> Verification:
    dumped = backup.manifest.content
    async with restored(backup, options, show=show) as done:
        await _said(say, f"It was restored in {done.seconds:.1f} s.")
        show({"stage": "comparing"})
        async with frozen(done.spec) as connection:
            reading = await read_content(connection, depth="contents" if depth == "equal" else "counts")
    if dumped is None:
        return Verification("restore", 0.0, done, reading.content, None, (*backup.manifest.unproved, LEAVES_OUT))
    comparison = compare_restored(backup.manifest, dumped, reading, done, backup)
    counted_only = () if depth == "equal" else (COUNTED_ONLY,)
    unproved = (*backup.manifest.unproved, *comparison.not_compared, *counted_only)
    return Verification(depth, 0.0, done, reading.content, comparison, unproved)


async def _said(say: Say | None, text: str) -> None:
    if say is not None:
        await say(text)


def compare_restored(
    manifest: Manifest, dumped: Content, reading: Reading, done: Restored, backup: Backup
) -> Comparison:
    """Compare what was restored with what was dumped.

    Raises:
        BackupError: it is not the same; the differences are in the text.
    """
    how = Circumstances(
        # What a server does not let this login own or grant is named, and the rest of it says nothing any more.
        owners=done.owners and not done.left_out,
        dumped_on=(manifest.server_version_num or 0) // 10_000,
        restored_on=done.version,
        left_out=done.left_out,
    )
    comparison = compared(dumped, read_catalog_file(backup), reading.content, reading.canonical, how)
    if not comparison.equal:
        more = len(comparison.differences) - MOST_NAMED
        named = "; ".join(comparison.differences[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise BackupError(
            f"What was restored from {backup.name} is not what was dumped: {named}.",
            advice="Do not rely on this backup: take a new one. If it differs again, look at the objects that are named.",
        )
    return comparison


@asynccontextmanager
async def frozen(spec: ConnectionSpec) -> AsyncGenerator[asyncpg.Connection]:
    """A session in which everything stays as it is now, and values are written as when a dump's figures are read.

    Raises:
        ConnectionFailed, BackupError: the server refused it, or a query.
    """
    connection = await connect(spec, statement_timeout_ms=0, settings=STABLE)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    except PgrecastError:
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise ConnectionFailed(f"The connection to {spec} was lost.", advice="Try again.") from error
        raise BackupError(f"{spec} could not be read: {redactor.redact(str(error))}") from error
    finally:
        connection.terminate()
