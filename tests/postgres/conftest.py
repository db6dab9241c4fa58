"""Fixtures: the demo's incident on the tests' server, and copies of its production database to change."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from core.demo.incident import Incident, build_incident, remove_incident
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scratch import drop_with_sessions
from tests.databases import Server, run_sync


@pytest.fixture(scope="session")
def incident(server: Server) -> Iterator[Incident]:
    """The incident with few rows. Only look at it."""
    yield run_sync(build_incident(server, rows=2_000))
    run_sync(remove_incident(server))


@pytest.fixture
def production_copy(incident: Incident) -> Iterator[ConnectionSpec]:
    """A copy of production, of the same owner."""
    spec = incident.production.with_database(f"{incident.production.database}_{secrets.token_hex(4)}")
    run_sync(_administer(incident, f"CREATE DATABASE {spec.database} TEMPLATE {incident.production.database}"))
    yield spec
    run_sync(_drop(spec))


@pytest.fixture
def empty_database(incident: Incident) -> Iterator[ConnectionSpec]:
    """An empty database of the demo's owner."""
    spec = incident.production.with_database(f"ma_saas_scratch_{secrets.token_hex(4)}")
    run_sync(_administer(incident, f"CREATE DATABASE {spec.database} TEMPLATE template0"))
    yield spec
    run_sync(_drop(spec))


async def _drop(spec: ConnectionSpec) -> None:
    connection = await connect(spec.with_database("postgres"), read_only=False)
    try:
        await drop_with_sessions(connection, spec.database)
    finally:
        await connection.close()


async def _administer(incident: Incident, statement: str) -> None:
    connection = await connect(incident.production.with_database("postgres"), read_only=False)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
