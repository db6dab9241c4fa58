"""The server and the databases that tests run against (fixtures: conftest.py)."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from pydantic import SecretStr

from core.postgres.connection_spec import ConnectionSpec
from core.postgres.embedded import EmbeddedServer
from core.postgres.scram import scram_verifier

Result = TypeVar("Result")


def run_sync(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on a loop and thread of its own, so that sync and async tests share a fixture."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


@dataclass(frozen=True)
class Server:
    """A server with a superuser's login; `embedded` is None when it is the one that PGHOST names."""

    host: str
    port: int
    superuser: str
    superuser_password: SecretStr | None
    embedded: EmbeddedServer | None = None

    @classmethod
    def from_environment(cls) -> Server:
        password = os.environ.get("PGPASSWORD")
        return cls(
            host=os.environ["PGHOST"],
            port=int(os.environ.get("PGPORT", "5432")),
            superuser=os.environ.get("PGUSER", "postgres"),
            superuser_password=SecretStr(password) if password else None,
        )

    @classmethod
    def from_embedded(cls, embedded: EmbeddedServer) -> Server:
        return cls(
            host=embedded.host,
            port=embedded.port,
            superuser=embedded.superuser,
            superuser_password=embedded.superuser_password,
            embedded=embedded,
        )

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        """Connect as the superuser."""
        password = self.superuser_password.get_secret_value() if self.superuser_password else None
        return await asyncpg.connect(
            host=self.host, port=self.port, user=self.superuser, password=password, database=database
        )

    def binary(self, name: str) -> Path:
        """Path of psql, pg_dump or pg_restore that fits the server."""
        if self.embedded is not None:
            return self.embedded.binary(name)
        found = shutil.which(name)
        assert found, f"{name} is not on the PATH"
        return Path(found)


@dataclass(frozen=True)
class Database:
    """An empty database and its owner, who is no superuser."""

    server: Server
    name: str
    owner: str
    password: SecretStr

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def dsn(self) -> str:
        """The URL without the password."""
        return f"postgresql://{self.owner}@{self.host}:{self.port}/{self.name}"

    @property
    def dsn_parts(self) -> dict[str, Any]:
        """Arguments for asyncpg.connect, the password in plain text."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.owner,
            "password": self.password.get_secret_value(),
            "database": self.name,
        }

    @property
    def spec(self) -> ConnectionSpec:
        """The owner's login."""
        return ConnectionSpec(self.host, self.port, self.name, self.owner, self.password)

    @property
    def environment(self) -> dict[str, str]:
        """libpq's variables for a child process, the password in plain text."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.owner,
            "PGPASSWORD": self.password.get_secret_value(),
            "PGDATABASE": self.name,
        }

    async def connect(self) -> asyncpg.Connection:
        """Connect as the owner."""
        return await asyncpg.connect(**self.dsn_parts)

    async def superuser_connect(self) -> asyncpg.Connection:
        return await self.server.connect(self.name)


async def create_database(server: Server) -> Database:
    suffix = secrets.token_hex(4)
    database = Database(
        server=server,
        name=f"test_{suffix}",
        owner=f"test_owner_{suffix}",
        password=SecretStr(f"fake-{secrets.token_hex(8)}"),
    )
    connection = await server.connect()
    try:
        await connection.execute(
            f"CREATE ROLE {database.owner} LOGIN CREATEDB CREATEROLE PASSWORD '{scram_verifier(database.password)}'"
        )
        await connection.execute(
            f"CREATE DATABASE {database.name} OWNER {database.owner} TEMPLATE template0 ENCODING 'UTF8'"
        )
    finally:
        await connection.close()
    return database


async def drop_database(database: Database) -> None:
    """Drop the database, and whatever databases and roles its owner has made besides.

    Below PostgreSQL 16 roles are found by their names: begin those that a test makes with `database.owner`.
    """
    connection = await database.server.connect()
    try:
        names = await connection.fetch(
            "SELECT quote_ident(datname) FROM pg_database WHERE datdba = to_regrole($1)", database.owner
        )
        for (name,) in names:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        roles = await connection.fetch(
            # From PostgreSQL 16 on, who creates a role becomes its administrator; before, only the name tells.
            "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname <> $1 AND (starts_with(rolname, $1) OR oid IN"
            " (SELECT roleid FROM pg_auth_members WHERE member = to_regrole($1) AND admin_option))",
            database.owner,
        )
        for (role,) in [*roles, (database.owner,)]:
            await connection.execute(f"DROP OWNED BY {role}")
            await connection.execute(f"DROP ROLE {role}")
    finally:
        await connection.close()
