"""Task 8 on a real server: the watch, what it finds, and the checks after it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigurationError, HostingError, NeedsPerson
from core.events import AlarmCleared, AlarmRaised, StepStarted
from core.hosting.interface import Ability, Host, LogLine
from core.hosting.none import NoHost
from core.postgres.connect import connect
from core.postgres.inspect import inspect
from core.retype.orphans import count_orphans
from core.runbook import facts
from core.runbook.conversion.production import convert_one
from core.runbook.investigation.investigate import investigate
from core.runbook.monitor.checks import check_violations, verify_counts
from core.runbook.monitor.looks import Look
from core.runbook.monitor.plans import lines
from core.runbook.monitor.seen import Seen
from core.runbook.monitor.watch import Watch, reconcile_watch, watch_production
from core.runbook.monitor.worst_queries import QUERIES, explain, read_worst_queries
from core.runbook.questions import ACCEPT, COMMIT, CONVERT
from core.settings import Settings
from tests.databases import Database
from tests.health_server import HealthServer
from tests.sessions import session
from tests.step_world import StepWorld, taking

SCHEMA = """
CREATE TABLE organizations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES organizations, email text);
CREATE TABLE "Deal" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "owner" uuid CONSTRAINT "Owner" REFERENCES users);
INSERT INTO organizations (name) SELECT 'org ' || n FROM generate_series(1, 3) n;
INSERT INTO users (organization_id, email) SELECT o.id, 'u' || n FROM organizations o, generate_series(1, 20) n;
INSERT INTO "Deal" ("owner") SELECT id FROM users;
"""


@dataclass
class LoggingHost(NoHost):
    """A host that does nothing but give log lines."""

    lines: list[LogLine] = field(default_factory=list[LogLine])
    failing: bool = False
    name = "a host of the test's"

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset({Ability.LOGS})

    async def logs(self, services: Sequence[str], since: datetime, limit: int = 1000) -> tuple[LogLine, ...]:
        assert services == ("srv-web",)
        if self.failing:
            raise HostingError("The host answers 500.")
        return tuple(line for line in self.lines if line.at >= since)[:limit]

    def say(self, text: str, level: str = "") -> None:
        self.lines.append(LogLine(datetime.now(UTC), text, level, "srv-web"))


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, one look at the database gets through everything."""
    monkeypatch.setattr("core.runbook.monitor.looks.LEAST_TIME", 60.0)


@pytest.fixture
async def health() -> AsyncGenerator[HealthServer]:
    async with HealthServer.serve() as server:
        yield server


@pytest.fixture
async def filled(database: Database) -> Database:
    async with session(database.spec) as connection:
        await connection.execute(SCHEMA)
    return database


def make_world(
    database: Database,
    directory: Path,
    health: HealthServer | None = None,
    host: LoggingHost | None = None,
    **monitor: Any,
) -> StepWorld:
    given = Settings.load(
        None,
        {
            "targets": {"production": {"url": database.dsn}},
            "service": {"health_url": health.url if health else ""},
            "hosting": {"service": "srv-web" if host else ""},
            "investigation": {"count_tables": ["users", "organizations"]},
            "monitor": {"duration": "0.6s", "interval": "0.05s", "failures": 2, **monitor},
        },
    )
    world = StepWorld(directory, given, {"production": database.spec}, taking(CONVERT, COMMIT), host=host or NoHost())
    world.step = "8.1"
    return world


async def run_until(world: StepWorld, holds: Callable[[StepWorld], object], *, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not holds(world):
            await asyncio.sleep(0.02)


async def execute(database: Database, *statements: str) -> None:
    """As a superuser: what no application could do."""
    connection = await database.superuser_connect()
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def alarms(world: StepWorld) -> list[str]:
    return [event.name for event in world.events if isinstance(event, AlarmRaised)]


async def test_a_quiet_hour(filled: Database, tmp_path: Path, health: HealthServer) -> None:
    host = LoggingHost()
    host.say("ERROR before the watch")
    world = make_world(filled, tmp_path, health, host)
    world.step = "2.2"
    await investigate(world)
    world.step = "7.3"
    await convert_one(world)
    world.step = "8.1"
    await asyncio.sleep(0.01)
    summary = await watch_production(world)
    assert "0 behind 2 of 2 foreign keys" in summary
    assert "users 60 (as before), organizations 3 (as before)" in summary
    assert not alarms(world)
    known = world.state.facts[facts.MONITORED]
    assert known["probes"] == health.asked >= 1
    assert (known["failed"], known["errors"], known["violations"], known["orphans"]) == (0, 0, 0, 0)
    assert (known["keys"], known["keys_checked"]) == (2, 2)
    assert known["counts"] == {"users": 60, "organizations": 3}
    reading = world.readings[-1]
    assert reading.name == "watch"
    assert len(reading.values["latencies"]) == health.asked
    assert "Nothing." in world.evidence(facts.WATCH_FILE)
    assert any("the recreated foreign keys: 2" in line for line in world.state.step("8.1").log)


async def test_what_cannot_be_asked_is_skipped_and_said(filled: Database, tmp_path: Path) -> None:
    world = make_world(filled, tmp_path, duration="0.1s")
    summary = await watch_production(world)
    log = "\n".join(world.state.step("8.1").log)
    assert "health: not asked: service.health_url is not set" in log
    assert "logs: not read: no host does not give them" in log
    assert "plans: not compared: they were not recorded before the conversion" in log
    assert "all foreign keys of the database: 2" in log
    assert "0 behind 2 of 2 foreign keys" in summary
    assert "users 60 (not counted before)" in summary


async def test_a_violation_in_the_log_alarms_at_once(filled: Database, tmp_path: Path) -> None:
    host, sent = LoggingHost(), tmp_path / "alerts"
    world = make_world(filled, tmp_path, host=host, duration="60s", alert_command=f"tee -a {sent}")
    task = asyncio.create_task(watch_production(world))
    await run_until(world, lambda w: w.readings and w.readings[-1].name == "watch")
    host.say("GET / 200")
    host.say('insert or update on table "Deal" violates foreign key constraint "Owner"', "error")
    host.say("something else", "ERROR")
    await run_until(world, lambda w: len(alarms(w)) == 2 and sent.exists())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alarms(world) == ["violations", "errors"]
    log = world.state.step("8.1").log
    assert sum("violates foreign key" in line for line in log) == 1
    known = world.state.facts[facts.MONITORED]
    assert (known["lines"], known["errors"], known["violations"]) == (3, 2, 1)
    assert "violates foreign key" in sent.read_text()
    assert "stopped by hand" in world.evidence(facts.WATCH_FILE)

    # What was kept tells the step's end when the engine, not a person, was the reason.
    world.record(StepStarted(step="8.1"))
    assert "before it had recorded anything" in (await reconcile_watch(world)).found
    await world.fact(facts.MONITORED, known)
    found = await reconcile_watch(world)
    assert found.outcome == "failed"
    assert "1 violation, 2 errors in 3 lines" in found.found


async def test_a_service_that_fails_and_comes_back(filled: Database, tmp_path: Path, health: HealthServer) -> None:
    world = make_world(filled, tmp_path, health, duration="60s")
    health.status = 500
    task = asyncio.create_task(watch_production(world))
    await run_until(world, lambda w: "health" in alarms(w))
    health.status = 200
    await run_until(world, lambda w: any(isinstance(event, AlarmCleared) for event in w.events))
    assert world.state.step("8.1").alarms == ()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alarms(world) == ["health"]
    report = world.evidence(facts.WATCH_FILE)
    assert "answers 500, 2 times in a row" in report
    assert "well again: health" in report


async def test_rows_that_reference_nothing_or_are_gone_must_be_accepted(filled: Database, tmp_path: Path) -> None:
    world = make_world(filled, tmp_path, duration="0.1s")
    await world.fact(facts.INVESTIGATION_COUNTS, {"users": 60, "organizations": 3, "gone": 7})
    await execute(
        filled,
        "SET session_replication_role = replica",
        """INSERT INTO "Deal" ("owner") VALUES ('00000000-0000-4000-8000-00000000abcd')""",
        "DELETE FROM organizations WHERE name = 'org 1'",
    )
    with pytest.raises(NeedsPerson) as caught:
        await watch_production(world)
    assert "21 rows referencing nothing and not known before" in caught.value.what
    assert "organizations had 3, has 2; gone had 7, has 0" in caught.value.what
    assert alarms(world) == ["rows", "orphans"]
    # The same world, somebody knowing of it.
    world.answers = taking(ACCEPT)
    assert "accepted: 21 rows referencing nothing and not known before" in await watch_production(world)
    (key,) = [
        line for line in world.evidence(facts.WATCH_FILE).splitlines() if "Owner on" in line and line.startswith("-")
    ]
    assert "00000000-0000-4000-8000-00000000abcd" in key


async def test_what_referenced_nothing_before_is_known(filled: Database, tmp_path: Path) -> None:
    async with session(filled.spec) as connection:
        await connection.execute('ALTER TABLE "Deal" DROP CONSTRAINT "Owner"')
        await connection.execute('INSERT INTO "Deal" ("owner") VALUES (gen_random_uuid())')
        await connection.execute(
            'ALTER TABLE "Deal" ADD CONSTRAINT "Owner" FOREIGN KEY ("owner") REFERENCES users NOT VALID'
        )
    world = make_world(filled, tmp_path, duration="0.1s")
    world.step = "2.2"
    await investigate(world)
    assert world.state.facts[facts.INVESTIGATION_ORPHANS] == {'Owner on "Deal"': 1}
    world.step = "8.1"
    assert "0 behind 2 of 2 foreign keys; 1 known from before" in await watch_production(world)
    await execute(
        filled, "SET session_replication_role = replica", 'INSERT INTO "Deal" ("owner") VALUES (gen_random_uuid())'
    )
    with pytest.raises(NeedsPerson, match="1 row referencing nothing"):
        await watch_production(world)


async def test_a_session_that_waits_for_a_lock(filled: Database, tmp_path: Path) -> None:
    world = make_world(filled, tmp_path, duration="60s", lock_wait="0.1s")
    async with session(filled.spec) as holder, session(filled.spec) as waiter:
        await holder.execute("CREATE TABLE wanted ()")
        await holder.execute("BEGIN; LOCK TABLE wanted")
        await waiter.execute("SET lock_timeout = 0")
        waiting = asyncio.create_task(waiter.execute("SELECT FROM wanted"))
        task = asyncio.create_task(watch_production(world))
        try:
            await run_until(world, lambda w: "sessions" in alarms(w))
            (alarm,) = world.state.step("8.1").alarms
            assert f"process {waiter.get_server_pid()} " in alarm.what
            assert f"for {holder.get_server_pid()}." in alarm.what
            await holder.execute("COMMIT")
            await run_until(world, lambda w: not w.state.step("8.1").alarms)
        finally:
            task.cancel()
            await asyncio.wait({task})
            await holder.execute("ROLLBACK")
            await waiting


async def test_a_database_that_does_not_answer_for_a_while(filled: Database, tmp_path: Path) -> None:
    world = make_world(filled, tmp_path, duration="60s")
    task = asyncio.create_task(watch_production(world))
    await run_until(world, lambda w: w.readings and w.readings[-1].name == "watch")
    known = world.specs["production"]
    world.specs["production"] = known.with_database("no_such_database")
    await run_until(world, lambda w: "sessions" in alarms(w))
    assert "could not be read 2 times in a row" in world.state.step("8.1").alarms[0].what
    world.specs["production"] = known
    await run_until(world, lambda w: not w.state.step("8.1").alarms)
    task.cancel()
    await asyncio.wait({task})


async def test_a_host_that_fails_is_told_and_asked_again(filled: Database, tmp_path: Path) -> None:
    host = LoggingHost(failing=True)
    world = make_world(filled, tmp_path, host=host, duration="60s")
    task = asyncio.create_task(watch_production(world))
    await run_until(
        world,
        lambda w: w.readings and "The host answers 500." in w.readings[-1].values.get("words", {}).get("logs", ""),
    )
    host.failing = False
    host.say("GET / 200")
    await run_until(world, lambda w: w.readings[-1].values["words"]["logs"] == "0 violations, 0 errors in 1 line")
    task.cancel()
    await asyncio.wait({task})


async def test_a_host_that_cannot_be_had_leaves_the_rest_to_be_watched(filled: Database, tmp_path: Path) -> None:
    class Hostless(StepWorld):
        async def host(self) -> Host:
            raise ConfigurationError("The API key cannot be read.")

    given = make_world(filled, tmp_path, duration="0.1s")
    world = Hostless(tmp_path, given.settings, given.specs)
    world.step = "8.1"
    summary = await watch_production(world)
    assert "logs: not read: The API key cannot be read." in summary
    assert "0 behind 2 of 2 foreign keys" in summary


async def test_an_error_of_a_look_ends_the_watch_as_what_it_is(filled: Database, tmp_path: Path) -> None:
    class Failing:
        async def look(self) -> None:
            raise NeedsPerson("No.")

    class Endless:
        async def look(self) -> None:
            await asyncio.sleep(3600)

    looks: list[Look] = [Endless(), Failing()]
    with pytest.raises(NeedsPerson, match=r"No\."):
        await Watch(make_world(filled, tmp_path)).run(looks)


# --- plans -------------------------------------------------------------------------------------------------------------

BY_ID = "SELECT email FROM users WHERE id = $1"
AS_UUID = "SELECT count(*) FROM users WHERE id = $1::uuid"


@pytest.fixture
async def with_statistics(filled: Database) -> Database:
    """Its queries are counted, where the server can."""
    connection = await filled.superuser_connect()
    try:
        preloaded = await connection.fetchval("SHOW shared_preload_libraries")
        if "pg_stat_statements" not in preloaded:
            pytest.skip("the server has not loaded pg_stat_statements")
        await connection.execute("CREATE EXTENSION pg_stat_statements")
    finally:
        await connection.close()
    async with session(filled.spec) as connection:
        some = await connection.fetchval("SELECT id FROM users LIMIT 1")
        for query in (BY_ID, AS_UUID):
            for _ in range(3):
                await connection.fetch(query, some)
    return filled


async def test_the_worst_queries_are_read_and_explained(with_statistics: Database) -> None:
    connection = await connect(with_statistics.spec)
    try:
        found = await read_worst_queries(connection)
        assert not found.reason
        queries = {query.text: query for query in found.queries}
        assert queries[BY_ID].calls == 3
        plan = queries[BY_ID].explained.plan
        assert plan is not None
        assert lines(plan)[-1].strip().endswith("on users")
        assert not any("pg_" in text for text in queries)
        # What is not one query runs nothing, and says so.
        for text in ("SELECT 1; DROP TABLE users", "SELECT $1 FROM no_such_table", "WITH x AS (SELECT"):
            assert (await explain(connection, text)).error
        assert (await explain(connection, BY_ID)).plan is not None
    finally:
        await connection.close()


async def test_a_query_that_the_conversion_has_broken_is_found(with_statistics: Database, tmp_path: Path) -> None:
    world = make_world(with_statistics, tmp_path, duration="0.1s")
    world.step = "2.2"
    await investigate(world)
    kept = {query["query"]: query for query in json.loads(world.evidence(facts.QUERIES_FILE))}
    assert {BY_ID, AS_UUID} <= set(kept)
    world.step = "7.3"
    await convert_one(world)
    world.step = "8.1"
    with pytest.raises(NeedsPerson, match="1 query worse than before: SELECT count") as caught:
        await watch_production(world)
    assert "operator does not exist" in caught.value.what
    report = world.evidence(facts.WATCH_FILE)
    assert "fails" in report
    assert "1 FAILING" in str(world.readings[-1].values["words"]["plans"])


async def test_without_the_extension_the_reason_is_said(filled: Database, tmp_path: Path) -> None:
    world = make_world(filled, tmp_path)
    world.step = "2.2"
    await investigate(world)
    assert any("pg_stat_statements is not in this database" in line for line in world.state.step("2.2").log)
    assert not any(file.name == facts.QUERIES_FILE for file in world.state.step("2.2").files)


# --- bounds ------------------------------------------------------------------------------------------------------------


async def test_a_count_of_orphans_is_bounded(filled: Database) -> None:
    catalog = await inspect(filled.spec)
    key = next(key for key in catalog.foreign_keys() if key.name == "Owner")
    async with session(filled.spec) as holder:
        await holder.execute('BEGIN; LOCK TABLE "Deal"')
        connection = await connect(filled.spec, lock_timeout_ms=0)
        try:
            found = await count_orphans(connection, catalog, key, seconds=0.2)
        finally:
            await connection.close()
    assert found.count is None
    assert "longer" in found.detail


async def test_rows_that_a_policy_hides_are_not_passed_over_and_break_no_plan(
    with_statistics: Database, tmp_path: Path
) -> None:
    async with session(with_statistics.spec) as connection:
        await connection.execute(
            'ALTER TABLE "Deal" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;'
            "ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            "CREATE POLICY only_one ON users USING (email = 'u1')"
        )
    world = make_world(with_statistics, tmp_path, duration="0.1s")
    connection = await connect(with_statistics.spec)
    found = await read_worst_queries(connection)
    await connection.close()
    world.step = "2.2"
    await world.file(facts.QUERIES_FILE, json.dumps([query.document for query in found.queries]).encode())
    world.step = "8.1"
    summary = await watch_production(world)
    assert "0 behind 0 of 2 foreign keys, 2 not compared" in summary
    assert "would be affected by row-level security policy for table" in summary
    plans = world.readings[-1].values["words"]["plans"]
    assert plans
    assert "FAILING" not in plans


async def test_the_watch_reads_only(filled: Database) -> None:
    """Its queries run in a session that may write nothing, as an owner who is no superuser."""
    connection = await connect(filled.spec)
    try:
        assert await connection.fetchval("SHOW default_transaction_read_only") == "on"
        for name in ("pressure", "lock_waits", "statements_extension"):
            await connection.fetch(QUERIES[name])
    finally:
        await connection.close()


# --- steps 8.7 and 8.8 -------------------------------------------------------------------------------------------------


async def test_violations_are_searched_for_since_the_service_serves_again(filled: Database, tmp_path: Path) -> None:
    host = LoggingHost()
    host.say("ERROR: violates foreign key constraint, during maintenance")
    world = make_world(filled, tmp_path, host=host)
    world.step = "7.7"
    await asyncio.sleep(0.01)
    await world.fact(facts.DOWNTIME_SECONDS, 60.0)
    host.lines += [LogLine(datetime.now(UTC) + timedelta(microseconds=100 * n), f"GET /{n}") for n in range(2500)]
    world.step = "8.7"
    await asyncio.sleep(0.3)
    summary = await check_violations(world)
    assert "violations: 0 in 2,500 lines of the logs; nothing was watched before" in summary
    assert "0 behind 2 of 2 foreign keys" in summary
    assert world.state.facts[facts.MONITOR_VIOLATIONS] == {"logs": 0, "orphans": 0}
    host.say("psycopg.errors.ForeignKeyViolation: insert on Deal")
    with pytest.raises(NeedsPerson, match="1 violation in the service's logs"):
        await check_violations(world)
    assert world.state.facts[facts.MONITOR_VIOLATIONS] == {"logs": 1, "orphans": 0}


async def test_violations_that_were_read_count_though_the_host_fails_later(filled: Database, tmp_path: Path) -> None:
    class FailsLater(LoggingHost):
        async def logs(self, services: Sequence[str], since: datetime, limit: int = 1000) -> tuple[LogLine, ...]:
            found = await super().logs(services, since, limit)
            self.failing = True
            return found

    host = FailsLater()
    world = make_world(filled, tmp_path, host=host)
    world.step = "7.7"
    await world.fact(facts.DOWNTIME_SECONDS, 60.0)
    host.say("violates foreign key constraint")
    host.lines += [LogLine(datetime.now(UTC), f"GET /{n}") for n in range(1200)]
    world.step = "8.7"
    with pytest.raises(NeedsPerson, match="1 violation in the service's logs"):
        await check_violations(world)
    assert world.state.facts[facts.MONITOR_VIOLATIONS] == {"logs": 1, "orphans": 0}


async def test_without_logs_the_rows_answer(filled: Database, tmp_path: Path) -> None:
    world = make_world(filled, tmp_path)
    world.step = "8.7"
    await world.fact(facts.MONITORED, Seen().fact(1.0))
    summary = await check_violations(world)
    assert "logs not read: no host" in summary
    assert "the watch had seen 0" in summary
    assert world.state.facts[facts.MONITOR_VIOLATIONS] == {"logs": None, "orphans": 0}
    await execute(filled, "SET session_replication_role = replica", "DELETE FROM users")
    with pytest.raises(NeedsPerson, match="60 rows referencing nothing and not known before: Owner on"):
        await check_violations(world)


async def test_rows_are_counted_again(filled: Database, tmp_path: Path) -> None:
    world = make_world(filled, tmp_path)
    world.step = "8.8"
    await world.fact(facts.INVESTIGATION_COUNTS, {"users": 58, "organizations": 3})
    assert await verify_counts(world) == "users 60 (+2), organizations 3 (as before)"
    assert world.state.facts[facts.MONITOR_COUNTS] == {"users": 60, "organizations": 3}
    await execute(filled, "SET session_replication_role = replica", "DELETE FROM organizations")
    with pytest.raises(NeedsPerson, match="organizations had 3, has 0"):
        await verify_counts(world)
    world.answers = taking(ACCEPT)
    assert "accepted" in await verify_counts(world)
