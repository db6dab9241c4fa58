"""The demo's databases: what is in them, who owns them, and how they differ from what the migrations make."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.demo.alembic import run_alembic
from core.demo.incident import (
    CLAIMED_REVISION,
    OWNER,
    REPORTING,
    TRUE_REVISION,
    Incident,
    build_incident,
    remove_incident,
)
from core.errors import Refused, UsageError
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.embedded import EmbeddedServer
from tests.databases import Server, run_sync
from tests.sessions import session

COUNTS_BY_KIND = """
    SELECT (SELECT count(*) FROM pg_views WHERE schemaname IN ('public', 'billing')) AS views,
           (SELECT count(*) FROM pg_matviews WHERE ispopulated AND hasindexes) AS materialized_views,
           (SELECT count(*) FROM pg_policy) AS policies,
           (SELECT count(*) FROM pg_policy WHERE NOT polpermissive) AS restrictive_policies,
           (SELECT count(*) FROM pg_trigger WHERE tgqual IS NOT NULL) AS conditional_triggers,
           (SELECT count(*) FROM pg_trigger WHERE tgattr <> '') AS column_triggers,
           (SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D') AS disabled_triggers,
           (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
              AND 'uuid'::regtype = ANY (proargtypes::oid[])) AS functions_of_uuid,
           (SELECT count(*) FROM pg_attribute WHERE attgenerated <> '') AS generated_columns,
           (SELECT count(*) FROM pg_attribute WHERE attidentity <> '' AND attnum > 0) AS identity_columns,
           (SELECT count(*) FROM pg_index WHERE indpred IS NOT NULL) AS partial_indexes,
           (SELECT count(*) FROM pg_index WHERE indexprs IS NOT NULL) AS expression_indexes,
           (SELECT count(*) FROM pg_statistic_ext) AS statistics,
           (SELECT count(*) FROM pg_attribute WHERE attacl IS NOT NULL AND attnum > 0
              AND attrelid >= 16384) AS column_grants,
           (SELECT count(*) FROM pg_class c, aclexplode(c.relacl) AS a
              WHERE a.grantee = $1::regrole AND a.is_grantable) AS grant_options,
           (SELECT count(DISTINCT classoid) FROM pg_description WHERE objoid >= 16384) AS commented_catalogs
"""
# (kind, name, type, definition) of everything that the migrations make some of.
SHAPE = """
    SELECT 'schema' AS kind, nspname::text AS name, '' AS type, '' AS definition
    FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'
    UNION ALL
    SELECT 'relation ' || c.relkind::text, c.oid::regclass::text, '', ''
    FROM pg_class c WHERE c.relnamespace IN ('public'::regnamespace, 'billing'::regnamespace)
    UNION ALL
    SELECT 'column', c.oid::regclass || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
           concat_ws(' ', a.attnum, a.attnotnull, a.attgenerated, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    WHERE c.relkind = 'r' AND c.relnamespace IN ('public'::regnamespace, 'billing'::regnamespace)
    UNION ALL
    SELECT 'constraint', conrelid::regclass || '.' || conname, '', concat_ws(' ', pg_get_constraintdef(oid), convalidated)
    FROM pg_constraint WHERE conrelid <> 0
    UNION ALL
    SELECT 'index', indexrelid::regclass::text, '', pg_get_indexdef(indexrelid)
    FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace::regnamespace::text IN ('public', 'billing'))
    UNION ALL
    SELECT 'function', oid::regprocedure::text, '', prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger', tgrelid::regclass || '.' || tgname, '', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'policy', polrelid::regclass || '.' || polname, '', '' FROM pg_policy
    UNION ALL
    SELECT 'statistics', stxname::text, '', '' FROM pg_statistic_ext
    UNION ALL
    SELECT 'enum', t.oid::regtype::text, '', string_agg(enumlabel, ',' ORDER BY enumsortorder)
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid GROUP BY t.oid
    UNION ALL
    SELECT 'domain', contypid::regtype::text, '', pg_get_constraintdef(oid) FROM pg_constraint WHERE contypid <> 0
"""
# What no migration makes: five tables with all that is theirs, and what was added beside the application.
HAND_MADE = re.compile(
    r"(relation .|column|constraint|index) valuation(s|_scenarios|_comparables|_exports|_snapshots)(_pkey|_deal_id_idx|\.\w+)?"
    r"|relation v .*|relation m organization_statistics|(relation i|index) organization_statistics_(organization_id|tier)_idx"
    r"|function (record_stage_change|write_audit_log|share_document|organization_deal_count|user_display_name"
    r"|current_organization)\(.*\)"
    r"|trigger (deals\.deals_(stage_changed|audited)|documents\.documents_(version_)?audited|users\.users_audited)"
    r"|constraint documents\.documents_version_audited"
    r"|policy .*"
    r"|statistics (deals_by_tenant|documents_by_deal)"
)


@pytest.fixture(scope="module")
def other_server() -> Iterator[EmbeddedServer]:
    """A server without an incident, for tests that build one: the session's own stays as it is."""
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-tests-"))
    try:
        server = run_sync(EmbeddedServer.start(directory, settings={"fsync": "off"}))
        try:
            yield server
        finally:
            run_sync(server.stop("immediate"))
    finally:
        shutil.rmtree(directory)


async def count_rows(connection: asyncpg.Connection) -> int:
    tables = await connection.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relname <> 'alembic_version'"
        " AND relnamespace::regnamespace::text IN ('public', 'billing')"
    )
    return sum([await connection.fetchval(f"SELECT count(*) FROM {name}") for (name,) in tables])


async def shape(spec: ConnectionSpec) -> dict[str, tuple[str, str]]:
    async with session(spec) as connection:
        rows = await connection.fetch(SHAPE)
    return {f"{row['kind']} {row['name']}": (row["type"], without_casts(row["definition"])) for row in rows}


def without_casts(definition: str) -> str:
    """The server shows comparisons of varchar with casts to text, those of uuid without."""
    return re.sub(r"::[a-z]+( varying)?(\[\])?|[()]", "", definition)


async def test_there_are_enough_tables_and_foreign_keys_of_every_kind(incident: Incident) -> None:
    async with session(incident.production) as connection:
        tables: int = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('public', 'billing')"
        )
        keys = await connection.fetch("""
            SELECT *, conrelid::regclass::text AS source, confrelid::regclass::text AS target, cardinality(conkey) AS width
            FROM pg_constraint WHERE contype = 'f'
        """)
    assert tables == 46
    assert len(keys) == 107
    assert {key["confdeltype"] for key in keys} == {b"a", b"r", b"c", b"n", b"d"}
    assert {key["confupdtype"] for key in keys} == {b"a", b"r", b"c", b"n"}
    assert {key["confmatchtype"] for key in keys} == {b"s", b"f"}
    assert {(key["condeferrable"], key["condeferred"]) for key in keys} == {(False, False), (True, False), (True, True)}
    assert sum(key["width"] == 2 for key in keys) >= 15
    assert any(key["confdelsetcols"] for key in keys), "ON DELETE SET NULL (column)"
    assert sum(key["source"] == key["target"] for key in keys) >= 5
    assert [key["conname"] for key in keys if not key["convalidated"]] == ["audit_logs_actor_id_fkey"]
    pairs = {(key["source"], key["target"]) for key in keys}
    assert {("users", "organizations"), ("organizations", "users")} <= pairs
    assert {("documents", "document_versions"), ("document_versions", "documents")} <= pairs
    assert ("billing.invoice_lines", "deals") in pairs
    targets = [key["target"] for key in keys]
    assert targets.count("users") >= 30
    assert targets.count("organizations") >= 15


async def test_every_other_kind_of_object_is_there(incident: Incident) -> None:
    async with session(incident.production) as connection:
        (row,) = await connection.fetch(COUNTS_BY_KIND, REPORTING)
    kinds: dict[str, Any] = dict(row.items())
    assert {kind for kind, count in kinds.items() if not count} == set()
    assert kinds["views"] == 6
    assert kinds["commented_catalogs"] >= 8


async def test_the_not_valid_key_hides_orphans(incident: Incident) -> None:
    async with session(incident.production) as connection:
        orphans: int = await connection.fetchval(
            "SELECT count(*) FROM audit_logs l WHERE actor_id IS NOT NULL AND NOT EXISTS (SELECT FROM users WHERE id = actor_id)"
        )
        assert orphans > 0
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await connection.execute("ALTER TABLE audit_logs VALIDATE CONSTRAINT audit_logs_actor_id_fkey")


async def test_the_owner_is_no_superuser_and_owns_everything(incident: Incident) -> None:
    async with session(incident.production) as connection:
        role = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
        others: int = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text IN ('public', 'billing')"
            " AND relowner <> current_user::regrole"
        )
    assert role is not None
    assert (role["rolname"], role["rolsuper"], role["rolbypassrls"]) == (OWNER, False, False)
    assert (role["rolcreatedb"], role["rolcreaterole"]) == (True, True)
    assert others == 0


async def test_the_reporting_role_sees_what_it_was_granted_of_its_tenant(incident: Incident) -> None:
    async with session(incident.reporting) as connection:
        assert await connection.fetchval("SELECT count(*) FROM deals") == 0
        async with session(incident.production) as owners:
            tenant = await owners.fetchval("SELECT organization_id::text FROM deals LIMIT 1")
            expected: int = await owners.fetchval("SELECT count(*) FROM deals WHERE organization_id::text = $1", tenant)
        await connection.execute("SELECT set_config('app.organization_id', $1, false)", tenant.upper())
        assert await connection.fetchval("SELECT count(*) FROM deals") == expected > 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT email FROM users")


@pytest.mark.parametrize("which", ["production", "test"])
async def test_the_stamp_lies(incident: Incident, which: str) -> None:
    async with session(getattr(incident, which)) as connection:
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == CLAIMED_REVISION
        assert await connection.fetchval("SELECT to_regclass('document_questions')") is None
        assert await connection.fetchval("SELECT to_regclass('folders')") is None


async def test_the_test_database_differs_a_little(incident: Incident) -> None:
    production, test = await shape(incident.production), await shape(incident.test)
    assert {
        name for name in production.keys() - test.keys() if not name.startswith(("column", "constraint", "index"))
    } == {
        "relation r valuation_comparables",
        "relation i valuation_comparables_pkey",
    }
    assert {name for name in test.keys() - production.keys() if "not_null" not in name} == {
        "column deals.legacy_reference",
        "column notifications.channel",
        "relation i documents_title_idx",
        "index documents_title_idx",
    }
    assert {name for name in production.keys() & test.keys() if production[name] != test[name]} == set()


async def test_production_differs_from_the_history_up_to_the_true_revision_in_key_types_only(
    incident: Incident, empty_database: ConnectionSpec
) -> None:
    replay = await run_alembic(incident.application, empty_database, "upgrade", TRUE_REVISION)
    assert replay.exit_status == 0, replay.output
    live, wanted = await shape(incident.production), await shape(empty_database)

    assert wanted.keys() - live.keys() == set()
    assert {name for name in live.keys() - wanted.keys() if not HAND_MADE.fullmatch(name)} == set()
    types = {(live[name][0], wanted[name][0]) for name in wanted if live[name][0] != wanted[name][0]}
    assert types == {("uuid", "character varying(36)"), ("uuid[]", "character varying(36)[]")}
    assert {name: (live[name], wanted[name]) for name in wanted if live[name][1] != wanted[name][1]} == {}
    assert live["column users.id"][0] == "uuid"
    assert live["column financial_connections.external_tenant_id"][0] == "uuid"
    assert wanted["column financial_connections.external_tenant_id"][0] == "uuid", "another system's id, no key of ours"


async def test_rows_are_as_many_as_asked_for(incident: Incident) -> None:
    async with session(incident.production) as connection:
        assert await count_rows(connection) == 2_000
        empty = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples = 0 AND oid >= 16384"
        )
    assert [name for (name,) in empty] == ["valuation_snapshots"]


async def test_an_earlier_demo_is_replaced_and_scales(other_server: EmbeddedServer) -> None:
    reports: list[str] = []
    first = await build_incident(other_server, rows=1_000)
    second = await build_incident(other_server, rows=30_000, hard=True, report=reports.append)
    try:
        assert first.production.password != second.production.password
        async with session(second.production) as connection:
            assert await count_rows(connection) == 30_000
            assert await connection.fetchval("SELECT count(*) FROM pg_publication") == 1
        async with session(second.test) as connection:
            assert 2_900 < await count_rows(connection) <= 3_000
        assert f"{second.production.database}: 46 tables, 107 foreign keys, 30,001 rows" in reports
        assert second.production.password is not None
        assert second.production.password.get_secret_value() not in " ".join([*reports, repr(second), str(second)])
    finally:
        await remove_incident(other_server)
    superuser = await Server.from_embedded(other_server).connect()
    try:
        assert await superuser.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE 'ma\\_saas%'") == 0
        assert await superuser.fetchval("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'ma\\_saas%'") == 0
    finally:
        await superuser.close()


async def test_what_the_demo_has_not_made_it_does_not_touch(other_server: EmbeddedServer) -> None:
    superuser = await Server.from_embedded(other_server).connect()
    try:
        await superuser.execute("CREATE DATABASE ma_saas_test TEMPLATE template0")
        with pytest.raises(Refused, match="database ma_saas_test"):
            await build_incident(other_server, rows=1_000)
        assert await superuser.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE 'ma\\_saas%'") == 1
        assert await superuser.fetchval("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'ma\\_saas%'") == 0
    finally:
        await superuser.execute("DROP DATABASE ma_saas_test")
        await superuser.close()


async def test_too_few_rows_are_refused(server: Server) -> None:
    with pytest.raises(UsageError, match="1,000"):
        await build_incident(server, rows=10)
