"""`pgrecast watch`: the console of a run that somebody else operates, read only."""

from __future__ import annotations

import argparse

from core.engine.handover import Handover
from core.settings import Settings
from tui.cli.console import open_console, require_terminal
from tui.cli.output import Output
from tui.cli.runs import existing_run, runbook_of


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Open the console as a watcher; starts nothing."""
    require_terminal()
    directory = existing_run(given.run, settings)
    return await open_console(Handover(directory, settings, runbook_of(directory)), role="watcher")
