"""Tasks 7.1 and 7.2: the last looks before production is converted. They read, and change nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from core.errors import PgrecastError, Refused
from core.events import Reading
from core.hosting.health import Health, ask_health
from core.postgres.connect import ConnectionSpec
from core.postgres.fingerprint import fingerprint
from core.runbook import gates
from core.runbook.facts import (
    INVESTIGATION_FINGERPRINT,
    MAINTENANCE_ANSWER,
    MAINTENANCE_PROVED,
    PRODUCTION_FINGERPRINT,
)
from core.runbook.model import StepContext
from core.runbook.planning import read_catalog, show_inspection
from core.runbook.preflight import preflight, record_preflight
from core.runbook.sessions import count_sessions
from core.runbook.words import counted, limit
from core.settings import Settings

MAINTENANCE_WITHIN = timedelta(minutes=30)
"""How long a person has to stop the service at its host while step 7.2 asks it."""
ASK_EVERY = 2.0  # seconds
TIMES = 3
"""Answers in a row that count as one: a service that is being deployed refuses for a moment, too."""


async def check_production(context: StepContext) -> str:
    """Look who else is connected, whether production is as it was investigated, and whether this machine is fit."""
    spec, identity = await context.target("production")
    await context.say(f"Connected to {identity}: {spec}.")
    for gate in (gates.credentials, gates.backup):
        report = gate(context.state, context.settings, datetime.now(UTC))
        await context.say(f"{report.name}: {report.condition}: {report.value}.")
    schema = await _look_at_schema(context, spec)
    unfit = await record_preflight(context, await preflight(spec, context.run_directory, context.settings))
    found = await count_sessions(context)
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


def has_health_url(settings: Settings) -> bool:
    """Whether the settings say where the service answers."""
    return bool(settings.service.health_url)


async def prove_maintenance(context: StepContext) -> str:
    """Ask the service again and again until it serves nobody, which a person sees to at its host.

    Raises:
        Refused: it goes on serving.
    """
    url = context.settings.service.health_url
    await context.say(f"Asks {url} until it answers 503 or refuses the connection. Stop the service at its host now.")
    loop = asyncio.get_running_loop()
    until = loop.time() + MAINTENANCE_WITHIN.total_seconds()
    held, said = 0, ""
    while True:
        health = await ask_health(url)
        context.read(Reading(step=context.step, name="service", values={"answer": health.words}))
        if health.words != said:
            await context.say(f"The service {health.words}.")
            said = health.words
        held = held + 1 if health.serves_nobody else 0
        if held == TIMES:
            break
        if loop.time() >= until:
            await _record(context, health)
            raise Refused(
                f"The service was not seen to stop within {limit(MAINTENANCE_WITHIN)}: it {health.words}.",
                advice="Stop it at its host, or look whether service.health_url is right; then run the step again.",
            )
        await asyncio.sleep(ASK_EVERY)
    await _record(context, health)
    try:
        sessions = str(await count_sessions(context))
    except PgrecastError as error:
        sessions = f"who is still connected could not be counted: {error.what}"
    return f"the service {health.words}; {sessions}"


async def look_at_service(context: StepContext) -> None:
    """Ask the service once, where it can be asked, and record what it answered."""
    if has_health_url(context.settings):
        await _record(context, await ask_health(context.settings.service.health_url))


async def _record(context: StepContext, health: Health) -> None:
    await context.fact(MAINTENANCE_ANSWER, health.words)
    await context.fact(MAINTENANCE_PROVED, health.serves_nobody)
