"""Builds the incident: the production and the test database of an M&A platform, in the state in which they were found.

The databases' keys are uuid although the application and its migrations expect varchar(36); `alembic_version` claims a
revision that never ran; five tables were made by hand. The SQL is in production/, the application in application/.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg
from pydantic import SecretStr

from core.errors import EmbeddedServerError, Refused, UsageError
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scram import scram_verifier
from core.postgres.sql import load_queries, quote_identifier, quote_literal

PRODUCTION_DATABASE = "ma_saas_platform"
TEST_DATABASE = "ma_saas_test"
OWNER = "ma_saas_user"
REPORTING = "ma_saas_reporting"

CLAIMED_REVISION = "f867c7e3d51c"
TRUE_REVISION = "ba1a5bcdb110"
HEAD_REVISION = "b354d12d1e7d"

MINIMUM_ROWS = 1000
APPLICATION = Path(__file__).with_name("application")

_SQL = Path(__file__).with_name("production")
_DOMAINS = ("identity", "deals", "workflow", "documents", "billing", "valuation")
_DEPENDENTS = ("functions", "updated_at", "views", "triggers", "policies", "privileges", "statistics", "comments")
_MARK = "Made by the demo of pgrecast, which may drop it"
# A password that is set, though only as a hash, is not for the server's log.
_QUIET = {"log_statement": "none", "log_min_error_statement": "panic"}
_FAST = {
    "synchronous_commit": "off",
    "maintenance_work_mem": "256MB",
    "work_mem": "64MB",
    "client_min_messages": "error",  # ANALYZE of what only a superuser may; wal_level and the publication
}
_QUERIES = load_queries(Path(__file__).with_name("queries"))


class Cluster(Protocol):
    """A server with a superuser's login, such as `core.postgres.embedded.EmbeddedServer`."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def superuser(self) -> str: ...
    @property
    def superuser_password(self) -> SecretStr | None: ...


@dataclass(frozen=True, slots=True)
class Incident:
    """Where the incident is.

    Attributes:
        production, test: the databases, as the owner, who is no superuser and whom the application logs in as.
        reporting: production as the second role, which has some privileges there.
        application: the application's directory, with its alembic.ini.
    """

    production: ConnectionSpec
    test: ConnectionSpec
    reporting: ConnectionSpec
    application: Path


async def build_incident(
    server: Cluster,
    *,
    rows: int = 200_000,
    hard: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Incident:
    """Build both databases, in place of those that an earlier demo left on the server.

    Args:
        server: where; its superuser makes the roles and the empty databases, the owner everything else.
        rows: rows of production in total, at least 1,000; the test database gets a tenth, and no fewer than 1,000 either.
        hard: add the dependents that a plain conversion cannot put back (production/hard.sql).
        report: told what has been done, a sentence at a time.

    Raises:
        UsageError: too few rows.
        EmbeddedServerError: the server failed, or was stopped, in the middle; what is half built is replaced the next time.
        Refused: the server has a database or a role of one of these names that no demo has made.
        ConnectionFailed: the server does not answer.
    """
    if rows < MINIMUM_ROWS:
        raise UsageError(f"The demo needs at least {MINIMUM_ROWS:,} rows, not {rows:,}.", advice="Ask for more rows.")
    await remove_incident(server)
    owner_password, reporting_password = SecretStr(secrets.token_urlsafe(24)), SecretStr(secrets.token_urlsafe(24))
    production = ConnectionSpec(
        server.host, server.port, PRODUCTION_DATABASE, OWNER, owner_password, source="the demo's production database"
    )
    test = ConnectionSpec(
        server.host, server.port, TEST_DATABASE, OWNER, owner_password, source="the demo's test database"
    )
    reporting = ConnectionSpec(
        server.host, server.port, PRODUCTION_DATABASE, REPORTING, reporting_password, source="the demo's second role"
    )
    await _make_roles_and_databases(server, owner_password, reporting_password)
    builds = [
        asyncio.create_task(_build_database(spec, amount, hard=hard, report=report))
        for spec, amount in ((production, rows), (test, max(rows // 10, MINIMUM_ROWS)))
    ]
    try:
        await asyncio.gather(*builds)
    finally:
        for build in builds:
            build.cancel()
        await asyncio.gather(*builds, return_exceptions=True)
    return Incident(production, test, reporting, APPLICATION)


async def remove_incident(server: Cluster) -> None:
    """Drop what the demo has made on a server, and every database that its owner has made there since.

    Raises:
        Refused: a database or a role has one of the demo's names and was not made by it; nothing is dropped then.
        EmbeddedServerError: the server failed, or was stopped, in the middle.
        ConnectionFailed: the server does not answer.
    """
    async with _session(_superuser(server), _QUIET) as connection:
        found = await connection.fetch(
            _QUERIES["namesakes"], [PRODUCTION_DATABASE, TEST_DATABASE], [OWNER, REPORTING], _MARK
        )
        for kind, name, is_ours in found:
            if not is_ours:
                raise Refused(
                    f"There is a {kind} {name} on {server.host}:{server.port} that the demo has not made.",
                    state="Nothing has been changed there.",
                    advice="Let the demo start a server of its own, or rename what is there.",
                )
        roles = [quote_identifier(name) for kind, name, _ in found if kind == "role"]
        for (database,) in await connection.fetch(_QUERIES["databases"], OWNER, [PRODUCTION_DATABASE, TEST_DATABASE]):
            await connection.execute(f"DROP DATABASE IF EXISTS {quote_identifier(database)} WITH (FORCE)")
        for role in roles:
            await connection.execute(f"DROP OWNED BY {role}")
        for role in roles:
            await connection.execute(f"DROP ROLE {role}")


def _superuser(server: Cluster) -> ConnectionSpec:
    return ConnectionSpec(server.host, server.port, "postgres", server.superuser, server.superuser_password)


@contextlib.asynccontextmanager
async def _session(spec: ConnectionSpec, settings: Mapping[str, str]) -> AsyncGenerator[asyncpg.Connection, None]:
    """A session that may write and take its time; what goes wrong in it is explained."""
    connection = await connect(spec, read_only=False, statement_timeout_ms=0, settings=settings)
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise EmbeddedServerError(
            f"The demo's database {spec.database} could not be built: {error}",
            state="The demo is half built; no other database has been changed.",
            advice="Start the demo again: it replaces what is half built.",
        ) from error
    finally:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.close()


async def _make_roles_and_databases(server: Cluster, owner: SecretStr, reporting: SecretStr) -> None:
    async with _session(_superuser(server), _QUIET) as connection:
        for role, options, password in ((OWNER, "CREATEDB CREATEROLE", owner), (REPORTING, "", reporting)):
            await connection.execute(
                f"CREATE ROLE {role} LOGIN {options} PASSWORD {quote_literal(scram_verifier(password))};"
                f"COMMENT ON ROLE {role} IS {quote_literal(_MARK)}"
            )
        for database in (PRODUCTION_DATABASE, TEST_DATABASE):
            await connection.execute(f"CREATE DATABASE {database} OWNER {OWNER} TEMPLATE template0 ENCODING 'UTF8'")
            await connection.execute(f"COMMENT ON DATABASE {database} IS {quote_literal(_MARK)}")


async def _build_database(spec: ConnectionSpec, rows: int, *, hard: bool, report: Callable[[str], None]) -> None:
    async with _session(spec, _FAST) as connection:
        await connection.execute("SELECT set_config('demo.rows', $1, false)", str(rows))
        for what, scripts in _stages(is_test=spec.database == TEST_DATABASE, hard=hard):
            started = time.monotonic()
            for script in scripts:
                await connection.execute(script.read_text(encoding="utf-8"))
            report(f"{spec.database}: {what}, {time.monotonic() - started:.1f} s")
        ((tables, keys, total),) = await connection.fetch(_QUERIES["size"])
        report(f"{spec.database}: {tables} tables, {keys} foreign keys, {total:,} rows")


def _stages(*, is_test: bool, hard: bool) -> Iterator[tuple[str, list[Path]]]:
    """The scripts in order. Keys and indexes come after the rows: built once, not row by row."""
    yield "tables made", [_SQL / "tables" / f"{domain}.sql" for domain in _DOMAINS]
    yield "rows written", [_SQL / "data" / f"{name}.sql" for name in ("helpers", *_DOMAINS, "usage_events")]
    yield "keys and indexes made", [_SQL / "keys" / f"{domain}.sql" for domain in _DOMAINS]
    yield "views, triggers and policies made", [_SQL / "dependents" / f"{name}.sql" for name in _DEPENDENTS]
    if hard:
        yield "harder dependents made", [_SQL / "hard.sql"]
    if is_test:
        yield "drifted from production", [_SQL / "test_database.sql"]
    yield "stamped and analysed", [_SQL / "stamp.sql", _SQL / "analyze.sql"]
