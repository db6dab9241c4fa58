"""Task 8 on a real server: the watch, what it finds, and the checks after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import HostingError
from core.events import AlarmRaised
from core.hosting.interface import Ability, LogLine
from core.hosting.none import NoHost
from core.runbook import facts
from core.runbook.convert_production import convert_one
from core.runbook.investigate import investigate
from core.runbook.monitor.watch import watch_production
from core.runbook.questions import COMMIT, CONVERT
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


async def run_until(world: StepWorld, holds: Any) -> None:
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
    assert known["probes"] == health.asked > 1
    assert (known["failed"], known["errors"], known["violations"], known["orphans"]) == (0, 0, 0, 0)
    assert (known["keys"], known["keys_checked"]) == (2, 2)
    assert known["counts"] == {"users": 60, "organizations": 3}
    reading = world.readings[-1]
    assert reading.name == "watch"
    assert len(reading.values["latencies"]) == health.asked
    assert "Nothing." in world.evidence(facts.WATCH_FILE)
    assert any("the recreated foreign keys: 2" in line for line in world.state.step("8.1").log)
