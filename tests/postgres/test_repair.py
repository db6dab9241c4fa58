"""Expressions that no longer type-check: repaired, converted on the server by the plan, proved, and answering as before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from core.demo import incident
from core.postgres.catalog import Catalog
from core.postgres.connect import connect, identify
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.fingerprint import Difference, fingerprint
from core.postgres.inspect import inspect
from core.postgres.scratch import leftovers
from core.retype import clone
from core.retype.activity import read_activity
from core.retype.blockers import find_blockers
from core.retype.check import Checked, plan_checked, plan_with_repairs
from core.retype.clone import CloneSettings
from core.retype.model import Plan, ScopeRequest, TypePair
from core.retype.proof import compare_catalogs
from core.retype.repair.diff import repair_diff
from core.retype.reverse import reverse_plan
from core.retype.scope import decide_scope
from core.retype.transaction import SETTINGS
from tests.databases import Database, Server, create_database, drop_database, run_sync
from tests.postgres.repair_cases import (
    BLOCKED,
    TABLES,
    TEXT_TO_UUID,
    UUID_TO_VARCHAR,
    VARCHAR_TO_UUID,
    Case,
    fill_in,
)

HARD = Path(incident.__file__).with_name("production") / "hard.sql"
DIRECTIONS: Mapping[str, tuple[TypePair, Mapping[str, Case]]] = {
    "uuid to varchar": (TypePair(), UUID_TO_VARCHAR),
    "varchar to uuid": (TypePair("character varying(36)", "uuid"), VARCHAR_TO_UUID),
    "text to uuid": (TypePair("text", "uuid"), TEXT_TO_UUID),
}


@dataclass
class Answers:
    """What a case's probes answer: rows, SQLSTATEs, whether an index was used."""

    rows: list[list[str]] = field(default_factory=list[list[str]])
    refused: list[str] = field(default_factory=list[str])
    indexed: list[bool] = field(default_factory=list[bool])


@dataclass
class Converted:
    """A database with every case in it, a schema each, before and after; `undone` is what an undo leaves different."""

    database: Database
    major: int
    plan: Plan
    differences: tuple[Difference, ...]
    undone: tuple[Difference, ...]
    before: Mapping[str, Answers]
    after: Mapping[str, Answers]


def scratch_server(server: Server) -> CloneSettings:
    return CloneSettings(
        ConnectionSpec(server.host, server.port, "postgres", server.superuser, server.superuser_password)
    )


async def plan_of(spec: ConnectionSpec, server: Server, types: TypePair) -> tuple[Catalog, Plan, Checked]:
    catalog = await inspect(spec)
    scope = decide_scope(catalog, ScopeRequest(types))
    connection = await connect(spec)
    try:
        identity, activity = await identify(connection), await read_activity(connection, catalog, scope)
    finally:
        await connection.close()
    findings = find_blockers(catalog, scope, activity)
    plan, checked = await plan_with_repairs(spec, catalog, scope, findings, identity, settings=scratch_server(server))
    # Under the locks the plan is made again from what was found, without a clone.
    again = plan_checked(catalog, scope, findings, identity, checked)
    assert again.fingerprint == plan.fingerprint
    return catalog, plan, checked


async def run(connection: asyncpg.Connection, plan: Plan) -> None:
    """The plan's statements in one transaction, with the settings of a conversion's."""
    async with connection.transaction():
        for name in ("search_path", "row_security", "check_function_bodies"):
            await connection.execute(f"SET LOCAL {name} = {SETTINGS[name]}")
        for statement in plan.statements:
            try:
                await connection.execute(statement.sql)
            except asyncpg.PostgresError as error:
                error.add_note(f"in {statement.kind}: {statement.sql}")
                raise


async def build(database: Database, types: TypePair, cases: list[str]) -> None:
    reader = f"{database.owner}_reader"
    superuser = await database.superuser_connect()
    await superuser.execute(f"CREATE ROLE {reader}; GRANT {reader} TO {database.owner}")
    await superuser.close()
    connection = await connect(database.spec, read_only=False)
    try:
        for i, sql in enumerate(cases):
            await connection.execute(
                f"CREATE SCHEMA c{i}; GRANT USAGE ON SCHEMA c{i} TO {reader}; SET search_path = c{i};"
                + TABLES.replace("{type}", types.source)
                + filled(sql, database)
            )
    finally:
        await connection.close()


async def convert(database: Database, types: TypePair, cases: Mapping[str, Case]) -> Converted:
    connection = await connect(database.spec, read_only=False)
    try:
        major = connection.get_server_version().major
        await build(database, types, [case.sql if case.since <= major else "" for case in cases.values()])
        before = await answers(database, cases)
        catalog, plan, _ = await plan_of(database.spec, database.server, types)
        assert plan.blockers == ()
        await run(connection, plan)
        converted = await inspect(database.spec)
        after = await answers(database, cases)
        activity = await read_activity(connection, converted, plan.scope)
        undo = reverse_plan(catalog, converted, plan.scope, plan.identity, activity)
        assert undo.blockers == ()
        await run(connection, undo)
        undone = compare_catalogs(undo, converted, await inspect(database.spec))
    finally:
        await connection.close()
    return Converted(database, major, plan, compare_catalogs(plan, catalog, converted), undone, before, after)


async def answers(database: Database, cases: Mapping[str, Case]) -> Mapping[str, Answers]:
    connection = await connect(database.spec, read_only=False)
    try:
        return {name: await _answers(connection, database, i, case) for i, (name, case) in enumerate(cases.items())}
    finally:
        await connection.close()


async def _answers(connection: asyncpg.Connection, database: Database, i: int, case: Case) -> Answers:
    found = Answers()
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL search_path = c{i}")
        for probe in case.probes:
            found.rows.append(await _rows(connection, filled(probe, database)))
        for statement in case.refuses:
            try:
                async with connection.transaction():
                    await connection.execute(filled(statement, database))
                    found.refused.append("")
            except asyncpg.PostgresError as error:
                found.refused.append(error.sqlstate or "")
        await connection.execute("SET LOCAL enable_seqscan = off")
        for query in case.indexed:
            rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {filled(query, database)}")
            found.indexed.append(any("Index Scan" in row[0] or "Index Only Scan" in row[0] for row in rows))
    finally:
        await transaction.rollback()
    return found


async def _rows(connection: asyncpg.Connection, probe: str) -> list[str]:
    *first, last = probe.split("; ")
    try:
        async with connection.transaction():
            for statement in first:
                await connection.execute(statement)
            rows = await connection.fetch(last)
            await connection.execute("RESET ROLE")
            return sorted(str([str(value) for value in row.values()]) for row in rows)
    except asyncpg.PostgresError as error:
        return [f"{error.sqlstate} {error}"]


def filled(sql: str, database: Database) -> str:
    return fill_in(sql).replace("{reader}", f"{database.owner}_reader").replace("{owner}", database.owner)


def repaired_lines(plan: Plan, schema: str) -> dict[str, tuple[str, ...]]:
    """By object of a schema, the lines that its repaired definitions have and had not."""
    found: dict[str, tuple[str, ...]] = {}
    for repair in plan.repairs:
        if f"{schema}." in repair.object:
            lines = [line[1:].strip() for line in repair_diff(repair).splitlines()[2:] if line.startswith("+")]
            name = repair.object.replace(f"{schema}.", "")
            found[name] = (*found.get(name, ()), *(line.replace(f"{schema}.", "") for line in lines))
    return found


@pytest.fixture(scope="module")
def conversions(server: Server) -> Iterator[Mapping[str, Converted]]:
    found: dict[str, Converted] = {}
    try:
        for name, (types, cases) in DIRECTIONS.items():
            database = run_sync(create_database(server))
            try:
                found[name] = run_sync(convert(database, types, cases))
            finally:
                run_sync(drop_database(database))
        yield found
    finally:
        found.clear()


@pytest.mark.parametrize(("direction", "name"), [(d, name) for d, (_, cases) in DIRECTIONS.items() for name in cases])
def test_repaired(conversions: Mapping[str, Converted], direction: str, name: str) -> None:
    converted, (_, cases) = conversions[direction], DIRECTIONS[direction]
    case, schema = cases[name], f"c{list(cases).index(name)}"
    if converted.major < case.since:
        pytest.skip(f"needs PostgreSQL {case.since}")
    expected = {
        filled(thing, converted.database): tuple(filled(line, converted.database) for line in lines)
        for thing, lines in case.repaired.items()
    }
    found = repaired_lines(converted.plan, schema)
    assert found.keys() == expected.keys()
    assert found == expected or converted.major < 16  # before, views name the table of every column
    before, after = converted.before[name], converted.after[name]
    assert after == before
    assert all(before.rows)
    assert all(before.refused)
    assert all(before.indexed)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_proof_permits_the_repairs_and_nothing_else(conversions: Mapping[str, Converted], direction: str) -> None:
    assert conversions[direction].differences == ()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_undo_puts_back_what_was_before_the_repairs(conversions: Mapping[str, Converted], direction: str) -> None:
    assert conversions[direction].undone == ()


@pytest.fixture(scope="module")
def blocked(server: Server) -> Iterator[tuple[Plan, bool]]:
    """The plan of what cannot be repaired, and whether the database and the scratch server are as they were."""
    database = run_sync(create_database(server))

    async def plan() -> tuple[Plan, bool]:
        await build(database, TypePair(), [sql for sql, _, _ in BLOCKED.values()])
        catalog, plan, _ = await plan_of(database.spec, server, TypePair())
        connection = await database.superuser_connect()
        try:
            left = await leftovers(connection)
        finally:
            await connection.close()
        return plan, fingerprint(await inspect(database.spec)) == fingerprint(catalog) and not left

    try:
        yield run_sync(plan())
    finally:
        run_sync(drop_database(database))


@pytest.mark.parametrize("name", BLOCKED)
def test_what_is_not_certain_blocks(blocked: tuple[Plan, bool], name: str) -> None:
    plan, _ = blocked
    schema = f"c{list(BLOCKED).index(name)}"
    _, thing, reason = BLOCKED[name]
    (blocker,) = (blocker for blocker in plan.blockers if f"{schema}." in blocker.object)
    assert blocker.object.replace(f"{schema}.", "") == thing
    assert reason.replace("{schema}", schema) in blocker.reason
    assert not any(f"{schema}." in repair.object for repair in plan.repairs)


def test_a_check_changes_nothing_and_leaves_nothing(blocked: tuple[Plan, bool]) -> None:
    assert blocked[1]


async def test_a_function_of_integers_blocks(database: Database) -> None:
    connection = await connect(database.spec, read_only=False)
    await connection.execute(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1';"
        "CREATE VIEW v AS SELECT f(id) FROM t"
    )
    await connection.close()
    _, plan, _ = await plan_of(database.spec, database.server, TypePair("integer", "bigint"))
    (blocker,) = plan.blockers
    assert blocker.id == "unrepaired:view v"
    assert "function public.f(bigint) does not exist" in blocker.reason


async def test_without_a_clone_it_says_so(database: Database) -> None:
    connection = await connect(database.spec, read_only=False)
    await connection.execute("CREATE TABLE t (id uuid PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t WHERE id <> id")
    await connection.close()
    catalog = await inspect(database.spec)
    scope = decide_scope(catalog, ScopeRequest())
    connection = await connect(database.spec)
    identity, activity = await identify(connection), await read_activity(connection, catalog, scope)
    await connection.close()
    nowhere = CloneSettings(ConnectionSpec("127.0.0.1", 1, "postgres", "nobody"))
    plan, checked = await plan_with_repairs(
        database.spec, catalog, scope, find_blockers(catalog, scope, activity), identity, settings=nowhere
    )
    assert not checked.complete
    assert [warning.id for warning in plan.warnings] == ["unchecked-expressions"]
    assert "127.0.0.1" in plan.warnings[0].reason
    assert plan.statements


async def test_the_demos_harder_dependents(production_copy: ConnectionSpec, server: Server) -> None:
    """Everything in them is repaired; it converts, and the proof holds."""
    connection = await connect(production_copy, read_only=False, statement_timeout_ms=0)
    try:
        await connection.execute(HARD.read_text(encoding="utf-8"))
        catalog, plan, checked = await plan_of(production_copy, server, TypePair())
        if connection.get_server_version().major < 17:
            assert [blocker.id for blocker in plan.blockers] == ["generated-column:public.deals.reference"]
            await connection.execute("ALTER TABLE deals DROP COLUMN reference")
            catalog, plan, checked = await plan_of(production_copy, server, TypePair())
        assert plan.blockers == ()
        assert checked.complete
        assert {repair.object for repair in plan.repairs} == {
            "check organizations_house_is_no_child on organizations",
            "function deal_owner(p_deal uuid)",
            "index documents_hashed_idx on documents",
            "index tasks_of_house_idx on tasks",
            "policy documents_tenant on documents",
            "policy users_self on users",
            "view deal_owners",
            "view house_account",
            "view recent_subjects",
        }
        assert not any(warning.id.startswith("expression:") for warning in plan.warnings)
        await run(connection, plan)
    finally:
        await connection.close()
    assert compare_catalogs(plan, catalog, await inspect(production_copy)) == ()


async def test_what_the_copy_lacks_is_a_warning_by_name(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await connect(database.spec, read_only=False)
    await connection.execute(
        "CREATE TABLE t (id uuid PRIMARY KEY); CREATE FUNCTION f(uuid) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE VIEW lost AS SELECT id, f(id) FROM t; CREATE VIEW after_it AS SELECT id FROM lost;"
        "CREATE VIEW fine AS SELECT id FROM t WHERE id <> gen_random_uuid()"
    )
    await connection.close()
    monkeypatch.setattr(clone, "_LEFT_OUT", (*clone._LEFT_OUT, "CREATE FUNCTION public.f"))
    _, plan, checked = await plan_of(database.spec, database.server, TypePair())
    assert not checked.complete
    assert plan.blockers == ()
    assert [warning.id for warning in plan.warnings if warning.id.startswith("unchecked")] == ["unchecked:view lost"]
    assert [repair.object for repair in plan.repairs] == ["view fine"]


async def test_where_the_types_cannot_change_nothing_is_said_of_expressions(database: Database) -> None:
    connection = await connect(database.spec, read_only=False)
    await connection.execute(
        "CREATE TABLE t (id uuid PRIMARY KEY) PARTITION BY HASH (id);"
        "CREATE VIEW v AS SELECT id FROM t WHERE id <> gen_random_uuid()"
    )
    await connection.close()
    _, plan, checked = await plan_of(database.spec, database.server, TypePair())
    assert not checked.complete
    assert [blocker.id for blocker in plan.blockers] == ["partition-key:public.t.id"]
    (warning,) = (warning for warning in plan.warnings if warning.id == "unchecked-expressions")
    assert "part of the partition key" in warning.reason
    assert plan.repairs == ()
