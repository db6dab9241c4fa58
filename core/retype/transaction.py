"""The one transaction of a conversion: begun under settings of its own, and ended so that its outcome is known."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from core.errors import PgrecastError
from core.postgres.connect import ConnectionSpec, connect, identify
from core.postgres.connection_errors import lost
from core.postgres.identity import Identity
from core.postgres.sql import load_queries
from core.retype.outcome import Outcome, resolve_outcome

QUERIES = load_queries(Path(__file__).parent / "queries")

ROLLBACK_TIMEOUT = 60.0  # seconds for an answer to ROLLBACK, before the connection is given up
VERIFY_WITHIN = 20.0  # seconds to find out, over a new connection, that the transaction is rolled back

# What a role or a database may have set and what must not hold here. Not the display settings (DateStyle, TimeZone …): a
# materialized view that is filled anew may depend on them.
SETTINGS: Mapping[str, str] = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "row_security": "off",
    "search_path": "pg_catalog",
    "check_function_bodies": "off",
    "standard_conforming_strings": "on",
    "default_tablespace": "",
    "jit": "off",
}
# When the client is gone the server stops at once, instead of holding every lock until the statement's end. Since
# version 14, and not on every system.
CLIENT_CHECK: Mapping[str, str] = {"client_connection_check_interval": "2s"}


def is_connection_lost(error: BaseException, connection: asyncpg.Connection) -> bool:
    """Whether an error means that the connection is of no use any more."""
    return lost(error) or connection.is_closed()


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollback: how long it took, and whether the server has said that it is through."""

    seconds: float
    verified: bool


class Transaction:
    """An open transaction, READ COMMITTED and READ WRITE.

    Attributes:
        connection: its connection, nobody else's.
        xid: its id.
        pid: the process of its backend.
    """

    def __init__(self, spec: ConnectionSpec, identity: Identity, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.xid = ""
        self.pid = 0
        self._spec = spec
        self._identity = identity

    @classmethod
    async def connect(
        cls, spec: ConnectionSpec, identity: Identity, on_notice: Callable[[Any, asyncpg.PostgresLogMessage], None]
    ) -> Transaction:
        """Connect to the database, and only to this one; nothing is begun yet.

        Raises:
            ConnectionFailed: there is no connection.
            WrongDatabase: it is another database.
        """
        connection = await connect(spec, read_only=False)
        try:
            identity.require(await identify(connection))
        except BaseException:
            connection.terminate()
            raise
        connection.add_log_listener(on_notice)
        return cls(spec, identity, connection)

    async def begin(self, settings: Mapping[str, str]) -> None:
        """Begin, with `SETTINGS` and these; those that the server does not know are left out."""
        # By asyncpg's own means, so that it allows nested ones; the session is READ WRITE.
        await self.connection.transaction(isolation="read_committed").start()
        wanted = {**SETTINGS, **settings}
        known = {row["name"] for row in await self.connection.fetch(QUERIES["known_settings"], list(wanted))}
        await self.set_local({name: value for name, value in wanted.items() if name in known})
        if await self.connection.fetchval("SHOW synchronous_commit") == "off":
            await self.set_local(
                {"synchronous_commit": "on"}
            )  # or a crash could take back what was reported as committed
        with contextlib.suppress(asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError):
            async with self.connection.transaction():
                await self.set_local(CLIENT_CHECK)

    async def identify(self) -> None:
        """Give the transaction its id."""
        (row,) = await self.connection.fetch(QUERIES["transaction_id"])
        self.xid, self.pid = str(row["xid"]), int(row["pid"])

    async def set_local(self, settings: Mapping[str, str]) -> None:
        await self.connection.fetch(QUERIES["set_for_transaction"], list(settings), list(settings.values()))

    async def roll_back(self) -> RolledBack:
        """Roll back, over the connection or by ending it, and ask the server whether it is so.

        Before COMMIT was sent a rollback is certain; what may be open is only whether it is through already.
        """
        started = time.monotonic()
        verified = False
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            async with asyncio.timeout(ROLLBACK_TIMEOUT):
                await self.connection.execute("ROLLBACK")
                rows = await self.connection.fetch(QUERIES["transaction_status"], self.xid) if self.xid else []
                verified = all(row["status"] == "aborted" for row in rows)
        if not verified:
            self.connection.terminate()
            verified = bool(self.xid) and await self._is_rolled_back_elsewhere()
        return RolledBack(time.monotonic() - started, verified)

    async def _is_rolled_back_elsewhere(self) -> bool:
        """Ask over a new connection; a backend that has not noticed yet that its client is gone is ended."""
        with contextlib.suppress(PgrecastError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            async with asyncio.timeout(VERIFY_WITHIN / 2):
                connection = await connect(self._spec, read_only=False)
                try:
                    await connection.execute(QUERIES["end_backend"], self.pid, self.xid)
                finally:
                    connection.terminate()
        with contextlib.suppress(PgrecastError):
            return (
                await resolve_outcome(self._spec, self.xid, identity=self._identity, within=VERIFY_WITHIN)
                == "rolled_back"
            )
        return False

    async def commit(self, *, timeout: float, resolve_within: float) -> Outcome:
        """COMMIT. When no answer comes, find out the outcome over new connections.

        Args:
            timeout: seconds to wait for the answer.
            resolve_within: seconds to find out.

        Raises:
            asyncpg.PostgresError: the server refused, and has rolled back.
        """
        try:
            async with asyncio.timeout(timeout):
                # A transaction that has failed answers COMMIT with ROLLBACK.
                return "committed" if await self.connection.execute("COMMIT") == "COMMIT" else "rolled_back"
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:  # TimeoutError is an OSError
            if not is_connection_lost(error, self.connection):
                raise
        self.connection.terminate()
        return await resolve_outcome(self._spec, self.xid, identity=self._identity, within=resolve_within)

    async def close(self) -> None:
        if not self.connection.is_closed():
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self.connection.close(timeout=5)
