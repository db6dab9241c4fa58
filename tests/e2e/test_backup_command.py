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
from tui.cli import main

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


@pytest.fixture
def here(source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a command that runs in this process, which is quicker."""
    monkeypatch.setenv("PGPASSWORD", source.password.get_secret_value())
    monkeypatch.setenv("DATABASE_URL_TEST", source.dsn)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.usefixtures("here")
def test_a_database_without_configuration(source: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def facts_of(*arguments: str, status: int = 0) -> dict[str, Any]:
        assert main([*arguments, "--json"]) == status
        return json.loads(capsys.readouterr().out)

    backup = facts_of("backup", "--dsn", source.dsn, "--directory", str(tmp_path / "kept"), "--jobs", "1")
    assert (backup["database"], backup["rows"], backup["kind"]) == (source.name, 50, "dump")
    assert Path(backup["path"]).parent == tmp_path / "kept"

    assert main(["verify-backup", backup["path"], "--depth", "files"]) == 0
    assert "every file is as it was written" in capsys.readouterr().out
    equal = facts_of("verify-backup", backup["path"], "--restore-on", "test")
    assert (equal["depth"], equal["equal"], equal["rows"]) == ("equal", True, 50)
    assert any("owners" in line for line in equal["unproved"])

    victim = next(Path(backup["path"]).rglob("*.dat.gz"))
    victim.write_bytes(b"")
    damaged = facts_of("verify-backup", backup["path"], status=1)
    assert damaged["error"]["kind"] == "BackupError"
    assert f"{victim.name}: 0 bytes instead of" in damaged["error"]["what"]

    assert facts_of("verify-backup", str(tmp_path), status=1)["error"]["kind"] == "BackupError"
    unreachable = facts_of("backup", "--dsn", "postgresql://nobody@127.0.0.1:1/none", status=1)
    assert unreachable["error"]["kind"] == "ConnectionFailed"
    with pytest.raises(SystemExit, match="2"):
        main(["verify-backup", str(tmp_path), "--depth", "all"])


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
