"""The application's code in a process of its own, and its history on a scratch database."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scratch import leftovers
from core.revisions.application import ApplicationProject
from core.revisions.replay import Replay, read_graph, replay
from core.revisions.schema import Item
from tests.databases import Database
from tests.histories import BRANCHED, R, spec_of, write_project

ONE = (R("a1", None, 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))'),)


async def replayed(
    project: ApplicationProject, database: Database, cache: Path, log: list[str] | None = None, **options: object
) -> Replay:
    lines = [] if log is None else log
    graph = await read_graph(project, lines.append)
    return await replay(project, graph, spec_of(database), log=lines.append, cache=cache, **options)  # type: ignore[arg-type]


async def test_the_graph_comes_in_an_order_in_which_it_can_run(tmp_path: Path) -> None:
    graph = await read_graph(write_project(tmp_path, BRANCHED), lambda _: None)
    assert [revision.id for revision in graph.revisions] == ["a1", "b2", "c3", "d3", "e4", "f5", "g6", "h7"]
    assert graph.heads == ("h7",)
    assert graph.by_id["e4"].is_merge
    assert graph.by_id["g6"].doc == "revision g6"
    assert graph.untold == ""


async def test_each_revision_s_own_changes_are_found(database: Database, tmp_path: Path) -> None:
    found = await replayed(write_project(tmp_path, BRANCHED), database, tmp_path / "cache")
    changes = {r.revision: {str(c.item): c for c in r.changes} for r in found.revisions}
    assert {r.how for r in found.revisions} == {"plain"}
    assert "index tickets.tickets_title_idx" in changes["d3"]  # made CONCURRENTLY
    assert changes["e4"] == changes["f5"] == {}
    assert next(r.statements for r in found.revisions if r.revision == "e4") == ()
    altered = changes["g6"]["column accounts.email"]
    assert (altered.before, altered.after) == ({"type": "character varying(80)"}, {"type": "character varying(200)"})
    assert changes["g6"].keys() >= {"enum value mood.happy", "table payments", "column payments.amount"}
    schema = found.schema_at(frozenset({"a1", "b2", "c3", "d3", "e4", "f5", "g6"}))
    assert schema[Item("column", "public", "accounts", "email")]["type"] == "character varying(200)"
    assert Item("view", "public", "paid") not in schema


async def test_a_revision_that_cannot_run_on_scratch_is_run_as_far_as_it_goes(
    database: Database, tmp_path: Path
) -> None:
    history = (
        R("a1", None, 'op.create_table("documents", sa.Column("id", sa.UUID, primary_key=True))'),
        R(
            "b2",
            "a1",
            """
            op.create_table(
                "questions",
                sa.Column("id", sa.String(36), primary_key=True),
                sa.Column("parent_id", sa.String(36), sa.ForeignKey("questions.id", name="questions_parent_fkey")),
                sa.Column("document_id", sa.String(36), sa.ForeignKey("documents.id", name="questions_document_fkey")),
            )
            op.execute("GRANT SELECT ON questions TO a_role_that_is_not_here")
            op.create_index("questions_document_idx", "questions", ["document_id"])
            """,
        ),
        R(
            "c3",
            "b2",
            """
            op.add_column("questions", sa.Column("kept", sa.Integer))
            op.get_bind().execute(sa.text("SELECT 1/0"))
            op.add_column("questions", sa.Column("never", sa.Integer))
            """,
        ),
        R("d4", "c3", 'op.add_column("questions", sa.Column("after", sa.Integer))'),
    )
    found = await replayed(write_project(tmp_path, history), database, tmp_path / "cache")
    _, b2, c3, d4 = found.revisions
    assert (b2.how, c3.how, d4.how) == ("tolerant", "tolerant", "plain")
    made = {str(change.item) for change in b2.changes}
    assert {"table questions", "index questions.questions_document_idx"} <= made
    assert "constraint questions.questions_parent_fkey" in made
    assert "constraint questions.questions_document_fkey" not in made
    assert [failure.sqlstate for failure in b2.failures] == ["42804", "42804", "42704"]
    assert "are of incompatible types: character varying and uuid." in str(b2.failures[0].detail)
    assert [str(change.item) for change in c3.changes] == ["column questions.kept"]
    assert c3.failures[0].what == "the rest of the revision"
    assert c3.failures[0].sqlstate == "22012"


async def test_plain_sql_that_fails_is_taken_apart(database: Database, tmp_path: Path) -> None:
    """The incident's own failure, in a migration that is written as SQL."""
    history = (
        R("a1", None, 'op.execute("CREATE TABLE patients (id uuid PRIMARY KEY)")'),
        R(
            "b2",
            "a1",
            """
            op.execute(
                "CREATE TABLE notes (id varchar(36) PRIMARY KEY, of varchar(36) REFERENCES patients, "
                "kind text DEFAULT 'a:b 100%', next varchar(36) REFERENCES notes); CREATE INDEX notes_kind ON notes (kind)"
            )
            """,
        ),
    )
    found = await replayed(write_project(tmp_path, history), database, tmp_path / "cache")
    b2 = found.revisions[1]
    assert b2.how == "tolerant"
    made = {str(change.item): change.after for change in b2.changes}
    assert {"table notes", "index notes.notes_kind", "constraint notes.notes_next_fkey"} <= made.keys()
    assert "constraint notes.notes_of_fkey" not in made
    assert made["column notes.kind"] is not None
    assert made["column notes.kind"]["default"] == "'a:b 100%'::text"
    assert len(b2.failures) == 2  # the whole, which not every driver takes, and the key
    assert b2.failures[1].sqlstate == "42804"
    assert "ALTER TABLE notes ADD FOREIGN KEY (of)" in b2.failures[1].what


async def test_a_revision_that_does_nothing_but_fail_does_not_end_the_replay(
    database: Database, tmp_path: Path
) -> None:
    history = (*ONE, R("b2", "a1", "raise SystemExit(3)"), R("c3", "b2", 'op.add_column("t", sa.Column("c", sa.Text))'))
    found = await replayed(write_project(tmp_path, history), database, tmp_path / "cache")
    assert [(r.how, len(r.changes)) for r in found.revisions] == [("plain", 3), ("tolerant", 0), ("plain", 1)]
    assert found.revisions[1].failures[0].message == "SystemExit: 3"


async def test_a_project_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be loaded.*SyntaxError"):
        await read_graph(write_project(tmp_path / "one", (*ONE, R("b2", "a1", "return 1 +"))), lambda _: None)
    with pytest.raises(ConfigurationError, match=r"cannot be loaded.*nowhere"):
        await read_graph(write_project(tmp_path / "two", (R("b2", "nowhere", ""),)), lambda _: None)


async def test_what_an_administrator_made_beforehand_is_made_when_it_is_missed(
    database: Database, tmp_path: Path
) -> None:
    history = (*ONE, R("b2", "a1", 'op.execute("CREATE TABLE extra.t (a public.citext)")'))
    project = write_project(tmp_path, history)
    statements = ["CREATE SCHEMA IF NOT EXISTS extra", "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public"]
    found = await replayed(project, database, tmp_path / "cache", prerequisites=statements)
    assert [str(change.item) for change in found.revisions[1].changes] == ["column extra.t.a", "table extra.t"]
    assert found.revisions[1].how == "plain"


async def test_the_search_path_of_the_live_database_is_kept(database: Database, tmp_path: Path) -> None:
    found = await replayed(write_project(tmp_path, ONE), database, tmp_path / "cache", search_path=["app"])
    assert Item("table", "app", "t") in {change.item for change in found.revisions[0].changes}


async def test_a_naming_convention_of_env_py_is_followed(database: Database, tmp_path: Path) -> None:
    before = 'import sqlalchemy as sa\nOPTIONS["target_metadata"] = sa.MetaData(naming_convention={"uq": "uq_%(table_name)s"})'
    before += '\nOPTIONS["version_table"] = "versions"'
    history = (R("a1", None, 'op.create_table("t", sa.Column("id", sa.Integer), sa.UniqueConstraint("id"))'),)
    found = await replayed(write_project(tmp_path, history, before=before), database, tmp_path / "cache")
    assert "constraint t.uq_t" in {str(change.item) for change in found.revisions[0].changes}
    assert found.graph.version_table.name == "versions"
    assert not any("versions" in str(change.item) for change in found.revisions[0].changes)


async def test_a_project_that_needs_its_env_py_is_replayed_through_it(database: Database, tmp_path: Path) -> None:
    # It cannot be asked offline, and its revision uses what it sets.
    after = """
    import builtins
    if context.is_offline_mode():
        raise RuntimeError("no offline mode here")
    builtins.SET_BY_ENV = "t"
    """
    history = (R("a1", None, "op.create_table(SET_BY_ENV, sa.Column('id', sa.Integer))"),)
    log: list[str] = []
    found = await replayed(write_project(tmp_path, history, after=after), database, tmp_path / "cache", log)
    assert found.revisions[0].how == "env"
    assert "no offline mode here" in found.graph.untold
    assert Item("table", "public", "t") in {change.item for change in found.revisions[0].changes}


async def test_an_application_with_a_package_called_core(database: Database, tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("TABLE = 'made_by_its_own_core'\n")
    before = "import core, sys\nprint('CORE', core.__file__)\nassert not any('revisions' in p for p in sys.path)"
    history = (R("a1", None, "from core import TABLE\nop.create_table(TABLE, sa.Column('id', sa.Integer))"),)
    log: list[str] = []
    found = await replayed(write_project(tmp_path, history, before=before), database, tmp_path / "cache", log)
    assert Item("table", "public", "made_by_its_own_core") in {change.item for change in found.revisions[0].changes}
    assert any(line == f"CORE {tmp_path}/core/__init__.py" for line in log)


async def test_what_the_application_sees_and_says(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "fake-of-the-operator")
    monkeypatch.setenv("OPERATORS_OWN", "x")
    monkeypatch.setenv("APP_SECRET_KEY", "fake-application-secret")
    before = """
    import sys
    from pathlib import Path
    print("DSN", os.environ["DATABASE_URL"], os.environ["PGPASSWORD"])
    print("ERR", os.environ["DATABASE_URL"], file=sys.stderr)
    print("SECRET", os.environ["APP_SECRET_KEY"])
    print("NAMES", *sorted(os.environ))
    print("STARTED WITH", Path("/proc/self/environ").read_bytes() + Path("/proc/self/cmdline").read_bytes())
    Path("seen").write_bytes(Path("/proc/self/environ").read_bytes() + Path("/proc/self/cmdline").read_bytes())
    """
    project = write_project(tmp_path, ONE, before=before)
    project = ApplicationProject.find(tmp_path, passed_on=("APP_SECRET_KEY",))
    log: list[str] = []
    await replayed(project, database, tmp_path / "cache", log)
    text = "\n".join(log)
    password = database.password.get_secret_value()
    assert f"DSN postgresql+asyncpg://{database.owner}:***@" in text
    assert "ERR postgresql+asyncpg" in text
    assert password not in text
    assert "fake-application-secret" not in text
    assert "fake-of-the-operator" not in text
    assert "OPERATORS_OWN" not in text
    seen = (tmp_path / "seen").read_bytes()
    assert password.encode() not in seen
    assert b"PGPASSWORD" not in seen


async def test_an_interpreter_that_is_not_there_and_one_that_is_no_python(tmp_path: Path) -> None:
    write_project(tmp_path, ONE)
    with pytest.raises(ConfigurationError, match="cannot be started"):
        await read_graph(ApplicationProject.find(tmp_path, interpreter=("/not/there",)), lambda _: None)
    with pytest.raises(ConfigurationError, match="status 0 without an answer"):
        await read_graph(ApplicationProject.find(tmp_path, interpreter=("/bin/echo",)), lambda _: None)
    with pytest.raises(ConfigurationError, match="no Alembic project"):
        ApplicationProject.find(tmp_path / "migrations" / "versions")


async def test_a_project_is_found_by_its_folder_its_ini_its_toml_and_its_scripts(tmp_path: Path) -> None:
    write_project(tmp_path, ONE)
    toml = tmp_path / "toml" / "pyproject.toml"
    toml.parent.mkdir()
    toml.write_text('[tool.alembic]\nscript_location = "%(here)s/../migrations"\n')
    for place in (tmp_path, tmp_path / "alembic.ini", toml, toml.parent, tmp_path / "migrations"):
        graph = await read_graph(ApplicationProject.find(place), lambda _: None)
        assert graph.heads == ("a1",), place


async def test_a_cancelled_replay_leaves_no_process_and_no_database(database: Database, tmp_path: Path) -> None:
    history = (
        R(
            "a1",
            None,
            f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)",
        ),
    )
    task = asyncio.create_task(replayed(write_project(tmp_path, history), database, tmp_path / "cache"))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.05)
        assert not task.done(), task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    connection = await database.connect()
    left = [found for found in await leftovers(connection) if found.owner == database.owner]
    await connection.close()
    assert left == []


async def test_a_url_with_awkward_characters_reaches_the_application(database: Database, tmp_path: Path) -> None:
    spec = spec_of(database)
    connection = await database.superuser_connect()
    await connection.execute(f"ALTER ROLE {database.owner} PASSWORD 'fake%40 p@ss/w:ö'")
    await connection.close()
    spec = ConnectionSpec(spec.host, spec.port, spec.database, spec.user, SecretStr("fake%40 p@ss/w:ö"))
    project = write_project(tmp_path, ONE)
    graph = await read_graph(project, lambda _: None)
    found = await replay(project, graph, spec, log=lambda _: None, cache=tmp_path / "cache")
    assert found.revisions[0].how == "plain"


async def test_a_wrapper_around_the_interpreter_that_prints(tmp_path: Path) -> None:
    write_project(tmp_path, ONE)
    wrapper = ("/bin/sh", "-c", 'echo starting; exec "$0" "$@"', sys.executable)
    log: list[str] = []
    graph = await read_graph(ApplicationProject.find(tmp_path, interpreter=wrapper), log.append)
    assert graph.heads == ("a1",)
    assert "starting" in log


async def test_a_history_that_begins_with_what_other_means_have_made(database: Database, tmp_path: Path) -> None:
    base = tmp_path / "base.sql"
    base.write_text("CREATE TABLE base (id integer); CREATE TABLE other (id integer)")
    write_project(tmp_path, (R("a1", None, 'op.add_column("base", sa.Column("a", sa.Integer))'),))
    project = ApplicationProject.find(tmp_path, base_sql=base)
    found = await replayed(project, database, tmp_path / "cache")
    assert [str(change.item) for change in found.revisions[0].changes] == ["column base.a"]
    assert Item("table", "public", "other") in found.base
    base.write_text("CREATE TABLE base (")
    with pytest.raises(ConfigurationError, match="What the history begins with cannot be made"):
        await replayed(project, database, tmp_path / "cache")
