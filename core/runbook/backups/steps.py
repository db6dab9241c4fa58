"""Task 3 and step 6.5: the backup is taken, verified, stored elsewhere, and its restore is timed."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.backup.adopt import adopt
from core.backup.changes import changes_since
from core.backup.dump import DumpOptions, application_name, take_dump
from core.backup.manifest import FILE
from core.backup.off_site import MOST_NAMED as MOST_FILES
from core.backup.off_site import command_line, missing_or_unlike
from core.backup.restore import Restored
from core.backup.storage import Backup, retire
from core.backup.verify import Depth, Verification, verify
from core.errors import BackupError, HostingError, PgrecastError, Refused
from core.hosting.interface import Ability, Export, Host
from core.runbook.backups.in_hand import recorded, restore_options, show, taken_backup, verified_backup
from core.runbook.backups.restore_report import RestoreReport, procedure, verification_report
from core.runbook.facts import (
    BACKUP_STORED,
    BACKUP_TAKEN,
    BACKUP_UNDER_WAY,
    BACKUP_VERIFIED,
    COPY_LOG_FILE,
    MANIFEST_FILE,
    RESTORE_FILE,
    RESTORE_SECONDS,
    VERIFICATION_FILE,
)
from core.runbook.model import StepContext
from core.runbook.user_command import Ran, run_user_command
from core.runbook.words import counted, size, span
from core.settings import Settings

COPY_WITHIN = timedelta(hours=12)
EXPORT_WITHIN = timedelta(hours=6)
"""How long a host may take to export the database."""
ASK_EXPORT_EVERY = 10.0  # seconds
CLOCKS_APART = timedelta(minutes=5)
"""By how much the host's clock may be behind ours when it says when an export was begun."""


# --- what the settings allow -------------------------------------------------------------------------------------------


def can_take(settings: Settings) -> bool:
    """Whether the program can take the backup by itself, as the settings ask for it."""
    return settings.backup.method != "export" or settings.hosting.kind != "none"


def has_copy_command(settings: Settings) -> bool:
    """Whether the settings say how the backup is taken off this machine."""
    return bool(settings.backup.copy_command)


# --- 3.1 ---------------------------------------------------------------------------------------------------------------


async def take_backup(context: StepContext) -> str:
    """Take the backup: by pg_dump, from the host's export, or a dump that is there already.

    Raises:
        PgrecastError: it could not be taken; what was unfinished is removed, or named.
    """
    wanted = context.settings.backup
    spec, _ = await context.target("production")
    match wanted.method:
        case "dump":
            backup = await _dumped(context)
        case "export":
            backup = await _exported(context, spec.database)
        case "adopt":
            assert wanted.adopt is not None  # noqa: S101 - the settings see to it
            programs = context.settings.check.client_programs
            backup = await adopt(wanted.adopt, wanted.root, spec.database, client_programs=programs)
    await context.file(MANIFEST_FILE, (backup.folder / FILE).read_bytes())
    await context.fact(BACKUP_TAKEN, recorded(backup))
    for line in backup.manifest.unproved:
        await context.say(f"Nobody can prove {line}.")
    manifest = backup.manifest
    return (
        f"{size(manifest.bytes)} in {counted(len(manifest.files), 'file')} of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC, "
        f"in {span(manifest.seconds)}: {backup.folder}"
    )


async def _dumped(context: StepContext) -> Backup:
    wanted = context.settings.backup
    spec, identity = await context.target("production")
    name = application_name()
    options = DumpOptions(wanted.root, wanted.jobs, context.settings.check.client_programs, name)

    async def begun(partial: Path) -> None:
        await context.fact(BACKUP_UNDER_WAY, {"path": str(partial), "application_name": name})

    try:
        return await take_dump(spec, identity, options, show=lambda values: show(context, values), begun=begun)
    finally:
        await context.fact(BACKUP_UNDER_WAY, None)


async def _exported(context: StepContext, database: str) -> Backup:
    """Have the host export the database, and take in what it gives."""
    host = await context.host()
    if Ability.EXPORT not in host.abilities:
        raise Refused(
            f"{host.name} cannot export the database.",
            advice='Set backup.method to "dump", or download an export by hand and adopt it (method = "adopt").',
        )
    export = await _export(context, host)
    wanted = context.settings.backup
    wanted.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.root, prefix="download-") as directory:
        await context.say(f"Downloads the export {export.id} of {export.created_at:%Y-%m-%d %H:%M} UTC.")
        archive = await host.download_export(export, Path(directory))
        programs = context.settings.check.client_programs
        return await adopt(archive, wanted.root, database, kind="export", client_programs=programs)


async def _export(context: StepContext, host: Host) -> Export:
    """The export that was asked for now, when it can be downloaded."""
    known = {export.id for export in await host.exports()}
    asked = datetime.now(UTC)
    await host.start_export()
    await context.say(f"{host.name} was asked for an export.")
    until = asked + EXPORT_WITHIN
    while datetime.now(UTC) < until:
        for export in await host.exports():
            if export.id not in known and export.created_at >= asked - CLOCKS_APART and export.url is not None:
                return export
        waited = round((datetime.now(UTC) - asked).total_seconds())
        show(context, {"stage": "waiting for the host's export", "seconds": waited})
        await asyncio.sleep(ASK_EXPORT_EVERY)
    raise HostingError(
        f"{host.name} has not finished the export within {span(EXPORT_WITHIN.total_seconds())}.",
        advice="Look at its dashboard; when it is there, run the step again, or download it and adopt it.",
    )


# --- 3.2 ---------------------------------------------------------------------------------------------------------------


async def verify_backup(context: StepContext) -> str:
    """Verify the backup as deep as the settings ask, and remove what the settings keep no longer.

    Raises:
        BackupError: it is damaged, or not what was dumped; it counts as verified no more.
        Refused: there is none, or it cannot be restored where it should be.
    """
    backup = taken_backup(context)
    wanted = context.settings.backup
    found = await _verified(context, backup, wanted.verify)
    for name in await asyncio.to_thread(retire, wanted.root, backup, wanted.keep):
        await context.say(f"Removed the older backup {name}: {wanted.keep} are kept.")
    return found.summary


async def time_restore(context: StepContext) -> str:
    """Restore the verified backup once more, take the time, and write down how it is done.

    Raises:
        BackupError, Refused: as `verify_backup`.
    """
    backup = verified_backup(context)
    found = await _verified(context, backup, "equal")
    assert found.restored is not None  # noqa: S101 - that depth restores
    return f"{found.summary}; the procedure is in {RESTORE_FILE}"


async def _verified(context: StepContext, backup: Backup, depth: Depth) -> Verification:
    options = await restore_options(context)
    try:
        found = await verify(backup, depth, options, say=context.say, show=lambda values: show(context, values))
    except BackupError:
        await context.fact(BACKUP_VERIFIED, None)
        raise
    for line in found.unproved:
        await context.say(f"Not proved: {line}.")
    await context.file(VERIFICATION_FILE, verification_report(backup, found).encode())
    await context.fact(BACKUP_VERIFIED, {**recorded(backup), "depth": found.depth})
    if found.restored is not None:
        await _restore_recorded(context, backup, found.restored)
    return found


async def _restore_recorded(context: StepContext, backup: Backup, done: Restored) -> None:
    await context.fact(RESTORE_SECONDS, round(done.seconds, 3))
    spec, _ = await context.target("production")
    await context.file(
        RESTORE_FILE, procedure(RestoreReport.of(backup, spec, done.seconds, context.settings.backup.jobs)).encode()
    )


# --- 3.3 ---------------------------------------------------------------------------------------------------------------


async def store_backup(context: StepContext) -> str:
    """Take the verified backup off this machine by the user's command, and compare the checksums there.

    Raises:
        BackupError: it was not copied, or the checksums there do not prove it.
        Refused: there is no verified backup.
    """
    backup = verified_backup(context)
    wanted = context.settings.backup
    ran = [await _command(context, wanted.copy_command, backup)]
    if wanted.checksum_command:
        ran.append(await _command(context, wanted.checksum_command, backup))
    await context.file(COPY_LOG_FILE, "\n".join(one.document for one in ran).encode())
    if problems := missing_or_unlike(backup, ran[-1].output):
        more = f"; and {len(problems) - MOST_FILES} more" if len(problems) > MOST_FILES else ""
        raise BackupError(
            f"The copy is not proved: {'; '.join(problems[:MOST_FILES])}{more}.",
            advice="Let checksum_command print the copy's checksums as sha256sum does; if it did, copy it again.",
        )
    files = len(backup.manifest.files)
    await context.fact(
        BACKUP_STORED,
        {"path": str(backup.folder), "files": files, "at": datetime.now(UTC).isoformat(timespec="seconds")},
    )
    return f"copied in {span(ran[0].seconds)}; the checksums of {counted(files, 'file')} there are those here"


async def _command(context: StepContext, template: str, backup: Backup) -> Ran:
    ran = await run_user_command(context, command_line(template, backup), None, COPY_WITHIN)
    if not ran.held:
        await context.file(COPY_LOG_FILE, ran.document.encode())
        last = ran.output.strip().splitlines()[-1:]
        raise BackupError(
            f"{ran.command.split()[0]} failed: {ran.words}{': ' if last else ''}{''.join(last)}",
            advice=f"Its output is in {COPY_LOG_FILE}; correct backup.copy_command or checksum_command, and run the step again.",
        )
    return ran


# --- what has changed since ---------------------------------------------------------------------------------------------


async def look_at_changes(context: StepContext) -> str:
    """Say what has changed in production since the verified backup: what a restore of it would lose.

    Raises:
        Refused: there is no verified backup, or nobody recorded what was in it.
    """
    backup = verified_backup(context)
    spec, _ = await context.target("production")
    changes = await changes_since(spec, backup.manifest)
    if changes is None:
        raise Refused(
            "What was in the database when this backup was made is not known: it was not made by pgrecast.",
            advice="Take a last backup with steps 3.1 and 3.2 once nothing writes any more.",
        )
    for line in changes.lines:
        await context.say(f"Since the backup: {line}.")
    for line in await _recovery_point(context):
        await context.say(line)
    taken = f"{backup.manifest.taken_at:%Y-%m-%d %H:%M} UTC"
    counts = (
        f"rows were gained or lost in {counted(len(changes.tables), 'table')}"
        if changes.tables
        else "no table has gained or lost rows"
    )
    schema = "; the schema has changed" if changes.schema else ""
    again = "" if changes.none_seen else ". Steps 3.1 and 3.2 take a last one"
    return f"since the backup of {taken} {counts}{schema}{again}"


async def _recovery_point(context: StepContext) -> list[str]:
    """What the host can recover to, where it can."""
    if context.settings.hosting.kind == "none":
        return []
    try:
        host = await context.host()
        if Ability.RECOVERY not in host.abilities:
            return []
        since = await host.recoverable_since()
    except PgrecastError as error:
        return [f"Whether the host can recover to a point in time could not be found out: {error.what}"]
    if since is None:
        return [f"{host.name} has no recovery to a point in time for this database."]
    return [f"{host.name} can recover the database to any moment since {since:%Y-%m-%d %H:%M} UTC."]
