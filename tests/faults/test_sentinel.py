"""A secret given everywhere a secret can be given is found nowhere afterwards: every byte that is left behind is searched."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from core.demo.hosting.host import LoopbackHost
from core.demo.hosting.state import GROUP
from core.engine.client import SocketClient
from core.engine.protocol import AnswerQuestion
from core.events import ENTER, QuestionAsked
from core.redaction import _forms
from core.runbook.facts import CREDENTIALS_ROTATED, ROTATION_KEY
from core.runbook.state import StepStatus
from core.secrets.keep import FILE, Kept
from core.settings import Settings
from tests.databases import Database
from tests.faults.rotating import Operator, engine, loopback, settings_now, url
from tests.faults.sentinel_runbook import RUNBOOK
from tests.toy import attached
from tui.app import Console
from tui.cli import main

TARGET = "s3ntinel-target/pw@1:x#%"
LEAKED = "s3ntinel-leaked-value-71f0"
TOO_LATE = "s3ntinel-typed-too-late-22ab"

# Keys that show one thing after another: the board, a task's steps, its evidence, the log, the help.
TOUR = ("1", "enter", "e", "escape", "l", "escape", "q", "2", "enter", "e", "escape", "q", "l", "end")


@dataclass
class Found:
    """What was seen on the way, by where."""

    bytes_: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])

    def add(self, where: str, what: str | bytes) -> None:
        self.bytes_.setdefault(where, []).append(what if isinstance(what, bytes) else what.encode())


class Arguments(threading.Thread):
    """Reads the arguments of every process, over and over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.stop = threading.Event()

    def run(self) -> None:
        known: dict[str, bytes] = {}
        while not self.stop.wait(0.02):
            present = {entry for entry in os.listdir("/proc") if entry.isdigit()}  # noqa: PTH208 - thousands of times
            for pid in present - known.keys():
                try:
                    known[pid] = Path("/proc", pid, "cmdline").read_bytes()
                except OSError:
                    continue
                self.seen.add(known[pid])
            known = {pid: line for pid, line in known.items() if pid in present}


@pytest.fixture
def arguments() -> Iterator[Arguments]:
    thread = Arguments()
    thread.start()
    yield thread
    thread.stop.set()
    thread.join()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which everything that is written lies below one directory."""
    home = tmp_path / "home"
    for variable, name in (("HOME", ""), ("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config"), ("TMPDIR", "tmp")):
        (home / name).mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(variable, str(home / name))
    return home


@pytest.fixture
async def host(database: Database) -> AsyncGenerator[LoopbackHost]:
    async with loopback(database, TARGET) as host:
        yield host


def project(tmp_path: Path, database: Database) -> Path:
    """A project with the login in its .env, and what was leaked in its history."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "notes.md").write_text(f"key: {LEAKED}\n")
    environment = {
        **os.environ,
        **{f"GIT_{who}_{what}": "a@example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    for command in (
        ("init", "-q"),
        ("add", "."),
        ("commit", "-q", "-m", "notes"),
        ("rm", "-q", "notes.md"),
        ("commit", "-q", "-m", "gone"),
    ):
        subprocess.run(["git", "-C", str(folder), *command], env=environment, check=True, capture_output=True)
    (folder / ".env").write_text(f"DATABASE_URL={url(database.spec, TARGET)}\nPLAIN={TARGET!r}\n")
    return folder


async def look_around(run: Path, found: Found) -> None:
    """Show everything on the screen of somebody who watches."""
    app = Console(SocketClient(run), runbook=RUNBOOK, settings=Settings(), role="watcher", name="ben")
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.store.attached or app.store.state.step("2.2").status is not StepStatus.FAILED:
            await pilot.pause(0.02)
        for key in TOUR:
            await pilot.press(key)
            app.draw()
            await pilot.pause()
            found.add("screen", "\n".join(strip.text for strip in app.screen._compositor.render_strips()))
            found.add("screen", app.export_screenshot())


def content(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    yield raw
    if raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw)


def leaks(found: Found, secrets: dict[str, str]) -> list[str]:
    """Where which secret stands, in any of the forms in which it is written."""
    return sorted(
        {
            f"{name} in {where}"
            for where, texts in found.bytes_.items()
            for name, secret in secrets.items()
            for form in _forms(secret)
            if any(form.encode() in text for text in texts)
        }
    )


async def test_a_secret_given_everywhere_is_found_nowhere(
    database: Database,
    host: LoopbackHost,
    home: Path,
    arguments: Arguments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run, folder, found = home / "run", project(tmp_path, database), Found()
    store = tmp_path / "store"
    store.write_text(f'#!/bin/sh\ncat > "{tmp_path}/stored-$1"\nsleep 0.2\n')
    store.chmod(0o700)
    monkeypatch.setenv("DATABASE_URL", url(database.spec, TARGET))
    monkeypatch.setenv("RENDER_API_KEY", host.key.get_secret_value())
    monkeypatch.delenv("DATABASE_URL_TEST", raising=False)
    steps: dict[str, StepStatus] = {}
    async with (
        engine(run, settings_now(host, {"project": folder, "store_command": f"{store} {{name}}"})) as anna,
        attached(SocketClient(run), role="watcher", name="ben") as ben,
    ):
        operator = Operator(anna, host, LEAKED)
        for step in ("1.1", "1.3", "1.4", "1.5", "1.6", "1.7", "2.1", "2.2", "9.4"):
            steps[step] = await operator.run(step)
        asked = next(r.event for r in anna.records if isinstance(r.event, QuestionAsked))
        late = AnswerQuestion(question=asked.question.id, choice=ENTER, value=SecretStr(TOO_LATE))
        assert not (await anna.send(late)).accepted
        await look_around(run, found)
        kept = Kept(run).successor("production")
        assert kept is not None
        new = kept[1].password.get_secret_value()
        assert anna.state.facts[CREDENTIALS_ROTATED] is True
        assert anna.state.facts[ROTATION_KEY] == {"alive": True, "dead": True}
        assert "DATABASE_URL" in host.hosted.groups[GROUP].variables
        assert new in host.hosted.groups[GROUP].variables["DATABASE_URL"]
        for follower in (anna, ben):
            found.add("frames", "".join(r.model_dump_json() for r in follower.records))
            found.add("frames", "".join(r.model_dump_json() for r in follower.readings))
    assert steps == dict.fromkeys(steps, StepStatus.DONE) | {"2.2": StepStatus.FAILED}
    # Somebody has put the new secrets where pgrecast gets them from: nothing needs to be kept any more.
    monkeypatch.setenv("DATABASE_URL", url(database.spec, new))
    monkeypatch.setenv("RENDER_API_KEY", operator.new_key)
    async with engine(run, settings_now(host, {"project": folder, "store_command": f"{store} {{name}}"})) as anna:
        assert await Operator(anna, host, LEAKED).run("1.7") is StepStatus.DONE
        found.add("frames", "".join(r.model_dump_json() for r in anna.records))
    assert not list(run.glob(f"{FILE}*"))
    # In a thread: the command has a loop of its own.
    assert await asyncio.to_thread(main, ["--run", str(run), "status", "--report", str(home / "report.md")]) == 0
    printed = capfd.readouterr()
    found.add("output", printed.out + printed.err)
    for path in home.rglob("*"):
        if path.is_file():
            for text in content(path):
                found.add(str(path.relative_to(home)), text)
    for line in arguments.seen:
        found.add("arguments", line)
    secrets = {
        "the target's password": TARGET,
        "the leaked value": LEAKED,
        "the value that came too late": TOO_LATE,
        "the leaked key": host.key.get_secret_value(),
        "the new key": operator.new_key,
        "the new password": new,
    }
    assert leaks(found, secrets) == []
    # It was looked where there was something to find.
    names = set(found.bytes_)
    assert {"run/journal.sqlite", "run/engine.log", "screen", "frames", "output", "arguments", "report.md"} <= names
    assert any(name.startswith("run/evidence/") and name.endswith("run-report.md") for name in names)
    everything = {where: b"\n".join(texts) for where, texts in found.bytes_.items()}
    assert b"Traceback" in everything["run/engine.log"]
    assert b"ValueError" in everything["run/engine.log"]
    assert b"The secret is ***, of course." in everything["frames"]
    assert b"The secret is ***" in everything["screen"]
    assert str(store).encode() in everything["arguments"]
    assert (tmp_path / "stored-production.password").read_text() == f"{new}\n"
    assert (tmp_path / "stored-api_key").read_text() == f"{operator.new_key}\n"
    found.add("a place where it is", f"x{quote(new, safe='')}x")
    assert leaks(found, secrets) == ["the new password in a place where it is"]
