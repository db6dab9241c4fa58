"""A kept secret is shown once, and to a terminal only."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError, Refused
from core.journal import Journal
from core.secrets.keep import Kept
from core.secrets.login import Login
from tui.cli import main

SECRET = "fake-new-password-5512"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    Journal.open(directory).close()
    Kept(directory).keep_login(("production",), Login("app", SecretStr("old-fake-1")), Login("app", SecretStr(SECRET)))
    return directory


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, work: Callable[[], int]) -> tuple[int, str]:
    """What a command prints to a terminal."""
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        status = work()
        terminal.flush()
        printed = os.read(leader, 4096).decode() if status == 0 else ""
    os.close(leader)
    return status, printed


def test_it_is_shown_once(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--run", str(run), "reveal", "production"]
    assert on_a_terminal(monkeypatch, lambda: main(arguments)) == (0, f"{SECRET}\r\n")
    assert on_a_terminal(monkeypatch, lambda: main(arguments)) == (Refused.exit_status, "")
    assert "shown already" in capsys.readouterr().err


def test_it_goes_into_no_pipe(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--run", str(run), "reveal", "production"]) == 2
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err


def test_what_is_kept_is_told_by_name(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--run", str(run), "reveal"]) == 0
    assert capsys.readouterr().out == "kept in this run: production\n"


def test_a_successor_can_be_shown_anew_and_nothing_is_left_behind(run: Path) -> None:
    kept = Kept(run)
    assert kept.show_once("production") == SecretStr(SECRET)
    with pytest.raises(Refused):
        kept.show_once("production")
    kept.keep_login(("production",), Login("app", SecretStr(SECRET)), Login("app", SecretStr("fake-newer-1")))
    assert kept.show_once("production") == SecretStr("fake-newer-1")
    with pytest.raises(ConfigurationError, match="production"):
        kept.show_once("test")
    kept.forget_login("production")
    assert not list(run.glob("kept-secrets*"))
