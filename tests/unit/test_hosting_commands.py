"""Hosts without an API: the user's own commands, and none at all."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import HostingError, HostingOutcomeUnknown
from core.hosting.command_line import OUTPUT_LIMIT, fill_in
from core.hosting.commands import CommandHost
from core.hosting.factory import abilities_of, host_of
from core.hosting.interface import Ability, DeployState, Export, Host
from core.hosting.none import NoHost
from core.settings import Settings
from core.settings.hosting import HostingCommands, HostingSettings

SECRET = "obviously-fake-Zk81"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def script(tmp_path: Path) -> str:
    """A command that writes down what it is given, and does as its first argument says."""
    path = tmp_path / "host.py"
    path.write_text(
        "import json, os, pathlib, sys, time\n"
        f"kept = pathlib.Path({str(tmp_path / 'calls')!r})\n"
        "with kept.open('a') as file:\n"
        "    file.write(json.dumps([sys.argv[1:], os.environ.get('PGRECAST_VALUE')]) + '\\n')\n"
        "match sys.argv[1]:\n"
        "    case 'fail':\n"
        "        print('it was', os.environ.get('PGRECAST_VALUE'), file=sys.stderr)\n"
        "        sys.exit(3)\n"
        "    case 'hang':\n"
        "        print(os.getpid(), flush=True)\n"
        "        time.sleep(600)\n"
        "    case 'flood':\n"
        "        print('x' * 5_000_000)\n"
        "    case 'export':\n"
        "        (pathlib.Path(sys.argv[2]) / 'app.dump').write_bytes(b'contents')\n"
        "    case _:\n"
        "        print(' '.join(sys.argv[2:]))\n"
    )
    return f"{sys.executable} {path}"


def calls(tmp_path: Path) -> list[tuple[list[str], str | None]]:
    return [tuple(json.loads(line)) for line in (tmp_path / "calls").read_text().splitlines()]


def host(**commands: str | timedelta) -> CommandHost:
    return CommandHost(HostingCommands.model_validate({"timeout": "20s"} | commands))


# --- which host ---


def test_the_settings_name_the_host() -> None:
    assert isinstance(host_of(HostingSettings(), None), NoHost)
    assert abilities_of(HostingSettings()) == frozenset()
    some = HostingSettings(kind="commands", commands=HostingCommands(suspend="a", resume="b", maintenance_on="c"))
    assert abilities_of(some) == host_of(some, None).abilities == {Ability.SUSPEND}
    render = HostingSettings(kind="render", database="dpg-1")
    assert abilities_of(render) == frozenset(Ability)


@pytest.mark.parametrize("wrong", ["http://api.example.com/v1", "ftp://127.0.0.1", "https://me:pw@api.example.com"])
def test_a_key_does_not_travel_in_the_clear(wrong: str) -> None:
    with pytest.raises(ValueError, match="api_url"):
        HostingSettings(api_url=wrong)
    assert HostingSettings(api_url="http://127.0.0.1:8080/v1/").api_url == "http://127.0.0.1:8080/v1"


# --- none ---


async def test_without_a_host_each_call_says_what_a_person_does() -> None:
    given = {
        "service": "srv-1",
        "services": ["srv-1"],
        "owner": "srv-1",
        "group": "evg-1",
        "name": "NAME",
        "value": SecretStr(SECRET),
        "content": SecretStr(SECRET),
        "key": SecretStr(SECRET),
        "on": True,
        "deploy": "dep-1",
        "since": NOW,
        "username": "next",
        "export": Export("exp-1", NOW),
        "directory": Path("nowhere"),
    }
    asked = 0
    for name, call in inspect.getmembers(NoHost(), inspect.iscoroutinefunction):
        if name == "close":
            await call()
            continue
        needed = [p.name for p in inspect.signature(call).parameters.values() if p.default is inspect.Parameter.empty]
        with pytest.raises(HostingError, match="no host is configured") as caught:
            await call(**{parameter: given[parameter] for parameter in needed})
        assert caught.value.advice.startswith("In the host's dashboard, ")
        assert caught.value.advice.endswith(".")
        assert SECRET not in str(caught.value)
        asked += 1
    assert asked == len([name for name, _ in inspect.getmembers(Host, inspect.iscoroutinefunction)]) - 1


# --- commands ---


async def test_what_no_command_is_set_for_is_a_persons() -> None:
    with pytest.raises(HostingError, match="no command for it is set"):
        await host().suspend("srv-1")
    with pytest.raises(HostingError, match="no command for it is set"):
        await host(suspend="true").services()
    with pytest.raises(HostingError, match="no command for it is set"):
        await host().download_export(Export("1", NOW), Path("nowhere"))


async def test_arguments_stay_what_they_are_without_a_shell(tmp_path: Path, script: str) -> None:
    commands = host(suspend=f"{script} stop '{{service}} now' {{{{x}}}} $HOME `id` > /dev/null")
    await commands.suspend("web; rm -rf 'x y'")
    ((arguments, value),) = calls(tmp_path)
    assert arguments == ["stop", "web; rm -rf 'x y' now", "{{x}}", "$HOME", "`id`", ">", "/dev/null"]
    assert value is None


async def test_each_call_runs_its_command(tmp_path: Path, script: str) -> None:
    names = ("maintenance_on", "maintenance_off", "suspend", "resume")
    commands = host(**{name: f"{script} {name} {{service}}" for name in names})
    await commands.set_maintenance("web", True)
    await commands.set_maintenance("web", False)
    await commands.suspend("web")
    await commands.resume("web")
    assert [arguments for arguments, _ in calls(tmp_path)] == [[name, "web"] for name in names]


async def test_a_secret_value_comes_by_the_environment_and_is_logged_nowhere(
    tmp_path: Path, script: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    commands = host(set_variable=f"{script} fail {{service}} {{name}}", remove_variable=f"{script} rm {{name}}")
    assert commands.abilities == {Ability.SET_VARIABLES}
    with pytest.raises(HostingOutcomeUnknown, match=r"status 3: it was \*\*\*") as caught:
        await commands.set_variable("web", "DATABASE_URL", SecretStr(SECRET))
    await commands.remove_variable("web", "DATABASE_URL")
    assert calls(tmp_path) == [(["fail", "web", "DATABASE_URL"], SECRET), (["rm", "DATABASE_URL"], None)]
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text
    assert "status 3" in caplog.text
    assert "PGRECAST_VALUE" not in os.environ


async def test_a_deploy_is_live_when_its_command_has_ended(tmp_path: Path, script: str) -> None:
    commands = host(deploy=f"{script} deploy {{commit}}", roll_back=f"{script} back {{deploy}}")
    deploy = await commands.deploy("web", "abc123")
    assert (deploy.state, deploy.commit) == (DeployState.LIVE, "abc123")
    assert await commands.find_deploy("web", deploy.id) == deploy
    back = await commands.roll_back("web", deploy.id)
    assert await commands.deploys("web") == (back, deploy)
    await commands.deploy("web")
    assert [arguments for arguments, _ in calls(tmp_path)] == [
        ["deploy", "abc123"],
        ["back", deploy.id],
        ["deploy", ""],
    ]


async def test_a_deploy_is_followed_where_a_command_tells_how_it_stands(tmp_path: Path, script: str) -> None:
    told = tmp_path / "state"
    commands = host(deploy=f"{script} deploy d-17", deploy_status=f"cat {told}")
    deploy = await commands.deploy("web")
    assert (deploy.id, deploy.state) == ("d-17", DeployState.WAITING)
    for word in ("building", "Migrating\n", "live"):
        told.write_text(word)
        found = await commands.find_deploy("web", deploy.id)
        assert found.state.value == word.strip().lower()
    assert found.finished_at is not None
    told.write_text("perhaps")
    with pytest.raises(HostingError, match="'perhaps', which is no state") as caught:
        await commands.find_deploy("web", deploy.id)
    assert "waiting, building" in caught.value.advice
    silent = host(deploy="true", deploy_status="true")
    with pytest.raises(HostingError, match="printed no deploy"):
        await silent.deploy("web")


async def test_logs_are_what_the_command_prints(script: str) -> None:
    commands = host(logs=f"{script} logs {{service}} {{since}}")
    lines = await commands.logs(["web", "worker"], NOW)
    assert [line.text for line in lines] == [f"{name} 2026-11-23T12:00:00+00:00" for name in ("web", "worker")]
    assert [line.service for line in lines] == ["web", "worker"]


async def test_an_export_is_the_one_file_that_the_command_writes(tmp_path: Path, script: str) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    commands = host(export=f"{script} export {{directory}}")
    await commands.start_export()
    (export,) = await commands.exports()
    assert export.url is not None
    path = await commands.download_export(export, place)
    assert (path.parent, path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (place, b"contents", 0o600)
    with pytest.raises(HostingError, match="has written nothing, not one file"):
        await host(export="true").download_export(export, place)
    assert list(place.iterdir()) == [path]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/no/such/program", "cannot be run: No such file"),
        ("echo {service}", "would be an option"),
        ("echo {commit}", "not about"),
    ],
)
async def test_a_command_that_cannot_be_run_has_changed_nothing(command: str, said: str) -> None:
    with pytest.raises(HostingError, match=said) as caught:
        await host(suspend=command).suspend("--all")
    assert not isinstance(caught.value, HostingOutcomeUnknown)
    assert caught.value.advice


async def test_a_command_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path, script: str) -> None:
    outer = f"sh -c '{script} hang & echo $! > {tmp_path}/pid; wait'"
    commands = host(suspend=outer, logs=outer, timeout="1s")
    with pytest.raises(HostingOutcomeUnknown, match="did not end within 1 s"):
        await commands.suspend("web")
    with pytest.raises(HostingError, match="did not end within 1 s") as caught:
        await commands.logs(["web"], NOW)
    assert not isinstance(caught.value, HostingOutcomeUnknown)
    await gone(int((tmp_path / "pid").read_text()))


async def test_a_step_that_is_stopped_ends_its_command(tmp_path: Path, script: str) -> None:
    work = asyncio.create_task(host(suspend=f"sh -c 'echo $$ > {tmp_path}/pid; exec {script} hang'").suspend("web"))
    async with asyncio.timeout(20):
        while not (tmp_path / "calls").exists():
            await asyncio.sleep(0.02)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await gone(int((tmp_path / "pid").read_text()))


async def gone(pid: int) -> None:
    """Wait until a process is no more, or a corpse that its new parent has not looked at."""
    async with asyncio.timeout(10):
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except FileNotFoundError:
                return
            if state == "Z":
                return
            await asyncio.sleep(0.02)


async def test_of_a_command_that_says_too_much_the_end_is_kept(tmp_path: Path, script: str) -> None:
    assert OUTPUT_LIMIT < 5_000_000
    deploy = await host(deploy=f"sh -c '{script} flood; echo d-18'", deploy_status="echo live").deploy("web")
    assert deploy.id == "d-18"
    noisy = f"sh -c 'echo $$ > {tmp_path}/pid; exec yes'"
    with pytest.raises(HostingOutcomeUnknown, match="did not end within 1 s"):
        await host(suspend=noisy, timeout="1s").suspend("web")
    await gone(int((tmp_path / "pid").read_text()))


def test_what_is_filled_in_stays_one_argument() -> None:
    assert fill_in("a '{service} b' {name}={name}", {"service": "x y", "name": "N"}) == ["a", "x y b", "N=N"]
    assert fill_in("docker ps --format '{{.Names}}'", {}) == ["docker", "ps", "--format", "{{.Names}}"]


# --- the key ---


def test_where_the_key_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDER_API_KEY", "rnd_from-environment")
    file = tmp_path / "key"
    file.write_text("rnd_from-file\n")
    file.chmod(0o600)

    def read(**hosting: object) -> str | None:
        key = Settings.load(None, {"hosting": {"kind": "render"} | hosting}).read_host_api_key()
        return key.get_secret_value() if key else None

    assert read() == "rnd_from-environment"
    assert read(api_key_file=file, api_key_command="echo rnd_from-command") == "rnd_from-file"
    assert read(api_key_command="echo rnd_from-command") == "rnd_from-command"
    assert read(kind="none") is None
    file.chmod(0o644)
    with pytest.raises(Exception, match=r"The API key file .* can be read by others"):
        read(api_key_file=file)
    monkeypatch.delenv("RENDER_API_KEY")
    assert read() is None
