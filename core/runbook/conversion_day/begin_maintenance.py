"""Task 7.2: production stops serving, its other clients are stopped, and the database is fenced; each of it proved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from core.errors import PgrecastError, Refused
from core.events import Choice
from core.hosting.interface import Ability, Service
from core.postgres.connect import ConnectionSpec
from core.runbook.conversion_day.end_maintenance import open_again, standing
from core.runbook.conversion_day.fencing import Ended, end_sessions, fence_off, lift_or_say
from core.runbook.conversion_day.held_at_host import AtHost, Held
from core.runbook.conversion_day.maintenance import Surroundings, can_deploy, surroundings
from core.runbook.conversion_day.probing import WITHIN, ask_until, record_answer
from core.runbook.facts import DOWNTIME_BEGAN
from core.runbook.migrations import has_project
from core.runbook.model import Reconciled, StepContext
from core.runbook.questions import CANCEL, STOP
from core.runbook.sessions import count_sessions
from core.runbook.state import StepStatus
from core.runbook.timeline import DOWNTIME_ENDS, downtime_began
from core.runbook.words import limit
from core.settings import Settings

STOPPED_WITHIN = 60.0
"""Seconds that a service has to close its sessions after its host was told to stop it."""

BEGIN = "begin maintenance"
TAKE_BACK = "take back"
STAY = "stay"


@dataclass(frozen=True)
class Intent:
    """What the step is about to do, in the light of the settings and of what the host can do.

    Attributes:
        means: the setting hosting.maintenance.
        fence: the setting service.fence; `none` also where nothing would lift it before the deploy.
    """

    around: Surroundings
    means: str
    fence: str

    @property
    def stopped(self) -> tuple[Service, ...]:
        """The other services that the host stops for us; a person stops the rest."""
        return self.around.others if self.around.can(Ability.SUSPEND) else ()

    @property
    def changes_something(self) -> bool:
        return self.around.by_host or bool(self.stopped) or self.fence != "none"

    @property
    def lines(self) -> tuple[str, ...]:
        """Each thing in a sentence; what only a person can do is said as well."""
        return (
            *self._service_lines,
            *(f"{other.name} ({other.kind}) is stopped." for other in self.stopped),
            *(f"For you to do: stop {other.name}." for other in self.around.others if other not in self.stopped),
            *(
                f"{other.name} ({other.kind}) goes on running: hosting.others does not name it ({other.id})."
                for other in self.around.unnamed
            ),
            *self._fence_lines,
        )

    @property
    def _service_lines(self) -> tuple[str, ...]:
        around, service = self.around, self.around.service
        if service is None or not around.by_host:
            return ("For you to do: stop the service at its host, or switch its maintenance mode on.",)
        held = around.can(Ability.AUTO_DEPLOY) and service.auto_deploy is not False
        means = {
            "host": f"{service.name} is put into the host's maintenance mode: it answers 503, and goes on running.",
            "command": f"Maintenance of {service.name} is switched on by your command.",
            "variable": f"The maintenance variable of {service.name} is set, and what is live deployed again, so that it counts.",
            "suspend": f"{service.name} is stopped.",
        }[self.means]
        return ((f"Automatic deploys of {service.name} are held.",) if held else ()) + (means,)

    @property
    def _fence_lines(self) -> tuple[str, ...]:
        if self.fence == "none":
            return ("The database is not fenced, and no session is ended.",)
        read_only = ", and new sessions are READ ONLY by default" if self.fence == "read_only" else ""
        stops = (
            f"If the application comes back as the owner, whom no privilege keeps out, {self.around.service.name} is stopped."
            if self.around.service and self.around.can(Ability.SUSPEND)
            else "An application that comes back as the owner is kept out by no privilege: you would have to stop it."
        )
        return (
            f"CONNECT on the database is revoked from everyone but its owner{read_only}; the deploy finds it as it was.",
            "Sessions of others are ended, except those of the database's host.",
            stops,
        )


def fence_wanted(settings: Settings) -> str:
    """The fence of the settings; none where step 7.5 is a person's, and nothing would lift it before the deploy."""
    return settings.service.fence if has_project(settings) or can_deploy(settings) else "none"


async def begin_maintenance(context: StepContext) -> str:
    """Keep production from serving, stop its other clients, fence the database.

    Raises:
        Refused: it was not confirmed, or the service goes on serving.
        HostingError: the host did not do it. What is on is said then, and taken back if that is answered.
    """
    spec, _ = await context.target("production")
    intent = Intent(await surroundings(context), context.settings.hosting.maintenance, fence_wanted(context.settings))
    if intent.changes_something:
        await _confirm(context, spec, intent)
    try:
        return await _begin(context, spec, intent)
    except PgrecastError as error:
        await _say_what_is_on(context, error)
        raise


async def _confirm(context: StepContext, spec: ConnectionSpec, intent: Intent) -> None:
    chosen = await context.ask(
        f"Begin maintenance of production, {spec.database}?",
        (
            Choice(
                name=BEGIN,
                label="Begin maintenance",
                phrase=spec.database,
                consequence="Nobody is served from now on: the downtime begins.",
            ),
            STOP,
        ),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        target="production",
        details=intent.lines,
        cannot_undo=("Sessions that are ended lose what they had not committed.",) if intent.fence != "none" else (),
        way_back="Everything else is taken back by step 7.2-back, at any moment.",
    )
    if chosen != BEGIN:
        raise Refused("Maintenance was not confirmed.", advice="Run the step again to be asked again.")


async def _begin(context: StepContext, spec: ConnectionSpec, intent: Intent) -> str:
    around = intent.around
    at_host = AtHost(context, around)
    if around.service is not None:
        if around.can(Ability.AUTO_DEPLOY):
            await at_host.hold_auto_deploy(around.service)
        if around.by_host:
            await _switch_on(at_host, intent.means, around.service)
    for other in intent.stopped:
        await at_host.suspend(other)
    for other in around.others:
        if other not in intent.stopped:
            await context.say(f"For you to do: stop {other.name}.")
    words = [await _proved(context, by_host=around.by_host)]
    if intent.fence != "none":
        words.append(await fence_off(context, read_only=intent.fence == "read_only"))
        words += await _clear_sessions(context, spec, at_host, around)
    try:
        words.append(str(await count_sessions(context)))
    except PgrecastError as error:
        words.append(f"who is still connected could not be counted: {error.what}")
    return "; ".join(words)


async def _switch_on(at_host: AtHost, means: str, service: Service) -> None:
    match means:
        case "variable":
            await at_host.set_variable(service)
        case "suspend":
            await at_host.suspend(service)
        case _:
            await at_host.enter_maintenance(service)


async def _proved(context: StepContext, *, by_host: bool) -> str:
    """Ask the service until it serves nobody, and record since when."""
    url = context.settings.service.health_url
    whose = "" if by_host else " Stop the service at its host now."
    await context.say(f"Asks {url} until it answers 503 or refuses the connection.{whose}")
    probed = await ask_until(context, lambda health: health.serves_nobody)
    await record_answer(context, probed.health)
    if not probed.held:
        raise Refused(
            f"The service was not seen to stop within {limit(WITHIN)}: it {probed.health.words}.",
            advice="Stop it at its host, or look whether service.health_url is right; then run the step again.",
        )
    if downtime_began(context.state) is None:
        await context.fact(DOWNTIME_BEGAN, probed.since.isoformat())
    return f"the service {probed.health.words}"


async def _clear_sessions(
    context: StepContext, spec: ConnectionSpec, at_host: AtHost, around: Surroundings
) -> list[str]:
    """End others' sessions; an application that comes back as the owner is stopped at its host, where that can be done."""
    found = await end_sessions(context, spec)
    words = [str(found)]
    if not found.back:
        return words
    if around.service is None or not around.can(Ability.SUSPEND) or around.service.id in at_host.held.suspended:
        return [*words, _by_hand(found)]
    await context.say(f"{around.service.name} logs in as the owner again and again: no privilege keeps it out.")
    await at_host.suspend(around.service)
    words.append(f"{around.service.name} is stopped")
    loop = asyncio.get_running_loop()
    until = loop.time() + STOPPED_WITHIN
    again = await end_sessions(context, spec, settling=True)
    while again.back and loop.time() < until:
        again = await end_sessions(context, spec, settling=True)
    probed = await ask_until(context, lambda health: health.serves_nobody)
    await record_answer(context, probed.health)
    return [*words, _by_hand(again)] if again.back else words


def _by_hand(found: Ended) -> str:
    names = ", ".join(dict.fromkeys(session.application or f"process {session.pid}" for session in found.back))
    return f"stop {names} at its host: it logs in as the owner, whom no privilege keeps out"


async def _say_what_is_on(context: StepContext, error: PgrecastError) -> None:
    """After a failure half-way: what is on, and whether it is to be taken back. The error says what came of it."""
    on = standing(context.state)
    if not on:
        return
    chosen = await context.ask(
        "Maintenance has not begun as it should. Take back what is on?",
        (
            Choice(
                name=TAKE_BACK,
                label="Take it back",
                consequence="The fence is lifted, everything at the host is as before, and the service serves again.",
            ),
            Choice(
                name=STAY,
                label="Leave it on",
                consequence="The downtime goes on; the step can be run again, and goes on from there.",
            ),
        ),
        default=STAY,
        expires_in=context.settings.limits.confirmation,
        target="production",
        details=(error.what, error.advice, *(f"On: {line}" for line in on)),
        way_back="Step 7.2-back takes it back later, too.",
    )
    if chosen == TAKE_BACK:
        try:
            await open_again(context)
        except PgrecastError as further:
            await context.say(f"It could not be taken back: {further}")
    left = standing(context.state)
    error.state = f"Still on: {'; '.join(left)}." if left else "Everything that was on is taken back."
    error.advice = f"{error.advice} Step 7.2-back takes back what is on.".strip() if left else error.advice


# --- after the engine's death -----------------------------------------------------------------------------------------


async def reconcile_maintenance(context: StepContext) -> Reconciled:
    """The step was interrupted: a fence that may be half raised is lifted, and what is on at the host is said."""
    fence = await lift_or_say(context, stands=False)
    held = Held.of(context.state).lines
    found = ["It was interrupted.", *((fence,) if fence else ())]
    found += [f"Still on at the host: {'; '.join(held)}." if held else "At the host nothing of it is on."]
    again = "Run it again, and it goes on from there; step 7.2-back takes back what is on." if held else "Run it again."
    return Reconciled("failed", " ".join((*found, again)))


async def look_after_start(context: StepContext) -> None:
    """Whether the fence that stands in the run's record is meant to: it is lifted where maintenance has not begun or is over."""
    through = (StepStatus.DONE, StepStatus.TICKED)
    stands = (
        context.state.step(context.step).status in through and context.state.step(DOWNTIME_ENDS).status not in through
    )
    if said := await lift_or_say(context, stands=stands):
        await context.say(said)
