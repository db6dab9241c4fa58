"""Connections: where they go, by which driver, and whether they may be used."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .channel import Channel, Refusal

SYNC_DRIVERS = ("psycopg2", "psycopg", "pg8000")
STATEMENT_LENGTH = 2000
MOST_STATEMENTS = 40


class Guard:
    """Looks at every connection that SQLAlchemy makes before its first statement, and refuses another database."""

    def __init__(self, request: dict[str, Any], channel: Channel) -> None:
        self._sql: str = request["identity_sql"]
        self._expected: str | None = request["identity"]
        self._settings: list[str] = request["settings"]
        self._channel = channel
        self.refused: Refusal | None = None

    def install(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.pool import Pool

        event.listen(Pool, "connect", self._connected)

    def check(self, context: Any) -> None:
        """Refuse unless the connection that a revision is about to use is to the expected database."""
        self._require(context.connection.exec_driver_sql(self._sql).fetchone()[0])

    def _connected(self, connection: Any, _record: Any) -> None:
        found, process, started = self._identity(connection)
        self._require(found)
        cursor = connection.cursor()
        try:
            for statement in self._settings:
                cursor.execute(statement)
        finally:
            cursor.close()
        connection.commit()
        self._channel.emit("connected", pid=process, started=started)

    def _identity(self, connection: Any) -> Any:
        if self._expected is None:
            return "a database, where none is to be used", 0, ""
        cursor = connection.cursor()
        try:
            cursor.execute(self._sql)
            return tuple(cursor.fetchone())
        except Exception:  # no PostgreSQL, perhaps
            return f"something that is not PostgreSQL, by {type(connection).__module__}", 0, ""
        finally:
            cursor.close()
            connection.rollback()

    def _require(self, found: str) -> None:
        if self.refused is None and found != self._expected:
            self.refused = Refusal("wrong_database", "connected to another database", found=found)
        if self.refused is not None:
            raise self.refused


class Statements:
    """Every statement that SQLAlchemy sends, without its parameters; not those about the version table or the catalogs."""

    def __init__(self, version_table: str, tell: Callable[[str], None] | None = None) -> None:
        self._version_table, self._tell = version_table, tell
        self.texts: list[str] = []
        self.count = 0

    def install(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, "before_cursor_execute", self._before)

    def clear(self) -> None:
        self.texts, self.count = [], 0

    def _before(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        text = statement.strip()
        if text.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")) or "pg_catalog" in text or self._version_table in text:
            return
        self.count += 1
        if len(self.texts) < MOST_STATEMENTS:
            self.texts.append(text[:STATEMENT_LENGTH])
        if self._tell is not None:
            self._tell(text[:STATEMENT_LENGTH])


def available(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
            yield name


def database_url(parts: dict[str, Any], scheme: str) -> Any:
    from sqlalchemy.engine import URL

    socket = parts["host"].startswith("/")
    return URL.create(
        scheme,
        username=parts["user"],
        password=parts["password"],
        host=None if socket else parts["host"],
        port=None if socket else parts["port"],
        database=parts["database"],
        query={"host": parts["host"], "port": str(parts["port"])} if socket else {},
    )


def application_scheme(environment_file: str) -> str:
    """The scheme under which env.py gets its URL: asyncpg for an async one, else a driver that is there."""
    text = ""
    with contextlib.suppress(OSError), open(environment_file, encoding="utf-8", errors="replace") as file:
        text = file.read()
    is_async = "create_async_engine" in text or "async_engine_from_config" in text
    if is_async and any(available(["asyncpg"])):
        return "postgresql+asyncpg"
    with contextlib.suppress(Exception):
        from sqlalchemy.engine import make_url

        dialect: Any = make_url("postgresql://").get_dialect()
        (dialect.import_dbapi if hasattr(dialect, "import_dbapi") else dialect.dbapi)()
        return "postgresql"
    return "postgresql+" + next(available([*SYNC_DRIVERS, "asyncpg"]), "psycopg2")
