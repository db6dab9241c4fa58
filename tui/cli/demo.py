"""`pgrecast demo`: the incident on an embedded server, and the console on it, or a walk through the ten tasks."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.engine.address import NOTE
from core.engine.handover import Handover
from core.engine.process import engine_client, is_served
from core.engine.protocol import StopEngine
from core.errors import EmbeddedServerError, EngineError, PgrecastError
from core.postgres.connection_spec import ConnectionSpec
from core.settings import AlembicSettings, Settings
from tui.cli.output import Output
from tui.cli.runs import demo_run

MODE = 0o711
"""Of the demo's directory: the server's account must get through it, and nobody else can list it."""


@dataclass(frozen=True)
class Demo:
    """A demo that is up.

    Attributes:
        directory: where its server's data and its password file are.
        application: the application's project, with its alembic.ini.
        url: where the application answers.
        host: process id of its host.
    """

    directory: Path
    production: ConnectionSpec
    test: ConnectionSpec
    application: Path
    url: str
    host: int

    def stop(self) -> None:
        """Tell the host to end; it stops application and server, and removes what it made unless told to keep it."""
        with suppress(ProcessLookupError):
            os.kill(self.host, signal.SIGTERM)


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Bring the demo up, then open the console on it, or walk it where there is no terminal."""
    attended = sys.stdin.isatty() and sys.stdout.isatty() and not given.unattended and not given.json
    directory = _directory(given.dir)
    run_directory = demo_run(settings, "incident") if given.run is None else given.run.expanduser().absolute()
    demo = await _bring_up(directory, given, run_directory / NOTE, output)
    migrations = AlembicSettings(project=demo.application, interpreter=sys.executable, migrate_by="console")
    settings = settings.model_copy(update={"alembic": migrations})
    handover = Handover(run_directory, settings, given={"production": demo.production, "test": demo.test})
    try:
        if attended:
            # Imported here: a walk needs no Textual.
            from tui.cli.console import open_console

            status = await open_console(handover, role="operator")
        else:
            from tui.cli.walk import walk

            status = await walk(handover, demo, output)
    except BaseException:
        demo.stop()
        raise
    if status in (0, 1) and await _end_engine(handover):
        if given.keep:
            output.lines([f"The demo's server goes on: {_how_to_reach(demo)}"])
        else:
            demo.stop()
    else:
        output.lines([f"The demo goes on in {directory}; `pgrecast --run {run_directory}` attaches to it again."])
    return status


def _directory(named: Path | None) -> Path:
    if named is not None:
        return named.expanduser().absolute()
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-demo-"))
    directory.chmod(MODE)
    return directory


async def _bring_up(directory: Path, given: argparse.Namespace, note: Path, output: Output) -> Demo:
    # A kept demo outlives its run; any other one ends with its run's engine.
    until = ["--keep"] if given.keep else ["--while", str(note)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "core.demo", str(directory), "--rows", str(given.rows), *until,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    try:
        async for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "said" in said:
                output.progress(said["said"])
            if "error" in said:
                raise EmbeddedServerError(**said["error"])
            if "ready" in said:
                return _demo(directory, said["ready"], said["pid"])
    except BaseException:
        with suppress(ProcessLookupError):
            process.terminate()
        raise
    raise EmbeddedServerError(
        "The demo's host has ended before the demo was up.", advice="Its error stands above; try again."
    )


def _demo(directory: Path, ready: dict[str, Any], host: int) -> Demo:
    return Demo(
        directory=directory,
        production=_spec(ready["production"]),
        test=_spec(ready["test"]),
        application=Path(ready["application"]),
        url=ready["url"],
        host=host,
    )


def _spec(told: dict[str, Any]) -> ConnectionSpec:
    changed: dict[str, Any] = {"password": SecretStr(told["password"])}
    return ConnectionSpec(**(told | changed))


async def _end_engine(handover: Handover) -> bool:
    """End the run's engine unless a step runs; whether none serves any more."""
    if not is_served(handover.run_directory):
        return True
    try:
        client = await engine_client(handover)
        await client.attach(role="operator", name=handover.settings.run.operator_name)
        reply = await client.send(StopEngine())
        await client.detach()
    except EngineError:
        return not is_served(handover.run_directory)
    except PgrecastError:
        return False
    return reply.accepted


def _how_to_reach(demo: Demo) -> str:
    spec = demo.production
    return (
        f"PGPASSFILE={demo.directory / 'pgpass'} psql "
        f"postgresql://{spec.user}@{spec.host}:{spec.port}/{spec.database}  (kill {demo.host} ends it)"
    )
