"""A backup restored into an empty database, by pg_restore or psql, and what the server did not let be restored."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from core.backup.content import QUERIES
from core.backup.dump import application_name
from core.backup.manifest import Form, Manifest
from core.backup.plain import script
from core.backup.progress import Course, Table
from core.backup.storage import Backup, require_space
from core.backup.watching import Show, watched
from core.errors import BackupError, QueryFailed, Refused
from core.postgres.client_tools import ClientTools, find_client_tools, follow_tool, login_environment
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scratch import scratch_database, scratch_server, scratch_server_directory
from core.postgres.sql import quote_identifier
from core.redaction import redactor

# Tablespaces are another server's; a second subscription would take away what the first one waits for.
UNWANTED = ("--no-tablespaces", "--no-subscriptions")
ERROR = "pg_restore: error: "
PURPOSE = "a backup, restored to be verified"
GROWTH = 1.3
"""A restored database, with the log of its making, as a multiple of the one that was dumped."""
UNKNOWN_GROWTH = 8
"""The same as a multiple of a dump's own, compressed size, where nothing else is known."""

# pg_dump 17 and later sets it, and servers before 17 do not know it.
_HARMLESS = re.compile(r'unrecognized configuration parameter "transaction_timeout"')
_NOT_ALLOWED = re.compile(
    r"""role ".*" does not exist|must be able to SET ROLE|must be member of role|must be owner of |must be superuser|
        permission denied to (?:create|set|change|alter)|permission denied for (?:database|schema|language|foreign)|
        only superuser|no privileges (?:were|could be) |schema "public" already exists""".replace("\n        ", "")
)
_QUIET = (
    "NOTICE",
    "WARNING",
    "INFO",
    "LOG",
    "DEBUG",
    "DETAIL",
    "HINT",
    "CONTEXT",
    "LINE",
    "QUERY",
    "STATEMENT",
    "LOCATION",
)
_SEVERITY = re.compile(r"^psql:[^:]*:\d+: (?P<severity>\w+): +(?P<said>.*)$")


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """Where and how scratch restores are made.

    Attributes:
        server: a login that may create databases, and a database to connect to meanwhile; None for a server of our own.
        jobs: connections of pg_restore.
        client_programs: directory of the programs to use; None to look for some that fit.
        begun: told the directory of a server of our own, so that it can be cleared away after a crash.
    """

    server: ConnectionSpec | None = None
    jobs: int = 2
    client_programs: Path | None = None
    begun: Callable[[Path], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Restored:
    """A backup that was restored.

    Attributes:
        spec: the database.
        version: major version of its server.
        seconds: what it took.
        owners: whether owners and privileges were restored.
        left_out: what the server did not let be restored, in its own words.
    """

    spec: ConnectionSpec
    version: int
    seconds: float
    owners: bool
    left_out: tuple[str, ...] = ()


@contextlib.asynccontextmanager
async def restored(
    backup: Backup,
    options: RestoreOptions,
    *,
    purpose: str = PURPOSE,
    durable: bool = False,
    show: Show = lambda _: None,
) -> AsyncGenerator[Restored]:
    """Restore into a scratch database that is dropped at the end of the block.

    On a server of our own the roles that the backup names are made first, and owners and privileges restored as well.

    Args:
        durable: whether a server of our own is to be as slow as one that is to lose nothing, for the sake of its times.

    Raises:
        Refused: there is no room, an extension is not available there, or no scratch database can be made.
        BackupError: it could not be restored.
        ConfigurationError, ConnectionFailed, EmbeddedServerError: as their texts say.
    """
    own = options.server is None
    if own:
        require_space(scratch_server_directory(), room_for(backup.manifest), f"A restore of {backup.name}")
    content = backup.manifest.content
    async with scratch_server(options.server, durable=durable, begun=options.begun) as server:
        await require_extensions(backup.manifest, server)
        owners = own and content is not None
        if owners and content is not None:
            await _make_roles(server, content.roles)
        async with scratch_database(server, purpose, encoding=backup.manifest.encoding) as spec:
            yield await restore(backup, spec, options, owners=owners, tolerant=not owners, show=show)


async def restore(
    backup: Backup,
    into: ConnectionSpec,
    options: RestoreOptions,
    *,
    owners: bool,
    tolerant: bool,
    show: Show = lambda _: None,
) -> Restored:
    """Restore into that database, which must be empty.

    Args:
        owners: whether owners and privileges are restored; without, everything becomes this login's.
        tolerant: whether what this login may not create, own or grant is left out and named, instead of failing.

    Raises:
        BackupError: it could not be restored; the database holds what had been restored by then.
        ConfigurationError, ConnectionFailed: as their texts say.
    """
    manifest = backup.manifest
    connection = await connect(into)
    try:
        version = connection.get_server_version().major
        tools = await _tools(connection, manifest, options.client_programs)
    except asyncpg.PostgresError as error:
        raise BackupError(f"{into} refused a query: {redactor.redact(str(error))}") from error
    finally:
        connection.terminate()
    name = application_name()
    course = Course(_tables(manifest))
    hearing = _Hearing(tolerant=tolerant, course=course)
    began = asyncio.get_running_loop().time()
    async with (
        login_environment(into, application_name=name, read_only=False) as environment,
        watched(into, name, course, show, stage="restoring rows", afterwards="restoring indexes and keys"),
    ):
        try:
            if manifest.form is Form.PLAIN:
                await _run_script(backup, into, tools, environment, hearing)
            else:
                arguments = _arguments(backup, into, options, owners=owners)
                await follow_tool(tools.path("pg_restore"), arguments, environment, told=hearing.hear)
        except QueryFailed as error:
            # It ends with status 1 if anything failed, also where that was only what may be left out.
            if not hearing.tolerated or hearing.fatal:
                raise _not_restored(backup, into, error.what) from error
    return Restored(
        into, version, asyncio.get_running_loop().time() - began, owners, tuple(dict.fromkeys(hearing.left_out))
    )


def room_for(manifest: Manifest) -> int:
    """Bytes that a restore takes."""
    return int(GROWTH * manifest.database_bytes) or UNKNOWN_GROWTH * manifest.bytes


async def require_extensions(manifest: Manifest, server: ConnectionSpec) -> None:
    """Refuse where the server lacks an extension that the backup needs.

    Raises:
        Refused: it lacks one.
    """
    connection = await connect(server)
    try:
        missing = set(manifest.extensions) - {
            row["name"] for row in await connection.fetch(QUERIES["extensions_available"])
        }
    finally:
        connection.terminate()
    if missing:
        raise Refused(
            f"The backup cannot be restored on {server}: the server lacks {', '.join(sorted(missing))}.",
            advice='Have it restored on the test database\'s server (backup.restore = "test"), or name server programs that have '
            "these extensions (PGRECAST_POSTGRES_BIN).",
        )


def _arguments(backup: Backup, into: ConnectionSpec, options: RestoreOptions, *, owners: bool) -> tuple[str, ...]:
    kept = () if owners else ("--no-owner", "--no-acl")
    jobs = () if backup.manifest.form is Form.TAR else (f"--jobs={options.jobs}",)
    return (
        *kept,
        *jobs,
        "--no-tablespaces",
        "--no-password",
        "--verbose",
        f"--dbname={dbname(into)}",
        str(backup.data),
    )


def dbname(spec: ConnectionSpec) -> str:
    """The database's name as a connection string, for a name may look like one (docs, libpq, "Connection Strings")."""
    escaped = spec.database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


async def _run_script(
    backup: Backup, into: ConnectionSpec, tools: ClientTools, environment: dict[str, str], hearing: _Hearing
) -> None:
    arguments = ("--no-psqlrc", "--quiet", "--no-password", "--file=-", f"--dbname={dbname(into)}")
    await follow_tool(tools.path("psql"), arguments, environment, told=hearing.hear_psql, feed=script(backup.data))


async def _tools(connection: asyncpg.Connection, manifest: Manifest, directory: Path | None) -> ClientTools:
    """Programs that can read the archive and speak to the server."""
    version = connection.get_server_version().major
    needed = max(version, manifest.client_version or 0)
    encrypted = bool(await connection.fetchval(QUERIES["is_encrypted"]))
    return await find_client_tools(needed * 10_000, tls=encrypted, directory=directory)


async def _make_roles(server: ConnectionSpec, roles: tuple[str, ...]) -> None:
    """On a server of our own: roles to own things and to be granted them; nobody logs in as one."""
    connection = await connect(server, read_only=False)
    try:
        there = {row["name"] for row in await connection.fetch(QUERIES["roles_there"])}
        for role in roles:
            if role not in there and not role.startswith("pg_"):
                await connection.execute(f"CREATE ROLE {quote_identifier(role)} NOLOGIN")
    except asyncpg.PostgresError as error:
        raise BackupError(f"The backup's roles could not be made on {server}: {redactor.redact(str(error))}") from error
    finally:
        connection.terminate()


def _tables(manifest: Manifest) -> tuple[Table, ...]:
    tables = manifest.content.tables if manifest.content is not None else ()
    return tuple(Table(t.schema_, t.name, t.bytes, t.rows) for t in tables if not t.derived)


@dataclass
class _Hearing:
    """Listens to what a program says, and stops it at the first error that must not be."""

    tolerant: bool
    course: Course
    left_out: list[str] = field(default_factory=list[str])
    tolerated: int = 0
    fatal: bool = False

    def hear(self, line: str) -> None:
        """A line of pg_restore's; its own messages are in English, the server's may be in any language."""
        self.course.tell(line)
        if line.startswith(ERROR):  # what else stands there may be the statement that has failed
            self._weigh(line.removeprefix(ERROR))

    def hear_psql(self, line: str) -> None:
        """A line of psql's: whatever is not known to be harmless is an error."""
        found = _SEVERITY.match(line)
        if found and found["severity"] not in _QUIET:
            self._weigh(found["said"])
        elif found is None and line.startswith(("psql: error", "psql: fatal")):
            self._weigh(line)

    def _weigh(self, said: str) -> None:
        if _HARMLESS.search(said):
            self.tolerated += 1
        elif self.tolerant and _NOT_ALLOWED.search(said):
            self.tolerated += 1
            self.left_out.append(redactor.redact(said.rpartition("ERROR:  ")[2].strip()))
        else:
            self.fatal = True
            raise BackupError(
                f"The backup could not be restored: {redactor.redact(said)}",
                state="Nothing but the database that it was restored into has been changed.",
                advice="Look at the message: the backup, or the server that it was restored on, is not fit.",
            )


def _not_restored(backup: Backup, into: ConnectionSpec, said: str) -> BackupError:
    return BackupError(
        f"The backup {backup.name} could not be restored into {into}: {said}",
        state="Nothing but the database that it was restored into has been changed.",
        advice="Look at the message: the backup, or the server that it was restored on, is not fit.",
    )
