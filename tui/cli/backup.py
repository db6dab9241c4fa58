"""`pgrecast backup`: a backup, by itself or as step 3.1 of the recovery.

For the configured production target it is the recovery's step, by the settings' method, so that its gates know of it. With
`--dsn`, or for the test target, it is a dump of that database and nothing more.
"""

from __future__ import annotations

import argparse
from typing import Any

from core.backup.dump import DumpOptions, application_name, take_dump
from core.backup.storage import Backup, open_backup
from core.events import Json
from core.postgres.connect import connect, identify
from core.runbook.facts import BACKUP_TAKEN
from core.runbook.words import counted, size, span
from core.settings import Settings
from tui.cli.output import Output
from tui.cli.recovery_step import run_recovery_step
from tui.cli.targets import target_spec

STEP = "3.1"


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Take a backup and print where it is."""
    if not given.dsn and given.target == "production":
        directory, step, state = await run_recovery_step(STEP, given, settings, output)
        taken = state.facts[BACKUP_TAKEN]
        output.document({**taken, "summary": step.summary, "run": str(directory)})
        output.lines([step.summary, f"run {directory}"])
        return 0
    backup = await _dump(given, settings, output)
    output.document(document(backup))
    output.lines(lines(backup))
    return 0


async def _dump(given: argparse.Namespace, settings: Settings, output: Output) -> Backup:
    spec = await target_spec(given, settings)
    connection = await connect(spec)
    try:
        identity = await identify(connection)
    finally:
        connection.terminate()
    wanted = settings.backup
    options = DumpOptions(wanted.root, wanted.jobs, settings.check.client_programs, application_name())
    backup = await take_dump(spec, identity, options, show=Told(output).show)
    return open_backup(backup.folder)


class Told:
    """Tells where it stands, on standard error, whenever another tenth of it is done."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told = ""

    def show(self, values: dict[str, Json]) -> None:
        percent, left = values.get("percent"), values.get("seconds_left")
        tenth = f"{values['stage']}" if percent is None else f"{values['stage']}: {int(float(percent) // 10) * 10} %"
        if tenth != self._told:
            self._told = tenth
            self._output.progress(tenth if left is None else f"{tenth}, about {span(float(left))} left")


def document(backup: Backup) -> dict[str, Any]:
    """What there is to know of a backup, as JSON."""
    manifest = backup.manifest
    return {
        "path": str(backup.folder),
        "kind": manifest.kind,
        "form": manifest.form.value,
        "database": manifest.database,
        "taken_at": manifest.taken_at.isoformat(),
        "seconds": manifest.seconds,
        "bytes": manifest.bytes,
        "files": len(manifest.files),
        "tables": len(manifest.content.tables) if manifest.content else None,
        "rows": sum(table.rows for table in manifest.content.tables) if manifest.content else None,
        "fingerprint": manifest.content.fingerprint if manifest.content else None,
        "manifest_sha256": backup.manifest_sha256,
        "unproved": list(manifest.unproved),
    }


def lines(backup: Backup) -> list[str]:
    """The same for a person."""
    manifest = backup.manifest
    return [
        f"{backup.folder}",
        f"{size(manifest.bytes)} in {counted(len(manifest.files), 'file')}, in {span(manifest.seconds)}; not verified yet:",
        f"pgrecast verify-backup {backup.folder}",
    ]
