"""The application's own migrations on a real database, one revision a process, watched from a session of our own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.errors import (
    NOTHING_CHANGED,
    ConfigurationError,
    ConnectionFailed,
    NeedsPerson,
    PgrecastError,
    Refused,
    WrongDatabase,
)
from core.postgres.advisory import claim_for_session
from core.postgres.connect import connect, identify
from core.postgres.connection_errors import lost
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.identity import Identity
from core.postgres.inspect import inspect_within
from core.postgres.sql import load_queries, quote_literal
from core.revisions.application import ApplicationProject
from core.revisions.graph import Graph, Revision
from core.revisions.process import Event, Log, started
from core.revisions.replay import Change, changes_between
from core.revisions.schema import Schema, schema_of
from core.revisions.version_table import Claim, read_claim

APPLICATION_NAME = "pgrecast upgrade"
LOCK_TIMEOUT_MS = 5_000
POLL = 0.5
PREVIEW_TIMEOUT = 120.0

_QUERIES = load_queries(Path(__file__).parent / "queries")


# --- what is told while it runs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RevisionStarted:
    revision: str
    down: tuple[str, ...]
    doc: str
    number: int
    total: int

    def __str__(self) -> str:
        """As Alembic says it: `Running upgrade ba1a5bcdb110 -> c3a7b4bbf913, add rbac audit logs`."""
        doc = f", {self.doc}" if self.doc else ""
        return f"Running upgrade {', '.join(self.down)} -> {self.revision}{doc}"


@dataclass(frozen=True, slots=True)
class StatementSent:
    revision: str
    sql: str


@dataclass(frozen=True, slots=True)
class WaitingForLock:
    """The migration waits; `blockers` are the sessions in its way, one description each."""

    revision: str
    seconds: float
    blockers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RevisionApplied:
    """It is committed: the version table, read by a session of our own, says so."""

    revision: str
    seconds: float
    changes: tuple[Change, ...]


Progress = RevisionStarted | StatementSent | WaitingForLock | RevisionApplied


# --- what comes out of it ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MigrationFailure:
    """A revision that failed.

    Attributes:
        message, sqlstate, detail, hint: the server's own words; of an error in the application's code, its message.
        statement: the last one that it sent, None for none.
        committed: revisions applied before it in this run.
        left: what the failed revision has left in the schema all the same, by its autocommit blocks.
        claim: what the version table says now.
        blockers: sessions that were in its way, if it waited for a lock.
        choices: what can be done.
    """

    revision: str
    message: str
    sqlstate: str | None
    detail: str | None
    hint: str | None
    statement: str | None
    committed: tuple[str, ...]
    left: tuple[Change, ...]
    claim: Claim
    blockers: tuple[str, ...]
    choices: tuple[str, ...]


class MigrationFailed(PgrecastError):
    """A revision failed, and everything is as it was before this run."""

    def __init__(self, failure: MigrationFailure, what: str, state: str, advice: str) -> None:
        super().__init__(what, state=state, advice=advice)
        self.failure = failure


class MigrationStopped(MigrationFailed, NeedsPerson):
    """A revision failed, and something is committed: revisions before it, or a part of it."""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What was applied, in order, and what the version table said before and says now."""

    revisions: tuple[str, ...]
    before: Claim
    after: Claim


@dataclass(frozen=True, slots=True)
class Preview:
    """The SQL of a revision, or why offline mode cannot give it."""

    revision: str
    sql: str | None
    why: str | None = None


async def preview(project: ApplicationProject, revisions: Sequence[str], log: Log) -> tuple[Preview, ...]:
    """The SQL of revisions, each from the one before it, as far as Alembic's offline mode can give it. No database is used.

    Raises:
        ConfigurationError: the project cannot be loaded.
    """
    found: list[Preview] = []
    async with started(project, project.request("preview", revisions=list(revisions)), log) as runner:
        async for event in runner.events(PREVIEW_TIMEOUT):
            if event["event"] == "preview":
                found.append(Preview(event["revision"], event["sql"], event["why"]))
            elif event["event"] == "failed":
                raise PgrecastError(f"The migrations' SQL cannot be shown: {event['message'].rstrip('.')}.")
    return tuple(found)


async def upgrade(
    project: ApplicationProject,
    database: ConnectionSpec,
    identity: Identity,
    graph: Graph,
    *,
    log: Log,
    targets: Iterable[str] | None = None,
    lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    settings: Sequence[tuple[str, str]] = (),
    report: Callable[[Progress], None] = lambda _: None,
) -> Upgraded:
    """Run the pending revisions, each in a process of its own, so that each is committed before the next begins.

    The migration's own connections are checked, and bounded, before their first statement. The advisory lock of this
    program is held all along. Cancelled, it ends the process and its session.

    Args:
        identity: of the database that this is about.
        graph: as `read_graph` or the replay gave it.
        log: takes what the application prints.
        targets: the revisions to go to, every head by default.
        lock_timeout_ms: how long a migration's statement may wait for a lock, 0 for as long as it takes.
        settings: further settings of the migration's session, (name, value).
        report: told of the progress.

    Raises:
        WrongDatabase: ours, or the migration's connection, is to another database; nothing was run on it.
        Refused: another change is under way, or the version table names revisions that the history does not have.
        MigrationFailed, MigrationStopped: a revision failed; what is committed and what is not is in `failure`.
        ConnectionFailed: our own connection does not come about, or is lost.
    """
    connection = await connect(database, application_name=f"{APPLICATION_NAME} (watching)")
    try:
        identity.require(await identify(connection))
        if not await claim_for_session(connection):
            raise Refused(
                "Another change of this database is under way: a conversion, or other migrations.",
                advice="Wait until it has ended, then try again.",
            )
        before = await read_claim(connection, graph.version_table)
        unknown = [row for row in before.rows or () if row not in graph.by_id]
        if unknown:
            raise Refused(
                f"The version table names {', '.join(unknown)}, which is no revision of this history.",
                advice="Locate the schema and stamp it first.",
            )
        run = _Run(project, database, graph, connection, log, report)
        run.settings = _settings(lock_timeout_ms, settings)
        pending = graph.pending(before.rows or (), targets)
        for number, revision in enumerate(pending, 1):
            report(RevisionStarted(revision.id, revision.down, revision.doc, number, len(pending)))
            await run.one(revision)
        after = await read_claim(connection, graph.version_table)
        return Upgraded(tuple(run.committed), before, after)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise ConnectionFailed(
                f"The connection that watches the migrations was lost: {error}",
                state="The revision that was running has been ended; the version table says what is committed.",
                advice="Connect again and read the version table.",
            ) from error
        raise
    finally:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await connection.close(timeout=5)


def _settings(lock_timeout_ms: int, settings: Sequence[tuple[str, str]]) -> list[str]:
    wanted = {
        "application_name": APPLICATION_NAME,
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": "0",
        **dict(settings),
    }
    return [f"SET {name} = {quote_literal(value)}" for name, value in wanted.items()]


class _Run:
    def __init__(
        self,
        project: ApplicationProject,
        database: ConnectionSpec,
        graph: Graph,
        connection: asyncpg.Connection,
        log: Log,
        report: Callable[[Progress], None],
    ) -> None:
        self._project, self._database, self._graph = project, database, graph
        self._connection, self._log, self._report = connection, log, report
        self._sessions: set[tuple[int, str]] = set()
        self._blockers: tuple[str, ...] = ()
        self._statement: str | None = None
        self.settings: list[str] = []
        self.committed: list[str] = []

    async def one(self, revision: Revision) -> None:
        """Run a revision, and see with our own eyes that it is committed."""
        self._blockers, self._statement, self._sessions = (), None, set()
        before = await self._schema()
        began = time.monotonic()
        failed = await self._process(revision)
        after = await self._schema()
        claim = await read_claim(self._connection, self._graph.version_table)
        is_applied = self._graph.closure([*self.committed, revision.id]) <= self._graph.closure(claim.rows or ())
        changes = changes_between(before, after)
        if failed is not None and not is_applied:
            raise self._failure(revision, failed, changes, claim)
        if not is_applied:
            message = "env.py ended without an error, and the version table does not have the revision"
            raise self._failure(revision, {"message": message}, changes, claim)
        self.committed.append(revision.id)
        self._report(RevisionApplied(revision.id, time.monotonic() - began, changes))
        if failed is not None:  # committed, and what came after it went wrong
            raise self._failure(revision, failed, (), claim)

    async def _process(self, revision: Revision) -> Event | None:
        """Run it in a process; the event that it failed with, or None."""
        sql = _QUERIES["session_identity"]
        request = self._project.request(
            "upgrade",
            self._database,
            revision=revision.id,
            identity_sql=sql,
            identity=await self._connection.fetchval(sql),
            settings=self.settings,
            version_table=self._graph.version_table.name,
        )
        failed: Event | None = None
        try:
            async with started(self._project, request, self._log) as runner:
                watching = asyncio.create_task(self._watch(revision.id))
                try:
                    async for event in runner.events():
                        match event["event"]:
                            case "connected":
                                self._sessions.add((event["pid"], event["started"]))
                            case "statement":
                                self._statement = event["sql"]
                                self._report(StatementSent(revision.id, event["sql"]))
                            case "failed":
                                failed = event
                            case _:
                                pass
                except ConfigurationError as error:  # it died
                    failed = {"event": "failed", "message": error.what}
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
        finally:
            await self._end_sessions()
        return failed

    async def _watch(self, revision: str) -> None:
        """Say who is in the way while the migration waits for a lock."""
        waiting_since: float | None = None
        while True:
            await asyncio.sleep(POLL)
            pids = [pid for pid, _ in self._sessions]
            rows = await self._connection.fetch(_QUERIES["blockers"], pids) if pids else []
            if not rows:
                waiting_since = None
                continue
            waiting_since = waiting_since or time.monotonic()
            self._blockers = tuple(_session(row) for row in rows)
            self._report(WaitingForLock(revision, time.monotonic() - waiting_since, self._blockers))

    async def _end_sessions(self) -> None:
        """End what the process has left on the server: a backend whose client is gone finishes its statement first."""
        for pid, since in self._sessions:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                for _ in range(20):
                    if not await self._connection.fetchval(_QUERIES["session_is_there"], pid, since):
                        break
                    await self._connection.fetchval(_QUERIES["end_session"], pid, since)
                    await asyncio.sleep(0.1)

    async def _schema(self) -> Schema:
        return schema_of(await inspect_within(self._connection), self._graph.version_table)

    def _failure(self, revision: Revision, event: Event, left: tuple[Change, ...], claim: Claim) -> PgrecastError:
        kind = event.get("kind")
        if kind == "wrong_database":
            return WrongDatabase(
                f"The migration {revision.id} connected to {event['found']}, not to the database of this run.",
                state="It was refused before its first statement there. " + self._state(left, claim),
                advice="Find out where the application's env.py takes its URL from, and have it read "
                f"{' or '.join(self._project.url_variables)}, or sqlalchemy.url.",
            )
        failure = MigrationFailure(
            revision=revision.id,
            message=event["message"],
            sqlstate=event.get("sqlstate"),
            detail=event.get("detail"),
            hint=event.get("hint"),
            statement=self._statement,
            committed=tuple(self.committed),
            left=left,
            claim=claim,
            blockers=self._blockers,
            choices=self._choices(revision, event, left),
        )
        told = [f"{event['message'].rstrip('.')}."]
        told += [f"{name}: {event[name.lower()]}" for name in ("DETAIL", "HINT") if event.get(name.lower())]
        if self._blockers and event.get("sqlstate") == "55P03":
            told.append(f"In its way: {'; '.join(self._blockers)}.")
        kind_of_error = MigrationStopped if self.committed or left else MigrationFailed
        return kind_of_error(
            failure,
            f"Revision {revision.id} ({revision.doc}) failed: {' '.join(told)}",
            self._state(left, claim),
            "Choices: " + "; ".join(failure.choices) + ".",
        )

    def _state(self, left: tuple[Change, ...], claim: Claim) -> str:
        if not self.committed and not left:
            return NOTHING_CHANGED
        said = [f"Committed in this run: {', '.join(self.committed) or 'no whole revision'}."]
        if left:
            said.append(f"Of the failed one there is: {', '.join(str(change.item) for change in left[:5])}.")
        else:
            said.append("Nothing of the failed one.")
        return " ".join([*said, f"The version table says {claim}."])

    def _choices(self, revision: Revision, event: Event, left: tuple[Change, ...]) -> tuple[str, ...]:
        choices = ["put right what it failed on, and run it again"]
        match event.get("sqlstate"):
            case "55P03":
                choices = ["end the sessions in its way, and run it again", "run it again with a longer lock time-out"]
            case "42804":
                choices = ["convert the keys first, and run it again"]
            case "42P07" | "42710" | "42701" | "42P06":
                choices = [
                    "drop what exists already, if it holds nothing, or rename it aside, and run it again",
                    "stamp the revision as applied, if what exists is what it makes",
                ]
            case _:
                pass
        if left:
            choices.insert(0, f"first undo what it has left: {', '.join(str(change.item) for change in left[:5])}")
        if self.committed:
            choices.append(f"stay at {self.committed[-1]}, which is committed")
        return (*choices, f"correct {Path(revision.path).name} and run it again")


def _session(row: asyncpg.Record) -> str:
    parts = [f"process {row['pid']}"]
    parts += [str(row[name]) for name in ("role", "application", "state") if row[name]]
    if row["query"]:
        parts.append(f"its query: {' '.join(row['query'].split())}")
    return ", ".join(parts)
