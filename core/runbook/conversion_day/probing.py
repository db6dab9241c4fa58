"""Asks the service around production until it answers as is wanted, or the time for that is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.events import Reading
from core.hosting.health import Health, ask_health
from core.runbook.facts import MAINTENANCE_ANSWER, MAINTENANCE_PROVED
from core.runbook.model import StepContext
from core.settings import Settings

WITHIN = timedelta(minutes=30)
"""How long a service has to stop or to start: a person may have to see to it at the host."""
ASK_EVERY = 2.0  # seconds
TIMES = 3
"""Answers in a row that count as one: a service that is being deployed refuses for a moment, too."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What the asking came to.

    Attributes:
        health: the last answer.
        held: whether it answered as wanted, several times in a row.
        since: when the first of these answers came, UTC.
    """

    health: Health
    held: bool
    since: datetime


def has_health_url(settings: Settings) -> bool:
    """Whether the settings say where the service answers."""
    return bool(settings.service.health_url)


async def ask_until(
    context: StepContext, wanted: Callable[[Health], bool], *, within: timedelta | None = None
) -> Probed:
    """Ask the service again and again, each new answer said, until it answers as wanted or the time is over."""
    url = context.settings.service.health_url
    loop = asyncio.get_running_loop()
    until = loop.time() + (within or WITHIN).total_seconds()
    held, said, since = 0, "", datetime.now(UTC)
    while True:
        health = await ask_health(url)
        context.read(Reading(step=context.step, name="service", values={"answer": health.words}))
        if health.words != said:
            await context.say(f"The service {health.words}.")
            said = health.words
        if not wanted(health):
            held = 0
        else:
            held += 1
            since = datetime.now(UTC) if held == 1 else since
        if held == TIMES or loop.time() >= until:
            return Probed(health, held == TIMES, since)
        await asyncio.sleep(ASK_EVERY)


async def look_at_service(context: StepContext) -> None:
    """Ask the service once, where it can be asked, and record what it answered."""
    if has_health_url(context.settings):
        await record_answer(context, await ask_health(context.settings.service.health_url))


async def record_answer(context: StepContext, health: Health) -> None:
    """Record whether the service was seen to serve nobody."""
    await context.fact(MAINTENANCE_ANSWER, health.words)
    await context.fact(MAINTENANCE_PROVED, health.serves_nobody)
