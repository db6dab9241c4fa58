"""The application's migrations, one revision a process: what is committed, what is refused, what a failure tells."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from core.errors import Refused, WrongDatabase
from core.postgres.advisory import claim_for_session
from core.postgres.connect import identify
from core.postgres.connection_spec import ConnectionSpec
from core.revisions.application import ApplicationProject
from core.revisions.replay import read_graph
from core.revisions.upgrade import (
    MigrationFailed,
    MigrationStopped,
    Progress,
    RevisionApplied,
    RevisionStarted,
    StatementSent,
    Upgraded,
    WaitingForLock,
    preview,
    upgrade,
)
from core.revisions.version_table import Claim
from tests.databases import Database
from tests.histories import BRANCHED, R, spec_of, write_project
from tests.sessions import session

TABLE = R("a1", None, 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
COLUMN = R("b2", "a1", 'op.add_column("t", sa.Column("b", sa.Integer))')


async def run(
    project: ApplicationProject, spec: ConnectionSpec, *, log: list[str] | None = None, **options: object
) -> Upgraded:
    lines: list[str] = [] if log is None else log
    async with session(spec) as connection:
        identity = await identify(connection)
    graph = await read_graph(project, lines.append)
    return await upgrade(project, spec, identity, graph, log=lines.append, **options)  # type: ignore[arg-type]


async def tables(spec: ConnectionSpec) -> list[str]:
    async with session(spec) as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [row["tablename"] for row in rows]


async def test_a_whole_history_revision_by_revision(database: Database, tmp_path: Path) -> None:
    told: list[Progress] = []
    project = write_project(tmp_path, BRANCHED)
    done = await run(project, spec_of(database), report=told.append, targets=["e4"])
    assert done.revisions == ("a1", "b2", "c3", "d3", "e4")
    assert (done.before, done.after) == (Claim(None), Claim(("e4",)))
    starts = [event for event in told if isinstance(event, RevisionStarted)]
    assert [str(event) for event in starts][1] == "Running upgrade a1 -> b2, revision b2"
    assert str(starts[4]) == "Running upgrade c3, d3 -> e4, revision e4"
    assert any(isinstance(event, StatementSent) and event.sql.startswith("CREATE INDEX CONCURRENTLY") for event in told)
    applied = [event for event in told if isinstance(event, RevisionApplied)]
    assert "table invoices" in {str(change.item) for change in applied[2].changes}
    assert (await run(project, spec_of(database))).revisions == ("f5", "g6", "h7")
    assert (await run(project, spec_of(database))).revisions == ()


async def test_a_revision_that_fails_in_the_middle(database: Database, tmp_path: Path) -> None:
    failing = R(
        "c3",
        "b2",
        """
        op.create_table("u", sa.Column("id", sa.Integer))
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY t_b_idx ON t (b)")
        op.execute("DO $$ BEGIN RAISE EXCEPTION 'no, not this' USING DETAIL = 'because', HINT = 'do that'; END $$")
        """,
    )
    project = write_project(tmp_path, (TABLE, COLUMN, failing, R("d4", "c3", "")))
    with pytest.raises(MigrationStopped) as stopped:
        await run(project, spec_of(database))
    failure = stopped.value.failure
    assert stopped.value.exit_status == 5
    assert (failure.revision, failure.committed, failure.claim) == ("c3", ("a1", "b2"), Claim(("b2",)))
    assert (failure.message, failure.detail, failure.hint) == ("no, not this", "because", "do that")
    assert failure.sqlstate == "P0001"
    assert failure.statement is not None
    assert failure.statement.startswith("DO $$")
    assert [str(change.item) for change in failure.left] == ["column u.id", "index t.t_b_idx", "table u"]
    text = str(stopped.value)
    assert "DETAIL: because HINT: do that" in text
    assert "Committed in this run: a1, b2." in text
    assert "The version table says b2." in text
    assert "stay at b2, which is committed" in text


async def test_a_first_revision_that_fails_leaves_everything_as_it_was(database: Database, tmp_path: Path) -> None:
    project = write_project(tmp_path, (TABLE, R("b2", "a1", 'op.create_table("t", sa.Column("id", sa.Integer))')))
    await run(project, spec_of(database), targets=["a1"])
    with pytest.raises(MigrationFailed) as failed:
        await run(project, spec_of(database))
    assert not isinstance(failed.value, MigrationStopped)
    assert failed.value.exit_status == 1
    assert failed.value.state == "Nothing in the database has been changed."
    assert failed.value.failure.sqlstate == "42P07"
    assert any("rename it aside" in choice for choice in failed.value.failure.choices)


async def test_an_error_in_the_application_s_own_code(database: Database, tmp_path: Path) -> None:
    project = write_project(tmp_path, (TABLE, R("b2", "a1", 'raise KeyError("setting")')))
    with pytest.raises(MigrationStopped) as stopped:
        await run(project, spec_of(database))
    assert stopped.value.failure.message == "KeyError: 'setting'"
    assert stopped.value.failure.sqlstate is None


async def test_one_that_waits_for_a_lock_says_for_whom_and_gives_up(database: Database, tmp_path: Path) -> None:
    project = write_project(tmp_path, (TABLE, COLUMN))
    spec = spec_of(database)
    await run(project, spec, targets=["a1"])
    told: list[Progress] = []
    async with session(spec) as other, other.transaction():
        await other.execute("LOCK TABLE t IN ACCESS SHARE MODE")
        with pytest.raises(MigrationFailed) as failed:
            await run(project, spec, report=told.append, lock_timeout_ms=2_500)
        pid = other.get_server_pid()
    waits = [event for event in told if isinstance(event, WaitingForLock)]
    assert waits
    assert f"process {pid}" in waits[0].blockers[0]
    assert failed.value.failure.sqlstate == "55P03"
    assert f"In its way: process {pid}" in str(failed.value)
    assert (await run(project, spec)).revisions == ("b2",)


async def test_an_env_py_that_connects_to_another_database_is_refused_before_its_first_statement(
    database: Database, tmp_path: Path
) -> None:
    spec = spec_of(database)
    other = spec.with_database(f"{database.name}_other")
    async with session(spec) as connection:
        await connection.execute(f"CREATE DATABASE {other.database}")
    after = f'ours = url\ndef url():\n    return ours().set(database="{other.database}")\n'
    with pytest.raises(WrongDatabase) as refused:
        await run(write_project(tmp_path, (TABLE, COLUMN), after=after), spec)
    assert other.database in refused.value.what
    assert "refused before its first statement there" in refused.value.state
    assert await tables(other) == []
    assert await tables(spec) == []


async def test_an_env_py_that_holds_the_refusal_back(database: Database, tmp_path: Path) -> None:
    spec = spec_of(database)
    after = """
    ours = run_online
    async def run_online():
        try:
            await ours()
        except Exception:
            pass
    theirs = url
    def url():
        return theirs().set(database="postgres")
    """
    with pytest.raises(WrongDatabase):
        await run(write_project(tmp_path, (TABLE,), after=after), spec)


async def test_an_env_py_that_runs_nothing_or_does_not_commit(database: Database, tmp_path: Path) -> None:
    spec = spec_of(database)
    with pytest.raises(MigrationFailed, match="without running any migration"):
        await run(write_project(tmp_path / "one", (TABLE,), after="async def run_online(): pass"), spec)
    after = """
    def run_with(connection):
        connection.begin()
        context.configure(connection=connection)
        context.run_migrations()
    """
    with pytest.raises(MigrationFailed, match="version table does not have the revision"):
        await run(write_project(tmp_path / "two", (TABLE,), after=after), spec)
    assert await tables(spec) == []


async def test_an_env_py_that_prints_the_dsn(database: Database, tmp_path: Path) -> None:
    log: list[str] = []
    project = write_project(tmp_path, (TABLE,), before='print("connecting to", os.environ["DATABASE_URL"])')
    await run(project, spec_of(database), log=log)
    assert any(f"connecting to postgresql+asyncpg://{database.owner}:***@" in line for line in log)
    assert database.password.get_secret_value() not in "\n".join(log)


async def test_other_changes_keep_it_out_and_it_keeps_out_others(database: Database, tmp_path: Path) -> None:
    spec = spec_of(database)
    project = write_project(tmp_path, (TABLE,))
    async with session(spec) as other:
        assert await claim_for_session(other)
        with pytest.raises(Refused, match="Another change of this database is under way"):
            await run(project, spec)
        assert await tables(spec) == []


async def test_a_version_table_that_no_history_knows(database: Database, tmp_path: Path) -> None:
    spec = spec_of(database)
    async with session(spec) as connection:
        await connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        await connection.execute("INSERT INTO alembic_version VALUES ('deadbeef0000')")
    with pytest.raises(Refused, match="deadbeef0000, which is no revision"):
        await run(write_project(tmp_path, (TABLE,)), spec)


async def test_cancelled_it_leaves_neither_a_process_nor_a_session(database: Database, tmp_path: Path) -> None:
    body = f"""
    import os
    from pathlib import Path
    op.create_table("t", sa.Column("id", sa.Integer))
    Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
    op.execute("SELECT pg_sleep(300)")
    """
    spec = spec_of(database)
    project = write_project(tmp_path, (R("a1", None, body),))
    sleeping = asyncio.Event()

    def report(event: Progress) -> None:
        if isinstance(event, StatementSent) and "pg_sleep" in event.sql:
            sleeping.set()

    task = asyncio.create_task(run(project, spec, report=report))
    done, _ = await asyncio.wait({task, waiting := asyncio.create_task(sleeping.wait())}, return_when="FIRST_COMPLETED")
    assert waiting in done, task.result()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    async with session(spec) as connection:
        others = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert others == 0
    assert await tables(spec) == []


async def test_a_preview_of_what_offline_mode_can_give(tmp_path: Path) -> None:
    looking = R("i8", "h7", 'op.get_bind().execute(sa.text("SELECT id FROM accounts")).fetchall()')
    project = write_project(tmp_path, (*BRANCHED, looking))
    shown = {found.revision: found for found in await preview(project, ["b2", "e4", "h7", "i8"], lambda _: None)}
    assert "ALTER TABLE accounts ADD COLUMN email" in str(shown["b2"].sql)
    assert "CREATE TABLE accounts" not in str(shown["b2"].sql)
    assert "UPDATE alembic_version SET version_num='b2'" in str(shown["b2"].sql)
    assert shown["e4"].sql is not None
    assert "CREATE VIEW paid" in str(shown["h7"].sql)
    assert shown["i8"].sql is None
    assert "fetchall" in str(shown["i8"].why)


async def test_a_migration_whose_process_is_killed(database: Database, tmp_path: Path) -> None:
    body = 'import os\nop.create_table("t", sa.Column("id", sa.Integer))\nos.kill(os.getpid(), 9)'
    with pytest.raises(MigrationFailed, match="status -9 without an answer") as failed:
        await run(write_project(tmp_path, (R("a1", None, body),)), spec_of(database))
    assert failed.value.state == "Nothing in the database has been changed."
    assert failed.value.failure.statement is not None
    assert await tables(spec_of(database)) == []
