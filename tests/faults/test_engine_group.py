"""Access by group (run.group): its members attach from accounts of their own, and nobody else does."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import socket
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.engine.address import LOCK, NOTE, find_socket
from core.engine.handover import Handover
from core.engine.process import start_engine
from core.engine.protocol import PROTOCOL
from core.errors import ConfigurationError
from core.journal import FILE
from core.runbook.machine.preflight import group_access
from core.settings import Settings
from tests.faults.test_engine_process import alive, process_of
from tui.cli.runs import runbook_of

TOY = "tests.toy:TOY"

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may take other accounts")


@pytest.fixture
def group() -> grp.struct_group:
    """A group that neither root nor nobody is in by itself."""
    mine = {*os.getgroups(), os.getgid(), pwd.getpwnam("nobody").pw_gid}
    return next(found for found in grp.getgrall() if found.gr_gid not in mine and not found.gr_mem)


@pytest.fixture(params=["short", "long-" * 25])
def run(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A run directory that other accounts can get to; with a long path its socket is elsewhere."""
    root = Path(tempfile.mkdtemp(prefix="pgrecast-tests-"))
    root.chmod(0o711)
    directory = root / request.param / "run"
    directory.parent.mkdir(mode=0o711)
    yield directory
    if (directory / LOCK).exists() and alive(pid := process_of(directory)):
        os.kill(pid, 9)
    shutil.rmtree(root)


def settings_with(group: str) -> Settings:
    return Settings.model_validate({"run": {"group": group}})


def as_nobody(groups: list[int], work: Callable[[], Any]) -> Any:
    """What the work gives, done by another account with these groups: in a child process."""
    account = pwd.getpwnam("nobody")
    readable, writable = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a test runner's threads are not needed in the child
        child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            told = work()
        except BaseException as error:  # noqa: BLE001 - told to the parent
            told = f"{type(error).__name__}: {error}"
        with contextlib.suppress(BaseException):
            os.write(writable, json.dumps(told).encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        told = json.loads(pipe.read())
    os.waitpid(child, 0)
    return told


def attach(run: Path) -> dict[str, Any]:
    """Attach straight on the socket as a watcher, and return the welcome."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(find_socket(run)))
        lines = connection.makefile("rwb")
        lines.write(json.dumps({"command": "attach", "protocol": PROTOCOL, "role": "watcher", "name": "ben"}).encode())
        lines.write(b"\n")
        lines.flush()
        return json.loads(lines.readline())


@only_root
async def test_a_member_attaches_from_an_account_of_their_own_and_nobody_else_does(
    run: Path, group: grp.struct_group
) -> None:
    start_engine(Handover(run, settings_with(group.gr_name), TOY))
    path = find_socket(run)
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, group.gr_gid)
    assert stat.S_IMODE((run / NOTE).stat().st_mode) == 0o640
    assert stat.S_IMODE(run.stat().st_mode) == 0o710

    welcome = as_nobody([group.gr_gid], lambda: attach(run))
    assert welcome["actor"] == {"name": "ben", "uid": pwd.getpwnam("nobody").pw_uid, "role": "watcher"}
    # What the engine tells is all that a member gets: none of the run's files.
    assert "PermissionError" in as_nobody([group.gr_gid], lambda: (run / FILE).read_bytes().hex())
    assert "PermissionError" in as_nobody([group.gr_gid], lambda: [path.name for path in run.iterdir()])
    assert as_nobody([group.gr_gid], lambda: runbook_of(run)) == "core.runbook.recovery:RECOVERY"
    refused = as_nobody([], lambda: attach(run))
    assert "No engine serves" in refused
    refused = as_nobody([], lambda: socket.socket(socket.AF_UNIX).connect(str(path)))
    assert "PermissionError" in refused


@only_root
async def test_without_a_group_even_a_member_is_refused(run: Path, group: grp.struct_group) -> None:
    start_engine(Handover(run, Settings(), TOY))
    path = find_socket(run)
    for directory in (run, path.parent):
        directory.chmod(0o711)
    refused = as_nobody([group.gr_gid], lambda: socket.socket(socket.AF_UNIX).connect(str(path)))
    assert "PermissionError" in refused


def test_a_group_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no group no-such-group"):
        start_engine(Handover(tmp_path / "run", settings_with("no-such-group"), TOY))
    assert "no group no-such-group" in group_access(tmp_path, "no-such-group").value


def test_a_directory_that_lets_nobody_through_is_found_before(tmp_path: Path, group: grp.struct_group) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    found = group_access(closed / "run", group.gr_name)
    assert str(closed) in found.value
    assert "chmod o+x" in found.warning
    closed.chmod(0o701)
    assert str(closed) not in group_access(closed / "run", group.gr_name).warning
