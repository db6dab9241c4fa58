"""`pgrecast verify-backup`: is a backup good? By itself, or as step 3.2 of the recovery where none is named."""

from __future__ import annotations

import argparse
import asyncio

from core.backup.restore import RestoreOptions
from core.backup.storage import open_backup
from core.backup.verify import Depth, verify
from core.postgres.targets import connection_spec
from core.runbook.facts import BACKUP_VERIFIED, RESTORE_SECONDS
from core.settings import Settings
from tui.cli.backup import Told
from tui.cli.output import Output
from tui.cli.recovery_step import run_recovery_step

STEP = "3.2"


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Verify, and print what was found; a backup that is not good is an error."""
    if given.backup is None:
        directory, step, state = await run_recovery_step(STEP, given, settings, output)
        verified = state.facts[BACKUP_VERIFIED]
        seconds = state.facts.get(RESTORE_SECONDS)
        output.document({**verified, "restore_seconds": seconds, "summary": step.summary, "run": str(directory)})
        output.lines([step.summary, f"run {directory}"])
        return 0
    backup = open_backup(given.backup)
    wanted = settings.backup
    server = await asyncio.to_thread(connection_spec, settings, "test") if wanted.restore == "test" else None
    options = RestoreOptions(server, wanted.jobs, settings.check.client_programs)
    depth: Depth = wanted.verify

    async def say(text: str) -> None:
        output.progress(text)

    found = await verify(backup, depth, options, say=say, show=Told(output).show)
    output.document(
        {
            "path": str(backup.folder),
            "depth": found.depth,
            "asked": depth,
            "seconds": found.seconds,
            "restore_seconds": found.restored.seconds if found.restored else None,
            "equal": found.comparison.equal if found.comparison else None,
            "rows": found.comparison.rows if found.comparison else None,
            "unproved": list(found.unproved),
            "summary": found.summary,
        }
    )
    output.lines([found.summary, *(f"not proved: {line}" for line in found.unproved)])
    return 0
