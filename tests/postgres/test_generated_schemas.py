"""Random schemas there and back: proved, the same at run time, and in the end exactly what they were."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.events import ConversionPlanned
from core.postgres.contents import Rows, TableName, read_rows
from core.postgres.fingerprint import Canonical, canonical, compare
from core.postgres.inspect import inspect_within
from core.retype.model import ScopeRequest
from core.runbook.one_step import CONVERSION
from core.runbook.questions import COMMIT, CONVERT
from core.settings import Settings
from tests.databases import Database, Server, create_database, drop_database, run_sync
from tests.generated import GeneratedSchema, schemas
from tests.postgres.matrix import open_bench
from tests.probes import Outcomes, probe
from tests.sessions import session
from tests.step_world import StepWorld, taking

EXAMPLES = int(os.environ.get("SCHEMAS_TO_TRY", "0"))
"""Set for a long run by hand, of other schemas each time."""


@dataclass(frozen=True)
class Look:
    """The catalog, the contents, and what happens at run time."""

    catalog: Canonical
    rows: dict[TableName, Rows]
    outcomes: Outcomes


@settings(
    max_examples=EXAMPLES or 15,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_there_and_back(server: Server, database: Database, data: st.DataObject) -> None:
    schema = data.draw(schemas(run_sync(_version(server))))
    run_sync(_there_and_back(database, schema))


@settings(
    max_examples=EXAMPLES or 2,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # too slow to be shrunk
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_the_whole_way_with_repairs(server: Server, data: st.DataObject) -> None:
    schema = data.draw(schemas(run_sync(_version(server)), repairs=True))
    soft_references = data.draw(st.sampled_from(("none", "all")))  # taken, the columns beside the keys need no repairs
    database = run_sync(create_database(server))
    try:
        with TemporaryDirectory() as directory:
            run_sync(_the_whole_way(database, schema, soft_references, Path(directory)))
    finally:
        run_sync(drop_database(database))


async def _the_whole_way(database: Database, schema: GeneratedSchema, soft_references: str, directory: Path) -> None:
    """By the steps of a run: committed, and undone."""
    roles = {"reader": f"{database.owner}_reader", "other": f"{database.owner}_other"}
    async with session(database.spec) as connection:
        for role in roles.values():
            await connection.execute(
                f"CREATE ROLE {role}; GRANT {role} TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO {role}"
            )
        for statement in schema.statements:
            await connection.execute(statement.format(**roles))
    types = schema.direction.types
    conversion = {
        "from_type": types.source,
        "to_type": types.target,
        "collation": "C" if types.collation else "",
        "soft_references": soft_references,
        "accept": ["all"],
    }
    world = StepWorld(
        directory,
        Settings.load(None, {"conversion": conversion}),
        {"production": database.spec},
        taking(CONVERT, COMMIT),
    )
    first = await _look_at(database)
    await run_step(world, "1.1")
    (planned,) = (event for event in world.events if isinstance(event, ConversionPlanned))
    assert not [warning for warning in planned.warnings if warning.startswith("unchecked")]
    converted = await _look_at(database)
    assert converted.rows == first.rows
    assert _changed(first.outcomes, converted.outcomes) == {}
    await run_step(world, "1.1-undo")
    _require_as_it_was(first, await _look_at(database))


async def run_step(world: StepWorld, step: str) -> str:
    action = CONVERSION.step(step).action
    assert action is not None
    world.step = step
    return await action(world)


async def _look_at(database: Database) -> Look:
    async with session(database.spec) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            return await _look(connection)
        finally:
            await transaction.rollback()


async def _there_and_back(database: Database, schema: GeneratedSchema) -> None:
    async with open_bench(database) as bench:
        for statement in schema.statements:
            try:
                await bench.as_owner(statement)
            except asyncpg.PostgresError as error:
                error.add_note(f"in {statement}")
                raise
        first = await _look(bench.connection)
        request = ScopeRequest(types=schema.direction.types)
        before, _ = await bench.plan(request)
        plan = await bench.convert(request)
        converted = await _look(bench.connection)
        assert converted.rows == first.rows
        assert _changed(first.outcomes, converted.outcomes) == {}
        await bench.undo(before, plan)
        _require_as_it_was(first, await _look(bench.connection))


def _require_as_it_was(first: Look, last: Look) -> None:
    assert compare(first.catalog, last.catalog) == ()
    assert last.rows == first.rows
    assert _changed(first.outcomes, last.outcomes) == {}


async def _look(connection: asyncpg.Connection) -> Look:
    await connection.execute("SET LOCAL row_security = on; SET LOCAL search_path = public")
    catalog = await inspect_within(connection)
    outcomes = await probe(connection, catalog)
    return Look(canonical(catalog), await read_rows(connection, catalog.relations, "contents"), outcomes)


def _changed(before: Outcomes, after: Outcomes) -> dict[str, tuple[str | None, str | None]]:
    return {what: (before.get(what), after.get(what)) for what in before | after if before.get(what) != after.get(what)}


async def _version(server: Server) -> int:
    connection = await server.connect()
    try:
        return connection.get_server_version().major
    finally:
        await connection.close()
