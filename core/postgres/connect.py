"""Sessions: read only and bounded unless asked otherwise, and every failure to get one in words."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg

from core.errors import ConnectionFailed
from core.postgres.connection_errors import POOLER_ADVICE, connection_failed
from core.postgres.connection_spec import ConnectionSpec, Tls
from core.postgres.identity import Identity
from core.postgres.sql import load_queries

__all__ = ["ConnectionSpec", "Tls", "connect", "identify"]

OLDEST_VERSION = 13
CONNECT_TIMEOUT = 15.0
STATEMENT_TIMEOUT_MS = 60_000
LOCK_TIMEOUT_MS = 5_000

# Seconds until a silent peer is probed, between probes, and how many: a dead one is noticed after two minutes, and
# firewalls see a long statement's connection as alive.
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 60, 10, 6

_QUERIES = load_queries(Path(__file__).parent / "queries")
# Bounds on idleness that came after OLDEST_VERSION, and the version that brought each.
_IDLE_BOUNDS = {"idle_session_timeout": 14, "transaction_timeout": 17}


class Session(asyncpg.Connection):
    """A connection whose client side, too, notices when the other end is gone.

    A server that ends an idle session says so before it closes the connection. What is asked in between meets asyncpg's
    protocol out of step (InternalClientError); here that is the lost connection that it is.
    """

    def __init__(self, protocol: Any, transport: asyncio.Transport, *args: Any, **kwargs: Any) -> None:
        super().__init__(protocol, transport, *args, **kwargs)
        self._socket: socket.socket | None = None
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (
                ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
                ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
                ("TCP_KEEPCNT", KEEPALIVE_COUNT),
            ):
                if hasattr(socket, option):  # macOS has them by other names
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
            self._socket = sock

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        with self._in_step():
            return await super().execute(query, *args, timeout=timeout)

    # What every fetch, cursor and prepared statement comes down to; asyncpg has no public place for it.
    async def _execute(self, *args: Any, **kwargs: Any) -> Any:
        with self._in_step():
            return await super()._execute(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]

    async def _prepare(self, *args: Any, **kwargs: Any) -> Any:
        with self._in_step():
            return await super()._prepare(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]

    @contextmanager
    def _in_step(self) -> Generator[None]:
        try:
            yield
        except asyncpg.InternalClientError as error:
            self.terminate()
            raise asyncpg.ConnectionDoesNotExistError("the server has ended the session") from error

    @property
    def keepalive_seconds(self) -> int | None:
        """Seconds of silence after which this end probes the connection; None where it does not."""
        if self._socket is None or not self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE):
            return None
        if not hasattr(socket, "TCP_KEEPIDLE"):
            return KEEPALIVE_IDLE
        return int(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))


async def connect(
    spec: ConnectionSpec,
    *,
    application_name: str = "pgrecast",
    read_only: bool = True,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    settings: Mapping[str, str] | None = None,
    timeout: float = CONNECT_TIMEOUT,
) -> asyncpg.Connection:
    """Open a session.

    Its settings stand above those of the server, the database and the role.

    Args:
        spec: where, as whom and how.
        application_name: what pg_stat_activity shows.
        read_only: whether its transactions are READ ONLY unless they say otherwise.
        statement_timeout_ms: in milliseconds, 0 for none.
        lock_timeout_ms: in milliseconds, 0 for none.
        settings: further settings of the session, or other values for those above; known to every supported version.
        timeout: for connecting, in seconds.

    Raises:
        ConnectionFailed: whatever the reason; it is explained.
    """
    wanted = {
        "application_name": application_name,
        "default_transaction_read_only": "on" if read_only else "off",
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": "0",
        "tcp_keepalives_idle": str(KEEPALIVE_IDLE),
        "tcp_keepalives_interval": str(KEEPALIVE_INTERVAL),
        "tcp_keepalives_count": str(KEEPALIVE_COUNT),
        **({"options": spec.options} if spec.options else {}),
        **(settings or {}),
    }
    connection: asyncpg.Connection | None = None
    try:
        dsn, context = _tls_arguments(spec.tls)
        connection = await asyncpg.connect(
            dsn,
            host=spec.host,
            port=spec.port,
            user=spec.user,
            # '' keeps asyncpg from looking for a password by itself: the spec has looked, in its own environment.
            password=spec.password.get_secret_value() if spec.password else "",
            database=spec.database,
            ssl=context,
            timeout=timeout,
            # No cached plans: a conversion changes the types under them.
            statement_cache_size=0,
            server_settings=wanted,
            connection_class=Session,
        )
        await _settle(connection, spec, read_only=wanted["default_transaction_read_only"])
    except ConnectionFailed:
        if connection is not None:
            connection.terminate()
        raise
    except asyncio.CancelledError:
        if connection is not None:
            connection.terminate()
        raise
    except Exception as error:
        if connection is not None:
            connection.terminate()
        raise connection_failed(spec, error, timeout=timeout) from error
    return connection


def _tls_arguments(tls: Tls) -> tuple[str, ssl.SSLContext | None]:
    """asyncpg makes the TLS context of a DSN's parameters; `sslrootcert=system` (libpq 16) it does not know."""
    if tls.sslrootcert == "system":
        return "postgresql:///", ssl.create_default_context()
    parameters = {name: value for name in Tls.__slots__ if (value := getattr(tls, name)) is not None}
    return f"postgresql:///?{urlencode(parameters)}", None


async def _settle(connection: asyncpg.Connection, spec: ConnectionSpec, *, read_only: str) -> None:
    """Check that this is a PostgreSQL that can be worked with and that it took the settings; set the later ones."""
    version = connection.get_server_version()
    (row,) = await connection.fetch(_QUERIES["settled"])
    if not row["version"].startswith("PostgreSQL ") or "-YB-" in row["version"]:
        raise ConnectionFailed(
            f"What answers at {spec} is no PostgreSQL but {row['version'][:80]!r}.",
            advice="Its catalogs differ, and pgrecast cannot work on it.",
        )
    if version.major < OLDEST_VERSION:
        raise ConnectionFailed(
            f"The server at {spec} is PostgreSQL {version.major}; {OLDEST_VERSION} is the oldest that pgrecast works on.",
            advice="Upgrade the server first.",
        )
    if row["read_only"] != read_only:
        raise ConnectionFailed(f"What answers at {spec} does not keep a session's settings.", advice=POOLER_ADVICE)
    for name, since in _IDLE_BOUNDS.items():
        if version.major >= since:
            await connection.execute(f"SET {name} = 0")


async def identify(connection: asyncpg.Connection) -> Identity:
    """Tell which database this is (catalogs: pg_control_system, pg_database)."""
    (row,) = await connection.fetch(_QUERIES["identity"])
    if row["may_read_control"]:
        cluster = str(await connection.fetchval(_QUERIES["system_identifier"]))
    else:
        cluster = f"{row['address']} started {row['started_at']}"
    return Identity(cluster=cluster, database_oid=row["database_oid"], database=row["database"])
