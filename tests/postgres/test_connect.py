"""Sessions on the real server, and every way in which one is not to be had."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import asyncpg
import pytest
from pydantic import SecretStr

from core.errors import NOTHING_CHANGED, ConnectionFailed
from core.postgres.connect import ConnectionSpec, Tls, connect, identify
from core.postgres.connection_errors import lost
from core.postgres.sql import quote_identifier
from tests.databases import Database

SENTINEL = "fake-sentinel-pw"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def failure(spec: ConnectionSpec, *, timeout: float = 10.0) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as failed:
        await connect(spec, timeout=timeout)
    error = failed.value
    assert error.state == NOTHING_CHANGED
    assert error.advice
    if spec.password is not None:
        assert spec.password.get_secret_value() not in str(error) + "".join(traceback.format_exception(error))
    return error


@asynccontextmanager
async def listener(serve: Serve) -> AsyncGenerator[ConnectionSpec]:
    """Something on a port of this machine that is no PostgreSQL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield ConnectionSpec("127.0.0.1", server.sockets[0].getsockname()[1], "db", "app", SecretStr(SENTINEL))
    finally:
        server.close()


async def test_sessions_are_read_only_and_bounded(database: Database) -> None:
    connection = await connect(database.spec, statement_timeout_ms=4_000, lock_timeout_ms=3_000)
    try:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("CREATE TABLE t (id int)")
        names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name"]
        values = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
        assert values == ["4s", "3s", "0", "pgrecast"]
        assert await connection.fetchval("SELECT current_setting('tcp_keepalives_idle')") == "60"
    finally:
        await connection.close()


async def test_a_session_may_write_when_asked_and_its_settings_stand_above_the_roles(database: Database) -> None:
    async with owner(database) as admin:
        for setting in ("statement_timeout = '7s'", "idle_in_transaction_session_timeout = '7s'", "work_mem = '7MB'"):
            await admin.execute(f"ALTER ROLE {database.owner} SET {setting}")
        await admin.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    connection = await connect(database.spec, read_only=False, statement_timeout_ms=0, settings={"work_mem": "9MB"})
    try:
        await connection.execute("CREATE TABLE t (id int)")
        for name, value in {
            "statement_timeout": "0",
            "idle_in_transaction_session_timeout": "0",
            "work_mem": "9MB",
        }.items():
            assert await connection.fetchval("SELECT current_setting($1)", name) == value
    finally:
        await connection.close()


async def test_options_of_a_url_reach_the_server(database: Database) -> None:
    connection = await connect(replace(database.spec, options="-c search_path=elsewhere"))
    try:
        assert await connection.fetchval("SHOW search_path") == "elsewhere"
    finally:
        await connection.close()


async def test_identity_is_the_same_for_every_session_and_no_other_database(database: Database) -> None:
    first, second = await connect(database.spec), await connect(database.spec)
    other = await connect(database.spec.with_database("postgres"))
    try:
        identity = await identify(first)
        assert identity == await identify(second)
        assert identity.database == database.name
        elsewhere = await identify(other)
        assert elsewhere.cluster == identity.cluster
        assert elsewhere.database_oid != identity.database_oid
    finally:
        for connection in (first, second, other):
            await connection.close()


async def test_identity_without_the_right_to_read_the_system_identifier(database: Database) -> None:
    admin = await database.superuser_connect()
    try:
        await admin.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    finally:
        await admin.close()
    first, second = await connect(database.spec), await connect(database.spec)
    try:
        identity = await identify(first)
        assert identity == await identify(second)
        assert " started " in identity.cluster
    finally:
        await first.close()
        await second.close()


async def test_wrong_password(database: Database) -> None:
    error = await failure(database.spec.with_password(SecretStr(SENTINEL), "from PGPASSWORD"))
    assert f"refused the password of {database.owner!r} that came from PGPASSWORD" in error.what


async def test_no_password(database: Database) -> None:
    error = await failure(replace(database.spec, password=None, password_source="~/.pgpass was not used: too open"))
    assert "asks for a password and none was given (~/.pgpass was not used: too open)" in error.what
    for way in ("PGPASSWORD", "PGPASSFILE", "service", "type it"):
        assert way in error.advice


async def test_absent_database(database: Database) -> None:
    assert "there is no database 'absent'" in (await failure(database.spec.with_database("absent"))).what


async def test_login_that_is_not_permitted(database: Database) -> None:
    admin = await database.superuser_connect()
    try:
        await admin.execute(f"ALTER ROLE {database.owner} NOLOGIN")
        assert "28000" in (await failure(database.spec)).what
    finally:
        await admin.close()


async def test_too_many_connections(database: Database) -> None:
    admin = await database.superuser_connect()
    try:
        await admin.execute(f"ALTER ROLE {database.owner} CONNECTION LIMIT 1")
        async with owner(database):
            error = await failure(database.spec)
    finally:
        await admin.close()
    assert "all connections are taken" in error.what
    assert "53300" in error.what


async def test_database_that_is_closed_to_connections(database: Database) -> None:
    admin = await database.server.connect()
    try:
        await admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    finally:
        await admin.close()
    assert "ALLOW_CONNECTIONS" in (await failure(database.spec)).advice


async def test_unknown_setting(database: Database) -> None:
    with pytest.raises(ConnectionFailed, match="no_such_setting"):
        await connect(database.spec, settings={"no_such_setting": "1"})


async def test_tls_that_the_server_does_not_offer(database: Database) -> None:
    admin = await database.superuser_connect()
    try:
        if await admin.fetchval("SHOW ssl") == "on":
            pytest.skip("this server offers TLS")
    finally:
        await admin.close()
    error = await failure(replace(database.spec, tls=Tls(sslmode="require")))
    assert "offers no TLS" in error.what
    assert "sslmode=disable" in error.advice


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"host": "no-such-host.invalid"}, "cannot be resolved"),
        ({"host": "/nonexistent"}, "no server's socket"),
        ({"tls": Tls(sslmode="verify-full", sslrootcert="/nonexistent.pem")}, "TLS file cannot be read"),
    ],
)
async def test_places_where_no_server_can_be(change: dict[str, str], what: str) -> None:
    spec = replace(ConnectionSpec("127.0.0.1", 5432, "db", "app", SecretStr(SENTINEL)), **change)  # pyright: ignore[reportArgumentType]
    assert what in (await failure(spec)).what


async def test_port_without_a_listener() -> None:
    with socket.socket() as reserved:  # bound, but not listening
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            error = await failure(ConnectionSpec(host, port, "db", "app", SecretStr(SENTINEL)))
            assert "nothing listens there" in error.what


async def test_something_that_never_answers() -> None:
    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await over.wait()

    async with listener(silent) as spec:
        assert "no answer within 0.2 seconds" in (await failure(spec, timeout=0.2)).what
        over.set()


@pytest.mark.parametrize("mode", ["disable", "prefer", "require"])
async def test_something_that_speaks_another_protocol(mode: str) -> None:
    async def web(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listener(web) as spec:
        error = await failure(replace(spec, tls=Tls(sslmode=mode)))
    assert "PostgreSQL" in error.what + error.advice
    assert "host and port" in error.advice


async def test_pooler_that_takes_no_settings() -> None:
    """PgBouncer's own words; it is not at hand here."""

    async def pooler(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fields = b"SFATAL\0C08P01\0Munsupported startup parameter: lock_timeout\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

    async with listener(pooler) as spec:
        error = await failure(replace(spec, tls=Tls(sslmode="disable")))
    assert "PgBouncer" in error.advice


async def test_a_lost_connection_is_told_from_a_refused_statement(database: Database) -> None:
    connection = await connect(database.spec)
    with pytest.raises(asyncpg.PostgresError) as refused:
        await connection.fetch("SELECT 1/0")
    admin = await database.superuser_connect()
    try:
        await admin.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    finally:
        await admin.close()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as gone:
        await connection.fetch("SELECT 1")
    assert lost(gone.value)
    assert not lost(refused.value)


async def test_a_session_that_ends_before_its_connection_is_lost(database: Database) -> None:
    """The server's last words are here, the connection's end is not yet: asyncpg is out of step then."""

    writers: list[asyncio.StreamWriter] = []
    tasks: list[asyncio.Task[None]] = []

    async def held_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(database.spec.host, database.spec.port)
        writers.extend((writer, to_server))

        async def passed_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    to.write(data)

        tasks.extend(asyncio.create_task(passed_on(*way)) for way in ((reader, to_server), (from_server, writer)))

    relay = await asyncio.start_server(held_open, "127.0.0.1", 0)
    through = replace(database.spec, host="127.0.0.1", port=relay.sockets[0].getsockname()[1])
    admin = await database.superuser_connect()
    try:
        for ask in ("fetch", "execute", "prepare"):
            connection = await connect(through)
            await admin.execute("SELECT pg_terminate_backend($1, 5000)", connection.get_server_pid())
            await asyncio.sleep(0.05)  # until the last words have arrived
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as gone:
                await getattr(connection, ask)("SELECT 1")
            assert lost(gone.value)
            assert connection.is_closed()
    finally:
        await admin.close()
        relay.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*tasks)


async def test_names_are_quoted_as_the_server_does(database: Database) -> None:
    connection = await connect(database.spec)
    try:
        keywords = await connection.fetch("SELECT word, catcode::text AS category FROM pg_get_keywords()")
        for word, category in keywords:
            assert (quote_identifier(word) == word) <= (category == "U"), word
        for name in ("Users", "users", "order", "with space", 'a"b', "naïve", "a$b", "_x1", "1x", "\\", "'"):
            assert quote_identifier(name) == await connection.fetchval("SELECT quote_ident($1)", name)
    finally:
        await connection.close()


@asynccontextmanager
async def owner(database: Database) -> AsyncGenerator[asyncpg.Connection]:
    connection = await database.connect()
    try:
        yield connection
    finally:
        await connection.close()
