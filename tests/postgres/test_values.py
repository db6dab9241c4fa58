"""What is found in the rows before any lock: values that would not fit, rows that reference nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from core.postgres.catalog import Catalog
from core.postgres.inspect import inspect
from core.retype.activity import read_activity
from core.retype.blockers import Findings, find_blockers
from core.retype.finding_queries import query_that_finds
from core.retype.model import ScopeRequest
from core.retype.scope import decide_scope
from core.retype.types import parse_type_pair
from tests.databases import Database
from tests.postgres.matrix import Bench, open_bench
from tests.sessions import session

BACK = ScopeRequest(types=parse_type_pair("varchar(36)", "uuid"))
A = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
KEYS = """
CREATE TABLE users (id uuid PRIMARY KEY);
CREATE TABLE logs (n int PRIMARY KEY, actor uuid);
INSERT INTO users SELECT md5(n::text)::uuid FROM generate_series(1, 3) n;
INSERT INTO logs SELECT n, md5(n::text)::uuid FROM generate_series(1, 9) n;
INSERT INTO logs VALUES (10, NULL);
ALTER TABLE logs ADD CONSTRAINT by FOREIGN KEY (actor) REFERENCES users NOT VALID;
"""


@pytest.fixture
async def bench(database: Database) -> AsyncGenerator[Bench, None]:
    async with open_bench(database) as bench:
        yield bench


async def test_uuids_in_another_spelling_and_those_that_would_become_the_same(bench: Bench) -> None:
    spellings = [A, A.upper(), f"{{{A}}}", A.replace("-", ""), "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a12"]
    bad = [f" {A}"[:36], "{" + A[:35], A[:-1] + "g", "", "x" * 36]
    await bench.as_owner("CREATE TABLE a (id text PRIMARY KEY)")
    for value in (*spellings, *bad):
        await bench.connection.execute("INSERT INTO public.a VALUES ($1)", value)
    _, plan = await bench.plan(ScopeRequest(types=parse_type_pair("text", "uuid")))
    (blocker,) = plan.blockers
    assert blocker.id == "values:a.id"
    assert blocker.reason.startswith("9 of its values are not written as a uuid is")
    assert "4 of them are uuids in another spelling" in blocker.reason
    assert "1 uuids stand there in more than one spelling" in blocker.reason
    assert len(await bench.connection.fetch(query_that_finds(blocker))) == 9
    # Both counts are what the server itself says.
    valid = [
        value
        for value in (*spellings, *bad)
        if await bench.connection.fetchval("SELECT pg_input_is_valid($1, 'uuid')", value)
    ]
    assert valid == spellings


async def test_examples_are_few_and_the_values_as_they_are(bench: Bench) -> None:
    await bench.as_owner(
        "CREATE TABLE a (id varchar(36) PRIMARY KEY); INSERT INTO a SELECT 'it''s ' || n FROM generate_series(1, 99) n"
    )
    _, plan = await bench.plan(BACK)
    assert plan.blockers[0].reason.startswith("99 of its values")
    assert plan.blockers[0].reason.count("it's ") == 5


async def test_defaults_that_are_no_uuids(bench: Bench) -> None:
    await bench.as_owner(
        f"CREATE TABLE a (id varchar(36) DEFAULT '' PRIMARY KEY); CREATE TABLE b (id varchar(36) DEFAULT '{A.upper()}' PRIMARY KEY);"
        f"CREATE TABLE c (id varchar(36) DEFAULT '{A}' PRIMARY KEY); CREATE TABLE d (id varchar(36) DEFAULT NULL PRIMARY KEY);"
        "CREATE TABLE e (id varchar(36) DEFAULT md5('x') PRIMARY KEY)"
    )
    _, plan = await bench.plan(BACK)
    assert [blocker.id for blocker in plan.blockers] == ["default:public.a.id", "default:public.b.id"]
    await bench.as_owner("ALTER TABLE a ALTER id DROP DEFAULT; ALTER TABLE b ALTER id DROP DEFAULT")
    await bench.convert_and_undo(BACK)


async def test_rows_behind_a_key_that_is_not_valid_are_counted(bench: Bench) -> None:
    await bench.as_owner(KEYS)
    _, plan = await bench.plan()
    assert not plan.blockers
    (note,) = [note for note in plan.notes if "NOT VALID" in note]
    assert note.startswith("foreign key by on logs is NOT VALID and stays so; 6 rows reference nothing, for example '")
    await bench.run(plan)


async def test_a_key_whose_rows_are_all_right(bench: Bench) -> None:
    await bench.as_owner(KEYS + "DELETE FROM logs WHERE n > 3")
    _, plan = await bench.plan()
    assert any("NOT VALID and stays so; every row has its counterpart" in note for note in plan.notes)


async def test_rows_behind_composite_keys_and_partitions(bench: Bench) -> None:
    await bench.as_owner(
        "CREATE TABLE p (id uuid, k int, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE c (n int, id uuid, k int); INSERT INTO p VALUES (md5('1')::uuid, 1);"
        "INSERT INTO c VALUES (1, md5('1')::uuid, 1), (2, md5('1')::uuid, 2), (3, NULL, 2), (4, md5('2')::uuid, NULL);"
        "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (id, k) REFERENCES p NOT VALID"
    )
    _, plan = await bench.plan()
    (note,) = [note for note in plan.notes if "NOT VALID" in note]
    assert "1 rows reference nothing, for example 'c4ca4238-a0b9-2382-0dcc-509a6f75849b, 2'" in note


async def test_a_valid_key_that_is_switched_off_with_rows_that_break_it(bench: Bench) -> None:
    await bench.as_owner(
        KEYS.replace(" NOT VALID", " NOT VALID; DELETE FROM logs WHERE n > 3; ALTER TABLE logs VALIDATE CONSTRAINT by")
    )
    await bench.as_superuser("ALTER TABLE logs DISABLE TRIGGER ALL; INSERT INTO logs VALUES (20, md5('x')::uuid)")
    _, plan = await bench.plan()
    found = {b.id: b.reason for b in plan.blockers}
    assert set(found) == {"enforcement:public.logs.by", "orphans:public.logs.by"}
    assert "1 rows reference nothing" in found["orphans:public.logs.by"]
    orphans = next(b for b in plan.blockers if b.id.startswith("orphans:"))
    assert [row["n"] for row in await bench.connection.fetch(query_that_finds(orphans))] == [20]


async def findings_of(database: Database, catalog: Catalog, request: ScopeRequest) -> Findings:
    scope = decide_scope(catalog, request)
    async with session(database.spec) as connection:
        return find_blockers(catalog, scope, await read_activity(connection, catalog, scope))


async def test_what_takes_too_long_is_not_counted_and_that_is_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.retype.orphans.SECONDS_FOR_EACH", 0.2)
    monkeypatch.setattr("core.retype.misfits.SECONDS_FOR_EACH", 0.2)
    async with session(database.spec) as connection, session(database.spec) as other:
        await connection.execute(KEYS + "CREATE TABLE s (id varchar(36) PRIMARY KEY)")
        catalog = await inspect(database.spec)
        async with other.transaction():
            await other.execute("LOCK TABLE logs, s IN ACCESS EXCLUSIVE MODE")
            (note,) = (await findings_of(database, catalog, ScopeRequest())).notes
            assert "its rows without a counterpart are not counted: it took longer than 0 s" in note
            warnings = {w.id: w.reason for w in (await findings_of(database, catalog, BACK)).warnings}
            assert "could not be found out" in warnings["values:s"]
