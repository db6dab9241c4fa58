"""`pgrecast backup` and `pgrecast verify-backup` as scripts use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.journal import read_journal
from core.runbook import facts
from core.runbook.state import fold_all
from tests.databases import Database
from tests.sessions import session

SCHEMA = """
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
INSERT INTO users (name) SELECT 'u' || g FROM generate_series(1, 50) g;
"""


class CommandLine:
    """Runs the program with a state directory of its own."""

    def __init__(self, home: Path, **environment: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PGRECAST_POSTGRES_BIN") if name in os.environ}
        self.home = home
        self.environment = {
            **kept, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config"),
            **environment,
        }  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tui.cli", *arguments],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def facts(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
async def source(database: Database) -> Database:
    async with session(database.spec) as owner:
        await owner.execute(SCHEMA)
    return database


@pytest.fixture
def command(source: Database, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, PGPASSWORD=source.password.get_secret_value(), DATABASE_URL_TEST=source.dsn)


def test_a_database_without_configuration(command: CommandLine, source: Database, tmp_path: Path) -> None:
    backup = command.facts("backup", "--dsn", source.dsn, "--directory", str(tmp_path / "kept"), "--jobs", "1")
    assert (backup["database"], backup["rows"], backup["kind"]) == (source.name, 50, "dump")
    assert Path(backup["path"]).parent == tmp_path / "kept"

    files = command.run("verify-backup", backup["path"], "--depth", "files")
    assert files.returncode == 0, files.stderr
    assert "every file is as it was written" in files.stdout
    equal = command.facts("verify-backup", backup["path"], "--restore-on", "test")
    assert (equal["depth"], equal["equal"], equal["rows"]) == ("equal", True, 50)
    assert any("owners" in line for line in equal["unproved"])

    victim = next(Path(backup["path"]).rglob("*.dat.gz"))
    victim.write_bytes(b"")
    damaged = command.facts("verify-backup", backup["path"], status=1)
    assert damaged["error"]["kind"] == "BackupError"
    assert f"{victim.name}: 0 bytes instead of" in damaged["error"]["what"]


def test_what_is_no_backup(command: CommandLine, tmp_path: Path) -> None:
    assert command.facts("verify-backup", str(tmp_path), status=1)["error"]["kind"] == "BackupError"
    assert command.run("verify-backup", str(tmp_path), "--depth", "all").returncode == 2
    unreachable = command.facts("backup", "--dsn", "postgresql://nobody@127.0.0.1:1/none", status=1)
    assert unreachable["error"]["kind"] == "ConnectionFailed"


def test_production_s_is_a_step_of_the_recovery(command: CommandLine, source: Database, tmp_path: Path) -> None:
    command.environment["DATABASE_URL"] = source.dsn
    run = tmp_path / "run"
    taken = command.facts("--run", str(run), "backup")
    assert Path(taken["path"]).parent == tmp_path / "state" / "pgrecast" / "backups"
    verified = command.facts("--run", str(run), "verify-backup", "--restore-on", "test")
    assert (verified["depth"], verified["path"]) == ("equal", taken["path"])
    known = fold_all(read_journal(run)).facts
    assert known[facts.BACKUP_VERIFIED]["path"] == taken["path"]
    assert known[facts.RESTORE_SECONDS] == verified["restore_seconds"]
