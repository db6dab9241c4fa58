"""The fence on a real server: others are refused, the owner is not, and lifting leaves what was there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import asyncpg
import pytest

from core.errors import ConnectionFailed, Refused
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.fence import Fence, Grant, end_session, fence_of, lift_fence, plan_fence, raise_fence
from core.postgres.scram import scram_verifier
from tests.databases import Database
from tests.sessions import session


@pytest.fixture
async def stranger(database: Database) -> ConnectionSpec:
    """Another role's login; dropped with the database."""
    role = f"{database.owner}_other"
    async with session(database.spec) as connection:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{scram_verifier(database.password)}'")
    return replace(database.spec, user=role)


@pytest.fixture
async def superuser(database: Database) -> AsyncGenerator[asyncpg.Connection]:
    connection = await database.superuser_connect()
    yield connection
    await connection.close()


async def enters(spec: ConnectionSpec) -> bool:
    try:
        (await connect(spec)).terminate()
    except ConnectionFailed:
        return False
    return True


async def privileges(superuser: asyncpg.Connection) -> set[tuple[object, ...]]:
    rows = await superuser.fetch(
        "SELECT a.grantee::regrole::text, a.privilege_type, a.is_grantable, a.grantor::regrole::text FROM pg_database d,"
        " aclexplode(coalesce(datacl, acldefault('d', datdba))) a WHERE datname = current_database()"
    )
    return {tuple(row) for row in rows}


async def settings(superuser: asyncpg.Connection) -> list[str]:
    return await superuser.fetchval(
        "SELECT coalesce((SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase"
        " WHERE datname = current_database() AND setrole = 0), '{}')"
    )


async def test_others_are_kept_out_and_let_in_again(
    database: Database, stranger: ConnectionSpec, superuser: asyncpg.Connection
) -> None:
    before = await privileges(superuser)
    assert await enters(stranger)
    fence = await plan_fence(database.spec)
    assert await privileges(superuser) == before
    await raise_fence(database.spec, fence)
    assert not await enters(stranger)
    assert await enters(database.spec)
    assert await lift_fence(database.spec, fence) == ()
    assert await enters(stranger)
    assert await privileges(superuser) == before


async def test_grants_come_back_as_they_were(
    database: Database, stranger: ConnectionSpec, superuser: asyncpg.Connection
) -> None:
    passed_to = f"{database.owner}_third"
    await superuser.execute(
        f"CREATE ROLE {passed_to}; REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC;"
        f"GRANT CONNECT ON DATABASE {database.name} TO {stranger.user} WITH GRANT OPTION;"
        f"GRANT CONNECT ON DATABASE {database.name} TO pg_monitor WITH GRANT OPTION;"
        f"SET ROLE {stranger.user}; GRANT CONNECT ON DATABASE {database.name} TO {passed_to}; RESET ROLE"
    )
    before = await privileges(superuser)
    fence = await plan_fence(database.spec)
    # What was passed on stays, and is named; what was not is taken and given back with its grant option.
    assert [statement for statement in fence.statements if "pg_monitor" in statement]
    assert fence.lifts == (f"GRANT CONNECT ON DATABASE {database.name} TO pg_monitor WITH GRANT OPTION",)
    assert any(f"{passed_to} may connect, as {stranger.user} has granted" in words for words in fence.left)
    assert any(f"{stranger.user} may connect, and has passed that on" in words for words in fence.left)
    await raise_fence(database.spec, fence)
    assert await privileges(superuser) != before
    await lift_fence(database.spec, fence)
    assert await privileges(superuser) == before
    await superuser.execute(f"REVOKE CONNECT ON DATABASE {database.name} FROM pg_monitor")


async def test_read_only_binds_who_logs_in_as_the_owner_but_not_this_console(
    database: Database, superuser: asyncpg.Connection
) -> None:
    fence = await plan_fence(database.spec, read_only=True)
    await raise_fence(database.spec, fence)
    application = await database.connect()
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await application.execute("CREATE TABLE t ()")
    await application.close()
    async with session(database.spec) as ours:
        await ours.execute("CREATE TABLE t ()")
    await lift_fence(database.spec, fence)
    assert await settings(superuser) == []
    application = await database.connect()
    await application.execute("DROP TABLE t")
    await application.close()


async def test_a_default_that_was_set_comes_back(database: Database, superuser: asyncpg.Connection) -> None:
    async with session(database.spec) as connection:
        await connection.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = off")
    fence = await plan_fence(database.spec, read_only=True)
    await raise_fence(database.spec, fence)
    assert await settings(superuser) == ["default_transaction_read_only=on"]
    await lift_fence(database.spec, fence)
    assert await settings(superuser) == ["default_transaction_read_only=off"]


async def test_raised_twice_it_leads_back_to_what_was_there_first(
    database: Database, stranger: ConnectionSpec, superuser: asyncpg.Connection
) -> None:
    before = await privileges(superuser)
    first = await plan_fence(database.spec, read_only=True)
    await raise_fence(database.spec, first)
    # Somebody lets a role in meanwhile, and the step is run again.
    await superuser.execute(f"GRANT CONNECT ON DATABASE {database.name} TO {stranger.user}")
    second = (await plan_fence(database.spec, read_only=True)).over(first)
    assert second.statements == (f"REVOKE CONNECT ON DATABASE {database.name} FROM {stranger.user}",)
    await raise_fence(database.spec, second)
    assert not await enters(stranger)
    await lift_fence(database.spec, second)
    assert await privileges(superuser) == before | {(stranger.user, "CONNECT", False, database.owner)}
    assert await settings(superuser) == []


async def test_lifting_again_and_again_is_harmless(database: Database, superuser: asyncpg.Connection) -> None:
    fence = await plan_fence(database.spec, read_only=True)
    before = await privileges(superuser)
    for _ in range(2):  # never raised, and lifted already
        assert await lift_fence(database.spec, fence) == ()
        assert await privileges(superuser) == before


async def test_a_role_that_has_gone_does_not_keep_the_rest_from_being_lifted(
    database: Database, stranger: ConnectionSpec
) -> None:
    gone = Fence(database.name, (), (f"GRANT CONNECT ON DATABASE {database.name} TO no_such_role_here",))
    fence = (await plan_fence(database.spec)).over(gone)
    await raise_fence(database.spec, replace(fence, lifts=fence.lifts[:1]))
    (complaint,) = await lift_fence(database.spec, fence)
    assert "no_such_role_here" in complaint
    assert await enters(stranger)


async def test_a_fence_whose_way_back_does_not_restore_is_not_raised(
    database: Database, stranger: ConnectionSpec
) -> None:
    fence = replace(await plan_fence(database.spec), lifts=())
    with pytest.raises(Refused, match="would not restore who may connect"):
        await raise_fence(database.spec, fence)
    assert await enters(stranger)


async def test_a_member_of_the_owner_is_not_kept_out_by_its_own_fence(
    database: Database, superuser: asyncpg.Connection
) -> None:
    deployer = f"{database.owner}_deployer"
    await superuser.execute(
        f"CREATE ROLE {deployer} LOGIN PASSWORD '{scram_verifier(database.password)}' IN ROLE {database.owner}"
    )
    spec = replace(database.spec, user=deployer)
    fence = await plan_fence(spec)
    await raise_fence(spec, fence)
    assert await enters(spec)
    await lift_fence(spec, fence)


async def test_only_the_owner_can(database: Database, stranger: ConnectionSpec) -> None:
    with pytest.raises(Refused, match="does not own the database"):
        await plan_fence(stranger)


async def test_sessions_are_ended_as_far_as_the_role_may(database: Database, superuser: asyncpg.Connection) -> None:
    application = await database.connect()
    async with session(database.spec) as connection:
        assert await end_session(connection, application.get_server_pid())
        assert not await end_session(connection, superuser.get_server_pid())
        assert await end_session(connection, 2**30)  # there is none
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await application.execute("SELECT 1")
    application.terminate()


def test_names_are_quoted() -> None:
    fence = fence_of('My "DB"', (Grant("Reader; DROP"), Grant("")), read_only=True, default_before="off")
    assert fence.statements == (
        'REVOKE CONNECT ON DATABASE "My ""DB""" FROM "Reader; DROP"',
        'REVOKE CONNECT ON DATABASE "My ""DB""" FROM PUBLIC',
        'ALTER DATABASE "My ""DB""" SET default_transaction_read_only = on',
    )
    assert fence.lifts[-1] == 'ALTER DATABASE "My ""DB""" SET default_transaction_read_only = \'off\''
    assert Fence.of_fact(fence.fact) == fence
