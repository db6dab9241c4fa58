"""The platform's backend: it holds sessions as the databases' owner, works every second, and answers GET /health."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from core.demo.incident import HEAD_REVISION, TRUE_REVISION, Incident
from core.errors import ConnectionFailed
from core.postgres.connect import connect
from core.postgres.sql import load_queries
from core.redaction import redactor

APPLICATION_NAME = "ma_saas_backend"
HOST = "127.0.0.1"
SESSIONS = 3
WORK_INTERVAL = 1.0  # seconds
ANSWER_TIMEOUT_MS = 2000  # of the database
REQUEST_TIMEOUT = 5.0  # seconds, for a client to send its request
STOP_TIMEOUT = 5.0  # seconds

_QUERIES = load_queries(Path(__file__).with_name("queries"))
# What a database that is locked, fenced, restarted or gone makes of a query.
_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ConnectionFailed)
_LOG = logging.getLogger(__name__)
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


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

    Attributes:
        release: which version runs; a deploy replaces it.
        maintenance: while true it answers 503; like the real one, it keeps its sessions and goes on working.
    """

    def __init__(self, incident: Incident, *, release: Release = RUNNING_RELEASE) -> None:
        self.release = release
        self.maintenance = False
        self._database = incident.production
        self._pool: asyncpg.Pool | None = None
        self._server: asyncio.Server | None = None
        self._port = 0  # any free one at first, then the same again
        self._worker: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it answers, such as http://127.0.0.1:40123; known once it has started."""
        if self._server is None:
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
        pool = asyncpg.create_pool(min_size=SESSIONS, max_size=SESSIONS, connect=self._connect)
        try:
            self._pool = await pool
            self._server = await asyncio.start_server(self._answer, HOST, self._port)
            self._port = self._server.sockets[0].getsockname()[1]
        except BaseException:
            pool.terminate()
            self._pool = None
            raise
        self._worker = asyncio.create_task(self._work(self._pool), name=APPLICATION_NAME)

    async def stop(self) -> None:
        """Close the port and the sessions; nothing happens if it is not running."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
            self._worker = None
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), STOP_TIMEOUT)
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

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

    async def _connect(self, *_: Any, **__: Any) -> asyncpg.Connection:
        """Open a session for the pool, which would pass what asyncpg.connect takes."""
        return await connect(
            self._database,
            application_name=APPLICATION_NAME,
            read_only=False,
            statement_timeout_ms=ANSWER_TIMEOUT_MS,
            lock_timeout_ms=0,
        )

    async def _work(self, pool: asyncpg.Pool) -> None:
        """What its users make it do: a small query, again and again, whatever happens to the database."""
        while True:
            try:
                await pool.fetchrow(_QUERIES["latest_deal"])
            except _TROUBLE as error:
                _LOG.warning("the backend's query failed: %s", redactor.redact(str(error)))
            await asyncio.sleep(WORK_INTERVAL)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                request = await reader.readuntil(b"\r\n\r\n")
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            request = b""
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if not path:
            status, document = 400, {"error": "bad request"}
        elif path != b"/health":
            status, document = 404, {"error": "not found"}
        elif method not in (b"GET", b"HEAD"):
            status, document = 405, {"error": "method not allowed"}
        else:
            status, document = await self.health()
        body = json.dumps(document).encode()
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + (b"" if method == b"HEAD" else body))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()
