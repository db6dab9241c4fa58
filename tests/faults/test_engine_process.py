"""The engine as a process of its own: started, found, outliving its starter, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.engine.address import LOCK, NOTE, EngineLock
from core.engine.client import SocketClient
from core.engine.handover import Handover
from core.engine.process import engine_client, is_served, start_engine
from core.engine.protocol import AbortStep, RunStep, StopEngine, TakeOver
from core.errors import ConfigurationError, EngineError, JournalError
from core.events import EngineStopped
from core.journal import FILE, read_journal
from core.postgres.connect import ConnectionSpec, Tls
from core.runbook.state import StepStatus, fold_all
from core.settings import Settings
from tests.toy import attached

TOY = "tests.toy:TOY"


def handover(run: Path, *, idle: str = "10min") -> Handover:
    return Handover(run, Settings.model_validate({"run": {"idle": idle}}), TOY)


def process_of(run: Path) -> int:
    return int((run / LOCK).read_text())


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # ended, and whoever inherited it takes its time


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "run"
    yield directory
    if (directory / LOCK).exists():
        pid = process_of(directory)
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not alive(pid))


async def test_it_serves_runs_and_ends_by_command(run: Path) -> None:
    client = await engine_client(handover(run))
    pid = process_of(run)
    assert pid != os.getpid()
    assert os.getsid(pid) != os.getsid(0)
    async with attached(client) as anna:
        assert (await anna.send(RunStep(step="2.1"))).accepted
        await anna.until_step("2.1", StepStatus.DONE)
        assert (await anna.send(StopEngine())).accepted
        await anna.until(lambda f: f.ended)
        assert anna.kinds()[-1] == "engine_stopped"
    wait_until(lambda: not alive(pid))
    assert not (run / NOTE).exists()
    assert not is_served(run)


async def test_the_one_that_serves_is_found(run: Path) -> None:
    await engine_client(handover(run))
    pid = process_of(run)
    await engine_client(handover(run))
    assert process_of(run) == pid


async def test_two_consoles_at_once_get_one_engine(run: Path) -> None:
    await asyncio.gather(*(asyncio.to_thread(start_engine, handover(run)) for _ in range(3)))
    assert [r.event.kind for r in read_journal(run)].count("engine_started") == 1


STARTER = """
import asyncio, pathlib, sys
from core.engine.handover import Handover
from core.engine.process import engine_client
from core.engine.protocol import RunStep
from core.settings import Settings
async def main():
    client = await engine_client(Handover(pathlib.Path(sys.argv[1]), Settings(), "tests.toy:TOY"))
    await client.attach(role="operator", name="anna")
    print(await client.send(RunStep(step="2.4")), flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_it_outlives_the_terminal_that_started_it(run: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(run)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as starter:
        assert starter.stdout is not None
        assert "accepted=True" in starter.stdout.readline()
        os.killpg(starter.pid, signal.SIGHUP)  # as a terminal that closes does
        os.killpg(starter.pid, signal.SIGKILL)
    async with attached(SocketClient(run), name="ben") as ben:
        await ben.until(lambda f: "client_detached" in f.kinds())
        assert ben.state.step("2.4").status is StepStatus.RUNNING
        took = await ben.send(TakeOver())
        assert took.accepted or "is the operator already" in took.reason  # he came after its end was noticed
        assert (await ben.send(AbortStep(step="2.4"))).accepted


async def test_no_secret_is_in_its_arguments_or_files(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sentinel-of-the-handover-9b"
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings = Settings.model_validate(
        {
            "DATABASE_URL": SecretStr(f"postgresql://u:{secret}@localhost/db"),
            "RENDER_API_KEY": SecretStr(secret),
            "hosting": {"kind": "render"},
        }
    )
    spec = ConnectionSpec("localhost", 1, "db", "u", SecretStr(secret))
    await engine_client(Handover(run, settings, TOY, {"test": spec}))
    pid = process_of(run)
    assert secret not in Path(f"/proc/{pid}/cmdline").read_text()
    assert str(run) in Path(f"/proc/{pid}/cmdline").read_text()
    assert secret not in Path(f"/proc/{pid}/environ").read_text()
    async with attached(SocketClient(run)) as anna:
        await anna.send(RunStep(step="2.2"))  # its target is the url's
        await anna.until_step("2.2", StepStatus.FAILED)
        assert "localhost" in anna.state.step("2.2").summary
    for file in run.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()


def test_a_handover_arrives_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings = Settings.model_validate(
        {
            "targets": {"production": {"url": "postgresql://owner@db/app", "password_file": tmp_path / "pw"}},
            "conversion": {"roots": ["users.id"], "lock_timeout": timedelta(seconds=1.5)},
            "run": {"directory": tmp_path, "two_person": True},
            "DATABASE_URL_TEST": SecretStr("postgresql://owner:fake@db/test"),
            "RENDER_API_KEY": SecretStr("rnd_fake"),
            "hosting": {"kind": "render", "commands": {"suspend": "stop {service}"}},
        }
    )
    spec = ConnectionSpec("h", 5433, "d", "u", SecretStr("fake"), Tls(sslmode="require"), options="-c x=1", source="s")
    sent = Handover(tmp_path, settings, TOY, {"copy": spec})
    monkeypatch.setenv("PGRECAST_CONVERSION__ROOTS", '["other.id"]')  # what was decided is decided
    monkeypatch.setenv("RENDER_API_KEY", "rnd_another")
    got = Handover.decode(sent.encode())
    assert got.settings == settings
    assert got.settings.database_url_test == settings.database_url_test
    assert got.settings.read_host_api_key() == SecretStr("rnd_fake")
    assert (got.run_directory, got.runbook, got.given) == (tmp_path, TOY, {"copy": spec})


def test_why_it_cannot_start_is_said_to_the_starter(run: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no runbook tests\.toy:NOTHING"):
        start_engine(Handover(run, Settings(), "tests.toy:NOTHING"))
    run.mkdir(exist_ok=True)
    (run / FILE).write_text("no journal " * 1000)
    with pytest.raises(JournalError, match="not a database"):
        start_engine(handover(run))


def test_an_engine_that_dies_at_its_start_is_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(run))
    with pytest.raises(EngineError, match=r"did not start: .") as died:
        start_engine(handover(run))
    assert "engine.log" in died.value.advice
    assert (run / "engine.log").read_text()


async def test_a_second_engine_is_refused_by_the_lock(run: Path) -> None:
    await engine_client(handover(run))
    pid = process_of(run)
    with pytest.raises(EngineError, match=rf"process {pid}\) runs on"):
        EngineLock(run).acquire()


async def test_it_ends_when_nobody_is_there_and_nothing_runs(run: Path) -> None:
    await engine_client(handover(run, idle="0.4s"))
    pid = process_of(run)
    async with attached(SocketClient(run)) as anna:
        await anna.send(RunStep(step="2.4"))
        await anna.until_step("2.4", StepStatus.RUNNING)
    await asyncio.sleep(1)
    assert alive(pid)  # a step runs
    async with attached(SocketClient(run)) as anna:
        await asyncio.sleep(1)
        assert alive(pid)  # somebody is there
        await anna.send(RunStep(step="2.4"))
        await anna.client.send(StopEngine())
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid))
    await engine_client(handover(run, idle="0.4s"))
    pid = process_of(run)
    wait_until(lambda: not alive(pid))
    last = list(read_journal(run))[-1].event
    assert isinstance(last, EngineStopped)
    assert last.reason == "nobody was attached and nothing ran"


async def test_sigterm_ends_it_cleanly(run: Path) -> None:
    await engine_client(handover(run))
    pid = process_of(run)
    async with attached(SocketClient(run)) as anna:
        await anna.send(RunStep(step="2.4"))
        await anna.until(lambda f: f.state.step("2.4").log)
        os.kill(pid, signal.SIGTERM)
        await anna.until(lambda f: f.ended)
    wait_until(lambda: not alive(pid))
    assert not list(run.glob(FILE + "-*"))  # the journal is closed: all of it is in one file
    state = fold_all(read_journal(run))
    assert state.step("2.4").status is StepStatus.FAILED
    assert "SIGTERM" in state.step("2.4").summary
    last = list(read_journal(run))[-1].event
    assert isinstance(last, EngineStopped)


async def test_after_a_kill_the_next_one_takes_over(run: Path) -> None:
    await engine_client(handover(run))
    pid = process_of(run)
    async with attached(SocketClient(run)) as anna:
        await anna.send(RunStep(step="2.4"))
        await anna.until(lambda f: f.state.step("2.4").log)
        os.kill(pid, signal.SIGKILL)
        await anna.until(lambda f: f.ended)
    wait_until(lambda: not alive(pid) and not is_served(run))  # its threads may take a moment longer than itself
    assert json.loads((run / NOTE).read_text())["pid"] == pid
    async with attached(await engine_client(handover(run))) as anna:
        assert process_of(run) != pid
        await anna.until_step("2.4", StepStatus.FAILED)
        assert anna.state.step("2.4").summary == (
            "It was interrupted; it changes nothing in the database. It is safe to run again."
        )
        assert [r.seq for r in anna.records] == list(range(1, len(anna.records) + 1))
