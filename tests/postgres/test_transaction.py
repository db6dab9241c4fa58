"""The one transaction: its settings, its locks, and an end whose outcome is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from core.errors import Refused, WrongDatabase
from core.postgres.connect import identify
from core.retype.locking import Session, claim, lock_holders, lock_relations
from core.retype.outcome import resolve_outcome
from core.retype.transaction import Transaction
from tests.databases import Database


def ignore(*_: object) -> None:
    pass


@asynccontextmanager
async def opened(database: Database, **settings: str) -> AsyncGenerator[Transaction, None]:
    connection = await database.connect()
    identity = await identify(connection)
    await connection.close()
    transaction = await Transaction.connect(database.spec, identity, ignore)
    try:
        await transaction.begin({"lock_timeout": "100", **settings})
        await transaction.identify()
        yield transaction
    finally:
        await transaction.close()


async def as_superuser(database: Database, *statements: str) -> None:
    connection = await database.superuser_connect()
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def other(database: Database) -> AsyncGenerator[asyncpg.Connection, None]:
    """Another session of the owner's."""
    connection = await database.connect()
    yield connection
    await connection.close()


async def test_what_the_role_has_set_does_not_hold_here(database: Database) -> None:
    unwanted = {
        "statement_timeout": "50ms",
        "lock_timeout": "50ms",
        "idle_in_transaction_session_timeout": "50ms",
        "default_transaction_isolation": "serializable",
        "default_transaction_read_only": "on",
        "row_security": "on",
        "search_path": "public",
        "synchronous_commit": "off",
    }
    await as_superuser(
        database, *(f"ALTER ROLE {database.owner} SET {name} = '{value}'" for name, value in unwanted.items())
    )
    async with opened(database, lock_timeout="2000") as transaction:
        names = [*unwanted, "transaction_isolation", "transaction_read_only"]
        found = {name: await transaction.connection.fetchval(f"SHOW {name}") for name in names}
        await asyncio.sleep(0.2)
        await transaction.connection.execute("SELECT pg_sleep(0.2)")
    assert found["transaction_isolation"] == "read committed"
    assert found["transaction_read_only"] == "off"
    assert found["statement_timeout"] == found["idle_in_transaction_session_timeout"] == "0"
    assert found["lock_timeout"] == "2s"
    assert (found["row_security"], found["search_path"], found["synchronous_commit"]) == ("off", "pg_catalog", "on")


async def test_another_database_is_refused(database: Database) -> None:
    connection = await database.connect()
    identity = await identify(connection)
    await connection.close()
    with pytest.raises(WrongDatabase):
        await Transaction.connect(database.spec, replace(identity, database_oid=1), ignore)


async def test_one_conversion_at_a_time(database: Database) -> None:
    async with opened(database) as first, opened(database) as second:
        await claim(first.connection)
        with pytest.raises(Refused, match=f"process {first.pid} .*application pgrecast"):
            await claim(second.connection)
        await first.roll_back()
        await claim(second.connection)


async def test_who_holds_a_lock_is_named_and_nothing_is_kept_meanwhile(
    database: Database, other: asyncpg.Connection
) -> None:
    await other.execute("CREATE TABLE a (); CREATE TABLE b ()")
    oids = [await other.fetchval(f"SELECT 'public.{name}'::regclass::oid") for name in "ab"]
    await other.execute("SET application_name = 'billing'; BEGIN; SELECT FROM b")
    seen: list[list[Session]] = []
    locked_during_pause: list[Any] = []

    async def look() -> None:
        await asyncio.sleep(0.25)
        query = "SELECT relation::regclass::text FROM pg_locks WHERE relation = ANY($1) AND pid <> pg_backend_pid()"
        locked_during_pause.extend(await other.fetch(query, oids))

    async with opened(database) as transaction:
        looking = asyncio.create_task(look())
        with pytest.raises(Refused) as refused:
            await lock_relations(
                transaction.connection,
                "LOCK TABLE public.a, public.b IN ACCESS EXCLUSIVE MODE",
                oids,
                attempts=2,
                pause=0.4,
                waiting=lambda _, holders: seen.append(holders),
            )
        await looking
        assert [s.table for s in seen[0]] == ["public.b"]
        assert len(seen) == 2
        (holder,) = seen[0]
        assert (holder.application, holder.state) == ("billing", "idle in transaction")
        assert holder.query is not None
        assert "SELECT FROM b" in holder.query
        assert f"process {holder.pid}" in str(refused.value)
        assert "billing" in str(refused.value)
        assert locked_during_pause == []
        # The transaction is alive, and gets the locks when the other one is gone.
        await other.execute("COMMIT")
        await lock_relations(transaction.connection, "LOCK TABLE public.a", oids, attempts=1, pause=0, waiting=ignore)
        assert [s.pid for s in await lock_holders(transaction.connection, oids)] == []


async def test_a_commit_and_a_rollback_are_found_out(database: Database, other: asyncpg.Connection) -> None:
    async with opened(database) as transaction:
        await transaction.connection.execute("CREATE TABLE public.t ()")
        assert await resolve_outcome(database.spec, transaction.xid, within=0.5) == "undecided"
        assert await transaction.commit(timeout=10, resolve_within=10) == "committed"
        assert await resolve_outcome(database.spec, transaction.xid) == "committed"
    async with opened(database) as transaction:
        await transaction.connection.execute("DROP TABLE public.t")
        result = await transaction.roll_back()
        assert result.verified
        assert await resolve_outcome(database.spec, transaction.xid) == "rolled_back"
    assert await other.fetchval("SELECT to_regclass('public.t') IS NOT NULL")


async def test_a_transaction_that_never_was_is_rolled_back(database: Database, other: asyncpg.Connection) -> None:
    future = int(await other.fetchval("SELECT pg_current_xact_id()::text")) + 1_000_000
    assert await resolve_outcome(database.spec, str(future), within=5) == "rolled_back"


async def test_commit_of_a_failed_transaction_is_a_rollback(database: Database) -> None:
    async with opened(database) as transaction:
        with pytest.raises(asyncpg.UndefinedTableError):
            await transaction.connection.execute("SELECT FROM public.missing")
        assert await transaction.commit(timeout=10, resolve_within=10) == "rolled_back"


async def test_a_refused_commit_raises(database: Database, other: asyncpg.Connection) -> None:
    await other.execute(
        "CREATE TABLE p (id int PRIMARY KEY);CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED)"
    )
    async with opened(database) as transaction:
        await transaction.connection.execute("INSERT INTO public.c VALUES (1)")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await transaction.commit(timeout=10, resolve_within=10)


async def test_rollback_of_a_backend_whose_client_is_gone(database: Database, other: asyncpg.Connection) -> None:
    await other.execute("CREATE TABLE t ()")
    async with opened(database) as transaction:
        await transaction.connection.execute("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
        running = asyncio.create_task(transaction.connection.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.1)
        transaction.connection.terminate()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.CancelledError)):
            await running
        result = await transaction.roll_back()
        assert result.verified
        assert not await other.fetchval("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", transaction.pid)
    await other.execute("DROP TABLE t")
