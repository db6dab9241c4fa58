"""Function bodies: what will fail is found beforehand and nothing else is, and what is repaired works as before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import asyncpg
import pytest

from core.errors import UsageError
from core.postgres.catalog import Catalog
from core.postgres.connect import connect, identify
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.fingerprint import Difference
from core.postgres.inspect import inspect, inspect_within
from core.retype.bodies import require_offered
from core.retype.clone import CloneSettings
from core.retype.model import Plan, ScopeRequest
from core.retype.proof import compare_catalogs
from core.retype.repair.diff import repair_diff
from core.retype.transaction import SETTINGS
from core.runbook.conversion.planning import Planned, plan_conversion
from core.settings.run import LimitsSettings
from tests.databases import Database, Server, create_database, drop_database, run_sync
from tests.postgres.body_cases import BROKEN, FINE, TABLES, Case, fill_in

CASES: Mapping[str, Case] = {**FINE, **BROKEN}
SCHEMAS = {name: f"c{i}" for i, name in enumerate(CASES)}
FAILED = "failed"


@dataclass(frozen=True)
class Converted:
    plan: Plan
    differences: tuple[Difference, ...]
    answers: Mapping[str, str]


@dataclass(frozen=True)
class World:
    """A database with every case in it, converted as it is and with every repair; and put back each time."""

    before: Mapping[str, str]
    planned: Planned
    as_it_is: Converted
    repaired: Converted


async def make_planned(database: Database, request: ScopeRequest | None = None) -> Planned:
    server = database.server
    clone = CloneSettings(
        server=ConnectionSpec(server.host, server.port, "postgres", server.superuser, server.superuser_password)
    )
    connection = await connect(database.spec)
    try:
        identity = await identify(connection)
    finally:
        await connection.close()
    return await plan_conversion(database.spec, identity, request or ScopeRequest(), LimitsSettings(), clone=clone)


async def answer(connection: asyncpg.Connection, name: str) -> str:
    *first, last = filled(CASES[name].probe, name).split("; ")
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await connection.execute(f"SET LOCAL search_path = {SCHEMAS[name]}")
        for statement in first:
            await connection.execute(statement)
        return str(sorted(str([str(value) for value in row.values()]) for row in await connection.fetch(last)))
    except asyncpg.PostgresError as error:
        return f"{FAILED}: {error}"
    finally:
        await savepoint.rollback()


def filled(sql: str, name: str) -> str:
    return fill_in(sql).replace("{schema}", SCHEMAS[name])


async def convert(connection: asyncpg.Connection, catalog: Catalog, plan: Plan) -> Converted:
    assert plan.blockers == ()
    transaction = connection.transaction()
    await transaction.start()
    try:
        for setting in ("search_path", "row_security", "check_function_bodies"):
            await connection.execute(f"SET LOCAL {setting} = {SETTINGS[setting]}")
        for statement in plan.statements:
            await connection.execute(statement.sql)
        differences = compare_catalogs(plan, catalog, await inspect_within(connection))
        await connection.execute("SET LOCAL check_function_bodies = on; SET LOCAL row_security = on")
        return Converted(plan, differences, {name: await answer(connection, name) for name in CASES})
    finally:
        await transaction.rollback()


async def make_world(database: Database) -> World:
    connection = await connect(database.spec, read_only=False)
    try:
        for name, case in CASES.items():
            await connection.execute(f"CREATE SCHEMA {SCHEMAS[name]}; SET search_path = {SCHEMAS[name]}")
            await connection.execute(filled(TABLES + case.sql, name))
        await connection.execute("RESET search_path")
        async with connection.transaction():
            before = {name: await answer(connection, name) for name in CASES}
        await connection.close()
        connection = await connect(database.spec, read_only=False)  # a session keeps what it has compiled
        catalog = await inspect(database.spec)
        planned = await make_planned(database)
        with_repairs = await make_planned(database, ScopeRequest(repair_functions=("all",)))
        return World(
            before,
            planned,
            await convert(connection, catalog, planned.plan),
            await convert(connection, catalog, with_repairs.plan),
        )
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[World]:
    database = run_sync(create_database(server))
    try:
        yield run_sync(make_world(database))
    finally:
        run_sync(drop_database(database))


def found(world: World, name: str) -> list[tuple[str, int]]:
    functions = world.planned.checked.functions
    assert functions is not None
    return [
        (remark.kind, remark.line)
        for one in functions
        if one.schema == SCHEMAS[name]
        for remark in dict.fromkeys(one.verdict.remarks)
    ]


def warning(plan: Plan, name: str) -> str:
    return " ".join(
        f"{w.reason} {w.consequence}" for w in plan.warnings if w.id.startswith(f"function:{SCHEMAS[name]}.")
    )


def new_lines(world: World, name: str) -> tuple[str, ...]:
    return tuple(
        line[1:].strip()
        for repair in world.repaired.plan.repairs
        if f" {SCHEMAS[name]}." in repair.object
        for line in repair_diff(repair).splitlines()[2:]
        if line.startswith("+")
    )


@pytest.mark.parametrize("name", FINE)
def test_no_false_alarm(world: World, name: str) -> None:
    assert not world.before[name].startswith(FAILED)
    assert found(world, name) == []
    assert not warning(world.planned.plan, name)
    assert not world.as_it_is.answers[name].startswith(FAILED)


@pytest.mark.parametrize("name", BROKEN)
def test_what_fails_is_found(world: World, name: str) -> None:
    case = BROKEN[name]
    assert not world.before[name].startswith(FAILED)
    assert found(world, name) == list(case.found)
    assert filled(case.says, name) in warning(world.planned.plan, name)
    assert world.as_it_is.answers[name].startswith(FAILED)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_repaired_works(world: World, name: str) -> None:
    case = BROKEN[name]
    assert new_lines(world, name) == tuple(filled(line, name) for line in case.repaired)
    if case.repaired:
        assert world.repaired.answers[name] == world.before[name]
        assert not warning(world.repaired.plan, name)
    else:
        assert world.repaired.answers[name].startswith(FAILED)
        assert warning(world.repaired.plan, name)


def test_the_proof_permits_the_repairs_and_nothing_else(world: World) -> None:
    assert world.as_it_is.differences == ()
    assert world.repaired.differences == ()
    repaired = {repair.object for repair in world.repaired.plan.repairs}
    assert len(repaired) == sum(bool(case.repaired) for case in BROKEN.values())
    assert {s.object for s in world.repaired.plan.statements if s.kind == "repair function"} == repaired
    assert not [s for s in world.as_it_is.plan.statements if s.kind == "repair function"]


def test_offers_are_not_imposed(world: World) -> None:
    assert world.as_it_is.plan.repairs == ()
    assert {r.object for r in world.as_it_is.plan.offered} == {r.object for r in world.repaired.plan.repairs}
    assert world.repaired.plan.offered == ()


def test_what_breaks_writes_comes_first(world: World) -> None:
    functions = [w for w in world.planned.plan.warnings if w.id.startswith("function:")]
    failing = [w.consequence.startswith("Writes fail") for w in functions if "fails after" in w.reason]
    assert failing == sorted(failing, reverse=True)
    assert any(failing)
    assert not all(failing)


def test_one_function_is_chosen_by_its_id(world: World) -> None:
    checked = world.planned.checked
    functions = checked.functions or ()
    (one,) = [f for f in functions if f.schema == SCHEMAS["compared with an argument"]]
    for name in (one.id, one.id.removeprefix("function:")):
        require_offered(functions, (name,))
        assert checked.chosen((name,)) == (one.verdict.repair,)
    with pytest.raises(UsageError, match="There is no repair of function:nobody"):
        require_offered(functions, ("function:nobody()",))
