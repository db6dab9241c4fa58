"""Fixtures: the real server that tests run against, and an empty database of a non-superuser's for each test.

`PGHOST` set: that server, with PGPORT, PGUSER (a superuser) and PGPASSWORD. Otherwise an embedded one, gone afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.postgres.embedded import EmbeddedServer
from tests.databases import Database, Server, create_database, drop_database, run_sync

# No durability: these clusters live for one session.
EMBEDDED_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_prepared_transactions": "10",
    "shared_preload_libraries": "pg_stat_statements",
    "wal_level": "logical",
}


def pytest_configure() -> None:
    # A terminated session tears its fixtures down like an interrupted one, so that no server stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if os.environ.get("PGHOST"):
        yield Server.from_environment()
        return
    # Not below pytest's own temporary directory: that is closed to the account which the server runs as under root.
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-tests-"))
    try:
        embedded = run_sync(EmbeddedServer.start(directory, settings=EMBEDDED_SETTINGS))
        try:
            yield Server.from_embedded(embedded)
        finally:
            run_sync(embedded.stop("immediate"))
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """An empty database, its owner a fresh role that may log in, create databases and create roles."""
    database = run_sync(create_database(server))
    yield database
    run_sync(drop_database(database))
