"""The backup in hand: what the run has recorded of it, and the folder that it is in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, cast

from core.backup.restore import RestoreOptions
from core.backup.storage import Backup, open_backup
from core.errors import BackupError, Refused
from core.events import Json, Reading
from core.runbook.facts import BACKUP_TAKEN, BACKUP_VERIFIED, SCRATCH_SERVER
from core.runbook.model import StepContext

READING = "backup"
"""Name of the readings that show where a backup or a restore stands."""


def taken_backup(context: StepContext) -> Backup:
    """The backup that was taken last.

    Raises:
        Refused: none was taken.
        BackupError: it is gone, or its manifest is not the one that was recorded.
    """
    return _in_hand(context, BACKUP_TAKEN, "No backup was taken yet.", "3.1")


def verified_backup(context: StepContext) -> Backup:
    """The backup that was verified last.

    Raises:
        Refused: none is verified.
        BackupError: as `taken_backup`.
    """
    return _in_hand(context, BACKUP_VERIFIED, "No backup is verified yet.", "3.2")


async def restore_options(context: StepContext) -> RestoreOptions:
    """Where and how the settings want scratch restores."""
    wanted = context.settings.backup
    server = (await context.target("test"))[0] if wanted.restore == "test" else None

    async def begun(directory: Path) -> None:
        await context.fact(SCRATCH_SERVER, str(directory))

    return RestoreOptions(server, wanted.jobs, context.settings.check.client_programs, begun)


def recorded(backup: Backup) -> dict[str, Json]:
    """What the run records of a backup."""
    manifest = backup.manifest
    return {
        "path": str(backup.folder),
        "kind": manifest.kind,
        "taken_at": manifest.taken_at.astimezone(UTC).isoformat(timespec="seconds"),
        "bytes": manifest.bytes,
        "database": manifest.database,
        "manifest_sha256": backup.manifest_sha256,
    }


def show(context: StepContext, values: dict[str, Json]) -> None:
    """Show where a backup or a restore stands."""
    context.read(Reading(step=context.step, name=READING, values=values))


def _in_hand(context: StepContext, fact: str, missing: str, step: str) -> Backup:
    known = context.state.facts.get(fact)
    if not isinstance(known, dict):
        raise Refused(missing, advice=f"Run step {step} first.")
    found = cast("Mapping[str, Any]", known)
    backup = open_backup(Path(str(found["path"])))
    if backup.manifest_sha256 != found.get("manifest_sha256"):
        raise BackupError(
            f"The manifest of {backup.name} is not the one that this run recorded: it was altered.",
            advice="Do not rely on this backup: take a new one (step 3.1).",
        )
    return backup
