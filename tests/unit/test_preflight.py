"""What this machine must be like for a run, and what logind would do to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runbook.machine import logind
from core.runbook.machine.logind import ends_processes_of, files_that_count, logout_words, session_scope, settings_of
from core.runbook.machine.preflight import (
    CLOCKS_APART,
    LONGEST_SOCKET_PATH,
    SOCKET,
    clock,
    disk,
    keepalive,
    socket_path,
)


@pytest.mark.parametrize(
    ("here", "there", "silent"),
    [(30, 7200, ""), (None, 60, "this end"), (60, 0, "the server's end"), (None, 0, "this end and the server's end")],
)
def test_both_ends_must_probe_a_silent_connection(here: int | None, there: int, silent: str) -> None:
    check = keepalive(tcp=True, here=here, there=there)
    assert bool(check.warning) is bool(silent)
    assert silent in check.value
    assert ("tcp_keepalives_idle" in check.warning) is bool(silent)


def test_a_connection_within_the_machine_needs_no_probes() -> None:
    assert not keepalive(tcp=False, here=None, there=0).warning


@pytest.mark.parametrize("ahead", [0.0, CLOCKS_APART, -CLOCKS_APART])
def test_clocks_that_agree(ahead: float) -> None:
    assert not clock(ahead).warning


def test_clocks_apart_are_told_in_their_direction() -> None:
    assert "90 s ahead of this one" in clock(90).value
    assert "90 s behind this one" in clock(-90).value
    assert "set-ntp" in clock(90).warning


def test_a_socket_path_is_measured_in_bytes() -> None:
    room = LONGEST_SOCKET_PATH - len(f"//{SOCKET}")
    assert "103 of 103" in socket_path(Path("/" + "x" * room)).value
    assert "2 bytes too long" in socket_path(Path("/" + "x" * (room - 1) + "ßx")).value


def test_room_is_looked_for_where_the_run_will_be(tmp_path: Path) -> None:
    assert "free for the run directory" in disk(tmp_path / "not" / "made" / "yet").value


# --- logind ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("[Login]\n#KillUserProcesses=yes\n", None),
        ("[Login]\nKillUserProcesses=yes\n", True),
        ("[Login]\nKillUserProcesses = no\n", False),
        ("[Login]\nKillUserProcesses=1\nKillExcludeUsers=root anna\n", False),
        ("[Login]\nKillUserProcesses=on\nKillOnlyUsers=ben eve\n", False),
        ("[Login]\nKillUserProcesses=on\nKillOnlyUsers=ben anna\n", True),
        ("[Other]\nKillUserProcesses=yes\n", None),
        ("not an ini file", None),
    ],
)
def test_whether_a_logout_ends_processes(text: str, ends: bool | None) -> None:
    assert ends_processes_of("anna", settings_of([text])) is ends


def test_root_is_spared_unless_said_otherwise() -> None:
    assert ends_processes_of("root", {"KillUserProcesses": "yes"}) is False
    assert ends_processes_of("root", {"KillUserProcesses": "yes", "KillExcludeUsers": ""}) is True


def test_files_count_as_systemd_has_it(tmp_path: Path) -> None:
    etc, usr = tmp_path / "etc", tmp_path / "usr"
    for place, name, value in (
        (usr, "logind.conf", "no"),
        (usr, "logind.conf.d/10-a.conf", "yes"),
        (etc, "logind.conf.d/10-a.conf", "no"),
        (usr, "logind.conf.d/20-b.conf", "yes"),
    ):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[Login]\nKillUserProcesses={value}\n")
    found = files_that_count((etc, usr))
    assert found == [usr / "logind.conf", etc / "logind.conf.d/10-a.conf", usr / "logind.conf.d/20-b.conf"]
    assert settings_of(path.read_text() for path in found) == {"KillUserProcesses": "yes"}


def test_a_session_is_known_by_its_scope() -> None:
    assert session_scope("0::/user.slice/user-1000.slice/session-3.scope\n") == "session-3.scope"
    assert session_scope("0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n") == ""


@pytest.mark.parametrize(("value", "warned"), [("yes", True), ("no", False), (None, True)])
async def test_a_logout_that_would_end_the_engine_says_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, warned: bool
) -> None:
    async def asked() -> dict[str, str] | None:
        return {"KillUserProcesses": value, "KillExcludeUsers": ""} if value else None

    (tmp_path / "cgroup").write_text("0::/user.slice/user-0.slice/session-7.scope\n")
    monkeypatch.setattr(logind, "_ask_logind", asked)
    monkeypatch.setattr(logind, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(logind, "BOOTED", tmp_path)
    monkeypatch.setattr(logind, "PLACES", ())
    words, warning = await logout_words()
    assert "session-7.scope" in f"{words} {warning}"
    assert ("enable-linger" in warning) is warned
