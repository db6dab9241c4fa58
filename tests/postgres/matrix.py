"""A case of the matrix: set up, planned, run and compared within one transaction, which is rolled back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from core.postgres.catalog import Catalog
from core.postgres.connect import identify
from core.postgres.fingerprint import Difference
from core.postgres.inspect import inspect_within
from core.retype.activity import read_activity
from core.retype.blockers import find_blockers
from core.retype.model import Plan, ScopeRequest
from core.retype.plan import make_plan
from core.retype.proof import compare_catalogs
from core.retype.reverse import reverse_plan, reverse_scope
from core.retype.scope import decide_scope
from tests.databases import Database

SETTINGS = "SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off; SET LOCAL check_function_bodies = off"


@dataclass(frozen=True)
class Bench:
    """An open transaction of the database's owner in a schema with two further roles, {reader} and {other}."""

    connection: asyncpg.Connection
    owner: str

    @property
    def version(self) -> int:
        return self.connection.get_server_version().major

    def fill_in(self, sql: str) -> str:
        return sql.replace("{reader}", f"{self.owner}_reader").replace("{other}", f"{self.owner}_other")

    async def as_owner(self, sql: str) -> None:
        await self.connection.execute(self.fill_in(sql))

    async def as_superuser(self, sql: str) -> None:
        await self.connection.execute("SET SESSION AUTHORIZATION DEFAULT")
        await self.connection.execute(self.fill_in(sql))
        await self.connection.execute(f"SET SESSION AUTHORIZATION {self.owner}")

    async def plan(self, request: ScopeRequest | None = None) -> tuple[Catalog, Plan]:
        catalog = await inspect_within(self.connection)
        scope = decide_scope(catalog, request or ScopeRequest())
        activity = await read_activity(self.connection, catalog, scope)
        findings = find_blockers(catalog, scope, activity)
        return catalog, make_plan(catalog, scope, findings, await identify(self.connection))

    async def run(self, plan: Plan) -> None:
        await self.connection.execute(SETTINGS)
        for statement in plan.statements:
            try:
                await self.connection.execute(statement.sql)
            except asyncpg.PostgresError as error:
                error.add_note(f"in {statement.kind}: {statement.sql}")
                raise

    async def undo(self, before: Catalog, plan: Plan) -> Plan:
        """Undo a conversion, and assert that everything is as it was before."""
        after = await inspect_within(self.connection)
        back = reverse_scope(after, plan.scope)
        activity = await read_activity(self.connection, after, back)
        reverse = reverse_plan(before, after, plan.scope, plan.identity, activity)
        assert not reverse.blockers, reverse.blockers
        await self.run(reverse)
        _require_same(compare_catalogs(reverse, after, await inspect_within(self.connection)))
        return reverse

    async def convert_and_undo(self, request: ScopeRequest | None = None) -> tuple[Plan, Plan]:
        before = await inspect_within(self.connection)
        plan = await self.convert(request)
        return plan, await self.undo(before, plan)

    async def convert(self, request: ScopeRequest | None = None) -> Plan:
        """Convert, and assert that nothing differs but what may."""
        before, plan = await self.plan(request)
        assert not plan.blockers, plan.blockers
        await self.run(plan)
        after = await inspect_within(self.connection)
        _require_same(compare_catalogs(plan, before, after))
        assert {after.column[key].type for key in plan.scope.keys} == {plan.scope.types.target}
        assert before != after
        return plan


def _require_same(differences: tuple[Difference, ...]) -> None:
    assert not differences, "\n".join(map(str, differences))


@asynccontextmanager
async def open_bench(database: Database) -> AsyncGenerator[Bench, None]:
    connection = await database.superuser_connect()
    transaction = connection.transaction()
    try:
        await transaction.start()
        bench = Bench(connection, database.owner)
        await bench.as_superuser(
            "CREATE ROLE {reader}; CREATE ROLE {other};"
            f"GRANT {{other}}, {{reader}} TO {database.owner}; GRANT CREATE ON SCHEMA public TO {{other}}"
        )
        yield bench
    finally:
        await transaction.rollback()
        await connection.close()
