"""Everything that can hang on a key, the other way: strings become uuids, and the undo makes them strings again."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

import pytest

from core.postgres.connect import identify
from core.retype.model import ScopeRequest
from core.retype.types import parse_type_pair
from core.runbook.conversion.planning import plan_conversion
from core.settings.run import LimitsSettings
from tests.databases import Database
from tests.postgres.matrix import Bench, open_bench
from tests.postgres.test_retype_matrix_kept import BASE, CASES
from tests.sessions import session

TO_UUID = ScopeRequest(types=parse_type_pair("varchar(36)", "uuid"))
BLOCKED = "a view's own things"
"""It has a column default of a view, which is found out on a clone, and the bench has none."""


def with_strings(sql: str) -> str:
    """The same schema with keys that are varchar(36)."""
    sql = sql.replace("::uuid", "::@").replace("gen_random_uuid()", "@()")
    sql = re.sub(r"\buuid\b", "varchar(36)", sql)
    return sql.replace("::@", "::uuid::text").replace("@()", "gen_random_uuid()::text")


@pytest.fixture
async def bench(database: Database) -> AsyncGenerator[Bench, None]:
    async with open_bench(database) as bench:
        await bench.as_owner(with_strings(BASE))
        yield bench


@pytest.mark.parametrize("name", [name for name in CASES if name != BLOCKED])
async def test_to_uuid_and_undone(bench: Bench, name: str) -> None:
    case = CASES[name]
    if bench.version < case.since:
        pytest.skip(f"not on version {bench.version}")
    if case.sql:
        await bench.as_owner(with_strings(case.sql))
    if case.superuser:
        await bench.as_superuser(case.superuser.replace("{owner}", bench.owner))
    plan, _ = await bench.convert_and_undo(TO_UUID)
    assert plan.scope.columns


async def test_a_default_of_a_view_is_a_blocker(database: Database) -> None:
    async with session(database.spec) as connection:
        await connection.execute(
            "CREATE TABLE t (id varchar(36) PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t;"
            "ALTER VIEW v ALTER id SET DEFAULT gen_random_uuid()::text"
        )
        identity = await identify(connection)
    plan = (await plan_conversion(database.spec, identity, TO_UUID, LimitsSettings())).plan
    assert [blocker.id for blocker in plan.blockers] == ["unrepaired:default of v.id"]
    assert "is of type uuid but default expression is of type text" in plan.blockers[0].reason
