"""Run conversions in tests: a plan from the real planner, events and readings kept in lists."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from core.events import Event, Reading
from core.postgres.connect import ConnectionSpec, connect, identify
from core.postgres.fingerprint import canonical, fingerprint
from core.postgres.inspect import inspect
from core.retype.execute import Conversion
from core.retype.execution_options import ExecutionOptions
from core.retype.model import Phase, Plan, ScopeRequest, Statement
from core.retype.proof import Proof
from core.retype.statement_log import StatementLog
from core.runbook.conversion.planning import Planned, plan_conversion
from core.settings.run import LimitsSettings
from tests.databases import Database

Kind = TypeVar("Kind")

QUICK = ExecutionOptions(lock_timeout_ms=100, lock_attempts=2, lock_pause=0.05)


@dataclass
class Recorder:
    """What a conversion has told."""

    events: list[Event] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    async def publish(self, event: Event) -> None:
        self.events.append(event)

    def read(self, reading: Reading) -> None:
        self.readings.append(reading)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    def last_reading(self, name: str) -> dict[str, Any]:
        return next(reading.values for reading in reversed(self.readings) if reading.name == name)


async def make_plan_of(spec: ConnectionSpec, request: ScopeRequest | None = None) -> Planned:
    connection = await connect(spec)
    identity = await identify(connection)
    await connection.close()
    return await plan_conversion(spec, identity, request or ScopeRequest(), LimitsSettings(), clone=None)


def conversion_of(
    spec: ConnectionSpec, planned: Planned, recorder: Recorder, log: Path, *, plan: Plan | None = None, **options: Any
) -> tuple[Conversion, StatementLog]:
    """A conversion with short waits.

    Args:
        plan: one made by hand, which is planned again under the locks just so.
        options: those of ExecutionOptions.
    """
    statement_log = StatementLog(log)
    conversion = Conversion(
        spec,
        plan or planned.plan,
        step="7.3",
        target="production",
        replan=(lambda _: plan) if plan else planned.replan,
        publish=recorder.publish,
        read=recorder.read,
        log=statement_log,
        options=replace(QUICK, **options),
        planned_from=planned.catalog,
    )
    return conversion, statement_log


def with_statement(plan: Plan, phase: Phase, sql: str, *, at_the_end: bool = False) -> Plan:
    """The plan with one more statement, at the beginning or the end of that phase."""
    extra = Statement(phase, "test", "an extra statement", sql, "for the test")
    places = [i for i, s in enumerate(plan.statements) if s.phase is phase]
    place = places[-1] + 1 if at_the_end else places[0]
    return replace(plan, statements=(*plan.statements[:place], extra, *plan.statements[place:]))


async def convert(
    spec: ConnectionSpec, log: Path, *, commit: bool = True, request: ScopeRequest | None = None, **options: Any
) -> tuple[Recorder, Proof]:
    """The whole way."""
    recorder = Recorder()
    planned = await make_plan_of(spec, request)
    conversion, statement_log = conversion_of(spec, planned, recorder, log, **options)
    with statement_log:
        async with conversion:
            await conversion.lock()
            await conversion.run()
            proof = await conversion.prove()
            await (conversion.commit() if commit else conversion.rollback())
    return recorder, proof


async def fingerprint_of(spec: ConnectionSpec) -> str:
    return fingerprint(canonical(await inspect(spec)))


# A schema with one of each thing that a conversion must leave as it is; roles are the owner's, and begin with its name.
SCHEMA = """
CREATE ROLE {reader};
GRANT {reader} TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO {reader};
CREATE SCHEMA "Audit";
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text NOT NULL UNIQUE, manager uuid REFERENCES users);
CREATE TABLE "Order" (id uuid PRIMARY KEY, "user" uuid NOT NULL, total numeric DEFAULT 1.50,
  CONSTRAINT "Order's user" FOREIGN KEY ("user") REFERENCES users ON DELETE CASCADE);
CREATE TABLE lines (order_id uuid, line int, seller uuid, note text, PRIMARY KEY (order_id, line),
  CONSTRAINT lines_order FOREIGN KEY (order_id) REFERENCES "Order" DEFERRABLE INITIALLY DEFERRED,
  CHECK (order_id <> seller));
ALTER TABLE lines ADD CONSTRAINT lines_seller FOREIGN KEY (seller) REFERENCES users ON DELETE SET NULL NOT VALID;
CREATE TABLE "Audit".log (id uuid PRIMARY KEY, actor uuid REFERENCES users, what text);
CREATE TABLE visits (n int PRIMARY KEY, who uuid REFERENCES users);
CREATE TABLE plain (n int PRIMARY KEY, t text DEFAULT 'x');
CREATE INDEX lines_seller_idx ON lines (seller) WHERE seller IS NOT NULL;
CREATE INDEX lines_plain ON lines (note);
CREATE VIEW sellers AS SELECT u.id, u.email, l.order_id FROM users u JOIN lines l ON l.seller = u.id;
CREATE VIEW top AS SELECT id, count(*) AS orders FROM sellers GROUP BY id;
CREATE MATERIALIZED VIEW totals AS SELECT "user", sum(total) AS total FROM "Order" GROUP BY "user";
CREATE UNIQUE INDEX totals_user ON totals ("user");
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE OF manager ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER sleeping BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION touch();
ALTER TABLE users DISABLE TRIGGER sleeping;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON users FOR SELECT TO {reader} USING (manager = id);
GRANT SELECT ON "Order" TO {reader};
GRANT SELECT (email) ON users TO {reader};
GRANT SELECT ON sellers TO {reader} WITH GRANT OPTION;
COMMENT ON TABLE users IS 'people';
COMMENT ON COLUMN users.id IS 'their key';
COMMENT ON CONSTRAINT "Order's user" ON "Order" IS 'who ordered';
COMMENT ON VIEW top IS 'the best';
INSERT INTO users (id, email) SELECT md5(n::text)::uuid, n || '@example.com' FROM generate_series(1, 50) n;
UPDATE users SET manager = md5('1')::uuid;
INSERT INTO "Order" SELECT md5('o' || n)::uuid, md5(n::text)::uuid, n FROM generate_series(1, 50) n;
INSERT INTO lines SELECT md5('o' || n)::uuid, 1, md5((n + 1)::text)::uuid, 'note ' || n FROM generate_series(1, 49) n;
INSERT INTO "Audit".log SELECT md5('a' || n)::uuid, md5(n::text)::uuid, 'did ' || n FROM generate_series(1, 50) n;
INSERT INTO visits SELECT n, md5(n::text)::uuid FROM generate_series(1, 50) n;
INSERT INTO plain SELECT n FROM generate_series(1, 10) n;
REFRESH MATERIALIZED VIEW totals;
ALTER TABLE "Audit".log SET (fillfactor = 90);
"""


async def build_schema(database: Database) -> None:
    connection = await database.connect()
    try:
        await connection.execute(SCHEMA.replace("{reader}", f"{database.owner}_reader"))
    finally:
        await connection.close()
