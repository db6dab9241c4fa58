"""A full disk under the run directory: no step starts, a running one ends, no event is lost, and it all goes on after."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.engine.protocol import AbortStep, RunStep, TickStep
from core.engine.thread import EngineThread, LocalClient
from core.errors import JournalError
from core.events import ENGINE, StepSaid
from core.journal import RESERVE_FILE, read_journal
from core.runbook.state import StepStatus
from tests.toy import attached, engine_thread


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root, and not in every container, may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(path: Path) -> None:
    with suppress(OSError), path.open("ab", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


async def write_until_full(engine: EngineThread) -> None:
    """Use up what is left, the journal's reserve too."""

    async def write() -> None:
        while True:
            await engine.engine.hub.publish(ENGINE, StepSaid(step="2.4", text="x" * 1000))

    with pytest.raises(Exception, match="disk is full"):
        await engine.run(write())


async def test_a_full_disk_stops_work_before_it_begins_and_loses_nothing(disk: Path) -> None:
    run = disk / "run"
    with engine_thread(run) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.send(RunStep(step="2.4"))
            await anna.until(lambda f: f.state.step("2.4").log)
            fill(disk / "ballast")

            # The reserve still takes what is small; when it is gone, no step starts.
            assert (await anna.send(TickStep(step="1.1"))).accepted
            await write_until_full(engine)
            assert not (run / RESERVE_FILE).exists()
            refused = await anna.send(RunStep(step="2.1"))
            assert not refused.accepted
            assert "disk is full" in refused.reason
            assert "disk is full" in (await anna.send(TickStep(step="1.2"))).reason

            # A step that ends now ends for good once there is room.
            await anna.send(AbortStep(step="2.4"))
            await asyncio.sleep(0.1)
            assert anna.state.step("2.4").status is StepStatus.RUNNING
            assert "runs already" in (await anna.send(RunStep(step="2.4"))).reason

            # Who comes now may still look.
            async with attached(LocalClient(engine), role="watcher", name="ben") as ben:
                await ben.until(lambda f: f.state.step("1.1").status is StepStatus.TICKED)

            (disk / "ballast").unlink()
            await anna.until_step("2.4", StepStatus.FAILED)
            assert anna.state.step("2.4").summary == "anna has stopped it."
            assert (await anna.send(RunStep(step="2.1"))).accepted
            await anna.until_step("2.1", StepStatus.DONE)
            last = engine.engine.hub.state.last
            await anna.until(lambda f: f.state.last >= last)
            assert anna.records == list(read_journal(run))[: len(anna.records)]
            assert [record.seq for record in anna.records] == list(range(1, len(anna.records) + 1))


async def test_an_engine_that_ends_on_a_full_disk_is_made_up_for_by_the_next(disk: Path) -> None:
    run = disk / "run"
    with engine_thread(run) as engine:
        async with attached(LocalClient(engine)) as anna:
            await anna.send(RunStep(step="2.4"))
            await anna.until(lambda f: f.state.step("2.4").log)
            fill(disk / "ballast")
            await write_until_full(engine)
        written = engine.engine.hub.state.last
    assert [record.seq for record in read_journal(run)] == list(range(1, written + 1))
    with pytest.raises(JournalError, match="disk is full"):
        engine_thread(run).start()
    (disk / "ballast").unlink()
    with engine_thread(run) as again:
        async with attached(LocalClient(again)) as anna:
            await anna.until_step("2.4", StepStatus.FAILED)
            assert "interrupted" in anna.state.step("2.4").summary
