"""Task 7.7 and the way back from 7.2: everything that maintenance has set is taken back, and the service proved to serve."""

from __future__ import annotations

from datetime import UTC, datetime

from core.errors import HostingError, Refused
from core.events import Choice
from core.postgres.connect import ConnectionSpec
from core.runbook.conversion_day.fencing import fence_up, lift
from core.runbook.conversion_day.held_at_host import AtHost, Held
from core.runbook.conversion_day.maintenance import surroundings
from core.runbook.conversion_day.probing import WITHIN, ask_until, has_health_url, record_answer
from core.runbook.conversion_day.verify_production import repeat_hidden
from core.runbook.facts import DOWNTIME_SECONDS, HEALTH_VERIFIED, MAINTENANCE_HELD
from core.runbook.model import StepContext
from core.runbook.questions import CANCEL, STOP
from core.runbook.state import RunState
from core.runbook.timeline import downtime_began
from core.runbook.words import limit, span

END, DONE = "end maintenance", "done by hand"


def standing(state: RunState) -> tuple[str, ...]:
    """What maintenance has set and nothing has taken back yet, each in words."""
    fence = fence_up(state)
    return (*Held.of(state).lines, *((f"{fence.database} is fenced",) if fence else ()))


async def take_back(context: StepContext) -> None:
    """Lift the fence, and undo everything at the host that is on record; what it does not do, a person may have done.

    Raises:
        ConnectionFailed, QueryFailed: the fence could not be lifted.
        HostingError: the host did not do it; what is left stays on record, and can be taken back again.
    """
    await lift(context)
    if not Held.of(context.state):
        return
    try:
        await AtHost(context, await surroundings(context)).release()
    except HostingError as error:
        chosen = await context.ask(
            f"{error.what} Is everything at the host as it was, by hand?",
            (
                Choice(name=DONE, label="It is done by hand", consequence="It is taken off the record."),
                Choice(name=CANCEL, label="No", consequence="It stays on record; the step can be run again."),
            ),
            default=CANCEL,
            expires_in=WITHIN,
            details=(error.advice, *(f"On: {line}" for line in Held.of(context.state).lines)),
            way_back="Nothing is changed by answering.",
        )
        if chosen != DONE:
            raise
        await context.fact(MAINTENANCE_HELD, None)


async def end_maintenance(context: StepContext) -> str:
    """Switch maintenance off as it was switched on, prove that the service serves, and repeat what was hidden till then.

    Raises:
        Refused: it was not confirmed, or the service does not serve.
        HostingError: the host did not do it, or a check does not hold.
    """
    spec, _ = await context.target("production")
    await _confirm(context, spec, "End maintenance of production", "Everyone is served again: the downtime ends.")
    served = await open_again(context)
    await repeat_hidden(context)
    return served


async def go_back(context: StepContext) -> str:
    """Take maintenance back before its purpose is reached.

    Raises:
        Refused: it was not confirmed, or the service does not serve.
        HostingError: the host did not do it.
    """
    spec, _ = await context.target("production")
    await _confirm(context, spec, "Take back the maintenance of production", "The service serves as it did before.")
    return await open_again(context)


async def _confirm(context: StepContext, spec: ConnectionSpec, title: str, consequence: str) -> None:
    checks: dict[str, bool | None] = context.state.facts.get(HEALTH_VERIFIED) or {}
    words = {True: "holds", False: "does NOT hold", None: "not made yet"}
    chosen = await context.ask(
        f"{title}, {spec.database}?",
        (Choice(name=END, label="Go on", phrase=spec.database, consequence=consequence), STOP),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        target="production",
        checked=tuple(f"{name}: {words[held]}" for name, held in checks.items()),
        details=tuple(f"Taken back: {line}" for line in standing(context.state))
        or ("For you to do: start the service at its host.",),
        way_back="Step 7.2 begins maintenance again.",
    )
    if chosen != END:
        raise Refused(
            "It was not confirmed.", state="Maintenance goes on.", advice="Run the step again to be asked again."
        )


async def open_again(context: StepContext) -> str:
    """Take everything back, and ask the service until it serves.

    Raises:
        Refused: it does not.
        ConnectionFailed, QueryFailed, HostingError: it could not be taken back.
    """
    on = Held.of(context.state)
    await take_back(context)
    if not has_health_url(context.settings):
        return "maintenance is off; the service could not be asked"
    if not on:
        await context.say("Start the service at its host now, or end its maintenance mode there.")
    probed = await ask_until(context, lambda health: health.serves)
    await record_answer(context, probed.health)
    if not probed.held:
        raise Refused(
            f"The service was not seen to serve within {limit(WITHIN)}: it {probed.health.words}.",
            state="Maintenance is off as far as the console has switched it on; nothing in the database has been changed.",
            advice="Read its logs (If services won't start). Run this step again when it serves, or step 7.2 to begin "
            "maintenance again.",
        )
    words = f"the service {probed.health.words}"
    began = downtime_began(context.state)
    if began is None:
        return words
    seconds = max(0.0, (min(probed.since, datetime.now(UTC)) - began).total_seconds())
    await context.fact(DOWNTIME_SECONDS, seconds)
    return f"{words}; the downtime was {span(seconds)}"
