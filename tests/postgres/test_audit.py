"""A script like the incident's, audited against the live catalog and completed: psql runs what comes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.postgres.connect import connect
from core.postgres.fingerprint import compare
from core.postgres.inspect import inspect
from core.retype.audit.asking import CatalogAsker, NotReadable
from core.retype.audit.report import Report, audit_script
from core.runbook.conversion.audit_script import audit
from core.runbook.facts import AUDIT_FILE
from tests.conversions import convert, make_plan_of
from tests.databases import Database
from tests.postgres.test_actions import SCHEMA, Pair, make_world, pair, run
from tests.sessions import session

__all__ = ["pair"]
DROP = """
DO $$
DECLARE
  r record;
  dropped integer := 0;
BEGIN
  FOR r IN
    SELECT DISTINCT tc.table_schema, tc.table_name, tc.constraint_name
    FROM information_schema.table_constraints tc
    JOIN information_schema.constraint_column_usage ccu
      ON ccu.constraint_name = tc.constraint_name AND ccu.constraint_schema = tc.constraint_schema
    WHERE tc.constraint_type = 'FOREIGN KEY' AND ccu.table_name = 'users' AND ccu.column_name = 'id'
  LOOP
    EXECUTE format('ALTER TABLE %I.%I DROP CONSTRAINT %I', r.table_schema, r.table_name, r.constraint_name);
    dropped := dropped + 1;
  END LOOP;
  RAISE NOTICE 'Total users.id FKs dropped: %', dropped;
END $$;
DO $$
DECLARE r record;
BEGIN
  FOR r IN SELECT conrelid::regclass AS tab, conname FROM pg_constraint
           WHERE contype = 'f' AND confrelid = 'organizations'::regclass AND conparentid = 0 LOOP
    EXECUTE 'ALTER TABLE ' || r.tab || ' DROP CONSTRAINT ' || quote_ident(r.conname);
  END LOOP;
END $$;
"""
SCRIPT = f"""\\set ON_ERROR_STOP on
BEGIN;
{DROP}
ALTER TABLE users ALTER COLUMN id TYPE varchar(36) USING id::text;
ALTER TABLE organizations ALTER COLUMN id TYPE varchar(36) USING id::text;
DO $$
DECLARE c record;
BEGIN
  FOR c IN SELECT table_schema, table_name, column_name FROM information_schema.columns
           WHERE data_type = 'uuid' AND table_schema = 'public' AND column_name IN ('organization_id', 'manager_id', 'owner_id')
  LOOP
    EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I TYPE varchar(36) USING %I::text',
                   c.table_schema, c.table_name, c.column_name, c.column_name);
  END LOOP;
END $$;
ALTER TABLE users ADD CONSTRAINT users_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id)
  ON DELETE SET NULL;
-- TODO: the others
COMMIT;
"""


@pytest.fixture
async def built(database: Database) -> Database:
    async with session(database.spec) as connection:
        await connection.execute(SCHEMA)
    return database


async def audited(database: Database, text: str) -> Report:
    planned = await make_plan_of(database.spec)
    connection = await connect(database.spec)
    try:
        return await audit_script(CatalogAsker(connection), text, "script.sql", planned.catalog, planned.plan)
    finally:
        connection.terminate()


def said(report: Report) -> set[tuple[str, str]]:
    return {(finding.kind, finding.object) for finding in report.audit.findings}


async def test_what_it_forgets_misses_and_changes(built: Database) -> None:
    report = await audited(built, SCRIPT)
    assert said(report) == {
        ("loses", 'foreign key "Buyer" on "Order"'),
        ("loses", "foreign key folders_owner_id_fkey on folders"),
        ("loses", "foreign key users_manager_id_fkey on users"),
        ("fails", "view staff"),
        ("misses", 'column "Order".id'),
        ("misses", 'column "Order"."user"'),
        ("misses", "column folders.id"),
        ("changes", "foreign key users_organization_id_fkey on users"),
        ("slow", "table users"),
    }
    assert report.totals[0] == "It drops 4 of 4 foreign keys, 4 of them dynamically."
    assert report.totals[1] == "It creates 1 of these again: 3 are forgotten."
    (changed,) = report.audit.of("changes")
    assert "ON DELETE CASCADE became SET NULL" in changed.said
    document = report.document()
    assert document["complete"] is False
    assert document["foreign_keys"]["dropped_dynamically"] == 4


async def test_the_completed_script_does_what_convert_does(built: Database, tmp_path: Path) -> None:
    report = await audited(built, SCRIPT)
    assert report.completed.replaced_because == ""
    assert report.diff.startswith("--- script.sql\n+++ script.completed.sql\n")
    assert "RAISE NOTICE 'Total users.id FKs dropped" in report.completed.text  # it is the user's script still
    server = await built.server.connect()
    await server.execute(f"CREATE DATABASE {built.name}_copy TEMPLATE {built.name} OWNER {built.owner}")
    await server.close()
    await convert(built.spec, tmp_path / "log.sql")
    script = tmp_path / "completed.sql"
    script.write_text(report.completed.text)
    done = subprocess.run(
        [built.server.binary("psql"), "-X", "-f", script],
        env=built.environment | {"PGDATABASE": f"{built.name}_copy"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    copy = built.spec.with_database(f"{built.name}_copy")
    assert compare(await inspect(copy), await inspect(built.spec)) == ()


UNREADABLE = {
    "another table": ("DO $$ DECLARE r record; BEGIN FOR r IN SELECT email FROM users LOOP EXECUTE r.email; END LOOP; END $$;",
                      "which is no system catalog"),
    "a function that does more": ("DO $$ BEGIN EXECUTE format('SELECT %s', random()); END $$;", "which may do more than read"),
    "another file": ("\\i other.sql\n", "includes another file"),
    "its own function": ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT f();", "which the script makes itself"),
    "what is no SQL": ("ALTER TABEL x;", "it cannot be parsed"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_cannot_be_read_is_said_and_not_guessed(built: Database, name: str) -> None:
    text, why = UNREADABLE[name]
    report = await audited(built, f"{SCRIPT.replace('COMMIT;', '')}{text}\nCOMMIT;")
    assert any("not readable" in f.said and why in f.said for f in report.audit.of("unclear")), report.audit.findings
    assert report.completed.replaced_because
    assert "Phase 6: prove" in report.completed.text


async def test_nothing_of_the_script_is_run(built: Database) -> None:
    before = await inspect(built.spec)
    await audited(built, SCRIPT)
    assert compare(before, await inspect(built.spec)) == ()
    connection = await connect(built.spec)
    asker = CatalogAsker(connection)
    for query in ("SELECT pg_sleep(1)", "SELECT set_config('a.b', '', false)", "WITH d AS (DELETE FROM users RETURNING id) SELECT 1",
                  "SELECT relname FROM pg_class FOR UPDATE", "SELECT 1; SELECT 2", "TABLE users", "DROP TABLE users"):  # fmt: skip
        with pytest.raises(NotReadable):
            await asker.ask(query)
    connection.terminate()


async def test_what_it_saves_in_a_temporary_table_is_followed(built: Database) -> None:
    """Approach A by hand: the definitions saved, every key created again from them."""
    script = """\\set ON_ERROR_STOP on
BEGIN;
CREATE TEMP TABLE saved AS SELECT conrelid::regclass::text AS tab, conname, pg_get_constraintdef(oid) AS def
  FROM pg_constraint WHERE contype = 'f' ORDER BY oid;
DROP VIEW staff;
DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT * FROM saved LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.tab, r.conname); END LOOP;
END $$;
ALTER TABLE organizations ALTER id TYPE varchar(36);
ALTER TABLE users ALTER id TYPE varchar(36), ALTER organization_id TYPE varchar(36), ALTER manager_id TYPE varchar(36);
ALTER TABLE "Order" ALTER id TYPE varchar(36), ALTER "user" TYPE varchar(36);
ALTER TABLE folders ALTER id TYPE varchar(36), ALTER owner_id TYPE varchar(36);
DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT * FROM saved LOOP EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', r.tab, r.conname, r.def); END LOOP;
END $$;
COMMIT;
"""
    report = await audited(built, script)
    assert said(report) == {("loses", "view staff")}
    assert len(report.audit.exact) == 4
    assert report.completed.replaced_because == ""


async def test_the_step_leaves_the_completed_script_and_the_difference(pair: Pair, tmp_path: Path) -> None:
    own = tmp_path / "uuid_to_varchar_conversion.sql"
    own.write_text(SCRIPT)
    world = make_world(pair, tmp_path, None, conversion={"script": str(own)})
    summary = await run(world, "4.2", audit)
    assert summary.startswith("not complete: It drops 4 of 4 foreign keys")
    report = world.evidence(AUDIT_FILE)
    assert "foreign key folders_owner_id_fkey on folders: it is dropped and not created again" in report
    assert "completed by pgrecast" in world.evidence("uuid_to_varchar_conversion.completed.sql")
    assert world.evidence("uuid_to_varchar_conversion.completed.diff").startswith(
        "--- uuid_to_varchar_conversion.sql\n"
    )
    assert own.read_text() == SCRIPT


async def test_the_step_without_a_script(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, None)
    assert "nothing to audit" in await run(world, "4.2", audit)
    missing = make_world(pair, tmp_path, None, conversion={"script": str(tmp_path / "none.sql")})
    with pytest.raises(ConfigurationError, match="No such file"):
        await run(missing, "4.2", audit)
