"""Random schemas there and back: proved, the same at run time, and in the end exactly what they were."""

from __future__ import annotations

import os
from dataclasses import dataclass

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.postgres.fingerprint import Canonical, canonical, compare
from core.postgres.inspect import inspect_within
from core.retype.contents import Rows, TableName, read_rows
from core.retype.model import ScopeRequest
from tests.databases import Database, Server, run_sync
from tests.generated import GeneratedSchema, schemas
from tests.postgres.matrix import Bench, open_bench
from tests.probes import Outcomes, probe

EXAMPLES = int(os.environ.get("PGRECAST_TEST_SCHEMAS", "0"))
"""Set for a long run by hand, of other schemas each time."""


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


async def _there_and_back(database: Database, schema: GeneratedSchema) -> None:
    async with open_bench(database) as bench:
        for statement in schema.statements:
            try:
                await bench.as_owner(statement)
            except asyncpg.PostgresError as error:
                error.add_note(f"in {statement}")
                raise
        first = await _look(bench)
        request = ScopeRequest(types=schema.direction.types)
        before, _ = await bench.plan(request)
        plan = await bench.convert(request)
        converted = await _look(bench)
        assert converted.rows == first.rows
        assert _changed(first.outcomes, converted.outcomes) == {}
        await bench.undo(before, plan)
        last = await _look(bench)
        assert compare(first.catalog, last.catalog) == ()
        assert last.rows == first.rows
        assert _changed(first.outcomes, last.outcomes) == {}


@dataclass(frozen=True)
class Look:
    """The catalog, the contents, and what happens at run time."""

    catalog: Canonical
    rows: dict[TableName, Rows]
    outcomes: Outcomes


async def _look(bench: Bench) -> Look:
    await bench.connection.execute("SET LOCAL row_security = on; SET LOCAL search_path = public")
    catalog = await inspect_within(bench.connection)
    outcomes = await probe(bench.connection, catalog)
    return Look(canonical(catalog), await read_rows(bench.connection, catalog.relations, "contents"), outcomes)


def _changed(before: Outcomes, after: Outcomes) -> dict[str, tuple[str | None, str | None]]:
    return {what: (before.get(what), after.get(what)) for what in before | after if before.get(what) != after.get(what)}


async def _version(server: Server) -> int:
    connection = await server.connect()
    try:
        return connection.get_server_version().major
    finally:
        await connection.close()
