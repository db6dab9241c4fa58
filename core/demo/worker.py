"""The platform's background worker: it holds a session as the databases' owner, and comes back whenever that is ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import asyncpg

from core.demo.service import WORK_INTERVAL
from core.errors import ConnectionFailed
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.redaction import redactor

APPLICATION_NAME = "ma_saas_worker"
QUERY = "SELECT count(*) FROM public.deals"

_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ConnectionFailed)


class DemoWorker:
    """The worker on the production database, within this process.

    Args:
        database: where.
        report: told what it logs: the level, and the line.
    """

    def __init__(self, database: ConnectionSpec, report: Callable[[str, str], None] = lambda level, line: None) -> None:
        self._database = database
        self._report = report
        self._work: asyncio.Task[None] | None = None

    @property
    def serves(self) -> bool:
        """Whether it runs."""
        return self._work is not None

    async def start(self) -> None:
        """Begin to work."""
        if self._work is None:
            self._work = asyncio.create_task(self._go_on(), name=APPLICATION_NAME)
            self._report("info", "the worker works")

    async def stop(self) -> None:
        """End the session; nothing happens if it is not running."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work
            self._work = None
            self._report("info", "the worker has stopped")

    async def deploy(self, database: ConnectionSpec) -> None:
        """Go on with another login."""
        self._database = database
        if self.serves:
            await self.stop()
            await self.start()

    async def _go_on(self) -> None:
        while True:
            try:
                await self._one_session()
            except _TROUBLE as error:
                self._report(
                    "error", f"the worker's session ended: {redactor.redact(str(error) or type(error).__name__)}"
                )
            await asyncio.sleep(WORK_INTERVAL)

    async def _one_session(self) -> None:
        connection = await connect(self._database, application_name=APPLICATION_NAME)
        try:
            while True:
                await connection.fetchval(QUERY)
                await asyncio.sleep(WORK_INTERVAL)
        finally:
            connection.terminate()
