"""The engine is killed in the midst of a dump; the next one clears away what it has left, and a backup can be taken."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from core.engine.address import LOCK
from core.engine.protocol import RunStep
from core.runbook import facts
from core.runbook.state import StepStatus
from core.settings import Settings
from tests.databases import Database
from tests.faults.rotating import engine
from tests.sessions import session

RECOVERY = "core.runbook.recovery:RECOVERY"
# Begins to write, and goes on for longer than anybody waits.
SLOW = """#!/bin/sh
case "$*" in *--file=*) ;; *) exec {real} "$@";; esac
for word in "$@"; do case "$word" in --file=*) mkdir "${{word#--file=}}"; echo x > "${{word#--file=}}/toc.dat";; esac; done
echo $$ > {pid}
exec sleep 600
"""


def slow_programs(database: Database, directory: Path) -> tuple[Path, Path]:
    """A directory with a pg_dump that never ends, and the file in which that leaves its process id."""
    programs, pid = directory / "bin", directory / "pid"
    programs.mkdir()
    (programs / "pg_dump").write_text(SLOW.format(real=database.server.binary("pg_dump"), pid=pid))
    (programs / "pg_dump").chmod(0o755)
    return programs, pid


async def test_a_command_that_is_interrupted_leaves_nothing(database: Database, tmp_path: Path) -> None:
    programs, pid = slow_programs(database, tmp_path)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PGPASSWORD": database.password.get_secret_value(),
        "PGRECAST_CHECK__CLIENT_PROGRAMS": str(programs),
        "PGRECAST_BACKUP__DIRECTORY": str(tmp_path / "backups"),
    }
    command = (sys.executable, "-m", "tui.cli", "backup", "--dsn", database.dsn)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        while not (pid.exists() and pid.read_text()):
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert list((tmp_path / "backups").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_killed_while_it_dumps(database: Database, tmp_path: Path) -> None:
    async with session(database.spec) as owner:
        await owner.execute("CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    run = tmp_path / "run"
    programs, pid = slow_programs(database, tmp_path)
    password = tmp_path / "password"
    password.write_text(database.password.get_secret_value())
    password.chmod(0o600)

    def settings(client_programs: Path) -> Settings:
        target = {"url": database.dsn, "password_file": str(password)}
        backup = {"directory": str(tmp_path / "backups"), "verify": "files"}
        check = {"client_programs": str(client_programs)}
        return Settings.load(None, {"targets": {"production": target}, "backup": backup, "check": check})

    async with engine(run, settings(programs), RECOVERY) as anna:
        await anna.send(RunStep(step="3.1"))
        await anna.until(lambda f: f.state.facts.get(facts.BACKUP_UNDER_WAY) and pid.exists() and pid.read_text())
        partial = Path(anna.state.facts[facts.BACKUP_UNDER_WAY]["path"])
        assert partial.is_dir()
        os.kill(int((run / LOCK).read_text()), signal.SIGKILL)
        await anna.until(lambda f: f.ended)
    os.kill(int(pid.read_text()), signal.SIGKILL)

    async with engine(run, settings(database.server.binary("pg_dump").parent), RECOVERY) as anna:
        await anna.until_step("3.1", StepStatus.FAILED)
        assert "The unfinished backup is removed." in anna.state.step("3.1").summary
        assert not partial.exists()
        for step in ("3.1", "3.2"):
            await anna.send(RunStep(step=step))
            await anna.until_step(step, StepStatus.DONE)
        assert anna.state.facts[facts.BACKUP_VERIFIED]["depth"] == "files"
        # The files are lost while the run goes on: the next check says so, and the gate closes again.
        shutil.rmtree(anna.state.facts[facts.BACKUP_VERIFIED]["path"] + "/data")
        await anna.send(RunStep(step="3.2"))
        await anna.until_step("3.2", StepStatus.FAILED)
        assert "missing or empty" in anna.state.step("3.2").summary
        assert anna.state.facts[facts.BACKUP_VERIFIED] is None
