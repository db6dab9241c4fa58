"""`pgrecast convert` and its engine: a lost terminal stops nothing, and whatever dies, the exit status says what is true."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from core.engine.client import SocketClient
from core.engine.handover import Handover
from core.engine.process import engine_client, is_served
from core.engine.protocol import AbortStep, AnswerQuestion, StopEngine, TakeOver
from core.events import TransactionEnded
from core.journal import read_journal
from core.runbook.one_step import STEP
from core.runbook.questions import COMMIT
from core.runbook.state import RunState, StepStatus, fold_all
from core.settings import Settings
from tests.databases import Database
from tests.e2e.test_command_line import CommandLine, command
from tests.faults.test_engine_process import alive, process_of
from tests.toy import attached

__all__ = ["command"]

SLOW = """
CREATE FUNCTION slowly(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN $1; END $$;
CREATE TABLE person (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, boss uuid REFERENCES person);
CREATE INDEX ON person (slowly(name));
INSERT INTO person (name) SELECT 'p' || n FROM generate_series(1, 20) n;
"""
ON_ITS_TERMINAL = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("tui.cli", run_name="__main__", alter_sys=True)
"""
"""Runs the program with standard input as its controlling terminal, whose end the kernel tells it by SIGHUP."""

BEGUN = "phase 3 begins"


@pytest.fixture
async def slow(database: Database) -> Database:
    """A database whose conversion takes two seconds or three."""
    connection = await database.connect()
    await connection.execute(SLOW)
    await connection.close()
    return database


async def key_type(database: Database) -> str:
    connection = await database.connect()
    try:
        return await connection.fetchval(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'person'::regclass AND attname = 'id'"
        )
    finally:
        await connection.close()


def convert(run: Path, database: Database, *more: str) -> list[str]:
    arguments = ("--run", str(run), "convert", "--dsn", database.dsn, "--confirm", database.name, *more)
    return [sys.executable, "-m", "tui.cli", *arguments]


@contextmanager
def started(command: CommandLine, arguments: list[str]) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        arguments, env=command.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until(stream: IO[str] | None, wanted: str) -> None:
    assert stream is not None
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if wanted in line:
            return
    pytest.fail(f"{wanted!r} never came: {''.join(lines)}")


def state_of(run: Path) -> RunState:
    return fold_all(read_journal(run))


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


async def test_a_lost_terminal_stops_nothing(command: CommandLine, slow: Database, tmp_path: Path) -> None:
    """An SSH session that drops in mid-conversion: what was told on the command line is carried out to its end."""
    run, report = tmp_path / "run", tmp_path / "report.md"
    master, slave = pty.openpty()
    interpreter, _, _, *arguments = convert(run, slow, "--commit", "--report", str(report))
    process = subprocess.Popen(
        [interpreter, "-c", ON_ITS_TERMINAL, *arguments], env=command.environment,
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    said = b""
    while BEGUN.encode() not in said:
        said += os.read(master, 65536)
    os.close(master)
    assert process.wait(30) == 0
    assert state_of(run).conversions[STEP].outcome == "committed"
    assert await key_type(slow) == "character varying(36)"
    assert "committed" in report.read_text()
    assert not is_served(run)


async def test_ctrl_c_leaves_and_the_conversion_is_answered_elsewhere(
    command: CommandLine, slow: Database, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with started(command, convert(run, slow, "--commit")) as process:
        read_until(process.stderr, BEGUN)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 4
    assert "the conversion goes on without it" in said
    assert f"pgrecast --run {run}" in said
    client = SocketClient(run)
    async with attached(client) as anna:
        await anna.until_step(STEP, StepStatus.ASKING)
        (question,) = anna.state.questions.values()
        await client.send(AnswerQuestion(question=question.id, choice=COMMIT, phrase=slow.name, plan=question.plan))
        await anna.until_step(STEP, StepStatus.DONE)
        await client.send(StopEngine())
    assert await key_type(slow) == "character varying(36)"


async def test_killed_it_leaves_an_engine_whose_question_expires_into_rollback(
    command: CommandLine, slow: Database, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command.environment |= {"PGRECAST_LIMITS__COMMIT": "1s", "PGRECAST_RUN__IDLE": "1s"}
    with started(command, convert(run, slow, "--commit")) as process:
        read_until(process.stderr, BEGUN)
        process.kill()
    wait_until(lambda: state_of(run).step(STEP).status is StepStatus.DONE)
    assert state_of(run).conversions[STEP].outcome == "rolled_back"
    assert await key_type(slow) == "uuid"
    wait_until(lambda: not alive(process_of(run)))  # idle


async def test_aborted_from_elsewhere_in_mid_phase_it_says_how_long_the_roll_back_took(
    command: CommandLine, slow: Database, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with started(command, convert(run, slow, "--commit")) as process:
        read_until(process.stderr, BEGUN)
        client = SocketClient(run)
        async with attached(client, name="ben") as ben:
            assert (await client.send(TakeOver())).accepted
            assert (await client.send(AbortStep(step=STEP))).accepted
            _, said = await asyncio.to_thread(process.communicate, timeout=30)
            await ben.until_step(STEP, StepStatus.FAILED)
            database = ben.state.step(STEP).database
            assert re.fullmatch(r"Nothing in the database has been changed. The roll back took \d+\.\d s.", database)
            assert database in said
            (end,) = [record.event for record in ben.records if isinstance(record.event, TransactionEnded)]
            assert (end.outcome, end.rollback_seconds is not None) == ("rolled_back", True)
            await client.send(StopEngine())
    assert process.returncode == 1
    assert await key_type(slow) == "uuid"


async def test_ctrl_c_before_anything_has_begun_stops_it(command: CommandLine, slow: Database, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with started(command, convert(run, slow, "--commit")) as process:
        read_until(process.stderr, f"{STEP} started")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Nothing in the database has been changed." in said
    assert state_of(run).step(STEP).status is StepStatus.FAILED
    assert not is_served(run)
    assert await key_type(slow) == "uuid"


async def test_an_engine_that_dies_is_followed_by_one_that_finds_out(
    command: CommandLine, slow: Database, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with started(command, convert(run, slow, "--commit")) as process:
        read_until(process.stderr, BEGUN)
        os.kill(process_of(run), signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "Another is started" in said
    assert "is rolled back, everything is as it was" in said
    assert state_of(run).conversions[STEP].outcome == "rolled_back"
    assert await key_type(slow) == "uuid"


async def test_production_has_gates_and_one_engine(command: CommandLine, slow: Database, tmp_path: Path) -> None:
    """A configured target is converted by the run's own engine, behind the gates of the recovery."""
    run = tmp_path / "run"
    command.environment |= {"DATABASE_URL": slow.dsn}
    arguments = ("--run", str(run), "convert", "--confirm", slow.name, "--commit")
    refused = await asyncio.to_thread(command.run, *arguments)
    assert refused.returncode == 3
    for gate in (
        "credentials",
        "investigation",
        "backup",
        "decision",
        "rehearsal",
        "window",
        "maintenance",
        "sessions",
    ):
        assert f"{gate}: " in refused.stderr
    assert not is_served(run)
    document = command.facts("--run", str(run), "status")
    (step,) = [step for task in document["tasks"] for step in task["steps"] if step["id"] == "7.3"]
    assert [(gate["name"], gate["open"], gate["opens"]) for gate in step["gates"]][:3] == [
        ("credentials", False, "1.3"), ("investigation", False, "2.2"), ("backup", False, "3.2"),
    ]  # fmt: skip
    told = command.run("--run", str(run), "status").stdout
    assert "closed     an open window: none chosen yet (step 6.1 opens it, can be overridden)" in told
    engines = [record.event.kind for record in read_journal(run)].count("engine_started")
    assert engines == 1

    # As the console of the same user starts it, but for what the command line decides by itself.
    settings = Settings.load(None, {"conversion": {"soft_references": "none", "repair_functions": ["none"]}})
    client = await engine_client(Handover(run, settings, given={"production": slow.spec}))
    async with attached(client, name="ben") as ben:
        other = await asyncio.to_thread(command.run, *arguments)
        assert (other.returncode, "Somebody else is this run's operator" in other.stderr) == (3, True)
        await ben.until(lambda f: f.state.machine)
        assert (
            "free for the run directory" in (await asyncio.to_thread(command.run, "--run", str(run), "status")).stdout
        )
    through_it = await asyncio.to_thread(command.run, *arguments)
    assert through_it.returncode == 3
    assert is_served(run)
    assert [record.event.kind for record in read_journal(run)].count("engine_started") == 2
    by_other_settings = await asyncio.to_thread(command.run, *arguments, "--proof", "counts")
    assert by_other_settings.returncode == 3
    assert "goes by other settings" in by_other_settings.stderr
    assert not is_served(run)
    assert await key_type(slow) == "uuid"
