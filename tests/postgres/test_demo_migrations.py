"""The incident's failure, and that the demo can be led out of it: a plain conversion, and then six migrations."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest

from core.demo.alembic import AlembicOutcome, database_url, run_alembic
from core.demo.incident import CLAIMED_REVISION, HEAD_REVISION, TRUE_REVISION, Incident
from core.postgres.connection_spec import ConnectionSpec
from tests.sessions import session

TABLE = "valuation_snapshots"
"""Made by hand, and in the way of a pending revision."""
SIX = ("c3a7b4bbf913", "dc2c0f69c1b1", "a41d6be80f57", "6e0b92d7c3fa", "f867c7e3d51c", "b354d12d1e7d")
NEW_TABLES = (
    "folders",
    "rbac_audit_logs",
    "pipeline_templates",
    "document_questions",
    "document_templates",
    "generated_documents",
)
SOFT_REFERENCES = (
    "audit_logs.entity_id",
    "notifications.subject_id",
    "billing.usage_events.subject_id",
    "financial_connections.external_tenant_id",
)
# PostgreSQL 17 and older, and newer.
INCOMPATIBLE = re.compile(
    r'DETAIL:  Key columns "document_id" (of the referencing table )?and "id" (of the referenced table )?'
    r"are of incompatible types: character varying and uuid\."
)
# What stands in the way of ALTER COLUMN TYPE, in the order in which it was made: (drop, create).
DEPENDENTS = """
    WITH dependents AS (
        SELECT 1 AS rank, oid, format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop_it,
               format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS create_it
        FROM pg_constraint WHERE contype = 'f'
        UNION ALL
        SELECT 2, oid, format('DROP %s %s', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END, oid::regclass),
               format('CREATE %s %s AS %s', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END, oid::regclass,
                      pg_get_viewdef(oid))
        FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace::regnamespace::text IN ('public', 'billing')
        UNION ALL
        SELECT 3, oid, format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass), pg_get_triggerdef(oid)
        FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL
        SELECT 4, oid, format('DROP POLICY %I ON %s', polname, polrelid::regclass),
               format('CREATE POLICY %I ON %s AS %s FOR %s', polname, polrelid::regclass,
                      CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                      CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END)
               || ' USING (' || pg_get_expr(polqual, polrelid) || ')'
               || coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', '')
        FROM pg_policy
    )
    SELECT drop_it, create_it FROM dependents ORDER BY rank, oid
"""
RETYPE = """
    SELECT format('ALTER TABLE %s %s', attrelid::regclass,
                  string_agg(format('ALTER %I TYPE varchar(36)', attname), ', ' ORDER BY attnum))
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE atttypid = 'uuid'::regtype AND attnum > 0 AND c.relkind = 'r'
      AND c.relnamespace::regnamespace::text IN ('public', 'billing')
      AND NOT (c.oid::regclass || '.' || attname) = ANY ($1::text[])
    GROUP BY attrelid
"""


OTHER_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    " AND pid <> pg_backend_pid()"
)


async def convert_plainly(database: ConnectionSpec) -> tuple[int, int]:
    """What a careful person would do by hand: drop, retype, put back as it was. Returns the keys dropped and put back."""
    async with session(database) as connection, connection.transaction():
        before = await count_keys(connection)
        dependents = await connection.fetch(DEPENDENTS)
        for row in reversed(dependents):
            await connection.execute(row["drop_it"])
        assert await count_keys(connection) == 0
        for (statement,) in await connection.fetch(RETYPE, SOFT_REFERENCES):
            await connection.execute(statement)
        for row in dependents:
            await connection.execute(row["create_it"])
        return before, await count_keys(connection)


async def count_keys(connection: asyncpg.Connection) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM pg_constraint WHERE contype = 'f'")
    return count


async def revision(database: ConnectionSpec) -> str:
    async with session(database) as connection:
        stamp: str = await connection.fetchval("SELECT version_num FROM alembic_version")
        return stamp


def applied(outcome: AlembicOutcome) -> tuple[str, ...]:
    return tuple(re.findall(r"Running upgrade \w* -> (\w+),", outcome.output))


async def test_the_head_fails_with_the_incidents_own_error(incident: Incident, production_copy: ConnectionSpec) -> None:
    outcome = await run_alembic(incident.application, production_copy, "upgrade", "head")
    assert outcome.exit_status != 0
    assert "asyncpg.exceptions.DatatypeMismatchError" in outcome.output
    assert 'foreign key constraint "document_questions_document_id_fkey" cannot be implemented' in outcome.output
    assert INCOMPATIBLE.search(outcome.output)
    assert applied(outcome) == (HEAD_REVISION,)
    assert await revision(production_copy) == CLAIMED_REVISION
    async with session(production_copy) as connection:
        for table in NEW_TABLES:
            assert await connection.fetchval("SELECT to_regclass($1)", table) is None


async def test_the_failing_statement_has_the_sqlstate_of_a_type_mismatch(production_copy: ConnectionSpec) -> None:
    async with session(production_copy) as connection:
        with pytest.raises(asyncpg.DatatypeMismatchError) as caught:
            await connection.execute(
                "CREATE TABLE document_questions (document_id varchar(36)"
                " CONSTRAINT document_questions_document_id_fkey REFERENCES documents (id))"
            )
    assert caught.value.sqlstate == "42804"


async def test_the_true_revision_does_not_help_before_the_conversion(
    incident: Incident, production_copy: ConnectionSpec
) -> None:
    assert (await run_alembic(incident.application, production_copy, "stamp", TRUE_REVISION)).exit_status == 0
    outcome = await run_alembic(incident.application, production_copy, "upgrade", "head")
    assert outcome.exit_status != 0
    assert "rbac_audit_logs_organization_id_fkey" in outcome.output
    assert await revision(production_copy) == TRUE_REVISION


async def test_after_a_plain_conversion_the_six_apply_once_the_table_in_the_way_is_gone(
    incident: Incident, production_copy: ConnectionSpec
) -> None:
    assert await convert_plainly(production_copy) == (107, 107)
    async with session(production_copy) as connection:
        assert await connection.fetchval("SELECT count(*) FROM organization_overview") > 0
        await connection.execute("UPDATE deals SET pipeline_stage_id = (SELECT id FROM pipeline_stages LIMIT 1)")
        await connection.execute("UPDATE documents SET title = title || '.'")
        with pytest.raises(asyncpg.UndefinedFunctionError):
            await connection.fetch("SELECT organization_deal_count(id::uuid) FROM organizations")
        with pytest.raises(asyncpg.UndefinedFunctionError):
            await connection.fetch("SELECT user_display_name(id::uuid) FROM users")
        await connection.fetch("SELECT share_document(d.id::uuid, d.uploaded_by::uuid) FROM documents d JOIN users u"
                               " ON u.id = d.uploaded_by WHERE u.is_active")  # fmt: skip

    assert (await run_alembic(incident.application, production_copy, "stamp", TRUE_REVISION)).exit_status == 0
    collided = await run_alembic(incident.application, production_copy, "upgrade", "head")
    assert collided.exit_status != 0
    assert f'relation "{TABLE}" already exists' in collided.output
    assert await revision(production_copy) == TRUE_REVISION

    async with session(production_copy) as connection:
        await connection.execute(f"DROP TABLE {TABLE}")
    for target in SIX:
        outcome = await run_alembic(incident.application, production_copy, "upgrade", target)
        assert outcome.exit_status == 0, outcome.output
        assert applied(outcome) == (target,)
        assert await revision(production_copy) == target
    async with session(production_copy) as connection:
        for table in NEW_TABLES:
            assert await connection.fetchval("SELECT to_regclass($1)", table) == table


async def test_the_history_applies_to_an_empty_database_and_back(
    incident: Incident, empty_database: ConnectionSpec
) -> None:
    first = await run_alembic(incident.application, empty_database, "upgrade", "head")
    assert first.exit_status == 0, first.output
    assert applied(first)[-7:] == (TRUE_REVISION, *SIX)
    assert (await run_alembic(incident.application, empty_database, "current")).output.endswith(
        f"{HEAD_REVISION} (head)\n"
    )
    back = await run_alembic(incident.application, empty_database, "downgrade", "base")
    assert back.exit_status == 0, back.output
    async with session(empty_database) as connection:
        left = await connection.fetch(
            "SELECT oid::regclass::text FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'S')"
        )
    assert [name for (name,) in left] == ["alembic_version"]
    again = await run_alembic(incident.application, empty_database, "upgrade", "head")
    assert again.exit_status == 0, again.output


async def test_the_password_is_nowhere_in_what_alembic_prints(
    incident: Incident, production_copy: ConnectionSpec
) -> None:
    wrong = production_copy.with_database("ma_saas_of_nobody")
    outcome = await run_alembic(incident.application, wrong, "upgrade", "head")
    assert outcome.exit_status != 0
    assert "ma_saas_of_nobody" in outcome.output
    assert wrong.password is not None
    assert wrong.password.get_secret_value() not in outcome.output
    assert wrong.password.get_secret_value() not in repr(database_url(wrong))


async def test_a_migration_that_is_cut_short_leaves_nothing_behind(
    incident: Incident, production_copy: ConnectionSpec
) -> None:
    async with session(production_copy) as connection, connection.transaction():
        await connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TimeoutError):
            await run_alembic(incident.application, production_copy, "upgrade", "head", timeout=2)
    async with asyncio.timeout(30), session(production_copy) as connection:
        while await connection.fetchval(OTHER_SESSIONS):
            await asyncio.sleep(0.05)
    assert await revision(production_copy) == CLAIMED_REVISION
