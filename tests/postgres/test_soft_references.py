"""Samples of values on the server, and what plans make of everything that is known of a column."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.demo.incident import Incident
from core.postgres.catalog import Function
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.inspect import inspect
from core.retype.model import ScopeRequest, SoftReference
from core.retype.names import column_name, find_column
from core.retype.plan_document import plan_document
from core.retype.soft_references import samples
from core.retype.soft_references.comparisons import find_comparisons
from core.runbook.conversion.planning import Planned
from tests.catalogs import CatalogBuilder
from tests.conversions import convert, make_plan_of
from tests.databases import Database, Server

SHOP = """
CREATE DOMAIN ident AS uuid;
CREATE DOMAIN strict_ident AS ident;
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mail text);
CREATE TABLE deals (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner uuid REFERENCES users);
CREATE TABLE log (
  n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject uuid, about uuid, user_id uuid, external_user_id uuid,
  nothing uuid, user_ids uuid[], ident ident, strict strict_ident, trace uuid);
CREATE VIEW traces AS SELECT l.n, u.mail FROM log l JOIN users u ON u.id = l.trace;
INSERT INTO users (mail) SELECT g FROM generate_series(1, 300) g;
INSERT INTO deals (owner) SELECT id FROM users;
INSERT INTO log (subject, about, user_id, external_user_id, user_ids, ident, strict)
  SELECT u.id, CASE WHEN u.mail::int % 2 = 0 THEN u.id ELSE d.id END, u.id, gen_random_uuid(), ARRAY[u.id, null], u.id, d.id
  FROM users u JOIN deals d ON d.owner = u.id;
"""


async def execute(database: Database, sql: str) -> None:
    connection = await database.connect()
    await connection.execute(sql)
    await connection.close()


async def planned(spec: ConnectionSpec, **request: object) -> Planned:
    return await make_plan_of(spec, ScopeRequest(**request))  # pyright: ignore[reportArgumentType]


def the(plan: Planned, name: str) -> SoftReference:
    return next(soft for soft in plan.plan.scope.soft_references if soft.name == name)


def values_of(soft: SoftReference) -> str:
    return next(str(evidence) for evidence in soft.evidence if evidence.kind == "values")


async def test_values_are_looked_for_in_every_key(database: Database) -> None:
    await execute(database, SHOP)
    plan = await planned(database.spec, soft_references="all")
    found = {soft.name: (soft.is_reference, soft.chosen) for soft in plan.plan.scope.soft_references}
    assert found == {
        "log.subject": (True, True),
        "log.about": (True, True),
        "log.user_id": (True, True),
        "log.external_user_id": (False, False),
        "log.nothing": (False, False),
        "log.user_ids": (True, False),
        "log.ident": (True, False),
        "log.strict": (True, False),
        "log.trace": (True, True),
    }
    assert values_of(the(plan, "log.subject")) == "100 of 100 sampled values are in users.id"
    assert values_of(the(plan, "log.user_ids")) == "100 of 100 sampled values are in users.id"
    assert values_of(the(plan, "log.strict")) == "100 of 100 sampled values are in deals.id"
    assert values_of(the(plan, "log.external_user_id")) == "none of 100 sampled values is in a key"
    assert values_of(the(plan, "log.nothing")) == "it holds no values to look for"
    assert values_of(the(plan, "log.about")).startswith("100 of 100 sampled values are in several keys (")
    assert "view traces sets it beside users.id" in map(str, the(plan, "log.trace").evidence)
    wrapped = {warning.id for warning in plan.plan.warnings if warning.id.startswith("wrapped:")}
    assert wrapped == {"wrapped:public.log.user_ids", "wrapped:public.log.ident", "wrapped:public.log.strict"}
    taken = {column.name for column in plan.plan.scope.columns if column.role == "soft"}
    assert taken == {"log.subject", "log.about", "log.user_id", "log.trace"}


async def test_all_that_is_known_stands_in_the_document_and_what_follows(database: Database) -> None:
    await execute(database, SHOP)
    document = plan_document((await planned(database.spec)).plan)
    trace = next(soft for soft in document["soft_references"] if soft["name"] == "log.trace")
    assert [evidence["kind"] for evidence in trace["evidence"]] == ["type", "use", "values"]
    assert (trace["is_reference"], trace["chosen"]) == (True, False)
    assert "view traces needs a cast" in trace["if_left"]
    assert "1 view, policy, trigger or function that uses it is taken off and put back" in trace["if_taken"]


async def test_a_conversion_takes_what_speaks_for_itself_and_is_planned_the_same_under_the_locks(
    database: Database, tmp_path: Path
) -> None:
    await execute(database, SHOP)
    await convert(database.spec, tmp_path / "log.sql", request=ScopeRequest(soft_references="all"))
    connection = await database.connect()
    types = await connection.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = 'log'::regclass AND attnum > 0"
    )
    assert {row["attname"] for row in types if row["type"] == "character varying(36)"} == {
        "subject", "about", "user_id", "trace",
    }  # fmt: skip
    assert await connection.fetchval("SELECT count(*) FROM traces") == 0
    await connection.close()


async def test_keys_that_have_the_new_type_already_are_looked_into_too(database: Database) -> None:
    await execute(
        database,
        "CREATE TABLE users (id varchar(36) PRIMARY KEY); CREATE TABLE deals (id uuid PRIMARY KEY, subject uuid);"
        "INSERT INTO users SELECT gen_random_uuid() FROM generate_series(1, 5);"
        "INSERT INTO deals SELECT gen_random_uuid(), id::uuid FROM users",
    )
    plan = await planned(database.spec)
    assert values_of(the(plan, "deals.subject")) == "5 of 5 sampled values are in users.id"
    assert "half-converted:public.deals.subject" in {warning.id for warning in plan.plan.warnings}


async def test_large_tables_are_sampled_by_pages(database: Database) -> None:
    await execute(
        database,
        "CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid());"
        "INSERT INTO users SELECT FROM generate_series(1, 200);"
        "CREATE TABLE log (n int, subject uuid, rare uuid);"
        "INSERT INTO log SELECT g, (SELECT id FROM users WHERE g = g ORDER BY id OFFSET g % 200 LIMIT 1) "
        "FROM generate_series(1, 21000) g; UPDATE log SET rare = subject WHERE n = 20999; ANALYZE log",
    )
    plan = await planned(database.spec)
    assert values_of(the(plan, "log.subject")) == "100 of 100 sampled values are in users.id"
    # Whether or not a page of the sample holds it.
    assert values_of(the(plan, "log.rare")) == "1 of 1 sampled value is in users.id"


async def test_what_may_not_be_read_is_said(database: Database, server_role: str) -> None:
    await execute(database, SHOP)
    superuser = await database.superuser_connect()
    await superuser.execute(f"ALTER TABLE log OWNER TO {server_role}; ALTER TABLE users OWNER TO {server_role}")
    await superuser.close()
    plan = await planned(database.spec, soft_references="all")
    assert values_of(the(plan, "log.user_id")) == "its values could not be looked at: permission denied for table log"
    assert the(plan, "log.user_id").chosen, "its name speaks for it, and nothing against it"
    assert not the(plan, "log.subject").chosen


async def test_keys_that_may_not_be_read_prove_nothing(database: Database, server_role: str) -> None:
    await execute(database, SHOP)
    superuser = await database.superuser_connect()
    await superuser.execute(f"ALTER TABLE users OWNER TO {server_role}")
    await superuser.close()
    plan = await planned(database.spec)
    said = "none of 100 sampled values is in a key (users.id could not be looked at: permission denied for table users)"
    assert values_of(the(plan, "log.user_id")) == said
    assert the(plan, "log.user_id").is_reference, "by its name"


async def test_rows_hidden_by_row_security_are_no_empty_table(database: Database) -> None:
    await execute(
        database, f"{SHOP}; ALTER TABLE log ENABLE ROW LEVEL SECURITY; ALTER TABLE log FORCE ROW LEVEL SECURITY"
    )
    plan = await planned(database.spec)
    assert "query would be affected by row-level security policy" in values_of(the(plan, "log.user_id"))


async def test_a_table_that_is_locked_meanwhile_does_not_hold_the_plan_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "SECONDS_FOR_EACH", 0.2)
    await execute(database, SHOP)
    catalog = await inspect(database.spec)
    column, key = find_column(catalog, "log.user_id").key, find_column(catalog, "users.id").key
    reader, other = await connect(database.spec, statement_timeout_ms=77_000), await database.connect()
    settings = "SELECT current_setting('statement_timeout') || ' ' || current_setting('row_security')"
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE log")
            found = await samples.sample_values(reader, catalog, [column], [key], "uuid")
        assert await reader.fetchval(settings) == "77s on", "as it was before"
    finally:
        await other.close()
        await reader.close()
    assert str(found[column]) == "its values could not be looked at: it took longer than 0.2 s"


async def test_there_is_an_end_to_all_samples_together(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "SECONDS_IN_ALL", 0.0)
    await execute(database, SHOP)
    assert "0 s for all samples were up" in values_of(the(await planned(database.spec), "log.user_id"))


@pytest.fixture
async def server_role(database: Database) -> str:
    """A role that owns what is not to be read."""
    connection = await database.connect()
    role = f"{database.owner}_hidden"
    await connection.execute(f"CREATE ROLE {role}")
    await connection.close()
    return role


async def test_an_id_of_another_system_is_not_taken(incident: Incident) -> None:
    plan = await planned(incident.production, soft_references="all")
    soft = the(plan, "financial_connections.external_tenant_id")
    assert (soft.is_reference, soft.chosen) == (False, False)
    assert "is in a key" in values_of(soft)


async def test_every_view_and_function_of_the_servers_own_can_be_read(server: Server) -> None:
    """Texts of all kinds, none of them ours: whatever is in them, it is read or passed over."""
    connection = await server.connect()
    builder = CatalogBuilder()
    for row in await connection.fetch(
        "SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, "
        "CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END AS query, ARRAY(SELECT attname::text || ' oid' "
        "FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 ORDER BY attnum) AS columns "
        "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v') ORDER BY c.oid"
    ):
        kind = row["kind"].decode()
        relation = builder.table(row["name"], *row["columns"], schema=row["schema"], kind=kind, primary=())
        if row["query"]:
            builder.define(relation, row["query"])
    for n, row in enumerate(
        await connection.fetch(
            "SELECT p.proname AS name, p.prosrc AS body, l.lanname AS language FROM pg_proc AS p "
            "JOIN pg_language AS l ON l.oid = p.prolang WHERE l.lanname IN ('sql', 'plpgsql')"
        )
    ):
        function = Function(n, schema="pg_catalog", name=row["name"], language=row["language"], body=row["body"])
        builder.functions.append(function)
    await connection.close()
    catalog = builder.build()
    tables = [column.key for column in catalog.columns if catalog.relation[column.relation].kind == "r"]
    found = {
        (column_name(catalog.column[c.one]), column_name(catalog.column[c.other]), c.where)
        for c in find_comparisons(catalog, tables)
    }
    pair = ("pg_catalog.pg_tablespace.oid", "pg_catalog.pg_class.reltablespace", "view pg_catalog.pg_indexes")
    assert pair in found
    assert len(found) > 300


async def test_many_columns_share_the_values_that_are_looked_for(database: Database) -> None:
    columns = ", ".join(f"c{n} uuid DEFAULT gen_random_uuid()" for n in range(200))
    await execute(
        database,
        f"CREATE TABLE users (id uuid PRIMARY KEY, {columns});"
        "INSERT INTO users SELECT gen_random_uuid() FROM generate_series(1, 60)",
    )
    assert values_of(the(await planned(database.spec), "users.c7")) == "none of 25 sampled values is in a key"
