"""The demo's backend: what it answers to GET /health, and what it does when the database goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from core.demo.alembic import run_alembic
from core.demo.incident import Incident
from core.demo.service import APPLICATION_NAME, HEAD_RELEASE, SESSIONS, DemoApplication
from core.errors import ConnectionFailed
from core.postgres.connection_spec import ConnectionSpec
from tests.sessions import session

HEALTHY = {"status": "healthy", "database_configured": True}


@pytest.fixture
def on_copy(incident: Incident, production_copy: ConnectionSpec) -> Incident:
    return replace(incident, production=production_copy)


@pytest.fixture
async def application(on_copy: Incident) -> AsyncIterator[DemoApplication]:
    application = DemoApplication(on_copy)
    await application.start()
    yield application
    await application.stop()


async def get(application: DemoApplication, path: str = "/health", method: str = "GET") -> tuple[int, Any]:
    async with httpx.AsyncClient(base_url=application.url, timeout=20) as client:
        response = await client.request(method, path)
    is_document = response.headers.get("Content-Type", "").startswith("application/json") and response.content
    return response.status_code, response.json() if is_document else None


async def test_it_is_healthy_on_the_database_as_it_was_found(application: DemoApplication) -> None:
    assert await get(application) == (200, HEALTHY)
    assert await get(application, "/health?verbose=1") == (200, HEALTHY)
    assert await get(application, "/health", "HEAD") == (200, None)


async def test_other_requests_are_refused(application: DemoApplication) -> None:
    assert (await get(application, "/"))[0] == 404
    assert (await get(application, "/health", "POST"))[0] == 405
    reader, writer = await asyncio.open_connection("127.0.0.1", int(application.url.rsplit(":", 1)[1]))
    writer.write(b"no request\r\n\r\n")
    assert (await reader.read()).split()[1] == b"400"
    writer.close()
    await writer.wait_closed()


async def test_it_holds_sessions_as_the_owner(application: DemoApplication, production_copy: ConnectionSpec) -> None:
    async with session(production_copy) as connection:
        sessions = await connection.fetch(
            "SELECT usename FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()",
            APPLICATION_NAME,
        )
    assert [name for (name,) in sessions] == [production_copy.user] * SESSIONS


async def test_in_maintenance_it_answers_503_and_keeps_its_sessions(
    application: DemoApplication, production_copy: ConnectionSpec
) -> None:
    application.maintenance = True
    assert await get(application) == (503, {"status": "maintenance", "database_configured": True})
    async with session(production_copy) as connection:
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", APPLICATION_NAME
            )
            == SESSIONS
        )
    application.maintenance = False
    assert await get(application) == (200, HEALTHY)


async def test_the_new_release_needs_the_schema_that_it_was_written_for(
    application: DemoApplication, production_copy: ConnectionSpec
) -> None:
    application.release = HEAD_RELEASE
    status, document = await get(application)
    assert status == 503
    assert "folders" in document["reason"]
    async with session(production_copy) as connection:
        for table in HEAD_RELEASE.tables:
            await connection.execute(f"CREATE TABLE {table} ()")
    status, document = await get(application)
    assert (status, "character varying(36), it is uuid" in document["reason"]) == (503, True)


async def test_the_new_release_is_healthy_on_what_the_migrations_make(
    incident: Incident, empty_database: ConnectionSpec
) -> None:
    assert (await run_alembic(incident.application, empty_database, "upgrade", "head")).exit_status == 0
    application = DemoApplication(replace(incident, production=empty_database), release=HEAD_RELEASE)
    await application.start()
    try:
        assert await get(application) == (200, HEALTHY)
    finally:
        await application.stop()


async def test_while_the_tables_are_locked_it_is_unhealthy_and_afterwards_well_again(
    application: DemoApplication, production_copy: ConnectionSpec
) -> None:
    async with session(production_copy) as connection, connection.transaction():
        await connection.execute("LOCK TABLE users, deals IN ACCESS EXCLUSIVE MODE")
        status, document = await get(application)
        assert (status, document["status"]) == (503, "unhealthy")
    assert await get(application) == (200, HEALTHY)


async def test_it_comes_back_after_its_sessions_were_ended(
    application: DemoApplication, production_copy: ConnectionSpec
) -> None:
    async with session(production_copy) as connection:
        ended = await connection.fetch(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1", APPLICATION_NAME
        )
    assert len(ended) == SESSIONS
    async with asyncio.timeout(30):
        while await get(application) != (200, HEALTHY):
            await asyncio.sleep(0.05)


async def test_stopped_it_holds_nothing(on_copy: Incident, production_copy: ConnectionSpec) -> None:
    application = DemoApplication(on_copy)
    await application.start()
    url = application.url
    await application.stop()
    await application.stop()
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as client:
            await client.get(f"{url}/health")
    async with session(production_copy) as connection:
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", APPLICATION_NAME
            )
            == 0
        )


async def test_it_does_not_start_without_its_database(incident: Incident) -> None:
    nowhere = replace(incident, production=incident.production.with_database("ma_saas_of_nobody"))
    application = DemoApplication(nowhere)
    with pytest.raises(ConnectionFailed):
        await application.start()
    await application.stop()
