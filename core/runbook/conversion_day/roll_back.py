"""The way back from a deploy: the host goes back to the one that was live before. The database stays as it is."""

from __future__ import annotations

from core.errors import HostingError, Refused
from core.events import Choice
from core.hosting.interface import Ability, Deploy, DeployState, Service
from core.runbook.conversion_day.deploying import follow, remember
from core.runbook.conversion_day.held_at_host import AtHost
from core.runbook.conversion_day.maintenance import Surroundings, require_service, surroundings
from core.runbook.facts import DEPLOYED
from core.runbook.model import StepContext
from core.runbook.questions import CANCEL, STOP

BACK = "roll back"


async def before_it(around: Surroundings, service: Service, deploy: Deploy) -> Deploy | None:
    """The last deploy before this one that was live; None where there is none, or the host does not tell."""
    try:
        deploys = await around.host.deploys(service.id, 100)
    except HostingError:
        return None
    served = [d for d in deploys if d.id != deploy.id and d.state in (DeployState.LIVE, DeployState.REPLACED)]
    if deploy.created_at is not None:
        served = [d for d in served if d.created_at is not None and d.created_at <= deploy.created_at]
    return served[0] if served else None


async def roll_back_to(context: StepContext, around: Surroundings, service: Service, previous: Deploy) -> str:
    """Go back to that deploy, and follow it until it is live; automatic deploys are held, or the next push undoes it.

    Raises:
        HostingError: the host did not do it.
    """
    at_host = AtHost(context, around)
    if around.can(Ability.AUTO_DEPLOY):
        await at_host.hold_auto_deploy(service)
    deploy = await around.host.roll_back(service.id, previous.id)
    await context.say(f"{around.host.name} rolls {service.name} back to {previous.id}, as deploy {deploy.id}.")
    followed = await follow(context, around.host, service.id, deploy)
    await remember(context, followed)
    if not followed.is_live:
        raise HostingError(
            f"The rollback to {previous.id} ended as {followed.deploy.told}.",
            state="The database is as it was before the rollback.",
            advice="Look at the deploy in the host's dashboard (If services won't start).",
        )
    return f"{previous.id}{f' ({previous.commit[:12]})' if previous.commit else ''}, live as {deploy.id}"


async def roll_back_deploy(context: StepContext) -> str:
    """Roll the last deploy of this run back, after the typed confirmation.

    Raises:
        Refused: it was not confirmed, or there is nothing to go back to.
        HostingError: the host did not do it.
    """
    spec, _ = await context.target("production")
    around = await surroundings(context)
    service = require_service(around.service)
    last: dict[str, str] = context.state.facts.get(DEPLOYED) or {}
    deploys = await around.host.deploys(service.id, 100)
    ours = next((deploy for deploy in deploys if deploy.id == last.get("id")), None)
    previous = await before_it(around, service, ours) if ours is not None else None
    if previous is None:
        raise Refused(
            "There is no earlier deploy to go back to, as far as the host tells.",
            advice="Choose one in the host's dashboard.",
        )
    chosen = await context.ask(
        f"Roll {service.name} back to {previous.id}?",
        (
            Choice(
                name=BACK,
                label="Roll back",
                phrase=spec.database,
                consequence="The code that served before goes live; the migrations stay.",
            ),
            STOP,
        ),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        target="production",
        details=(
            f"Back to: {previous.commit or 'no commit'} ({previous.message or 'no message'}).",
            "The database stays converted and migrated; that code may not get along with it.",
            "Pushes do not deploy any more until step 7.5 or 7.7 is run.",
        ),
        way_back="Step 7.5 deploys again.",
    )
    if chosen != BACK:
        raise Refused("The rollback was not confirmed.", advice="Run the step again to be asked again.")
    return f"rolled back to {await roll_back_to(context, around, service, previous)}"
