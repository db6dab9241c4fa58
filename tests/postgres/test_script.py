"""The six-phase script: psql alone runs it, it proves itself, and it refuses what it was not written for."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.postgres.connect import ConnectionSpec
from core.postgres.fingerprint import compare
from core.postgres.inspect import inspect
from core.postgres.sql import quote_identifier, quote_literal
from core.retype.blockers import find_blockers
from core.retype.model import Plan, Repair
from core.retype.plan import make_plan
from core.retype.proof import compare_catalogs
from core.retype.script import render_script
from core.runbook.conversion.planning import Planned
from tests.conversions import Recorder, build_schema, conversion_of, convert, fingerprint_of, make_plan_of
from tests.databases import Database, Server
from tests.sessions import session


@pytest.fixture
async def planned(database: Database) -> Planned:
    await build_schema(database)
    return await make_plan_of(database.spec)


def psql(database: Database, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [database.server.binary("psql"), "-X", *arguments, "-f", script],
        env=database.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def written(planned: Planned, directory: Path, *, plan: Plan | None = None) -> Path:
    script = directory / "convert.sql"
    script.write_text(render_script(plan or planned.plan, planned.catalog), encoding="utf-8")
    return script


@asynccontextmanager
async def copy_of(database: Database) -> AsyncGenerator[Database, None]:
    """A copy of the database; it goes with its owner."""
    copy = Database(database.server, f"{database.name}_copy", database.owner, database.password)
    server = await database.server.connect()
    await server.execute(f"CREATE DATABASE {copy.name} TEMPLATE {database.name} OWNER {database.owner}")
    await server.close()
    yield copy


async def test_it_rolls_back_unless_it_is_told_to_commit(database: Database, planned: Planned, tmp_path: Path) -> None:
    before = await fingerprint_of(database.spec)
    done = psql(database, written(planned, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Total users.id foreign keys dropped: 5" in done.stdout
    assert "Total users.id foreign keys recreated: 5" in done.stdout
    assert "Rolled back" in done.stdout
    assert await fingerprint_of(database.spec) == before


async def test_on_a_copy_it_does_what_convert_does(database: Database, planned: Planned, tmp_path: Path) -> None:
    async with copy_of(database) as copy:
        done = psql(copy, written(planned, tmp_path), "-v", "commit=on", "-v", f"copy={copy.name}")
        assert (done.returncode, done.stderr) == (0, "")
        assert "Committed" in done.stdout
        await convert(database.spec, tmp_path / "log.sql")
        assert await fingerprint_of(copy.spec) == await fingerprint_of(database.spec)
        async with session(copy.spec) as connection:
            assert await connection.fetchval(
                "SELECT count(*) FROM pg_stats WHERE tablename = 'users' AND attname = 'id'"
            )


@pytest.mark.parametrize("given", [(), ("-v", "copy=another")])
async def test_it_refuses_another_database(
    database: Database, planned: Planned, tmp_path: Path, given: tuple[str, ...]
) -> None:
    async with copy_of(database) as copy:
        before = await fingerprint_of(copy.spec)
        done = psql(copy, written(planned, tmp_path), "-v", "commit=on", *given)
        assert done.returncode == 3
        assert ("was named as the copy" if given else "is not") in done.stderr
        assert await fingerprint_of(copy.spec) == before


async def test_a_renamed_database_and_one_of_the_same_name_elsewhere_are_others(
    database: Database, planned: Planned, tmp_path: Path
) -> None:
    script = written(planned, tmp_path)
    text = script.read_text()
    number = str(planned.identity.database_oid)
    assert text.count(f"oid <> {number}") == 1
    script.write_text(text.replace(f"oid <> {number}", f"oid <> {int(number) + 1}"))
    assert "pgrecast: database" in psql(database, script, "-v", "commit=on").stderr


CHANGES = {
    "a key is gone": ("ALTER TABLE lines DROP CONSTRAINT lines_seller", "foreign keys missing, unknown, or not as planned"),
    "a key is new": ("ALTER TABLE visits ADD again uuid REFERENCES users", "foreign keys missing, unknown, or not as planned"),
    "a key is valid": ("ALTER TABLE lines VALIDATE CONSTRAINT lines_seller", "foreign keys missing, unknown, or not as planned"),
    "another type": ("ALTER TABLE visits DROP CONSTRAINT visits_who_fkey, ALTER who TYPE text", "not of the type expected"),
    "a table is gone": ("DROP TABLE visits", 'relation "public.visits" does not exist'),
    "a view is another": (
        "CREATE OR REPLACE VIEW sellers AS SELECT u.id, u.email, l.order_id FROM users u JOIN lines l ON l.seller = u.id WHERE true",
        "not as it was when this script was written: public.sellers",
    ),
    "a grant is new": ("GRANT SELECT ON top TO {reader}", "written: public.top"),
    "a comment is another": ("COMMENT ON VIEW top IS 'changed'", "written: public.top"),
    "a trigger is off": ("ALTER TABLE users DISABLE TRIGGER touch", "written: public.users"),
    "a policy is another": ("ALTER POLICY own ON users USING (true)", "written: public.users"),
    "an index is new": ("CREATE INDEX ON visits (who)", "written: public.visits"),
    "a default is another": ("ALTER TABLE users ALTER id DROP DEFAULT", "written: public.users"),
    "a view is new": ("CREATE VIEW later AS SELECT id FROM users", "view public.later depends on column"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
async def test_it_refuses_a_schema_that_has_changed(
    database: Database, planned: Planned, tmp_path: Path, name: str
) -> None:
    change, said = CHANGES[name]
    async with session(database.spec) as connection:
        await connection.execute(change.replace("{reader}", f"{database.owner}_reader"))
    before = await fingerprint_of(database.spec)
    done = psql(database, written(planned, tmp_path), "-v", "commit=on")
    assert done.returncode == 3
    assert said in done.stderr
    assert await fingerprint_of(database.spec) == before


SMUGGLED = {
    "a row is another": ("UPDATE public.lines SET note = note || ' ' WHERE line = 1", "rows are not the same as before in public.lines"),
    "a grant is lost": ("REVOKE SELECT ON public.sellers FROM {reader}", "not as before: relation of public.sellers"),
    "a comment is lost": ("COMMENT ON COLUMN public.users.id IS NULL", "not as before: column id of public.users"),
    "a trigger is on": ("ALTER TABLE public.users ENABLE TRIGGER sleeping", "not as before: trigger sleeping of public.users"),
    "a policy is gone": ("DROP POLICY own ON public.users", "not as before: policy own of public.users"),
    "an index is gone": ("DROP INDEX public.lines_plain", "not as before: index lines_plain of public.lines"),
    "a key is valid": ("ALTER TABLE public.lines VALIDATE CONSTRAINT lines_seller", "not as planned: lines_seller"),
    "a column is another": ("ALTER TABLE public.visits ALTER who TYPE varchar(40)", "not of the type expected: public.visits.who"),
    "it fails": ("SELECT 1/0", "division by zero"),
}  # fmt: skip


@pytest.mark.parametrize("name", SMUGGLED)
async def test_it_notices_what_is_not_as_before_and_commits_nothing(
    database: Database, planned: Planned, tmp_path: Path, name: str
) -> None:
    sql, said = SMUGGLED[name]
    script = written(planned, tmp_path)
    text, marker = script.read_text(), "-- Phase 6: prove"
    assert text.count(marker) == 1
    sql = sql.replace("{reader}", f"{database.owner}_reader")
    script.write_text(text.replace(marker, f"{sql};\n{marker}"))
    before = await fingerprint_of(database.spec)
    done = psql(database, script, "-v", "commit=on")
    assert done.returncode == 3
    assert said in done.stderr
    assert await fingerprint_of(database.spec) == before


async def test_it_takes_any_name(database: Database, tmp_path: Path) -> None:
    """Line breaks, psql's own commands and variables, quotes and the tag of a dollar quote in names."""
    hostile = f"a\nDROP TABLE victim;\n\\! touch {tmp_path}/pwned\n:commit :'copy' $pgrecast$ ' \\"
    name = quote_identifier(hostile[:63])
    async with session(database.spec) as connection:
        await connection.execute(
            f"CREATE TABLE victim (id uuid PRIMARY KEY, {name} uuid REFERENCES victim); CREATE TABLE {name} (id uuid PRIMARY KEY,"
            f"{name} uuid CONSTRAINT {name} REFERENCES victim); CREATE VIEW v AS SELECT {name} FROM {name};"
            f"CREATE POLICY {name} ON victim USING (id IS NOT NULL); COMMENT ON CONSTRAINT {name} ON {name} IS {quote_literal(hostile)}"
        )
    planned = await make_plan_of(database.spec)
    assert not planned.plan.blockers
    done = psql(database, written(planned, tmp_path), "-v", "commit=on")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["convert.sql"]
    assert compare_catalogs(planned.plan, planned.catalog, await inspect(database.spec)) == ()


async def test_repairs_are_in_it_and_shown(database: Database, tmp_path: Path) -> None:
    """With repairs it does what convert does with them."""
    async with session(database.spec) as connection:
        await connection.execute(
            "CREATE TABLE users (id uuid PRIMARY KEY, boss uuid REFERENCES users);"
            "CREATE VIEW house AS SELECT id, boss FROM users WHERE id = '00000000-0000-4000-8000-000000000001'::uuid;"
            "INSERT INTO users VALUES ('00000000-0000-4000-8000-000000000001'), (gen_random_uuid())"
        )
    found = await make_plan_of(database.spec)
    before = next(r.definition for r in found.catalog.relations if r.name == "house") or ""
    after = before.replace("::uuid", "::uuid::text")
    repair = Repair("view house", before, after, "compared as text")
    findings = find_blockers(found.catalog, found.plan.scope, found.activity)._replace(blockers=())
    plan = make_plan(found.catalog, found.plan.scope, findings, found.identity, (repair,))
    script = written(found, tmp_path, plan=plan)
    assert "--   + WHERE (id = '00000000-0000-4000-8000-000000000001'::uuid::text);" in script.read_text()
    async with copy_of(database) as copy:
        done = psql(copy, script, "-v", "commit=on", "-v", f"copy={copy.name}")
        assert (done.returncode, done.stderr) == (0, "")
        conversion, log = conversion_of(database.spec, found, Recorder(), tmp_path / "log.sql", plan=plan)
        with log:
            async with conversion:
                await conversion.lock()
                await conversion.run()
                await conversion.prove()
                await conversion.commit()
        assert compare(await inspect(copy.spec), await inspect(database.spec)) == ()
        async with session(copy.spec) as connection:
            assert await connection.fetchval("SELECT count(*) FROM house") == 1


async def test_a_plan_with_blockers_gives_a_script_that_does_nothing(database: Database, tmp_path: Path) -> None:
    async with session(database.spec) as connection:
        await connection.execute("CREATE TABLE t (id uuid PRIMARY KEY) PARTITION BY HASH (id)")
    planned = await make_plan_of(database.spec)
    assert planned.plan.blockers
    done = psql(database, written(planned, tmp_path), "-v", "commit=on")
    assert done.returncode == 3
    assert "there are blockers" in done.stderr
    assert "partition key" in (tmp_path / "convert.sql").read_text()


async def test_the_demos_production_database(production_copy: ConnectionSpec, server: Server, tmp_path: Path) -> None:
    """The incident's hundred keys, with views, policies, triggers, grants and comments: whole, and then rolled back."""
    planned = await make_plan_of(production_copy)
    before = await fingerprint_of(production_copy)
    password = production_copy.password.get_secret_value() if production_copy.password else ""
    done = subprocess.run(
        [server.binary("psql"), "-X", "-f", written(planned, tmp_path)],
        env={"PGHOST": production_copy.host, "PGPORT": str(production_copy.port), "PGUSER": production_copy.user,
             "PGPASSWORD": password, "PGDATABASE": production_copy.database},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "Total foreign keys recreated: 107" in done.stdout
    assert await fingerprint_of(production_copy) == before
