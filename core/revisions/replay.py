"""The history, replayed on a scratch database: what each revision changes, found by looking.

The application's interpreter runs the revisions, one a transaction; in between this side reads the whole catalog. What a
replay gives depends on the revisions' files and on the versions of Alembic and of the server, and is kept by a hash of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg

from core.errors import ConfigurationError, ConnectionFailed
from core.postgres.connect import connect
from core.postgres.connection_errors import lost
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.inspect import inspect_within
from core.postgres.scratch import scratch_database
from core.postgres.sql import load_queries, quote_identifier
from core.revisions.application import ApplicationProject
from core.revisions.graph import Graph, Revision, VersionTable, in_order
from core.revisions.parts import parts_of
from core.revisions.process import Event, Log, started
from core.revisions.schema import Attributes, Item, Schema, schema_of

FORMAT = 3
"""Of what is kept; another one is replayed again."""
GRAPH_TIMEOUT = 120.0
REVISION_TIMEOUT = 300.0

_QUERIES = load_queries(Path(__file__).parent / "queries")


@dataclass(frozen=True, slots=True)
class Change:
    """What a revision did to an item; `before` is None where it made it, `after` where it dropped it."""

    item: Item
    before: Attributes | None
    after: Attributes | None


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation that failed on the scratch database, and what the server said."""

    what: str
    message: str
    sqlstate: str | None = None
    detail: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayedRevision:
    """A revision and what it changed.

    Attributes:
        how: plain; env (through the application's env.py); tolerant (operations failed and were left out); stamped (it
            could not be run, and what it changes is not known).
        changes: what it changed in the schema.
        statements: the SQL that it sent, the first 40; none at all means that running it or not makes no difference.
        failures: what was left out, or why it could not be run.
    """

    revision: str
    how: str
    changes: tuple[Change, ...] = ()
    statements: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Replay:
    """The whole history, replayed in the graph's order.

    Attributes:
        base: what was there before the first revision (`ApplicationProject.base_sql`).
        server_major: major version of the scratch server.
        from_cache: whether it was kept from an earlier time.
    """

    graph: Graph
    revisions: tuple[ReplayedRevision, ...]
    server_major: int
    base: Schema = field(default_factory=dict[Item, Attributes])
    from_cache: bool = False

    def schema_at(self, applied: frozenset[str]) -> Schema:
        """The schema after exactly these revisions, as far as their changes are independent of the others'."""
        schema: dict[Item, Attributes] = dict(self.base)
        for replayed in self.revisions:
            if replayed.revision in applied:
                for change in replayed.changes:
                    if change.after is None:
                        schema.pop(change.item, None)
                    else:
                        schema[change.item] = {**schema.get(change.item, {}), **change.after}
                        for name in (change.before or {}).keys() - change.after.keys():
                            schema[change.item] = {k: v for k, v in schema[change.item].items() if k != name}
        return schema


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """A revision has been replayed, the `done`th of `total`."""

    revision: str
    done: int
    total: int
    seconds: float


async def read_graph(project: ApplicationProject, log: Log) -> Graph:
    """The history, without any database.

    Raises:
        ConfigurationError: the project cannot be loaded, or its revisions do not fit together.
    """
    revisions: list[Revision] = []
    history: Event = {}
    async with started(project, project.request("graph"), log) as runner:
        async for event in runner.events(GRAPH_TIMEOUT):
            if event["event"] == "failed":
                raise ConfigurationError(
                    f"The application's Alembic project cannot be loaded: {event['message'].rstrip('.')}.",
                    advice="Check the project, its interpreter, and the variables that it needs. "
                    f"Its last lines: {runner.last_lines() or 'none'}.",
                )
            if event["event"] == "revision":
                revisions.append(_revision(event))
            elif event["event"] == "history":
                history = event
    try:
        # By name, for Alembic's order of branches follows that of files on the disk.
        ordered = in_order(sorted(revisions, key=lambda revision: revision.id))
    except ValueError as error:
        raise ConfigurationError(
            f"The application's history does not fit together: {error}.", advice="Correct its revisions."
        ) from None
    return Graph(
        revisions=ordered,
        alembic=history["alembic"],
        sqlalchemy=history["sqlalchemy"],
        version_table=VersionTable(history["version_table"], history["version_table_schema"]),
        environment_file=history["environment_file"],
        untold=history["untold"] or "",
    )


async def replay(
    project: ApplicationProject,
    graph: Graph,
    server: ConnectionSpec,
    *,
    log: Log,
    prerequisites: Sequence[str] = (),
    search_path: Sequence[str] = (),
    cache: Path | None = None,
    progress: Callable[[ReplayProgress], None] = lambda _: None,
) -> Replay:
    """Replay the history on a scratch database, or take it from the cache.

    Args:
        project: whose it is.
        graph: as `read_graph` gave it.
        server: a login that may create databases.
        log: takes what the application prints.
        prerequisites: statements that make what the live database has and an administrator may have made; run once, when
            a revision fails without them.
        search_path: the schemas in which the live database's migrations make things, where that is not "public" alone.
        cache: a directory to keep replays in; None for `default_cache()`.
        progress: told of each revision.

    Raises:
        ConfigurationError: a revision can be neither run nor stamped past.
        ConnectionFailed: the server is gone.
        Refused: it makes no scratch database.
    """
    connection = await connect(server)
    major = connection.get_server_version().major
    await connection.close()
    kept = (cache or default_cache()) / f"{_digest(project, graph, major, prerequisites, search_path)}.json"
    if (found := _load(kept, graph)) is not None:
        return found
    async with scratch_database(server, "replay of a history of migrations") as database:
        await _prepare(database, search_path, project.base_sql)
        result = await _run(project, graph, database, prerequisites, log, progress)
    _save(kept, result)
    return result


def default_cache() -> Path:
    """Where replays are kept (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "pgrecast" / "replays"


def changes_between(before: Schema, after: Schema) -> tuple[Change, ...]:
    """What differs between two schemas, by item; of an item in both, the attributes that differ."""
    changes: list[Change] = []
    for item in sorted(before.keys() | after.keys()):
        old, new = before.get(item), after.get(item)
        if old is None or new is None:
            changes.append(Change(item, old, new))
        elif old != new:
            names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
            changes.append(
                Change(
                    item,
                    {name: old[name] for name in sorted(names) if name in old},
                    {name: new[name] for name in sorted(names) if name in new},
                )
            )
    return tuple(changes)


def _revision(event: Event) -> Revision:
    return Revision(
        id=event["revision"],
        down=tuple(event["down"]),
        depends_on=tuple(event["depends_on"]),
        labels=tuple(event["labels"]),
        doc=event["doc"],
        path=event["path"],
    )


async def _prepare(database: ConnectionSpec, search_path: Sequence[str], base_sql: Path | None) -> None:
    connection = await connect(database, read_only=False)
    try:
        if search_path:
            for schema in search_path:
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(schema)}")
            path = ", ".join(map(quote_identifier, search_path))
            await connection.execute(f"ALTER DATABASE {quote_identifier(database.database)} SET search_path = {path}")
            await connection.execute(f"SET search_path = {path}")
        if base_sql is not None:
            await connection.execute(base_sql.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, asyncpg.PostgresError) as error:
        raise ConfigurationError(
            f"What the history begins with cannot be made on a scratch database: {error}.",
            advice=f"Correct {base_sql}." if base_sql else "See the server's log.",
        ) from error
    finally:
        await connection.close()


async def _run(
    project: ApplicationProject,
    graph: Graph,
    database: ConnectionSpec,
    prerequisites: Sequence[str],
    log: Log,
    progress: Callable[[ReplayProgress], None],
) -> Replay:
    replayed: list[ReplayedRevision] = []
    version_table = graph.version_table
    connection = await connect(database)
    try:
        sql = _QUERIES["session_identity"]
        request = project.request(
            "replay",
            database,
            identity_sql=sql,
            identity=await connection.fetchval(sql),
            revisions=[revision.id for revision in graph.revisions],
            prerequisites=list(prerequisites),
        )
        base = before = schema_of(await inspect_within(connection), version_table)
        async with started(project, request, log) as runner:
            async for event in runner.events(REVISION_TIMEOUT):
                if event["event"] == "failed":
                    raise ConfigurationError(
                        f"The application's history cannot be replayed: {event['message'].rstrip('.')}.",
                        advice=f"Its last lines: {runner.last_lines() or 'none'}.",
                    )
                if event["event"] == "replaying":
                    version_table = VersionTable(event["version_table"], event["version_table_schema"])
                elif event["event"] == "prepared":  # what that made is no revision's work
                    before = schema_of(await inspect_within(connection), version_table)
                    runner.send("go")
                elif event["event"] == "divide":
                    runner.send(parts_of(event["sql"]))
                elif event["event"] == "replayed":
                    after = schema_of(await inspect_within(connection), version_table)
                    replayed.append(_replayed(event, changes_between(before, after)))
                    before = after
                    progress(ReplayProgress(event["revision"], len(replayed), len(graph.revisions), event["seconds"]))
                    runner.send("go")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise ConnectionFailed(
                f"The connection to the scratch database was lost: {error}", advice="Try again."
            ) from error
        raise
    finally:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await connection.close(timeout=5)
    return Replay(
        replace(graph, version_table=version_table),
        tuple(replayed),
        connection.get_server_version().major,
        {item: attributes for item, attributes in base.items() if item.kind != "schema"},
    )


def _replayed(event: Event, changes: tuple[Change, ...]) -> ReplayedRevision:
    return ReplayedRevision(
        revision=event["revision"],
        how=event["how"],
        changes=changes,
        statements=tuple(event["statements"]),
        failures=tuple(Failure(**{name: failure[name] for name in Failure.__slots__}) for failure in event["failures"]),
        seconds=event["seconds"],
    )


# --- the cache ---------------------------------------------------------------------------------------------------------


def _digest(
    project: ApplicationProject, graph: Graph, major: int, prerequisites: Sequence[str], search_path: Sequence[str]
) -> str:
    """A hash of everything that decides what a replay gives, as far as it is in files of the project's own."""
    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        digest.update(json.dumps(parts, default=str).encode() + b"\n")

    add(FORMAT, major, graph.alembic, graph.sqlalchemy, list(prerequisites), list(search_path))
    add(project.section, project.x_arguments, project.through_env)
    files = [graph.environment_file, *(revision.path for revision in graph.revisions)]
    files += [str(file) for file in (project.ini, project.toml, project.base_sql) if file is not None]
    for name in files:
        try:
            add(Path(name).name, hashlib.sha256(Path(name).read_bytes()).hexdigest())
        except OSError:
            add(Path(name).name, None)
    return digest.hexdigest()


def _save(file: Path, replay: Replay) -> None:
    """Keep a replay; a cache that cannot be written to is no reason to fail."""
    document = {
        "major": replay.server_major,
        "base": [[list(item), attributes] for item, attributes in replay.base.items()],
        "version_table": [replay.graph.version_table.name, replay.graph.version_table.schema],
        "revisions": [
            {
                "revision": replayed.revision,
                "how": replayed.how,
                "changes": [[list(change.item), change.before, change.after] for change in replayed.changes],
                "statements": replayed.statements,
                "failures": [{name: getattr(f, name) for name in Failure.__slots__} for f in replayed.failures],
                "seconds": replayed.seconds,
            }
            for replayed in replay.revisions
        ],
    }
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, suffix=".new")
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(document, out)
        Path(name).replace(file)


def _load(file: Path, graph: Graph) -> Replay | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        revisions = tuple(_restored(values) for values in document["revisions"])
        version_table = VersionTable(*document["version_table"])
        major = document["major"]
        base = {Item(*item): attributes for item, attributes in document["base"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Replay(replace(graph, version_table=version_table), revisions, major, base, from_cache=True)


def _restored(values: Mapping[str, Any]) -> ReplayedRevision:
    return ReplayedRevision(
        revision=values["revision"],
        how=values["how"],
        changes=tuple(Change(Item(*item), before, after) for item, before, after in values["changes"]),
        statements=tuple(values["statements"]),
        failures=tuple(Failure(**failure) for failure in values["failures"]),
        seconds=values["seconds"],
    )
