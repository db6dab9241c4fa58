"""A copy of production, restored from the verified backup, to rehearse on: a step's context in which it is a target."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg

from core.backup.restore import restored
from core.errors import QueryFailed
from core.events import Json, Reading, TargetIdentified, TargetIdentity, TransactionEnded
from core.postgres.connect import ConnectionSpec, connect, identify
from core.postgres.identity import Identity
from core.redaction import redactor
from core.runbook.backups.in_hand import READING, restore_options, verified_backup
from core.runbook.backups.leftovers import clear_scratch
from core.runbook.model import Reconciled, Step, StepContext, StepKind
from core.runbook.reconciliation import conversion_of_attempt, reconcile
from core.runbook.words import span

COPY = "copy"
PURPOSE = "a copy of production, to rehearse a conversion on"


class OnCopy:
    """A step's context, in which `copy` is that database; everything else is the step's own."""

    def __init__(self, context: StepContext, spec: ConnectionSpec, identity: Identity) -> None:
        self._context = context
        self._copy = (spec, identity)

    async def target(self, name: str) -> tuple[ConnectionSpec, Identity]:
        return self._copy if name == COPY else await self._context.target(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


@asynccontextmanager
async def copy_of_production(context: StepContext) -> AsyncGenerator[StepContext]:
    """Restore the verified backup into a scratch database, and give the context in which it is the target `copy`.

    Raises:
        Refused: there is no verified backup, or no room, or an extension is not available.
        BackupError, ConfigurationError, ConnectionFailed, EmbeddedServerError: as their texts say.
    """
    backup = verified_backup(context)

    def show(values: dict[str, Json]) -> None:
        context.read(Reading(step=context.step, name=READING, values=values))

    options = await restore_options(context)
    async with restored(backup, options, purpose=PURPOSE, durable=True, show=show) as done:
        await context.say(f"Restored {backup.name} into the copy {done.spec.database} in {span(done.seconds)}.")
        connection = await connect(done.spec, read_only=False, statement_timeout_ms=0)
        try:
            await connection.execute("ANALYZE")  # a restore brings no statistics, and plans and estimates go by them
            found, version = await identify(connection), connection.get_server_version()
        except asyncpg.PostgresError as error:
            raise QueryFailed(f"The copy refused a statement: {redactor.redact(str(error))}") from error
        finally:
            connection.terminate()
        identity = TargetIdentity(cluster=found.cluster, database_oid=found.database_oid, database=found.database)
        server = f"PostgreSQL {version.major}.{version.minor}"
        address = f"{done.spec.host}:{done.spec.port}"
        await context.publish(TargetIdentified(target=COPY, identity=identity, address=address, server=server))
        yield cast("StepContext", OnCopy(context, done.spec, found))


async def reconcile_rehearsal(context: StepContext) -> Reconciled:
    """A rehearsal on the copy is gone with it; one on the test database is looked at as every conversion is."""
    conversion = conversion_of_attempt(context.state, context.step)
    if conversion is None or conversion.target != COPY:
        return await reconcile(Step(context.step, "", StepKind.DESTRUCTIVE), context)
    if conversion.outcome is None:
        seconds = (datetime.now(UTC) - (conversion.opened or datetime.now(UTC))).total_seconds()
        await context.publish(
            TransactionEnded(
                step=context.step, target=COPY, outcome="rolled_back", reason="its database is gone", seconds=seconds
            )
        )
    said = await clear_scratch(context)
    return Reconciled(
        "failed", f"It was interrupted, and its copy is gone; production and test are as they were. {said}Run it again."
    )
