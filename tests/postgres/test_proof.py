"""The proof on the real server: each thing that a conversion could lose or change must make it fail."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from core.postgres.catalog import Catalog
from core.postgres.contents import Rows, TableName, read_rows
from core.postgres.inspect import inspect_within
from core.retype.model import Plan, ProofDepth
from core.retype.proof import Proof, make_proof, relations_to_read
from tests.conversions import Recorder, build_schema, conversion_of, make_plan_of
from tests.databases import Database


@dataclass
class Converted:
    """A conversion that is through and not yet proved."""

    plan: Plan
    connection: asyncpg.Connection
    before: Catalog
    rows_before: dict[TableName, Rows]

    async def prove(self, depth: ProofDepth = "contents") -> Proof:
        after = await inspect_within(self.connection)
        rows = await read_rows(self.connection, relations_to_read(self.plan, after), depth)
        return make_proof(self.plan, depth, self.before, after, self.rows_before if depth != "catalog" else {}, rows)

    async def proof_after(self, mutation: str) -> Proof:
        """The proof of a result that was tampered with, which is then put right again."""
        await self.connection.execute("SAVEPOINT mutation")
        try:
            await self.connection.execute(mutation)
            return await self.prove()
        finally:
            await self.connection.execute("ROLLBACK TO SAVEPOINT mutation")


@pytest.fixture
async def converted(database: Database, tmp_path: Path) -> AsyncGenerator[Converted, None]:
    await build_schema(database)
    planned = await make_plan_of(database.spec)
    conversion, log = conversion_of(database.spec, planned, Recorder(), tmp_path / "log.sql")
    with log:
        async with conversion:
            await conversion.lock()
            await conversion.run()
            connection = conversion._connection
            await connection.execute("SET LOCAL search_path = public")
            assert conversion._before is not None
            yield Converted(planned.plan, connection, conversion._before, conversion._rows_before)


# What is done to the result, and what the proof must name.
MUTATIONS = {
    "lost grant": ('REVOKE SELECT ON "Order" FROM {reader}', "Order"),
    "further grant": ('GRANT DELETE ON "Order" TO {reader}', "Order"),
    "lost column grant": ("REVOKE SELECT (email) ON users FROM {reader}", "email"),
    "lost grant option": ("REVOKE GRANT OPTION FOR SELECT ON sellers FROM {reader}", "sellers"),
    "lost grant on a view": ("REVOKE SELECT ON sellers FROM {reader}", "sellers"),
    "lost comment on a table": ("COMMENT ON TABLE users IS NULL", "users"),
    "lost comment on a column": ("COMMENT ON COLUMN users.id IS NULL", "id"),
    "lost comment on a constraint": ('COMMENT ON CONSTRAINT "Order\'s user" ON "Order" IS NULL', "Order's user"),
    "lost comment on a view": ("COMMENT ON VIEW top IS 'other'", "top"),
    "not valid made valid": ("ALTER TABLE lines VALIDATE CONSTRAINT lines_seller", "lines_seller"),
    "disabled trigger enabled": ("ALTER TABLE users ENABLE TRIGGER sleeping", "sleeping"),
    "trigger disabled": ("ALTER TABLE users DISABLE TRIGGER touch", "touch"),
    "dropped trigger": ("DROP TRIGGER touch ON users", "touch"),
    "dropped index": ("DROP INDEX lines_seller_idx", "lines_seller_idx"),
    "index without its predicate": (
        "DROP INDEX lines_seller_idx; CREATE INDEX lines_seller_idx ON lines (seller)",
        "lines_seller_idx",
    ),
    "index not unique": ('DROP INDEX totals_user; CREATE INDEX totals_user ON totals ("user")', "totals_user"),
    "changed owner": ("ALTER VIEW top OWNER TO {reader}", "top"),
    "altered default": ("ALTER TABLE plain ALTER t SET DEFAULT 'y'", "t"),
    "lost default": ("ALTER TABLE users ALTER id DROP DEFAULT", "id"),
    "other default": ("ALTER TABLE users ALTER id SET DEFAULT 'x'", "id"),
    "lost NOT NULL": ("ALTER TABLE users ALTER email DROP NOT NULL", "email"),
    "lost policy role": ("ALTER POLICY own ON users TO PUBLIC", "own"),
    "policy without a condition": ("ALTER POLICY own ON users USING (true)", "own"),
    "lost policy": ("DROP POLICY own ON users", "own"),
    "row security off": ("ALTER TABLE users DISABLE ROW LEVEL SECURITY", "users"),
    "another ON DELETE": (
        (
            'ALTER TABLE "Order" DROP CONSTRAINT "Order\'s user", ADD CONSTRAINT "Order\'s user"'
            ' FOREIGN KEY ("user") REFERENCES users ON DELETE SET NULL'
        ),
        "Order's user",
    ),
    "lost deferrability": ("ALTER TABLE lines ALTER CONSTRAINT lines_order NOT DEFERRABLE", "lines_order"),
    "lost initial deferral": (
        "ALTER TABLE lines ALTER CONSTRAINT lines_order DEFERRABLE INITIALLY IMMEDIATE",
        "lines_order",
    ),
    "lost foreign key": ("ALTER TABLE lines DROP CONSTRAINT lines_seller", "lines_seller"),
    "renamed foreign key": ("ALTER TABLE lines RENAME CONSTRAINT lines_seller TO other", "other"),
    "another order of foreign keys": (
        (
            'ALTER TABLE visits DROP CONSTRAINT visits_who_fkey; ALTER TABLE "Order" DROP CONSTRAINT "Order\'s user";'
            ' ALTER TABLE visits ADD FOREIGN KEY (who) REFERENCES users; ALTER TABLE "Order" ADD CONSTRAINT "Order\'s user"'
            ' FOREIGN KEY ("user") REFERENCES users ON DELETE CASCADE;'
            ' COMMENT ON CONSTRAINT "Order\'s user" ON "Order" IS \'who ordered\''
        ),
        "foreign_key_order",
    ),
    "lost check": ("ALTER TABLE lines DROP CONSTRAINT lines_check", "lines_check"),
    "lost unique key": ("ALTER TABLE users DROP CONSTRAINT users_email_key", "users_email_key"),
    "another check": (
        "ALTER TABLE lines DROP CONSTRAINT lines_check, ADD CONSTRAINT lines_check CHECK (order_id = order_id)",
        "lines_check",
    ),
    "a column forgotten": (
        "ALTER TABLE visits DROP CONSTRAINT visits_who_fkey, ALTER who TYPE uuid USING who::uuid",
        "who",
    ),
    "a column too many": ("ALTER TABLE plain ALTER n TYPE bigint", "n"),
    "a length too short": ("ALTER TABLE visits ALTER who TYPE varchar(40)", "who"),
    "another collation": ('ALTER TABLE visits ALTER who TYPE varchar(36) COLLATE "C"', "who"),
    "storage": ("ALTER TABLE users ALTER email SET STORAGE EXTERNAL", "email"),
    "statistics target": ("ALTER TABLE users ALTER email SET STATISTICS 7", "email"),
    "storage parameter": ('ALTER TABLE "Audit".log RESET (fillfactor)', "log"),
    "another view": ("CREATE OR REPLACE VIEW top AS SELECT id, count(*) + 1 AS orders FROM sellers GROUP BY id", "top"),
    "lost view": ("DROP VIEW top", "top"),
    "view option": ("ALTER VIEW top SET (security_barrier)", "top"),
    "unpopulated materialized view": ("REFRESH MATERIALIZED VIEW totals WITH NO DATA", "totals"),
    "another function body": (
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "touch",
    ),
    "something new": ("CREATE TABLE leftover ()", "leftover"),
    "a new schema": ("CREATE SCHEMA leftover", "leftover"),
    "a changed row": ("UPDATE lines SET note = 'other' WHERE note = 'note 7'", "lines"),
    "a changed key": (
        "SET CONSTRAINTS ALL DEFERRED; UPDATE visits SET who = md5('2') ::uuid::text WHERE n = 1",
        "visits",
    ),
    "a key in upper case": ("UPDATE \"Audit\".log SET id = upper(id) WHERE what = 'did 3'", "log"),
    "a row too few": ("DELETE FROM lines WHERE note = 'note 7'", "lines"),
    "a row too many": ("INSERT INTO visits VALUES (1000, NULL)", "visits"),
    "a row twice instead of another": (
        "DELETE FROM visits WHERE n = 2; INSERT INTO visits SELECT 1002, who FROM visits WHERE n = 1",
        "visits",
    ),
    "two rows' values swapped": (
        "UPDATE lines SET note = CASE note WHEN 'note 7' THEN 'note 8' ELSE 'note 7' END WHERE note IN ('note 7', 'note 8')",
        "lines",
    ),
    "a number's scale": ('UPDATE "Order" SET total = 1.0 WHERE total = 1', "Order"),
    "NULL made empty": (
        "INSERT INTO visits VALUES (1001, NULL); UPDATE lines SET note = '' WHERE note = 'note 9'",
        "lines",
    ),
}


async def test_every_mutation_is_noticed_and_named(database: Database, converted: Converted) -> None:
    reader = f"{database.owner}_reader"
    unnoticed: dict[str, str] = {}
    for name, (mutation, object_) in MUTATIONS.items():
        proof = await converted.proof_after(mutation.replace("{reader}", reader))
        if proof.held:
            unnoticed[name] = "not noticed"
        elif not any(object_ in str(difference) for difference in proof.differences):
            unnoticed[name] = f"named as {[str(d) for d in proof.differences]}"
    assert unnoticed == {}
    proof = await converted.prove()
    assert proof.held, proof.lines
