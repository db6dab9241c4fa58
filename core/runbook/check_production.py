"""Task 7.1: the last looks before production is converted. They read, and change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from core.errors import Refused
from core.postgres.connect import ConnectionSpec
from core.postgres.fingerprint import fingerprint
from core.runbook import gates
from core.runbook.facts import BACKUP_VERIFIED, INVESTIGATION_FINGERPRINT, PRODUCTION_FINGERPRINT
from core.runbook.model import StepContext
from core.runbook.planning import read_catalog, show_inspection
from core.runbook.preflight import preflight, record_preflight
from core.runbook.sessions import count_sessions
from core.runbook.words import counted


async def check_production(context: StepContext) -> str:
    """Look who else is connected, whether production is as it was investigated, whether the backup is there, and whether
    this machine is fit.

    Raises:
        Refused: the verified backup has gone.
        WrongDatabase: production is another database than the run was opened on.
        ConnectionFailed, QueryFailed: it cannot be read.
    """
    spec, identity = await context.target("production")
    await context.say(f"Connected to the database that the run was opened on: {identity}: {spec}.")
    for gate in (gates.credentials, gates.backup):
        report = gate(context.state, context.settings, datetime.now(UTC))
        await context.say(f"{report.name}: {report.condition}: {report.value}.")
    schema = await _look_at_schema(context, spec)
    unfit = await record_preflight(context, await preflight(spec, context.run_directory, context.settings))
    found = await count_sessions(context)
    _require_backup(context)
    return f"{found}; {schema}; {counted(len(unfit), 'warning')} about this machine"


async def _look_at_schema(context: StepContext, spec: ConnectionSpec) -> str:
    catalog = await read_catalog(spec, context.settings.limits, show_inspection(context))
    now = await asyncio.to_thread(fingerprint, catalog)
    await context.fact(PRODUCTION_FINGERPRINT, now)
    match context.state.facts.get(INVESTIGATION_FINGERPRINT):
        case None:
            return "the schema was not investigated"
        case known if known == now:
            return "the schema is as it was investigated"
        case _:
            return "the schema has CHANGED since it was investigated"


def _require_backup(context: StepContext) -> None:
    """Raise Refused when the backup that was verified is not where it was."""
    known = context.state.facts.get(BACKUP_VERIFIED)
    path = cast("Mapping[str, Any]", known).get("path") if isinstance(known, dict) else None
    if path and not Path(str(path)).exists():
        raise Refused(
            f"The verified backup is not at {path} any more.",
            advice="Bring it back to this machine and run the step again, or take and verify another (task 3).",
        )
