"""An empty clone of a database's schema on a scratch server, to try things on that production is not touched for.

pg_dump reads the schema (its transaction is READ ONLY); what it gives is run statement by statement in a scratch database, by
default on an embedded server of our own, where we are superuser. Owners, privileges and comments are left out, row security
policies apply to everyone, and event triggers are not made, so that nothing else is needed there, no role above all.

An extension that the scratch server lacks is stood in for by stubs of its types, functions, operators, casts and aggregates:
the clone has no rows, and types are all that is checked on it. What could not be cloned is a gap, by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
from pglast import split
from pglast.parser import ParseError

from core.errors import QueryFailed
from core.postgres.catalog import Catalog
from core.postgres.client_tools import client_tools_for, login_environment, run_tool
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scratch import scratch_database, scratch_server
from core.postgres.sql import load_queries
from core.redaction import redactor
from core.retype.dependents import policies

Progress = Callable[[str], None]

QUERIES = load_queries(Path(__file__).parent / "queries")
PURPOSE = "an empty copy of a schema, to check expressions and functions on"
STATEMENT_TIMEOUT_MS = 60_000
LOCK_WAIT_MS = 5_000
MOST_SHOWN = 100

_DUMP = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-security-labels",
    "--no-subscriptions",
    "--no-tablespaces",
    # Whoever holds a table ACCESS EXCLUSIVE is not waited for, and nobody waits behind us.
    f"--lock-wait-timeout={LOCK_WAIT_MS}",
)
# pg_dump protects its script against commands in names, by commands to psql at its begin and end.
_PSQL_COMMAND = re.compile(r"^\\(?:un)?restrict \w+$", re.MULTILINE)
_EXTENSION = re.compile(r'CREATE EXTENSION (?:IF NOT EXISTS )?(?:"((?:[^"]|"")+)"|(\w+))')
_COLLATION = re.compile(r'CREATE COLLATION ((?:"(?:[^"]|"")+"|\w)+(?:\.(?:"(?:[^"]|"")+"|\w)+)?) ')
_NO_COLLATION = re.compile(r'collation "(?:pg_catalog\.)?(?P<name>.+)" for encoding ".+" does not exist')
_LEFT_OUT = ("CREATE EVENT TRIGGER", "ALTER EVENT TRIGGER", "CREATE POLICY")


@dataclass(frozen=True, slots=True)
class CloneSettings:
    """How to make a clone.

    Attributes:
        server: a login that may create databases, and a database to connect to meanwhile; None for a server of our own.
        client_tools: the directory of the pg_dump to use; None to look for one that fits.
        timeout: for pg_dump, in seconds.
    """

    server: ConnectionSpec | None = None
    client_tools: Path | None = None
    timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be cloned: the beginning of its statement, and what the server said."""

    statement: str
    reason: str


@dataclass(frozen=True)
class Clone:
    """An empty clone.

    Attributes:
        spec: its database.
        connection: an open session in it that may write, in no transaction.
        stubbed: extensions that stubs stand in for.
        gaps: what could not be cloned.
    """

    spec: ConnectionSpec
    connection: asyncpg.Connection
    stubbed: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = field(default=())


@asynccontextmanager
async def schema_clone(
    source: ConnectionSpec, catalog: Catalog, settings: CloneSettings, *, progress: Progress = lambda _: None
) -> AsyncGenerator[Clone, None]:
    """Clone the schema of a database into a scratch database that is dropped at the end of the block.

    Args:
        source: the database; it is only read.
        catalog: a reading of it.
        progress: told in a few words what has been done.

    Raises:
        ConfigurationError: there is no pg_dump that fits the server.
        QueryFailed: pg_dump failed, or the server refused a query.
        ConnectionFailed: a server does not answer.
        Refused: no scratch database can be made on the server of the settings.
        EmbeddedServerError: our own server could not be started.
    """
    dumping = asyncio.create_task(_dump(source, settings))
    try:
        async with scratch_server(settings.server) as server, scratch_database(server, PURPOSE) as spec:
            script = await dumping
            progress("read the schema")
            stubs = await _stubs(source, spec, catalog)
            loading = await connect(spec, read_only=False, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
            try:
                gaps = [gap async for gap in _load(loading, script, catalog, stubs)]
            finally:
                await _close(loading)
            progress("made an empty copy of it")
            connection = await connect(spec, read_only=False, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
            try:
                yield Clone(spec, connection, tuple(sorted(stubs)), tuple(gaps))
            finally:
                await _close(connection)
    finally:
        dumping.cancel()
        await asyncio.gather(dumping, return_exceptions=True)


def without_roles(catalog: Catalog) -> Catalog:
    """The catalog as the clone has it: its policies apply to everyone."""
    return replace(catalog, policies=tuple(replace(policy, roles=()) for policy in catalog.policies))


async def _dump(source: ConnectionSpec, settings: CloneSettings) -> str:
    connection = await connect(source)
    try:
        tools = await client_tools_for(connection, settings.client_tools)
    except asyncpg.PostgresError as error:
        raise _refused(error) from error
    finally:
        await _close(connection)
    async with login_environment(source) as environment:
        output = await run_tool(tools.path("pg_dump"), _DUMP, environment, timeout=settings.timeout)
    return output.decode()


async def _stubs(source: ConnectionSpec, clone: ConnectionSpec, catalog: Catalog) -> dict[str, list[str]]:
    """For each extension that the scratch server lacks, the statements that stand in for it."""
    connection = await connect(clone)
    try:
        available = {row["name"] for row in await connection.fetch(QUERIES["available_extensions"])}
    except asyncpg.PostgresError as error:
        raise _refused(error) from error
    finally:
        await _close(connection)
    stubs: dict[str, list[str]] = {e.name: [] for e in catalog.extensions if e.name not in available}
    if not stubs:
        return {}
    connection = await connect(source, settings={"search_path": "pg_catalog"})
    try:
        for row in await connection.fetch(QUERIES["extension_stubs"], list(stubs)):
            stubs[row["extension"]].append(row["sql"])
    except asyncpg.PostgresError as error:
        raise _refused(error) from error
    finally:
        await _close(connection)
    return stubs


async def _load(
    connection: asyncpg.Connection, script: str, catalog: Catalog, stubs: dict[str, list[str]]
) -> AsyncGenerator[Gap, None]:
    """Run the script, with stubs in the place of their extensions, and give what has failed."""
    for statement in _statements(script):
        if statement.startswith(_LEFT_OUT):
            continue
        extension = _EXTENSION.match(statement)
        name = (extension[1] or extension[2]).replace('""', '"') if extension else ""
        if name in stubs:
            for stub in stubs[name]:
                # Not all can be had (functions of internal types), and hardly any is used.
                with contextlib.suppress(asyncpg.PostgresError):
                    await connection.execute(stub)
            continue
        if gap := await _run(connection, statement):
            yield gap
    catalog = without_roles(catalog)
    for policy in catalog.policies:
        create = next(policies.put_back(catalog, policy.oid))
        if gap := await _run(connection, create.sql):
            yield gap


async def _run(connection: asyncpg.Connection, statement: str) -> Gap | None:
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        reason = redactor.redact(str(error))
        if substitute := _with_plain_collation(statement, str(error)):
            with contextlib.suppress(asyncpg.PostgresError):
                await connection.execute(substitute)
                return None
        return Gap(" ".join(statement.split())[:MOST_SHOWN], reason)
    except (asyncpg.InterfaceError, OSError) as error:
        raise QueryFailed(
            f"The connection to the scratch database was lost: {error}",
            advice="Try again; the scratch server's log tells more.",
        ) from error
    return None


def _with_plain_collation(statement: str, complaint: str) -> str | None:
    """The statement with a collation that every server has, in the place of one that this server lacks."""
    if match := _COLLATION.match(statement):
        return f'CREATE COLLATION {match[1]} FROM pg_catalog."C"'
    if match := _NO_COLLATION.search(complaint):
        return re.sub(
            rf'COLLATE pg_catalog\.(?:"{re.escape(match["name"])}"|{re.escape(match["name"])}\b)',
            'COLLATE pg_catalog."C"',
            statement,
        )
    return None


def _statements(script: str) -> tuple[str, ...]:
    text = _PSQL_COMMAND.sub("", script)
    try:
        return tuple(split(text))
    except ParseError:  # newer than the grammar: its tokens still tell where statements end
        return tuple(split(text, with_parser=False))


def _refused(error: asyncpg.PostgresError) -> QueryFailed:
    return QueryFailed(
        f"The server refused a query that cloning its schema needs: {redactor.redact(str(error))}",
        advice="Look at the message, and try again.",
    )


async def _close(connection: asyncpg.Connection) -> None:
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        await connection.close(timeout=5)
