"""Scratch databases: marked, closed to others, dropped in every case."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from core.errors import Refused
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scratch import Leftover, drop_leftover, leftovers, scratch_database, scratch_server
from tests.databases import Database
from tests.histories import spec_of
from tests.sessions import session


async def left_to(database: Database, connection: asyncpg.Connection) -> list[Leftover]:
    """Those of this test: the server may have others."""
    return [found for found in await leftovers(connection) if found.owner == database.owner]


async def test_a_scratch_database_says_what_it_is_and_goes_with_its_sessions(database: Database) -> None:
    server = spec_of(database)
    async with scratch_database(server, "a trial") as scratch:
        assert scratch.database.startswith("pgrecast_scratch_")
        async with session(server) as connection:
            (found,) = await left_to(database, connection)
        assert (found.name, found.owner, found.purpose) == (scratch.database, database.owner, "a trial")
        assert found.made_at is not None
        assert abs(datetime.now(UTC) - found.made_at) < timedelta(hours=1)
        forgotten = await connect(scratch, read_only=False)
        await forgotten.execute("CREATE TABLE t (id integer)")
        await forgotten.execute("BEGIN; LOCK TABLE t")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await forgotten.fetchval("SELECT 1")
    forgotten.terminate()
    async with session(server) as connection:
        assert await left_to(database, connection) == []


async def test_others_may_not_connect(database: Database) -> None:
    async with session(spec_of(database)) as owner, scratch_database(spec_of(database), "secrets") as scratch:
        await owner.execute(f"CREATE ROLE {database.owner}_other LOGIN")
        allowed = await owner.fetchval(
            "SELECT has_database_privilege($1, $2, 'CONNECT')", f"{database.owner}_other", scratch.database
        )
        assert allowed is False


@pytest.mark.parametrize("ending", ["an error", "a cancellation"])
async def test_it_is_dropped_however_the_block_ends(database: Database, ending: str) -> None:
    server = spec_of(database)
    inside = asyncio.Event()

    async def use() -> None:
        async with scratch_database(server, "a trial"):
            inside.set()
            if ending == "an error":
                raise LookupError
            await asyncio.sleep(300)

    task = asyncio.create_task(use())
    await inside.wait()
    task.cancel() if ending == "a cancellation" else None
    with pytest.raises((LookupError, asyncio.CancelledError)):
        await task
    async with session(server) as connection:
        assert await left_to(database, connection) == []


async def test_what_a_crash_left_is_listed_and_dropped_and_nothing_else(database: Database) -> None:
    server = spec_of(database)
    async with session(server) as connection:
        name, mine = f"pgrecast_scratch_{secrets.token_hex(4)}", f"pgrecast_scratch_of_{database.owner}"
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.execute(f"CREATE DATABASE {mine}")
        (found,) = await left_to(database, connection)
        assert (found.name, found.purpose, found.made_at, found.sessions) == (name, "", None, 0)
        with pytest.raises(Refused, match="not the name of a scratch database"):
            await drop_leftover(connection, mine)
        await drop_leftover(connection, found.name)
        assert await left_to(database, connection) == []
        assert await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", mine) == 1


async def test_a_role_that_may_not_create_databases_is_told_so(database: Database) -> None:
    connection = await database.superuser_connect()
    await connection.execute(f"ALTER ROLE {database.owner} NOCREATEDB")
    await connection.close()
    with pytest.raises(Refused, match="permission denied to create database") as refused:
        async with scratch_database(spec_of(database), "a trial"):
            pytest.fail("it was made")
    assert "granted CREATEDB" in refused.value.advice


async def test_a_server_of_our_own_ends_with_the_block() -> None:
    async with (
        scratch_server(None) as server,
        scratch_database(server, "a trial") as scratch,
        session(scratch) as connection,
    ):
        assert await connection.fetchval("SELECT current_database()") == scratch.database
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(server.host, server.port)
    given = ConnectionSpec("db.example", 5432, "app", "owner")
    async with scratch_server(given) as server:
        assert server is given
