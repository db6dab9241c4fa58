"""Scratch databases: made for a look or a trial, named so that nobody mistakes them, dropped in every case."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from core.errors import ConnectionFailed, PgrecastError, Refused
from core.postgres.connect import connect
from core.postgres.connection_errors import lost
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.embedded import EmbeddedServer
from core.postgres.sql import load_queries, quote_identifier, quote_literal
from core.redaction import redactor

PREFIX = "pgrecast_scratch_"
SERVER_PREFIX = "pgrecast-scratch-"
CREATE_TIMEOUT_MS = 120_000

# Nothing in it outlives its server.
EMBEDDED_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{8}}")
_MARK = "Scratch database of pgrecast"
_COMMENT = re.compile(rf"{_MARK} \((?P<purpose>.*)\), made (?P<made_at>\S+); it may be dropped\.")
_QUERIES = load_queries(Path(__file__).parent / "queries")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A scratch database that is still there: left behind by a crash, or in use by a run that goes on.

    Attributes:
        name: of the database.
        owner: its owner.
        sessions: how many sessions are connected to it.
        purpose, made_at: as its comment says; empty and None where it has none, for the crash came before it.
    """

    name: str
    owner: str
    sessions: int
    purpose: str = ""
    made_at: datetime | None = None


def scratch_server_directory() -> Path:
    """Where the data of a server of our own is for a while."""
    return Path(tempfile.gettempdir())


@contextlib.asynccontextmanager
async def scratch_server(
    server: ConnectionSpec | None,
    *,
    durable: bool = False,
    begun: Callable[[Path], Awaitable[None]] | None = None,
) -> AsyncGenerator[ConnectionSpec, None]:
    """A server to make scratch databases on: the given one, or an embedded one that ends with the block.

    Args:
        server: a login that may create databases, and a database to connect to meanwhile; None for a server of our own.
        durable: whether a server of our own writes as safely, and as slowly, as one that is not to lose anything.
        begun: told the directory of a server of our own before it is started; `remove_scratch_server` clears it away after a
            crash.

    Raises:
        EmbeddedServerError: our own could not be started.
    """
    if server is not None:
        yield server
        return
    directory = Path(tempfile.mkdtemp(prefix=SERVER_PREFIX, dir=scratch_server_directory()))
    try:
        if begun is not None:
            await begun(directory)
        embedded = await EmbeddedServer.start(directory, settings={} if durable else EMBEDDED_SETTINGS)
        try:
            yield ConnectionSpec(
                embedded.host,
                embedded.port,
                "postgres",
                embedded.superuser,
                embedded.superuser_password,
                source="the embedded scratch server",
            )
        finally:
            await to_the_end(embedded.stop("immediate"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def remove_scratch_server(directory: Path) -> bool:
    """Stop a server of our own that a crash has left behind, and remove it. Returns whether there was one.

    Raises:
        EmbeddedServerError: it does not stop.
    """
    if directory.parent != scratch_server_directory() or not directory.name.startswith(SERVER_PREFIX):
        return False
    if not directory.is_dir():
        return False
    if (directory / "PG_VERSION").exists():
        embedded = await EmbeddedServer.start(directory, settings=EMBEDDED_SETTINGS)  # or attach to it
        await embedded.stop("immediate")
    shutil.rmtree(directory, ignore_errors=True)
    return True


@contextlib.asynccontextmanager
async def scratch_database(
    server: ConnectionSpec, purpose: str, *, encoding: str | None = None
) -> AsyncGenerator[ConnectionSpec, None]:
    """An empty database, to which only its owner may connect, dropped with all its sessions at the end of the block.

    Args:
        server: a login that may create databases, and a database to connect to meanwhile.
        purpose: what it is for, in a few words; its comment says so.
        encoding: of its texts; None for the server's own. Another than UTF8 comes with the locale C, which fits any.

    Raises:
        Refused: the role may not create databases, or the server will not make one.
        ConnectionFailed: the server does not answer.
    """
    name = PREFIX + secrets.token_hex(4)
    try:
        await _create(server, name, purpose, encoding)
        yield server.with_database(name)
    finally:
        await to_the_end(_drop_after_use(server, name))


async def leftovers(connection: asyncpg.Connection) -> tuple[Leftover, ...]:
    """List the scratch databases on a server, by name. What is in use (`sessions`) may belong to a run that goes on."""
    found: list[Leftover] = []
    for row in await connection.fetch(_QUERIES["scratch_databases"], f"{PREFIX}%"):
        if _NAME.fullmatch(row["name"]):
            comment = _COMMENT.fullmatch(row["comment"] or "")
            found.append(
                Leftover(
                    name=row["name"],
                    owner=row["owner"],
                    sessions=row["sessions"],
                    purpose=comment["purpose"] if comment else "",
                    made_at=_moment(comment["made_at"]) if comment else None,
                )
            )
    return tuple(found)


async def drop_leftover(connection: asyncpg.Connection, name: str) -> None:
    """Drop a scratch database, ending its sessions. The connection must be able to write, and not be in a transaction.

    Raises:
        Refused: the name is not one of a scratch database.
        asyncpg.PostgresError: the server does not drop it.
    """
    if not _NAME.fullmatch(name):
        raise Refused(f"{name} is not the name of a scratch database of pgrecast, and is not dropped.")
    await drop_with_sessions(connection, name)


async def drop_with_sessions(connection: asyncpg.Connection, name: str) -> None:
    """Drop a database although this role's own sessions are connected to it; nothing happens when there is none.

    FORCE fails where an autovacuum worker looks at the database, for its process is nobody's that a role may end; a plain
    DROP ends such a worker by itself (PostgreSQL source, procarray.c, CountOtherDBBackends), once the sessions are gone.
    """
    quoted = quote_identifier(name)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
    except asyncpg.InsufficientPrivilegeError:
        await connection.fetch(_QUERIES["end_own_sessions"], name)
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted}")


async def _create(server: ConnectionSpec, name: str, purpose: str, encoding: str | None) -> None:
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    connection = await connect(server, read_only=False, statement_timeout_ms=CREATE_TIMEOUT_MS)
    try:
        quoted = quote_identifier(name)
        # template0: what an administrator has put into template1 is not part of a schema's history.
        given = f" ENCODING {quote_literal(encoding)}" if encoding else ""
        given += " LOCALE 'C'" if encoding not in (None, "UTF8") else ""
        await connection.execute(f"CREATE DATABASE {quoted} TEMPLATE template0{given}")
        await connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {quoted} FROM PUBLIC")
        comment = f"{_MARK} ({purpose}), made {made_at}; it may be dropped."
        await connection.execute(f"COMMENT ON DATABASE {quoted} IS {quote_literal(comment)}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise _not_made(server, error) from error
    finally:
        await to_the_end(_close(connection))


def _not_made(server: ConnectionSpec, error: Exception) -> PgrecastError:
    said = redactor.redact(str(error))
    if lost(error):
        return ConnectionFailed(
            f"The connection to {server} was lost while a scratch database was made: {said}",
            state="Perhaps an empty scratch database is left on that server.",
            advice="Check that the server still runs, and try again.",
        )
    advice = "See the server's log."
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        advice = f"Have {server.user} granted CREATEDB, or name another server for scratch databases, or none: then pgrecast starts one."
    return Refused(f"No scratch database could be made on {server}: {said}.", advice=advice)


async def _drop_after_use(server: ConnectionSpec, name: str) -> None:
    """Drop it; a server that is gone, or no longer lets us in, keeps it, and `leftovers` lists it."""
    with contextlib.suppress(PgrecastError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        connection = await connect(server, read_only=False, statement_timeout_ms=CREATE_TIMEOUT_MS)
        try:
            await drop_leftover(connection, name)
        finally:
            await _close(connection)


async def _close(connection: asyncpg.Connection) -> None:
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        await connection.close(timeout=5)


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do it even when this task is being cancelled; the cancellation goes on afterwards."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
