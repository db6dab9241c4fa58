"""Task 7.1: the last looks before production is converted. They read, and change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from core.errors import PgrecastError, Refused
from core.hosting.factory import abilities_of
from core.hosting.interface import Ability
from core.postgres.connect import ConnectionSpec
from core.postgres.fingerprint import fingerprint
from core.runbook import gates
from core.runbook.conversion.planning import read_catalog, show_inspection
from core.runbook.facts import BACKUP_VERIFIED, INVESTIGATION_FINGERPRINT, PRODUCTION_FINGERPRINT
from core.runbook.machine.preflight import preflight, record_preflight
from core.runbook.model import StepContext
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
    at_host = await _look_at_host(context, spec)
    schema = await _look_at_schema(context, spec)
    unfit = await record_preflight(context, await preflight(spec, context.run_directory, context.settings))
    found = await count_sessions(context)
    _require_backup(context)
    return "; ".join(
        filter(None, (str(found), at_host, schema, f"{counted(len(unfit), 'warning')} about this machine"))
    )


async def _look_at_host(context: StepContext, spec: ConnectionSpec) -> str:
    """Whether the host's own connection strings lead to this database; empty where the host does not tell."""
    wanted = context.settings.hosting
    if not wanted.database or Ability.CREDENTIALS not in abilities_of(wanted):
        return ""
    try:
        told = await (await context.host()).connection()
        ways = [
            ConnectionSpec.from_url(url, environment={}, allow_password=True) for url in (told.inside, told.outside)
        ]
    except PgrecastError as error:
        await context.say(f"Where the database is could not be asked at the host: {error.what}")
        return ""
    if any((way.host, way.port, way.database) == (spec.host, spec.port, spec.database) for way in ways):
        await context.say(f"The host's connection string for {wanted.database} leads here: {spec.host}:{spec.port}.")
        return "it is the host's database"
    names = " or ".join(dict.fromkeys(f"{way.host}:{way.port}/{way.database}" for way in ways))
    await context.say(f"The host's connection strings for {wanted.database} lead to {names}, NOT to {spec}.")
    return "the host's connection strings lead ELSEWHERE"


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
