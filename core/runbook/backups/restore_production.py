"""The way back by the backup: restored into a new database beside production, and that put in production's place."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from core.backup.changes import changes_since
from core.backup.content import read_content
from core.backup.replacement import complete, drop_unfinished, exchange, fitting, make_like, oid_of
from core.backup.restore import RestoreOptions, require_extensions, restore
from core.backup.storage import Backup
from core.backup.verify import compare_restored, frozen
from core.errors import PgrecastError, Refused, WrongDatabase
from core.events import Choice, Json, Reading, TargetIdentified, TargetIdentity
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.runbook.backups.in_hand import READING, verified_backup
from core.runbook.facts import (
    CONVERSION_OUTCOME,
    RESTORE_EXCHANGING,
    RESTORE_READY,
    RESTORE_SECONDS,
    RESTORE_SERVING,
    RESTORE_UNDER_WAY,
    UNDONE,
)
from core.runbook.model import Reconciled, StepContext
from core.runbook.questions import CANCEL, STOP
from core.runbook.words import span

RESTORE, SERVE = "restore", "serve"
TARGET = "production"


async def restore_beside(context: StepContext) -> str:
    """Restore the verified backup into a new database on production's server, compare it, and leave it there.

    Raises:
        Refused: there is no verified backup, it was not confirmed, or the server has no room or rights for it.
        BackupError: it could not be restored, or is not what was dumped; the new database is dropped.
    """
    backup = verified_backup(context)
    spec, _ = await context.target(TARGET)
    new = fitting(spec.database, f"_restored_{datetime.now(UTC):%Y%m%dt%H%M%S}")
    await require_extensions(backup.manifest, spec)
    await _confirm_restore(context, backup, spec, new)
    began = asyncio.get_running_loop().time()
    await context.fact(RESTORE_UNDER_WAY, new)
    try:
        await make_like(spec, new)
        left = await _restored(context, backup, spec.with_database(new))
        comment = f"Restored by pgrecast from the backup {backup.name}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
        left += await complete(spec, new, comment)
    except BaseException as error:
        said = await drop_unfinished(spec, new)
        if isinstance(error, PgrecastError):
            error.state = f"Production is as it was. {said}".strip()
        raise
    finally:
        await context.fact(RESTORE_UNDER_WAY, None)
    for line in left:
        await context.say(f"Left out: {line}")
    seconds = asyncio.get_running_loop().time() - began
    await context.fact(
        RESTORE_READY,
        {
            "database": new,
            "database_oid": await oid_of(spec, new),
            "seconds": round(seconds, 1),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    return f"restored into {new} in {span(seconds)}, compared with what was dumped; {spec.database} is as it was"


async def _restored(context: StepContext, backup: Backup, into: ConnectionSpec) -> tuple[str, ...]:
    def show(values: dict[str, Json]) -> None:
        context.read(Reading(step=context.step, name=READING, values=values))

    options = RestoreOptions(None, context.settings.backup.jobs, context.settings.check.client_programs)
    done = await restore(backup, into, options, owners=True, tolerant=True, show=show)
    await context.say(f"Restored in {span(done.seconds)}; now it is compared.")
    async with frozen(into) as connection:
        reading = await read_content(connection)
    dumped = backup.manifest.content
    if dumped is None:
        return (*done.left_out, "nothing was compared: what was in the database when it was dumped is not known")
    comparison = compare_restored(backup.manifest, dumped, reading, done, backup)
    return (*done.left_out, *comparison.not_compared)


async def _confirm_restore(context: StepContext, backup: Backup, spec: ConnectionSpec, new: str) -> None:
    known = context.state.facts.get(RESTORE_SECONDS)
    lost = await _lost(spec, backup)
    chosen = await context.ask(
        f"Restore the backup of {backup.manifest.taken_at:%Y-%m-%d %H:%M} UTC into the new database {new}?",
        (
            Choice(
                name=RESTORE,
                label="Restore it",
                phrase=spec.database,
                consequence="A new database on production's server; nothing uses it yet.",
            ),
            STOP,
        ),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        target=TARGET,
        duration=f"about {span(float(known))}, as it took when it was tested" if known else "not tried yet",
        checked=(f"The backup {backup.name} is verified.", f"{spec.database} is not written to, and not dropped."),
        way_back=f"Drop {new}.",
        details=tuple(f"A restore loses: {line}" for line in lost),
    )
    if chosen != RESTORE:
        raise Refused("The restore was not confirmed.", advice="Run the step again to be asked again.")


async def _lost(spec: ConnectionSpec, backup: Backup) -> tuple[str, ...]:
    """What is in production and not in the backup, as far as can be told."""
    try:
        changes = await changes_since(spec, backup.manifest)
    except PgrecastError as error:
        return (f"what production has now could not be read: {error.what}",)
    return changes.lines if changes is not None else ("what has changed since the backup cannot be told",)


# --- serving -----------------------------------------------------------------------------------------------------------


async def serve_restored(context: StepContext) -> str:
    """Give the restored database production's name, so that the service uses it by the settings that it has.

    Raises:
        Refused: nothing is restored, it was not confirmed, or somebody is connected; nothing is renamed.
    """
    ready = _ready(context)
    spec, identity = await context.target(TARGET)
    new = str(ready["database"])
    aside = fitting(spec.database, f"_before_{datetime.now(UTC):%Y%m%dt%H%M%S}")
    chosen = await context.ask(
        f"Put {new} in the place of the {TARGET} database {spec.database}?",
        (
            Choice(
                name=SERVE,
                label="Exchange them",
                phrase=spec.database,
                consequence=f"{spec.database} becomes {aside}, and {new} becomes {spec.database}.",
            ),
            STOP,
        ),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        target=TARGET,
        duration="a moment; sessions of this role on both are ended",
        checked=("The restored database was compared with what was dumped.",),
        cannot_undo=(f"What was written since the backup is in {aside} only.",),
        way_back=f"{aside} is kept as it is: exchanging the names again puts it back.",
    )
    if chosen != SERVE:
        raise Refused("The exchange was not confirmed.", advice="Run the step again to be asked again.")
    began = asyncio.get_running_loop().time()
    await context.fact(RESTORE_EXCHANGING, {"previous": aside, "database_oid": identity.database_oid})
    # On record beforehand: should this process die in between, whoever answers by the name tells what became of it.
    await _identified(context, spec, replace(identity, database_oid=int(ready["database_oid"])))
    try:
        await exchange(spec, new, aside)
    except PgrecastError:
        await _identified(context, spec, identity)
        await context.fact(RESTORE_EXCHANGING, None)
        raise
    seconds = asyncio.get_running_loop().time() - began
    await context.target(TARGET)  # it is the restored one, or this raises
    await _record_serving(context, new, aside)
    total = seconds + float(ready["seconds"])
    return (
        f"{spec.database} is the restored backup now, exchanged in {span(seconds)} ({span(total)} with the restore); "
        f"the database of before is {aside}. Roll newer code back (7.5-back), then start the service (7.2-back)"
    )


async def _identified(context: StepContext, spec: ConnectionSpec, identity: Identity) -> None:
    """From now on production is that database."""
    known = context.state.targets.get(TARGET)
    found = TargetIdentity(cluster=identity.cluster, database_oid=identity.database_oid, database=identity.database)
    address, server = (known.address, known.server) if known else (f"{spec.host}:{spec.port}", "")
    await context.publish(TargetIdentified(target=TARGET, identity=found, address=address, server=server))


async def _record_serving(context: StepContext, database: str, aside: str) -> None:
    await context.fact(RESTORE_SERVING, {"database": database, "previous": aside})
    if context.state.facts.get(CONVERSION_OUTCOME) == "committed":
        await context.fact(CONVERSION_OUTCOME, UNDONE)
    await context.fact(RESTORE_READY, None)
    await context.fact(RESTORE_EXCHANGING, None)


def _ready(context: StepContext) -> Mapping[str, Any]:
    known = context.state.facts.get(RESTORE_READY)
    if not isinstance(known, dict):
        raise Refused("No backup is restored and waiting.", advice="Run step 7.3-restore first.")
    return cast("Mapping[str, Any]", known)


# --- after an interruption ---------------------------------------------------------------------------------------------


async def reconcile_restore(context: StepContext) -> Reconciled:
    """Drop the unfinished new database of an interrupted restore."""
    name = context.state.facts.get(RESTORE_UNDER_WAY)
    if not isinstance(name, str):
        return Reconciled("failed", "It was interrupted; production is as it was. Run it again.")
    spec, _ = await context.target(TARGET)
    said = await drop_unfinished(spec, name)
    await context.fact(RESTORE_UNDER_WAY, None)
    return Reconciled("failed", f"It was interrupted; production is as it was. {said} Run it again.")


async def reconcile_serving(context: StepContext) -> Reconciled:
    """Look which database has production's name: both were renamed in one transaction, or none."""
    begun, ready = context.state.facts.get(RESTORE_EXCHANGING), context.state.facts.get(RESTORE_READY)
    if not isinstance(begun, dict) or not isinstance(ready, dict):
        return Reconciled("failed", "It was interrupted before the databases were exchanged. Run it again.")
    exchanging, restored = cast("Mapping[str, Any]", begun), cast("Mapping[str, Any]", ready)
    try:
        spec, _ = await context.target(TARGET)
    except WrongDatabase:
        await _back_to(context, int(exchanging["database_oid"]))
        await context.fact(RESTORE_EXCHANGING, None)
        return Reconciled("failed", "It was interrupted, and the databases were not exchanged. Run it again.")
    await _record_serving(context, str(restored["database"]), str(exchanging["previous"]))
    return Reconciled("finished", f"The databases were exchanged: {spec.database} is the restored backup.")


async def _back_to(context: StepContext, database_oid: int) -> None:
    known = context.state.targets[TARGET]
    before = known.identity.model_copy(update={"database_oid": database_oid})
    await context.publish(known.model_copy(update={"identity": before}))
