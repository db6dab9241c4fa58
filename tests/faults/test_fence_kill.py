"""The engine killed while the database is fenced: the next start lifts what no step stands for, and says what stands."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.address import LOCK
from core.engine.handover import Handover
from core.engine.process import engine_client
from core.engine.protocol import AnswerQuestion, RunStep
from core.errors import ConnectionFailed
from core.events import Record, StepReconciled, StepSaid
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.scram import scram_verifier
from core.runbook.conversion_day.begin_maintenance import BEGIN
from core.runbook.conversion_day.end_maintenance import END
from core.runbook.facts import FENCE_UP, MAINTENANCE_HELD
from core.runbook.state import StepStatus
from core.settings import Settings
from tests.databases import Database
from tests.faults.test_engine_process import alive, process_of
from tests.hosts import Application, running
from tests.sessions import session
from tests.toy import Follower, attached

RECOVERY = "tests.faults.quick_recovery:RECOVERY"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    run = tmp_path / "run"
    yield run
    if (run / LOCK).exists() and alive(process_of(run)):
        os.kill(process_of(run), signal.SIGKILL)


@pytest.fixture
async def application(database: Database) -> AsyncGenerator[Application]:
    """In maintenance already, and with a session as the owner that it opens again and again."""
    async with running(database.spec) as found:
        found.maintenance = True
        yield found


@pytest.fixture
async def stranger(database: Database) -> ConnectionSpec:
    role = f"{database.owner}_other"
    async with session(database.spec) as connection:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{scram_verifier(database.password)}'")
    return replace(database.spec, user=role)


@pytest.fixture
def handover(directory: Path, database: Database, application: Application) -> Handover:
    given = {
        "service": {"health_url": application.url, "fence": "read_only"},
        # The host stops its worker by a command, and would deploy by one.
        "hosting": {
            "kind": "commands",
            "service": "web",
            "others": ["worker"],
            "commands": {"suspend": "true", "resume": "true", "deploy": "true"},
        },
    }
    return Handover(directory, Settings.model_validate(given), RECOVERY, {"production": database.spec})


async def enters(spec: ConnectionSpec) -> bool:
    try:
        (await connect(spec)).terminate()
    except ConnectionFailed:
        return False
    return True


async def confirm(anna: Follower, step: str, choice: str) -> None:
    assert (await anna.send(RunStep(step=step))).accepted
    await anna.until(lambda f: f.state.questions)
    (question,) = anna.state.questions.values()
    phrase = next(c.phrase for c in question.choices if c.name == choice)
    assert (await anna.send(AnswerQuestion(question=question.id, choice=choice, phrase=phrase or ""))).accepted


@pytest.mark.parametrize("after", [0.0, 0.2])
async def test_killed_while_it_is_raised_the_next_engine_lifts_it(
    directory: Path, handover: Handover, database: Database, stranger: ConnectionSpec, after: float
) -> None:
    client = await engine_client(handover)
    async with attached(client) as anna:
        await confirm(anna, "7.2", BEGIN)
        await anna.until(lambda f: f.state.facts.get(FENCE_UP), seconds=60)
        await asyncio.sleep(after)  # the record is on disk; the fence may not be up yet
        os.kill(process_of(directory), signal.SIGKILL)
        await anna.until(lambda f: f.ended)
    async with attached(await engine_client(handover)) as anna:
        await anna.until_step("7.2", StepStatus.FAILED)
        (found,) = [r.event.found for r in anna.records if isinstance(r.event, StepReconciled)]
        assert f"The fence around {database.name} was lifted." in found
        assert "worker" in found
        assert anna.state.facts[FENCE_UP] is None
        assert anna.state.facts[MAINTENANCE_HELD]["suspended"] == ["worker"]
    assert await enters(stranger)
    owner = await database.connect()
    assert await owner.fetchval("SHOW default_transaction_read_only") == "off"
    await owner.close()


async def test_killed_later_the_next_engine_says_that_it_stands_and_the_way_back_lifts_it(
    directory: Path, handover: Handover, application: Application, database: Database, stranger: ConnectionSpec
) -> None:
    async with attached(await engine_client(handover)) as anna:
        await confirm(anna, "7.2", BEGIN)
        await anna.until(lambda f: f.state.step("7.2").status is StepStatus.DONE, seconds=60)
        os.kill(process_of(directory), signal.SIGKILL)
        await anna.until(lambda f: f.ended)
    assert not await enters(stranger)
    async with attached(await engine_client(handover)) as anna:
        stands = f"The fence around {database.name} is up, as it was left."
        lifts = f"GRANT CONNECT ON DATABASE {database.name} TO PUBLIC"

        def is_said(record: Record) -> bool:
            return isinstance(record.event, StepSaid) and stands in record.event.text and lifts in record.event.text

        await anna.until(lambda f: any(map(is_said, f.records)), seconds=60)
        assert not await enters(stranger)
        application.maintenance = False
        await confirm(anna, "7.2-back", END)
        await anna.until(lambda f: f.state.step("7.2-back").status is StepStatus.DONE, seconds=60)
        assert await enters(stranger)
        assert anna.state.facts[FENCE_UP] is None
        assert anna.state.facts[MAINTENANCE_HELD] is None
