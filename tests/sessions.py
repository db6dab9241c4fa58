"""Sessions on the databases of a ConnectionSpec, for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec


@asynccontextmanager
async def session(spec: ConnectionSpec) -> AsyncGenerator[asyncpg.Connection]:
    """A session that may write."""
    connection = await connect(spec, read_only=False)
    try:
        yield connection
    finally:
        await connection.close()
