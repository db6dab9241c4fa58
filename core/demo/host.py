"""The demo's host: a process of its own that keeps the server and the services going while consoles come and go.

`python -m core.demo DIRECTORY …`. It says on standard output, in lines of JSON, what it does, then where the incident is
(passwords and the API key included: the output is a pipe to who started it), and goes on by itself until it is told to end
by SIGTERM, or until the file named by `--while` has come and gone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from core.demo.hosting.deploys import HEAD_COMMIT
from core.demo.hosting.host import LoopbackHost
from core.demo.incident import Incident, build_incident
from core.demo.local_project import DIRECTORY as LOCAL_PROJECT
from core.demo.project_documents import DIRECTORY as DOCUMENTS
from core.demo.work_tree import DIRECTORY as PROJECT
from core.demo.work_tree import lay_out_project
from core.errors import PgrecastError
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.embedded import EmbeddedServer
from core.secrets.env_files import BACKUP

SERVER = "server"
PASSWORDS = "pgpass"
DASHBOARD = "dashboard.txt"
"""How a person uses the host's dashboard, which only who can read this file knows the address of."""
LOOK = 2.0
"""Seconds between two looks at the `--while` file."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m core.demo")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--while", dest="while_there", type=Path)
    given = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # The starter's child ends at once: nobody is left to wait for the host, which outlives its starter.
    if os.fork():
        os._exit(0)
    _say({"pid": os.getpid()})
    asyncio.run(_host(given.directory, given.rows, keep=given.keep, while_there=given.while_there))


async def _host(directory: Path, rows: int, *, keep: bool, while_there: Path | None) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server: EmbeddedServer | None = None
    loopback: LoopbackHost | None = None
    try:
        # The server runs as another account under root, and must be able to reach its data directory.
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        server = await EmbeddedServer.start(directory / SERVER)
        _say({"said": f"server {server.version} on {server.host}:{server.port}, data in {server.directory}"})
        incident = await build_incident(server, rows=rows, hard=True, report=lambda text: _say({"said": text}))
        write_passwords(directory / PASSWORDS, incident)
        project = lay_out_project(incident.application, directory, HEAD_COMMIT.id)
        loopback = LoopbackHost(incident, server)
        await loopback.start()
        _say({"said": f"the application answers at {loopback.application.url}/health"})
        write_private(directory / DASHBOARD, loopback.dashboard_help)
        _say({"said": f"its host answers at {loopback.url}, with Render's API; its dashboard: {directory / DASHBOARD}"})
        _say({"ready": _places(incident, project, loopback), "pid": os.getpid()})
        _let_go_of_starter()
        await _until(ended, while_there)
    except PgrecastError as error:
        _say({"error": {"what": error.what, "state": error.state, "advice": error.advice}})
    finally:
        if loopback is not None:
            await loopback.stop()
        if server is not None:
            await server.stop()
        if not keep:
            for name in (SERVER, PASSWORDS, f"{PASSWORDS}{BACKUP}", DASHBOARD, DOCUMENTS, PROJECT, LOCAL_PROJECT):
                path = directory / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            if not any(directory.iterdir()):
                directory.rmdir()


async def _until(ended: asyncio.Event, while_there: Path | None) -> None:
    seen = False
    while not ended.is_set():
        there = while_there is not None and while_there.exists()
        if seen and not there:
            return
        seen = seen or there
        try:
            await asyncio.wait_for(ended.wait(), LOOK)
        except TimeoutError:
            continue


def write_passwords(path: Path, incident: Incident) -> None:
    """A password file for psql, Alembic and `--dsn` (PostgreSQL docs, libpq, "The Password File"), mode 0600."""
    lines = (
        ":".join((spec.host, str(spec.port), "*", spec.user, spec.password.get_secret_value()))
        for spec in (incident.production, incident.reporting)
        if spec.password
    )
    write_private(path, "".join(f"{line}\n" for line in lines))


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600, in place of an earlier one."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _places(incident: Incident, project: Path, loopback: LoopbackHost) -> dict[str, Any]:
    return {
        "production": _spec(incident.production),
        "test": _spec(incident.test),
        "application": str(project),
        "url": loopback.application.url,
        "front_page": loopback.front_page,
        "hosting": loopback.settings.model_dump(mode="json", exclude_defaults=True),
        "api_key": loopback.key.get_secret_value(),
        "dashboard": loopback.dashboard_url,
    }


def _spec(spec: ConnectionSpec) -> dict[str, Any]:
    return {
        "host": spec.host,
        "port": spec.port,
        "database": spec.database,
        "user": spec.user,
        "password": spec.password.get_secret_value() if spec.password else None,
        "source": spec.source,
    }


def _say(said: dict[str, Any]) -> None:
    try:
        print(json.dumps(said), flush=True)
    except BrokenPipeError:  # who started us has gone; the demo goes on, or ends by its signal
        _let_go_of_starter()


def _let_go_of_starter() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdin, sys.stdout):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
