"""A backup by pg_dump: directory format, several connections, one snapshot, from which its figures are taken as well."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from core.backup.content import QUERIES, STABLE, Reading, Values, read_content, sequence_values
from core.backup.manifest import Content, DatabaseIdentity, FileFigures, Form, Manifest, digest_of, files_below
from core.backup.progress import Course, Table
from core.backup.storage import DATA, Backup, begin, discard, finish, require_space
from core.backup.watching import Show, watched
from core.errors import BackupError, ConnectionFailed, PgrecastError
from core.postgres.client_tools import ClientTools, client_tools_for, follow_tool, login_environment
from core.postgres.connect import connect, identify
from core.postgres.connection_errors import lost
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.fingerprint import to_json
from core.postgres.identity import Identity
from core.redaction import redactor

LOCK_WAIT_MS = 60_000
"""How long pg_dump waits for a table that somebody has locked exclusively; nobody waits behind it for longer."""
COMPRESSED = 0.5
"""The part of its tables' size that a dump takes at most, by experience: as text about as large, and then compressed."""
SNAPSHOT_LOCK_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class DumpOptions:
    """How to dump.

    Attributes:
        root: the directory of backups.
        jobs: connections of pg_dump, besides its first.
        client_programs: directory of the pg_dump to use; None to look for one that fits.
        application_name: what pg_stat_activity shows of it.
    """

    root: Path
    jobs: int = 2
    client_programs: Path | None = None
    application_name: str = "pgrecast backup"


def application_name() -> str:
    """A name for one dump's sessions, by which they can be told from all others."""
    return f"pgrecast backup {secrets.token_hex(4)}"


async def take_dump(
    spec: ConnectionSpec,
    identity: Identity,
    options: DumpOptions,
    *,
    show: Show = lambda _: None,
    begun: Callable[[Path], Awaitable[None]] | None = None,
) -> Backup:
    """Dump a database, with the figures by which a restore can be compared. It is only read.

    Whatever goes wrong, the unfinished backup is removed, or named where it cannot be.

    Args:
        identity: the database that it must be.
        begun: told the folder in which the backup is made, before anything is in it.

    Raises:
        WrongDatabase: it is another database.
        ConfigurationError: no pg_dump fits, or can encrypt where the connection is encrypted.
        Refused: the disk is too full, or there is a backup of that name.
        ConnectionFailed, QueryFailed, BackupError: it could not be dumped.
    """
    began = asyncio.get_running_loop().time()
    async with _leader(spec) as leader:
        identity.require(await identify(leader))
        tools = await client_tools_for(leader, options.client_programs)
        before = await sequence_values(leader)
        async with leader.transaction(isolation="repeatable_read", readonly=True):
            snapshot: str = await leader.fetchval("SELECT pg_catalog.pg_export_snapshot()")
            (moment,) = await leader.fetch(QUERIES["moment"])
            tables = [Table(**row) for row in await leader.fetch(QUERIES["table_sizes"])]
            needed = int(COMPRESSED * sum(table.bytes for table in tables))
            require_space(options.root, needed, f"A backup of {spec.database}")
            partial = begin(options.root, spec.database, datetime.now(UTC))
            try:
                if begun is not None:
                    await begun(partial)
                reading = await _both(
                    leader, spec, tools, options, snapshot, partial / DATA, Course(tables), before, show
                )
                files = await asyncio.to_thread(_figures, partial / DATA)
                manifest = Manifest(
                    kind="dump",
                    form=Form.DIRECTORY,
                    data=DATA,
                    database=spec.database,
                    taken_at=moment["taken_at"],
                    finished_at=datetime.now(UTC),
                    seconds=asyncio.get_running_loop().time() - began,
                    identity=DatabaseIdentity(**asdict(identity)),
                    lsn=moment["lsn"],
                    server_version_num=int(await leader.fetchval("SHOW server_version_num")),
                    encoding=await leader.fetchval("SHOW server_encoding"),
                    client_version=tools.major,
                    database_bytes=int(await leader.fetchval("SELECT pg_database_size(current_database())")),
                    files=files,
                    extensions=reading.extensions,
                    content=_with_sizes(reading.content, tables),
                )
                return finish(partial, manifest, to_json(reading.canonical))
            except BaseException as error:
                said = discard(partial)
                if isinstance(error, PgrecastError):
                    error.state = f"{error.state} {said}".strip()
                raise


async def _both(
    leader: asyncpg.Connection,
    spec: ConnectionSpec,
    tools: ClientTools,
    options: DumpOptions,
    snapshot: str,
    data: Path,
    course: Course,
    before: Values,
    show: Show,
) -> Reading:
    """Dump, and read the figures meanwhile, under the same snapshot."""
    try:
        async with (
            watched(spec, options.application_name, course, show, stage="dumping"),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(_dump(spec, tools, options, snapshot, data, course))
            reading = group.create_task(read_content(leader, before=before))
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__
    return reading.result()


def _with_sizes(content: Content, tables: Sequence[Table]) -> Content:
    sizes = {(table.schema, table.name): table.bytes for table in tables}
    return content.model_copy(
        update={
            "tables": tuple(
                table.model_copy(update={"bytes": sizes.get((table.schema_, table.name), 0)})
                for table in content.tables
            )
        }
    )


async def _dump(
    spec: ConnectionSpec, tools: ClientTools, options: DumpOptions, snapshot: str, data: Path, course: Course
) -> None:
    arguments = (
        "--format=directory",
        f"--jobs={options.jobs}",
        f"--file={data}",
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={LOCK_WAIT_MS}",
        "--no-password",
        "--verbose",
    )
    async with login_environment(spec, application_name=options.application_name) as environment:
        await follow_tool(tools.path("pg_dump"), arguments, environment, told=course.tell)


@contextlib.asynccontextmanager
async def _leader(spec: ConnectionSpec) -> AsyncGenerator[asyncpg.Connection]:
    """The session whose snapshot everything shares; what the server refuses it is explained."""
    connection = await connect(spec, statement_timeout_ms=0, lock_timeout_ms=SNAPSHOT_LOCK_TIMEOUT_MS, settings=STABLE)
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise ConnectionFailed(
                f"The connection to {spec} was lost while it was dumped.", advice="Try again when the server answers."
            ) from error
        raise unreadable(error) from error
    finally:
        connection.terminate()


def unreadable(error: Exception) -> BackupError:
    """What to say of a query that the server refused."""
    said = redactor.redact(str(error))
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        advice = "Dump as a role that may read every row: the tables' owner, and with BYPASSRLS where row security is forced."
    elif isinstance(error, asyncpg.LockNotAvailableError):
        advice = "Another session holds a table exclusively (a migration?): let it end, then try again."
    else:
        advice = "Look at the message, and try again."
    return BackupError(f"The database could not be read: {said}", advice=advice)


def _figures(data: Path) -> dict[str, FileFigures]:
    try:
        return {name: digest_of(path) for name, path in files_below(data).items()}
    except OSError as error:
        raise BackupError(f"The backup's files could not be read again: {error.strerror}.") from error
