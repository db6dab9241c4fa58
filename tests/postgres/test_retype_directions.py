"""Other pairs of types, collations, and the script that psql runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import asyncpg
import pytest

from core.postgres.inspect import inspect_within
from core.retype.blockers import find_blockers
from core.retype.model import Phase, Plan, ScopeRequest
from core.retype.plan_document import plan_document
from core.retype.types import parse_type_pair
from tests.conversions import build_schema, make_plan_of
from tests.databases import Database
from tests.postgres.matrix import Bench, open_bench


@pytest.fixture
async def bench(database: Database) -> AsyncGenerator[Bench, None]:
    async with open_bench(database) as bench:
        yield bench


UUIDS = """
CREATE TABLE a (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), b uuid REFERENCES a, n int);
CREATE INDEX ON a (b) WHERE b IS NOT NULL;
CREATE VIEW v AS SELECT x.id, y.n FROM a x JOIN a y ON x.b = y.id;
INSERT INTO a (id, b) SELECT md5(n::text)::uuid, md5('1')::uuid FROM generate_series(1, 9) n;
"""
STRINGS = (
    UUIDS.replace("uuid PRIMARY KEY", "varchar(36) PRIMARY KEY")
    .replace("DEFAULT gen_random_uuid()", "DEFAULT gen_random_uuid()::text")
    .replace("b uuid", "b varchar(36)")
    .replace("::uuid", "::uuid::text")
)
INTEGERS = """
CREATE TABLE a (id serial PRIMARY KEY, b int REFERENCES a, t text);
CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE, CHECK (a > 0));
CREATE VIEW v AS SELECT a.id, c.id + 1 AS next FROM a JOIN c ON c.a = a.id WHERE a.id > 5;
INSERT INTO a (b) SELECT n FROM generate_series(1, 9) n;
"""
LISTS = """
ALTER TABLE a ADD s varchar; CREATE INDEX ai ON a (b) WHERE s IN ('x', 'y');
ALTER TABLE a ADD CHECK (b IS NULL OR s NOT IN ('x', 'y')); CREATE VIEW w AS SELECT id FROM a WHERE s IN ('x', 'y');
"""


@pytest.mark.parametrize(
    ("setup", "source", "target"),
    [
        (UUIDS, "uuid", "text"),
        (UUIDS, "uuid", "varchar"),
        (UUIDS, "uuid", "varchar(64)"),
        (STRINGS, "varchar(36)", "uuid"),
        (STRINGS, "varchar(36)", "text"),
        (STRINGS, "varchar(36)", "varchar(40)"),
        (STRINGS.replace("varchar(36)", "text"), "text", "varchar(36)"),
        (STRINGS.replace("varchar(36)", "text"), "text", "uuid"),
        (INTEGERS, "int", "bigint"),
        (INTEGERS + LISTS, "int", "bigint"),
        (INTEGERS.replace("int ", "bigint ").replace("serial", "bigserial"), "bigint", "int"),
    ],
)
async def test_pairs(bench: Bench, setup: str, source: str, target: str) -> None:
    await bench.as_owner(setup)
    await bench.convert(ScopeRequest(types=parse_type_pair(source, target)))
    # Defaults go on making ids, and comparisons compare.
    count = await bench.connection.fetchval("SELECT count(*) FROM public.v")
    if "uuid" in setup:
        await bench.connection.execute("INSERT INTO public.a (b) SELECT id FROM public.a LIMIT 1")
        assert await bench.connection.fetchval("SELECT count(*) FROM public.v") == count + 1


async def test_serial_follows_to_the_new_maximum(bench: Bench) -> None:
    await bench.as_owner(INTEGERS)
    await bench.convert(ScopeRequest(types=parse_type_pair("int", "bigint")))
    await bench.connection.execute("SELECT setval('public.a_id_seq', 2147483647)")
    assert await bench.connection.fetchval("INSERT INTO public.a DEFAULT VALUES RETURNING id") == 2147483648


async def test_a_value_that_is_too_long_is_refused_and_not_cut_off(bench: Bench) -> None:
    await bench.as_owner("CREATE TABLE a (id text PRIMARY KEY); INSERT INTO a VALUES (repeat('x', 37))")
    _, plan = await bench.plan(ScopeRequest(types=parse_type_pair("text", "varchar(36)")))
    assert [b.id for b in plan.blockers] == ["values:a.id"]
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        await bench.run(plan)


async def test_strings_that_are_no_uuids_are_counted_and_shown(bench: Bench) -> None:
    await bench.as_owner(
        "CREATE TABLE a (id varchar(36) PRIMARY KEY); CREATE TABLE b (n int, a varchar(36) REFERENCES a);"
        "INSERT INTO a VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'), ('x'), ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');"
        "INSERT INTO b VALUES (1, 'x'), (2, NULL), (3, 'x')"
    )
    _, plan = await bench.plan(ScopeRequest(types=parse_type_pair("varchar(36)", "uuid")))
    found = {b.id: b.reason for b in plan.blockers}
    assert set(found) == {"values:a.id", "values:b.a"}
    assert found["values:a.id"].startswith("2 of its values")
    assert "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'" in found["values:a.id"]
    assert found["values:b.a"].startswith("2 of its values")


async def test_numbers_that_are_too_large_are_counted(bench: Bench) -> None:
    await bench.as_owner(
        "CREATE TABLE a (id bigint PRIMARY KEY); INSERT INTO a VALUES (2147483647), (2147483648), (-2147483649)"
    )
    _, plan = await bench.plan(ScopeRequest(types=parse_type_pair("bigint", "int")))
    assert [(b.id, b.reason.split(",")[0]) for b in plan.blockers] == [
        ("values:a.id", "2 of its values do not fit integer")
    ]


async def test_a_collation_of_the_columns_own_is_kept(bench: Bench) -> None:
    await bench.as_owner(
        'CREATE TABLE a (id varchar(36) COLLATE "C" PRIMARY KEY, b varchar(36) COLLATE "C" REFERENCES a)'
    )
    await bench.convert(ScopeRequest(types=parse_type_pair("varchar(36)", "text")))


async def test_a_collation_that_is_asked_for(bench: Bench) -> None:
    await bench.as_owner(UUIDS)
    plan = await bench.convert(ScopeRequest(types=parse_type_pair("uuid", "varchar(36)", "C")))
    assert [w.id for w in plan.warnings] == ['collation:pg_catalog."C"']
    after = await inspect_within(bench.connection)
    assert {c.collation for c in after.columns if c.table == "a" and c.name in {"id", "b"}} == {'pg_catalog."C"'}


async def test_a_collation_that_is_not_there(bench: Bench) -> None:
    await bench.as_owner(UUIDS)
    _, plan = await bench.plan(ScopeRequest(types=parse_type_pair("uuid", "varchar(36)", "xx_XX")))
    assert [b.id for b in plan.blockers] == ['no-collation:pg_catalog."xx_XX"']


async def test_settings_of_the_column_are_kept_between_strings(bench: Bench) -> None:
    await bench.as_owner(
        "CREATE TABLE a (id varchar(36) PRIMARY KEY); ALTER TABLE a ALTER id SET STORAGE EXTERNAL, ALTER id SET COMPRESSION pglz"
    )
    await bench.convert(ScopeRequest(types=parse_type_pair("varchar(36)", "text")))


async def test_defaults_of_inheriting_tables_are_kept(bench: Bench) -> None:
    await bench.as_owner(
        "CREATE TABLE a (id varchar(36) DEFAULT gen_random_uuid()::text PRIMARY KEY); CREATE TABLE b () INHERITS (a);"
        "CREATE TABLE c () INHERITS (a); ALTER TABLE b ALTER id SET DEFAULT md5('b')::uuid::text; ALTER TABLE c ALTER id DROP DEFAULT"
    )
    await bench.convert(ScopeRequest(types=parse_type_pair("varchar(36)", "uuid")))


# --- plans ---


@pytest.fixture
async def planned(database: Database) -> Plan:
    await build_schema(database)
    return (await make_plan_of(database.spec)).plan


async def test_the_plan_is_the_same_every_time(database: Database, planned: Plan) -> None:
    again = (await make_plan_of(database.spec)).plan
    assert again.fingerprint == planned.fingerprint
    assert plan_document(again) == plan_document(planned)
    assert all(str(number) not in s.sql for s in planned.statements for number in planned.scope.foreign_keys)


async def test_the_counts_of_a_plan(planned: Plan) -> None:
    document = plan_document(planned)
    counts = document["counts"]
    assert counts["foreign keys dropped"] == counts["foreign keys recreated"] == counts["foreign keys"] == 6
    assert counts["keys retyped"] + counts["references retyped"] == counts["columns"] == len(planned.scope.columns)
    assert document["by_root"]["users.id"]["foreign keys dropped"] == 5
    assert [phase["name"] for phase in document["phases"]] == [
        "verify",
        "detach",
        "retype keys",
        "retype references",
        "reattach",
        "prove",
    ]
    assert all(phase["statements"] for phase in document["phases"])
    assert {s.table for s in planned.of_phase(Phase.RETYPE_REFERENCES)} == {"visits"}
    rewritten = [s for s in planned.statements if s.kind == "retype columns"]
    assert len({s.table for s in rewritten}) == len(rewritten)  # one ALTER TABLE for each table
    assert all(s.bytes > 0 for s in rewritten)


async def test_too_small_a_lock_table_is_said_beforehand(database: Database) -> None:
    await build_schema(database)
    planned = await make_plan_of(database.spec)
    activity = planned.activity
    small = {**activity.settings, "max_locks_per_transaction": "10", "max_connections": "1", "max_wal_senders": "0"}
    small |= {"max_worker_processes": "0", "max_prepared_transactions": "0", "autovacuum_worker_slots": "1"}
    findings = find_blockers(planned.catalog, planned.plan.scope, replace(activity, settings=small))
    assert [b.id for b in findings.blockers] == ["lock-table"]
