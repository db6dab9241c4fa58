"""The fixtures themselves: what every other test takes for granted."""

from __future__ import annotations

from tests.databases import Database, run_sync


async def test_owner_is_no_superuser_and_owns_the_database(database: Database) -> None:
    connection = await database.connect()
    try:
        row = await connection.fetchrow(
            "SELECT current_user, rolsuper, rolcreatedb, rolcreaterole, pg_get_userbyid(datdba) AS owner, datname"
            " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
        )
    finally:
        await connection.close()
    assert row is not None
    assert tuple(row) == (database.owner, False, True, True, database.owner, database.name)


async def test_superuser_sees_the_same_database(database: Database) -> None:
    connection = await database.superuser_connect()
    try:
        assert await connection.fetchval("SELECT current_database()") == database.name
        assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    finally:
        await connection.close()


def test_owner_may_make_databases_and_roles_that_go_with_it(database: Database) -> None:
    """In a test that is not a coroutine; what it leaves behind is the teardown's to remove."""

    async def work() -> None:
        connection = await database.connect()
        try:
            await connection.execute(f"CREATE DATABASE {database.name}_scratch")
            await connection.execute(f"CREATE ROLE {database.owner}_app LOGIN")
            await connection.execute("CREATE TABLE t (id int)")
            await connection.execute(f"GRANT SELECT ON t TO {database.owner}_app")
        finally:
            await connection.close()

    run_sync(work())
