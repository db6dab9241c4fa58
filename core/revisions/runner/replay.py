"""The whole history on a scratch database."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import time
from collections.abc import Callable
from typing import Any

from .channel import Channel, Refusal
from .connections import SYNC_DRIVERS, Guard, Statements, available, database_url
from .failure import explain
from .project import Project, version_table
from .tolerance import Tolerance


class Replay:
    """The history on a scratch database, a revision a transaction; the other side reads the schema in between."""

    def __init__(self, project: Project, channel: Channel, guard: Guard) -> None:
        self._project, self._channel, self._guard = project, channel, guard
        self._request = project.request
        self._told, self._untold = project.configured_by_env()
        self._statements = Statements(version_table(self._told)["version_table"])
        self._failures: list[dict[str, Any]] = []
        self._prepared = False

    def run(self) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        self._statements.install()
        self._channel.emit("replaying", untold=self._untold, **version_table(self._told))
        driver = next(available(SYNC_DRIVERS), None)
        if driver is None:
            asyncio.run(self._run_async())
            return
        url = database_url(self._request["url"], "postgresql+" + driver)
        with create_engine(url, poolclass=NullPool, future=True).connect() as connection:
            self._all(connection)

    async def _run_async(self) -> None:
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.pool import NullPool

        engine = create_async_engine(database_url(self._request["url"], "postgresql+asyncpg"), poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(self._all)
        finally:
            await engine.dispose()

    def _all(self, connection: Any) -> None:
        schema = self._told.get("version_table_schema")
        if schema:
            quoted = schema.replace('"', '""')
            self._attempt(connection, f'CREATE SCHEMA IF NOT EXISTS "{quoted}"')
        for revision in self._request["revisions"]:
            began = time.monotonic()
            how = self._one(connection, revision)
            self._channel.emit(
                "replayed",
                revision=revision,
                how=how,
                failures=self._failures,
                statements=self._statements.texts,
                statement_count=self._statements.count,
                seconds=time.monotonic() - began,
            )
            self._channel.receive()

    def _one(self, connection: Any, revision: str) -> str:
        """Run a revision in the first way that succeeds, and say which."""
        ways: list[tuple[str, Callable[[Any, str], Any]]] = [("plain", self._plain)]
        if not self._prepared and self._request["prerequisites"]:
            ways.append(("plain", self._with_prerequisites))
        if self._untold is not None or self._request["through_env"]:
            ways.insert(0 if self._request["through_env"] else len(ways), ("env", self._through_env))
        ways += [("tolerant", self._tolerant), ("stamped", self._stamp)]
        self._failures = []
        for how, run in ways:
            self._statements.clear()
            kept = len(self._failures)
            try:
                run(connection, revision)
            except (Exception, SystemExit) as error:
                self._rollback(connection)
                self._failures[kept:] = []
                self._note("the whole revision", error)
            else:
                if how in ("plain", "env"):
                    self._failures = []
                elif how == "tolerant":
                    self._failures = self._failures[kept:]
                return how
        raise Refusal("not_replayed", f"revision {revision} can be neither run nor stamped past")

    def _note(self, what: str, error: BaseException) -> None:
        self._failures.append({"what": " ".join(what.split())[:300], **explain(error)})

    @staticmethod
    def _rollback(connection: Any) -> None:
        with contextlib.suppress(Exception):
            connection.rollback()

    def _attempt(self, connection: Any, sql: str) -> None:
        try:
            connection.exec_driver_sql(sql)
            connection.commit()
        except Exception:
            self._rollback(connection)

    def _plain(self, connection: Any, revision: str, wrap: Callable[[Any], Any] = lambda step: step) -> None:
        def steps(heads: Any, _context: Any) -> list[Any]:
            return [wrap(step) for step in self._project.steps_to(revision, heads)]

        with self._project.environment(fn=steps, destination_rev=revision) as environment:
            environment.configure(connection=connection, **self._told)
            with environment.begin_transaction():
                environment.run_migrations()
        connection.commit()

    def _with_prerequisites(self, connection: Any, revision: str) -> None:
        """Once: make what the live database has and no revision makes, such as extensions that an administrator made."""
        self._prepared = True
        for sql in self._request["prerequisites"]:
            self._attempt(connection, sql)
        self._channel.emit("prepared")
        self._channel.receive()
        self._plain(connection, revision)

    def _through_env(self, _connection: Any, revision: str) -> None:
        done: list[str] = []

        def steps(heads: Any, context: Any) -> list[Any]:
            self._guard.check(context)
            done.append(revision)
            return self._project.steps_to(revision, heads)

        # In a thread, for an async env.py starts a loop, and there may be one here.
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(self._project.run_env, steps, destination_rev=revision).result()
        if not done:
            raise Refusal("not_run", "env.py ended without running any migration")

    def _tolerant(self, connection: Any, revision: str) -> None:
        tolerance = Tolerance(connection, self._note, self._divide)
        with tolerance.installed():
            self._plain(connection, revision, tolerance.wrap)

    def _divide(self, sql: str) -> list[str]:
        self._channel.emit("divide", sql=sql)
        return self._channel.receive()

    def _stamp(self, connection: Any, revision: str) -> None:
        from alembic.runtime.migration import MigrationContext

        options = {name: value for name, value in self._told.items() if name.startswith("version_table")}
        MigrationContext.configure(connection=connection, opts=options).stamp(self._project.script, revision)
        connection.commit()
