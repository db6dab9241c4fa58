"""`pgrecast demo`: the incident on an embedded server, and the console on it, or a walk through the ten tasks."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from core.demo.host import PASSWORDS
from core.demo.local_project import ENV, lay_out_project
from core.demo.project_documents import lay_out
from core.engine.address import NOTE
from core.engine.handover import Handover
from core.engine.process import engine_client, is_served
from core.engine.protocol import StopEngine
from core.errors import EngineError, PgrecastError
from core.settings import Settings
from core.settings.alembic import AlembicSettings
from core.settings.base import Section
from core.settings.documents import DocumentsSettings, ReleaseSettings
from core.settings.secrets import SecretsSettings
from tui.cli.demo_host import Demo, bring_up
from tui.cli.output import Output
from tui.cli.runs import demo_run

MODE = 0o711
"""Of the demo's directory: the server's account must get through it, and nobody else can list it."""

ENDED_BY_SIGNAL = 128
"""From here on a console's status tells the signal that ended it."""


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Bring the demo up, then open the console on it, or walk it where there is no terminal.

    It ends with the console, unless the console was ended by the terminal's end: then the run goes on.
    """
    attended = sys.stdin.isatty() and sys.stdout.isatty() and not given.unattended and not given.json
    run_directory = demo_run(settings, "incident") if given.run is None else given.run.expanduser().absolute()
    # A kept demo outlives its run; any other one ends with its run's engine.
    until_gone = None if given.keep else run_directory / NOTE
    demo = await bring_up(_directory(given.dir), rows=given.rows, until_gone=until_gone, tell=output.progress)
    migrations = AlembicSettings(project=demo.application, interpreter=sys.executable, migrate_by="deploy")
    service = settings.service.model_copy(update={"health_url": f"{demo.url}/health", "frontend_url": demo.front_page})
    window = settings.window.model_copy(
        update={"team": ("Robin Example, on call", "Alex Example, database administrator")}
    )
    monitor = settings.monitor.model_copy(
        update={
            "duration": timedelta(seconds=60 if attended else 6),
            "interval": timedelta(seconds=1),
            "alert_command": shlex.join(["tee", "-a", str(run_directory / "alerts.log")]),
        }
    )
    settings = settings.model_copy(
        update={
            "alembic": migrations,
            "service": service,
            "hosting": demo.hosting,
            "host_api_key": demo.api_key,
            "window": window,
            "monitor": monitor,
            "backup": _backed_up(run_directory, settings),
            "secrets": _rotated(demo),
            **_documented(demo, settings),
        }
    )
    handover = Handover(run_directory, settings, given={"production": demo.production, "test": demo.test})
    status = ENDED_BY_SIGNAL
    try:
        status = await _attend(handover) if attended else await _walk(handover, demo, output)
    finally:
        goes_on = attended and status >= ENDED_BY_SIGNAL
        ended = not goes_on and await _end_engine(handover)
        if ended and not given.keep:
            demo.stop()
    if given.keep:
        output.lines([f"The demo's server goes on: {demo.how_to_reach}"])
    elif not ended:
        output.lines([f"The demo goes on; `pgrecast --run {run_directory}` attaches to it again."])
    return status


def _backed_up(run_directory: Path, settings: Settings) -> Section:
    """Backups in the run's own directory, and a folder beside them in the place of another machine."""
    vault = [sys.executable, "-P", "-m", "core.demo.vault"]
    elsewhere = f"{run_directory}/elsewhere/{{name}}"
    return settings.backup.model_copy(
        update={
            "directory": run_directory / "backups",
            "copy_command": shlex.join([*vault, "copy", "{path}", elsewhere]),
            "checksum_command": shlex.join([*vault, "checksums", elsewhere]),
        }
    )


def _rotated(demo: Demo) -> Section:
    """The project on this machine, in which and in whose history the secrets stand that task 1 rotates."""
    project = lay_out_project(demo.directory, demo.production, demo.test, demo.api_key)
    return SecretsSettings(project=project, env_files=(project / ENV, demo.directory / PASSWORDS))


def _documented(demo: Demo, settings: Settings) -> dict[str, Section]:
    """The project's documents, which tasks 1 and 9 bring up to date, and what is known of the time after."""
    found = lay_out(demo.directory)
    documents = DocumentsSettings(
        progress_tracker=found.progress_tracker,
        workflow_status=found.workflow_status,
        deployment_health=found.deployment_health,
        next_steps=("Resume Phase 1 Sprint 1.3: DEV-008 documentation (screenshots)",),
        next_action="Resume Phase 1 Sprint 1.3 (DEV-008 documentation)",
        next_command="/bmad:bmm:workflows:dev-story --story=DEV-008",
        next_agent="/bmad:bmm:agents:dev",
    )
    heads = shlex.join([sys.executable, "-B", "-m", "alembic", "heads"])
    release = ReleaseSettings(commands=(f"10.5={heads}",), directory=demo.application)
    return {
        "documents": documents,
        "release": release,
        "run": settings.run.model_copy(update={"checklists": (found.rotation_checklist,)}),
        "investigation": settings.investigation.model_copy(update={"procedure": found.investigation_procedure}),
        "conversion": settings.conversion.model_copy(update={"script": found.conversion_script}),
    }


async def _attend(handover: Handover) -> int:
    from tui.cli.console import open_console  # a walk needs no Textual

    return await open_console(handover, role="operator")


async def _walk(handover: Handover, demo: Demo, output: Output) -> int:
    from tui.cli.walk import walk

    return await walk(handover, demo, output)


def _directory(named: Path | None) -> Path:
    if named is not None:
        return named.expanduser().absolute()
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-demo-"))
    directory.chmod(MODE)
    return directory


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
