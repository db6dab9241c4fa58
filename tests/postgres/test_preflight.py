"""The look at this machine and its connection, with a real server; by an engine when it opens, and in `pgrecast status`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.engine import Engine
from core.engine.targets import ConfiguredTargets
from core.engine.thread import EngineThread, LocalClient
from core.runbook.machine import preflight as preflight_module
from core.runbook.machine.preflight import preflight
from core.runbook.one_step import CONVERSION
from core.settings import Settings
from tests.databases import Database
from tests.toy import attached
from tui.cli import main

NAMES = ["logout", "socket", "disk", "keepalive", "clock", "client tools"]


async def test_everything_is_looked_at(database: Database, tmp_path: Path) -> None:
    checks = {check.name: check for check in await preflight(database.spec, tmp_path, Settings())}
    assert list(checks) == NAMES
    assert checks["keepalive"].value.startswith("this end probes after")
    assert "within 0.1 s" in checks["clock"].value
    assert not checks["clock"].warning
    major = (await _version(database)) // 10_000
    assert f"for a server of version {major}" in checks["client tools"].value


async def _version(database: Database) -> int:
    connection = await database.connect()
    try:
        return int(await connection.fetchval("SHOW server_version_num"))
    finally:
        await connection.close()


@pytest.mark.parametrize("reached", [True, False])
async def test_an_engine_looks_when_it_opens_and_status_shows_it(
    database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    reached: bool,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(preflight_module, "LEAST_FREE", 1 << 60)
    spec = database.spec if reached else replace(database.spec, port=1)
    run, settings = tmp_path / "run", Settings()
    targets = ConfiguredTargets(settings, {"production": spec})
    with EngineThread(lambda: Engine(run, settings, CONVERSION, targets)) as thread:
        async with attached(LocalClient(thread)) as anna:
            await anna.until(lambda f: f.state.machine)
            names = [check.name for check in anna.state.machine]
            assert names == (NAMES if reached else [*NAMES[:3], "connection"])
    connection = next((check for check in anna.state.machine if check.name == "connection"), None)
    assert (connection is None) is reached
    assert connection is None or "next start of the engine" in connection.warning
    assert await asyncio.to_thread(main, ["--run", str(run), "status"]) == 0
    told = capsys.readouterr().out
    assert "free for the run directory" in told
    assert "WARNING A full disk stops the run before its next step; make room." in told
