"""The database as its host sees it: logins that it makes and takes away, exports, and how far back it can be recovered."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr

from core.demo.alembic import database_url
from core.demo.hosting.state import Hosted, rfc3339
from core.demo.incident import Cluster
from core.postgres.client_tools import client_tools_for, login_environment, run_tool
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scram import scram_verifier
from core.postgres.sql import load_queries, quote_identifier, quote_literal
from core.redaction import redactor

EXPORT_TIMEOUT = 300.0
OUTSIDE = {"127.0.0.1": "localhost"}
"""Another name of the server, for its address outside the host's network."""

_QUERIES = load_queries(Path(__file__).with_name("queries"))


@dataclass(slots=True)
class HostedExport:
    """An export; `path` once it is there, with the token that stands for a login."""

    id: str
    created_at: datetime
    path: Path | None = None
    token: str = ""


@dataclass(slots=True)
class Login:
    """A user whom the host has made: while the host knows its password, `connection-info` tells it."""

    username: str
    password: SecretStr | None
    created_at: datetime


class HostedDatabase:
    """The production database and its server.

    Args:
        hosted: gives ids.
        production: as the owner, with the password that the host once gave out.
        cluster: the server, with the superuser's login, which only the host has.
    """

    def __init__(self, hosted: Hosted, production: ConnectionSpec, cluster: Cluster) -> None:
        now = datetime.now(UTC)
        self.recoverable_since = now - timedelta(days=3)
        self.exports: list[HostedExport] = []
        self._hosted = hosted
        self._production = production
        self._cluster = cluster
        self._logins = [Login(production.user, production.password, now - timedelta(days=90))]
        self._directory: Path | None = None
        self._work: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def default(self) -> Login:
        return self._logins[-1]

    def url(self, *, outside: bool = False) -> str:
        """The default user's connection string."""
        spec = replace(self._production, user=self.default.username, password=self.default.password)
        host = OUTSIDE.get(spec.host, spec.host) if outside else spec.host
        return database_url(replace(spec, host=host)).get_secret_value()

    async def credentials(self) -> list[dict[str, Any]]:
        async with self._as_superuser() as connection:
            names = [login.username for login in self._logins]
            found = await connection.fetch(_QUERIES["sessions_of_roles"], names)
        sessions = {str(row["usename"]): int(row["sessions"]) for row in found}
        return [
            {
                "username": login.username,
                "default": login is self.default,
                "createdAt": rfc3339(login.created_at),
                "openConnections": sessions.get(login.username, 0),
            }
            for login in self._logins
        ]

    def knows(self, username: str) -> bool:
        return any(login.username == username for login in self._logins)

    async def make_login(self, username: str) -> None:
        """Make a user with the rights of the one before, who becomes the default."""
        password = SecretStr(secrets.token_urlsafe(24))
        redactor.add(password)
        async with self._as_superuser() as connection:
            role, former = quote_identifier(username), quote_identifier(self._production.user)
            verifier = quote_literal(scram_verifier(password))
            await connection.execute(
                f"CREATE ROLE {role} LOGIN CREATEDB CREATEROLE IN ROLE {former} PASSWORD {verifier}"
            )
        self._logins.append(Login(username, password, datetime.now(UTC)))

    async def remove_login(self, username: str) -> None:
        """Take a user's login away, and end its sessions; what it owns stays."""
        async with self._as_superuser() as connection:
            await connection.execute(f"ALTER ROLE {quote_identifier(username)} NOLOGIN PASSWORD NULL")
            await connection.execute(_QUERIES["end_sessions_of_role"], username)
        self._logins = [login for login in self._logins if login.username != username]

    def start_export(self) -> None:
        export = HostedExport(self._hosted.new_id("exp"), datetime.now(UTC))
        self.exports.append(export)
        task = asyncio.create_task(self._export(export))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def settle(self) -> None:
        """Wait until every export is there."""
        await asyncio.gather(*self._work)

    async def _export(self, export: HostedExport) -> None:
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="pgrecast-demo-exports-"))
        name = export.created_at.strftime("%Y-%m-%dT%H_%MZ")
        place = self._directory / export.id / name
        place.mkdir(parents=True)
        spec = self._superuser()
        connection = await connect(spec)
        try:
            tools = await client_tools_for(connection)
        finally:
            await connection.close()
        async with login_environment(spec) as environment:
            arguments = ("--format=directory", f"--file={place / spec.database}")
            await run_tool(tools.path("pg_dump"), arguments, environment, timeout=EXPORT_TIMEOUT)
        path = self._directory / f"{export.id}.dir.tar.gz"
        await asyncio.to_thread(_pack, place, path)
        shutil.rmtree(place.parent)
        export.path, export.token = path, secrets.token_urlsafe(16)

    def _superuser(self) -> ConnectionSpec:
        cluster = self._cluster
        return ConnectionSpec(
            cluster.host, cluster.port, self._production.database, cluster.superuser, cluster.superuser_password
        )

    @contextlib.asynccontextmanager
    async def _as_superuser(self) -> AsyncGenerator[asyncpg.Connection, None]:
        # A password that is set, though only as a hash, is not for the server's log.
        quiet = {"log_statement": "none", "log_min_error_statement": "panic"}
        connection = await connect(self._superuser(), read_only=False, settings=quiet)
        try:
            yield connection
        finally:
            await connection.close()


def _pack(place: Path, path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(place, arcname=place.name)
