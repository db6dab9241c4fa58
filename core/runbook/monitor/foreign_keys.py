"""Which foreign keys are watched: those that the conversion has created anew, or all."""

from __future__ import annotations

import asyncio
from typing import cast

from core.errors import JournalError
from core.postgres.catalog import Catalog, Constraint
from core.retype.names import table_name
from core.retype.undo_record import UndoRecord
from core.runbook.evidence import read_evidence
from core.runbook.facts import INVESTIGATION_ORPHANS, UNDO_FILE
from core.runbook.investigation.findings import key_name
from core.runbook.model import StepContext
from core.runbook.state import RunState

CONVERSION = "7.3"


async def watched_keys(context: StepContext, catalog: Catalog) -> tuple[str, dict[str, Constraint]]:
    """The foreign keys by name, partitions' copies left out, and in words which they are.

    Args:
        catalog: production's, as it is now.
    """
    keys = {(key.schema, key.table, key.name): key for key in catalog.foreign_keys() if key.parent == 0}
    which, wanted = "all foreign keys of the database", set(keys)
    try:
        content = read_evidence(context, CONVERSION, UNDO_FILE)
        if content is not None:
            record = await asyncio.to_thread(UndoRecord.read, content)
            found = (record.before.constraint[oid] for oid in record.scope.foreign_keys)
            which, wanted = "the recreated foreign keys", {(key.schema, key.table, key.name) for key in found}
    except JournalError as error:
        await context.say(f"Which foreign keys were recreated cannot be read, so all are watched: {error.what}")
    for schema, table, name in sorted(wanted - set(keys)):
        await context.say(f"The foreign key {name} on {table_name(schema, table)} is not there any more.")
    return which, {key_name(key): key for place, key in keys.items() if place in wanted}


def orphans_before(state: RunState) -> dict[str, int]:
    """Rows that referenced nothing when production was investigated, by foreign key."""
    found = state.facts.get(INVESTIGATION_ORPHANS)
    return dict(cast("dict[str, int]", found)) if isinstance(found, dict) else {}
