"""A watch over production whose engine is killed, and one that is ended by hand: what it had seen is kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.address import LOCK
from core.engine.handover import Handover
from core.engine.process import engine_client
from core.engine.protocol import AbortStep, RunStep
from core.runbook import facts
from core.runbook.monitor.watch import STEP
from core.runbook.state import StepStatus
from core.settings import Settings
from tests.databases import Database
from tests.faults.test_engine_process import alive, process_of
from tests.sessions import session
from tests.toy import Follower, attached


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "run"
    yield directory
    if (directory / LOCK).exists() and alive(process_of(directory)):
        os.kill(process_of(directory), signal.SIGKILL)


def handover(run: Path, database: Database) -> Handover:
    given = {"monitor": {"interval": "0.1s"}, "investigation": {"count_tables": ["users"]}}
    return Handover(run, Settings.model_validate(given), given={"production": database.spec})


def is_recorded(follower: Follower) -> bool:
    return facts.MONITORED in follower.state.facts


async def test_what_was_seen_outlives_the_engine_and_the_operators_patience(run: Path, database: Database) -> None:
    async with session(database.spec) as connection:
        await connection.execute(
            "CREATE TABLE users (id uuid PRIMARY KEY, boss uuid REFERENCES users);"
            "INSERT INTO users SELECT gen_random_uuid() FROM generate_series(1, 3)"
        )
    async with attached(await engine_client(handover(run, database))) as anna:
        assert (await anna.send(RunStep(step=STEP))).accepted
        await anna.until(is_recorded)
        os.kill(process_of(run), signal.SIGKILL)
        await anna.until(lambda f: f.ended)

    async with attached(await engine_client(handover(run, database))) as anna:
        await anna.until_step(STEP, StepStatus.FAILED)
        told = anna.state.step(STEP).summary
        assert "The watch was interrupted. Until" in told
        assert "orphans: 0 behind 1 of 1 foreign key" in told
        assert "rows: users 3 (not counted before)" in told

        assert (await anna.send(RunStep(step=STEP))).accepted
        await anna.until(lambda f: any(reading.name == "watch" for reading in f.readings))
        assert (await anna.send(AbortStep(step=STEP))).accepted
        await anna.until_step(STEP, StepStatus.FAILED)
        assert anna.state.step(STEP).summary == "anna has stopped it."
        (report,) = [file for file in anna.state.step(STEP).files if file.name == facts.WATCH_FILE]
        assert "stopped by hand" in (run / report.path).read_text()
