"""The platform's backend: it holds sessions as the databases' owner, works every second, and answers GET /health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiohttp import web

from core.demo.incident import HEAD_REVISION, TRUE_REVISION, Incident
from core.errors import ConnectionFailed
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.sql import load_queries
from core.redaction import redactor

APPLICATION_NAME = "ma_saas_backend"
HOST = "127.0.0.1"
SESSIONS = 3
WORK_INTERVAL = 1.0  # seconds
ANSWER_TIMEOUT_MS = 2000  # of the database
STOP_TIMEOUT = 5.0  # seconds

_QUERIES = load_queries(Path(__file__).with_name("queries"))
# What a database that is locked, fenced, restarted or gone makes of a query.
_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ConnectionFailed)


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the application, and what it needs of the database.

    Attributes:
        revision: the revision that its migrations lead to.
        key_type: the type that it needs users.id to have, None where it gets along with any.
        tables: tables that it cannot do without.
    """

    revision: str
    key_type: str | None
    tables: tuple[str, ...]


RUNNING_RELEASE = Release(
    TRUE_REVISION, None, ("organizations", "users", "deals", "documents", "financial_connections")
)
HEAD_RELEASE = Release(
    HEAD_REVISION,
    "character varying(36)",
    (
        "folders",
        "rbac_audit_logs",
        "pipeline_templates",
        "document_questions",
        "document_templates",
        "generated_documents",
    ),
)


class DemoApplication:
    """The backend on the production database, within this process.

    Args:
        incident: where production is.
        release: which version runs at first.
        report: told what it logs: the level, and the line.

    Attributes:
        release: which version runs; a deploy replaces it.
        maintenance: while true it answers 503; like the real one, it keeps its sessions and goes on working.
    """

    def __init__(
        self,
        incident: Incident,
        *,
        release: Release = RUNNING_RELEASE,
        report: Callable[[str, str], None] = lambda level, line: None,
    ) -> None:
        self.release = release
        self.maintenance = False
        self._database = incident.production
        self._report = report
        self._pool: asyncpg.Pool | None = None
        self._server: web.AppRunner | None = None
        self._port = 0  # any free one at first, then the same again
        self._worker: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it answers, such as http://127.0.0.1:40123; known once it has started for the first time."""
        if not self._port:
            raise RuntimeError("the application has not been started")
        return f"http://{HOST}:{self._port}"

    @property
    def serves(self) -> bool:
        """Whether it runs."""
        return self._server is not None

    async def start(self) -> None:
        """Open the sessions and listen, on a free port, or where it has listened before.

        Raises:
            ConnectionFailed: the database does not let it in; it has not started then.
        """
        pool = await self._open_pool(self._database)
        try:
            self._server = await self._listen()
        except BaseException:
            pool.terminate()
            raise
        self._pool = pool
        self._worker = asyncio.create_task(self._work(), name=APPLICATION_NAME)
        self._report("info", f"release {self.release.revision} answers at {self.url}")

    async def stop(self) -> None:
        """Close the port and the sessions; nothing happens if it is not running."""
        if self._server is not None:
            await self._server.cleanup()
            self._server = None
            self._report("info", "stopped")
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
            self._worker = None
        if self._pool is not None:
            await _close(self._pool)
            self._pool = None

    async def deploy(self, release: Release, database: ConnectionSpec) -> None:
        """Put another version in the place of this one, which goes on until that one has its sessions.

        A stopped application stays stopped, and starts as that version.

        Raises:
            ConnectionFailed: the database does not let the new one in; the old one goes on.
        """
        if self.serves:
            former, self._pool = self._pool, await self._open_pool(database)
            if former is not None:
                await _close(former)
        self.release, self._database = release, database
        if self.serves:
            self._report("info", f"release {release.revision} answers at {self.url}")

    async def health(self) -> tuple[int, dict[str, Any]]:
        """Return what GET /health answers: the status, and the document."""
        if self.maintenance:
            return 503, {"status": "maintenance", "database_configured": True}
        try:
            problem = await self._problem()
        except _TROUBLE as error:
            problem = redactor.redact(f"the database was asked in vain: {error or type(error).__name__}")
        if problem:
            return 503, {"status": "unhealthy", "database_configured": True, "reason": problem}
        return 200, {"status": "healthy", "database_configured": True}

    async def _problem(self) -> str | None:
        """What this release finds wrong with the database's schema."""
        if self._pool is None:
            return "the application is stopped"
        found = await self._pool.fetchrow(_QUERIES["schema_of_users"], list(self.release.tables))
        if found is None or found["missing"]:
            return (
                f"release {self.release.revision} misses tables: {', '.join(found['missing'] if found else ['users'])}"
            )
        if self.release.key_type not in (None, found["key_type"]):
            return f"release {self.release.revision} needs users.id to be {self.release.key_type}, it is {found['key_type']}"
        return None

    async def _open_pool(self, database: ConnectionSpec) -> asyncpg.Pool:
        async def open_session(*_: Any, **__: Any) -> asyncpg.Connection:
            """Open a session for the pool, which would pass what asyncpg.connect takes."""
            return await connect(
                database,
                application_name=APPLICATION_NAME,
                read_only=False,
                statement_timeout_ms=ANSWER_TIMEOUT_MS,
                lock_timeout_ms=0,
            )

        pool = asyncpg.create_pool(min_size=SESSIONS, max_size=SESSIONS, connect=open_session)
        try:
            return await pool
        except BaseException:
            pool.terminate()
            raise

    async def _work(self) -> None:
        """What its users make it do: a small query, again and again, whatever happens to the database."""
        while True:
            try:
                if self._pool is not None:
                    await self._pool.fetchrow(_QUERIES["latest_deal"])
            except _TROUBLE as error:
                self._report("error", f"a query failed: {redactor.redact(str(error) or type(error).__name__)}")
            await asyncio.sleep(WORK_INTERVAL)

    async def _listen(self) -> web.AppRunner:
        application = web.Application()
        application.router.add_get("/health", self._answer)
        server = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_TIMEOUT)
        await server.setup()
        try:
            await web.TCPSite(server, HOST, self._port).start()
        except BaseException:
            await server.cleanup()
            raise
        self._port = server.addresses[0][1]
        return server

    async def _answer(self, request: web.Request) -> web.Response:
        status, document = await self.health()
        self._report("info", f"{request.method} {request.path} {status}")
        # An answer to a question of its own each time: kept open, a connection would outlive the service's suspension.
        return web.json_response(document, status=status, headers={"Connection": "close"})


async def _close(pool: asyncpg.Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), STOP_TIMEOUT)
    except TimeoutError:
        pool.terminate()
