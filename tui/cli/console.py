"""`pgrecast console` and `pgrecast watch`: the full-screen console on a run."""

from __future__ import annotations

import argparse
import sys
from typing import Literal

from core.engine.client import SocketClient
from core.engine.handover import Handover
from core.engine.process import engine_client
from core.errors import UsageError
from core.settings import Settings
from tui.app import Console
from tui.cli.output import Output
from tui.cli.runs import recovery_run, runbook_of


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Open the console as the operator; starts the run's engine when none serves."""
    require_terminal()
    directory = recovery_run(given.run, settings)
    return await open_console(Handover(directory, settings, runbook_of(directory)), role="operator")


async def open_console(handover: Handover, *, role: Literal["operator", "watcher"]) -> int:
    """Show the run's console until its user leaves."""

    async def reconnect() -> SocketClient:
        return await engine_client(handover) if role == "operator" else SocketClient(handover.run_directory)

    console = Console(
        await reconnect(),
        runbook=handover.load_runbook(),
        settings=handover.settings,
        role=role,
        name=handover.settings.run.operator_name,
        reconnect=reconnect,
    )
    await console.run_async(mouse=False)
    return console.return_code or 0


def require_terminal() -> None:
    """Raise UsageError unless there is a terminal to draw on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "There is no terminal to draw on.",
            state="",
            advice="Use it on a terminal (ssh -t), or: pgrecast status, plan, convert, demo --unattended.",
        )
