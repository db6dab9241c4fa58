"""A new database beside the old one, made like it, and the two exchanged by their names: how a restored backup comes to serve.

The old database is never written to and never dropped.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import AsyncGenerator, Iterator

import asyncpg

from core.backup.content import QUERIES
from core.errors import BackupError, ConnectionFailed, PgrecastError, Refused
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scratch import drop_with_sessions, to_the_end
from core.postgres.sql import quote_identifier, quote_literal
from core.redaction import redactor

MARK = "Being restored by pgrecast; it may be dropped."
STATEMENT_TIMEOUT_MS = 120_000
LONGEST_NAME = 63
"""Bytes that PostgreSQL keeps of a name."""
ELSEWHERE = ("postgres", "template1")
"""Databases to be connected to while others are renamed."""
ATTEMPTS = 3
"""Each waits for five seconds by itself for others to leave (PostgreSQL source, procarray.c, CountOtherDBBackends)."""

# Settings whose values are lists of names, each quoted by itself (PostgreSQL source, GUC_LIST_QUOTE).
_LISTS = frozenset(
    ("local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces",
     "unix_socket_directories")
)  # fmt: skip


def fitting(database: str, suffix: str) -> str:
    """A database's name with a suffix, no longer than PostgreSQL keeps."""
    kept = database.encode()[: LONGEST_NAME - len(suffix.encode())].decode(errors="ignore")
    return f"{kept}{suffix}"


async def make_like(spec: ConnectionSpec, name: str) -> None:
    """Make an empty database with the encoding and locale of an existing one, marked as unfinished.

    Raises:
        Refused: the role may not, or the server will not make it.
        ConnectionFailed: the server does not answer.
    """
    # To its end: a server goes on making a database of which nobody waits any more, and it could not be dropped yet.
    await to_the_end(_make_like(spec, name))


async def _make_like(spec: ConnectionSpec, name: str) -> None:
    async with _writing(spec) as connection:
        (like,) = await connection.fetch(QUERIES["database_made_like"])
        try:
            await connection.execute(f"CREATE DATABASE {quote_identifier(name)} TEMPLATE template0 {_locale(like)}")
            await connection.execute(f"COMMENT ON DATABASE {quote_identifier(name)} IS {quote_literal(MARK)}")
        except asyncpg.InsufficientPrivilegeError as error:
            raise Refused(
                f"{spec.user} may not create a database on production's server: {redactor.redact(str(error))}.",
                advice="Have it granted CREATEDB, or restore by hand into a database that the host makes for you.",
            ) from error


async def complete(spec: ConnectionSpec, name: str, comment: str) -> tuple[str, ...]:
    """Give the new database what a dump does not hold, the settings and privileges of the old one, and statistics.

    Returns:
        what could not be given, one sentence each.
    """
    failed: list[str] = []
    async with _writing(spec) as connection:
        settings = await connection.fetch(QUERIES["database_settings"])
        grants = await connection.fetch(QUERIES["database_grants"])
        statements = [
            *(_setting(name, row) for row in settings),
            *_grants(name, grants),
            f"COMMENT ON DATABASE {quote_identifier(name)} IS {quote_literal(comment)}",
        ]
        for statement in statements:
            try:
                await connection.execute(statement)
            except asyncpg.PostgresError as error:
                failed.append(redactor.redact(f"{statement.partition(' TO ')[0]}: {error}"))
    async with _writing(spec.with_database(name), timeout_ms=0) as connection:
        await connection.execute("ANALYZE")
    return tuple(failed)


async def drop_unfinished(spec: ConnectionSpec, name: str) -> str:
    """Drop a new database that was not finished; one without our mark is left alone. Returns what is to be said of it."""
    try:
        async with _writing(spec) as connection:
            rows = await connection.fetch(QUERIES["database_named"], name)
            if not rows:
                return ""
            if rows[0]["comment"] not in (MARK, None) or name == spec.database:
                return f"The database {name} is left alone: it is not marked as unfinished."
            await drop_with_sessions(connection, name)
    except PgrecastError as error:
        return f"The unfinished database {name} could not be dropped: {error.what}"
    return f"The unfinished database {name} is dropped."


async def exchange(spec: ConnectionSpec, new: str, aside: str) -> None:
    """Rename the database aside and give its name to the new one, in one transaction; sessions of this role are ended first.

    Args:
        spec: of the database that has the name now.

    Raises:
        Refused: others are connected, or this role may not rename them; nothing is renamed then.
        ConnectionFailed: the server does not answer.
    """
    old, both = spec.database, [spec.database, new]
    async with _elsewhere(spec) as connection:
        for attempt in range(1, ATTEMPTS + 1):
            await connection.fetch(QUERIES["end_own_sessions_on"], both)
            try:
                async with connection.transaction():
                    await connection.execute(
                        f"ALTER DATABASE {quote_identifier(old)} RENAME TO {quote_identifier(aside)}"
                    )
                    await connection.execute(
                        f"ALTER DATABASE {quote_identifier(new)} RENAME TO {quote_identifier(old)}"
                    )
                return
            except asyncpg.ObjectInUseError:
                if attempt == ATTEMPTS:
                    raise _in_use(await connection.fetch(QUERIES["sessions_on"], both)) from None
            except asyncpg.InsufficientPrivilegeError as error:
                raise Refused(
                    f"{spec.user} may not rename the databases: {redactor.redact(str(error))}.",
                    advice=f"Set the service's DATABASE_URL to the database {new} instead, and deploy or restart it.",
                ) from error


async def oid_of(spec: ConnectionSpec, name: str) -> int | None:
    """The oid of a database on that server; None when there is none of that name."""
    async with _elsewhere(spec) as connection:
        rows = await connection.fetch(QUERIES["database_named"], name)
    return rows[0]["oid"] if rows else None


def _in_use(rows: list[asyncpg.Record]) -> Refused:
    who = ", ".join(f"{row['role']} ({row['application'] or 'unnamed'}) on {row['database']}" for row in rows)
    return Refused(
        f"The databases cannot be exchanged while somebody is connected: {who or 'whoever comes again and again'}.",
        advice="Stop the service and every other client (step 7.2), then run the step again.",
    )


def _locale(like: asyncpg.Record) -> str:
    parts = [f"ENCODING {quote_literal(like['encoding'])}", f"LC_COLLATE {quote_literal(like['collate'])}"]
    parts.append(f"LC_CTYPE {quote_literal(like['ctype'])}")
    if like["locale"] and like["provider"] == "i":
        parts += ["LOCALE_PROVIDER icu", f"ICU_LOCALE {quote_literal(like['locale'])}"]
    elif like["locale"] and like["provider"] == "b":
        parts += ["LOCALE_PROVIDER builtin", f"BUILTIN_LOCALE {quote_literal(like['locale'])}"]
    return " ".join(parts)


def _setting(name: str, row: asyncpg.Record) -> str:
    setting, _, value = row["setting"].partition("=")
    whose = f"ROLE {row['role']} IN DATABASE" if row["of_role"] else "DATABASE"
    return f"ALTER {whose} {quote_identifier(name)} SET {_setting_name(setting)} TO {_setting_value(setting, value)}"


def _setting_name(setting: str) -> str:
    return ".".join(map(quote_identifier, setting.split(".")))


def _setting_value(setting: str, value: str) -> str:
    if setting not in _LISTS:
        return quote_literal(value)
    names = [name for row in csv.reader([value], skipinitialspace=True) for name in row]
    return ", ".join(map(quote_literal, names)) or "''"


def _grants(name: str, rows: list[asyncpg.Record]) -> Iterator[str]:
    quoted = quote_identifier(name)
    if rows:
        yield f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC"
    for row in rows:
        whom = "PUBLIC" if row["grantee"] is None else quote_identifier(row["grantee"])
        option = " WITH GRANT OPTION" if row["grantable"] else ""
        yield f"GRANT {row['privilege']} ON DATABASE {quoted} TO {whom}{option}"


@contextlib.asynccontextmanager
async def _writing(
    spec: ConnectionSpec, *, timeout_ms: int = STATEMENT_TIMEOUT_MS
) -> AsyncGenerator[asyncpg.Connection]:
    connection = await connect(spec, read_only=False, statement_timeout_ms=timeout_ms)
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise BackupError(f"{spec} refused a statement: {redactor.redact(str(error))}") from error
    finally:
        connection.terminate()


@contextlib.asynccontextmanager
async def _elsewhere(spec: ConnectionSpec) -> AsyncGenerator[asyncpg.Connection]:
    """A session on the server that is in neither of the databases."""
    for name in ELSEWHERE:
        with contextlib.suppress(ConnectionFailed):
            connection = await connect(
                spec.with_database(name), read_only=False, statement_timeout_ms=STATEMENT_TIMEOUT_MS
            )
            break
    else:
        raise Refused(
            f"{spec.user} can connect to none of {' and '.join(ELSEWHERE)} on production's server, and a database cannot be "
            "renamed from within.",
            advice="Set the service's DATABASE_URL to the restored database instead, and deploy or restart it.",
        )
    try:
        yield connection
    finally:
        connection.terminate()
