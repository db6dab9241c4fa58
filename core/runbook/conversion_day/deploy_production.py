"""Task 7.5: production's migrations run and the new code goes live, by the host's deploy, by this console, or by a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from core.errors import HostingError, PgrecastError, Refused
from core.events import Choice
from core.hosting.interface import Ability, Deploy, DeployState, Service
from core.postgres.catalog import Catalog
from core.revisions.graph import Graph
from core.runbook.conversion.planning import read_catalog
from core.runbook.conversion_day.commits import commit_of_project
from core.runbook.conversion_day.deploying import WITHIN, Followed, follow, remember, start, unfinished
from core.runbook.conversion_day.fencing import lift
from core.runbook.conversion_day.held_at_host import AtHost, Held
from core.runbook.conversion_day.maintenance import Surroundings, can_deploy, require_service, surroundings
from core.runbook.conversion_day.roll_back import before_it, roll_back_to
from core.runbook.escalations import MIGRATIONS_FAIL, SERVICES_DO_NOT_START, with_contacts
from core.runbook.facts import DEPLOY_STARTED, LOCATED, MIGRATED_PRODUCTION, REHEARSED_COMMIT, STAMPED, TABLES_CREATED
from core.runbook.migrations import cleared, has_project, let_go, located, migrate, require_heads
from core.runbook.model import Reconciled, StepContext
from core.runbook.questions import CANCEL, STOP
from core.runbook.words import counted, span
from core.settings import Settings

DEPLOY, LATEST, DEPLOYED = "deploy", "deploy latest", "deployed"
RETRY, RETRY_LATEST, ROLL_BACK, GIVE_UP = "retry", "retry latest", "roll back", "give up"

ANSWER_WITHIN = timedelta(hours=1)
"""How long it may be thought about after a deploy has failed; the downtime goes on meanwhile."""


def can_run(settings: Settings) -> bool:
    """Whether the console has anything to do in this step."""
    return has_project(settings) or can_deploy(settings)


async def deploy_production(context: StepContext) -> str:
    """Lift the fence, have the pending migrations run and the new code deployed, and look at what came of it.

    Raises:
        Refused: it was not confirmed.
        HostingError: the deploy failed, and was left so or rolled back.
        MigrationFailed, PgrecastError: the migrations have not come to the head.
    """
    if not has_project(context.settings):
        return await _deploy(context, pending=(), confirmed=False)
    if context.settings.alembic.migrate_by == "console":
        words = await migrate(context, "production", MIGRATED_PRODUCTION, first=lambda: lift(context))
        await lift(context)  # where nothing was pending
        if not can_deploy(context.settings):
            return words
        return f"{words}; {await _deploy(context, pending=(), confirmed=False)}"
    found, spec, identity = await located(context, "production")
    pending = found.location.pending
    if pending:
        await cleared(context, "production", spec, identity, found, "let the deploy run the pending revisions")
    before = await _tables(context)
    if can_deploy(context.settings):
        words = await _deploy(context, pending=pending, confirmed=bool(pending))
    else:
        words = await _deployed_by_hand(context, pending)
    graph = found.replay.graph
    claim = await require_heads(context, spec, graph)
    applied = _applied(context, graph, claim.rows or (), found.location.rows or ())
    await context.fact(MIGRATED_PRODUCTION, applied)
    await _remember_tables(context, before, await _tables(context))
    return f"{words}: {counted(len(applied), 'migration')} applied, the version table says {claim}"


# --- by the host -------------------------------------------------------------------------------------------------------


async def _deploy(context: StepContext, *, pending: Sequence[str], confirmed: bool) -> str:
    """Deploy at the host and follow it to its end; a failure is asked about until it is live or given up.

    Args:
        pending: revisions that the deploy is to run.
        confirmed: whether the operator has typed the database's name for this attempt already.
    """
    around = await surroundings(context)
    if not around.can(Ability.DEPLOY):
        return await _deployed_by_hand(context, pending)
    service = require_service(around.service)
    running = await _unfinished(context, around, service)
    commit = None if running else await _which_commit(context, around, service, confirmed=confirmed)
    await lift(context)
    await _wake(context, around, service)
    await let_go(context, "production")
    while True:
        deploy = running or await start(context, around.host, service.id, commit)
        followed = await follow(context, around.host, service.id, deploy, pending=len(pending))
        await remember(context, followed)
        if followed.is_live:
            break
        commit = await _after_failure(context, around, service, followed, commit)
        running = None
    await AtHost(context, around).release_auto_deploy()
    live = followed.deploy
    return f"deploy {live.id} is live{f' ({_short(live.commit)})' if live.commit else ''}"


async def _unfinished(context: StepContext, around: Surroundings, service: Service) -> Deploy | None:
    """A deploy that an interrupted attempt has asked for: it is followed on, and not asked for twice."""
    try:
        running = await unfinished(context, around.host, service.id)
    except HostingError as error:
        await context.say(f"Whether the last attempt's deploy goes on cannot be told: {error.what}")
        return None
    if running is not None:
        await context.say(f"Deploy {running.id} was asked for before ({running.told}); it is followed on.")
    return running


async def _which_commit(context: StepContext, around: Surroundings, service: Service, *, confirmed: bool) -> str | None:
    """The commit to deploy, None for the latest; the rehearsed one is offered first."""
    rehearsed = context.state.facts.get(REHEARSED_COMMIT)
    here = await commit_of_project(context.settings.alembic)
    offered = rehearsed or here
    spec, _ = await context.target("production")
    phrase = None if confirmed else spec.database
    which = "rehearsed commit" if rehearsed else "commit of the work tree"
    choices = [
        Choice(
            name=LATEST, label="Deploy the latest commit of its branch", phrase=phrase, consequence="Whatever it is."
        )
    ]
    if offered:
        told = "What was rehearsed goes live." if rehearsed else "What lies in the project's work tree goes live."
        choices.insert(
            0, Choice(name=DEPLOY, label=f"Deploy the {which} {_short(offered)}", phrase=phrase, consequence=told)
        )
    chosen = await context.ask(
        f"Deploy {service.name} at {around.host.name}?",
        (*choices, STOP),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        target="production",
        details=(
            f"Rehearsed: {rehearsed or 'no commit is known'}.",
            f"In the project's work tree: {here or 'no commit is known'}"
            + (", NOT the rehearsed one." if rehearsed and here and here != rehearsed else "."),
            f"Live now: {await _live_words(around, service)}",
        ),
        checked=("The fence is lifted, and a stopped service started, before the deploy.",),
        cannot_undo=("The host's rollback takes the code back, not the migrations.",),
        way_back="Step 7.5-back rolls the deploy back; for the database only the backup leads back once migrations have run.",
    )
    if chosen == CANCEL:
        raise Refused("The deploy was not confirmed.", advice="Run the step again to be asked again.")
    return offered if chosen == DEPLOY else None


async def _live_words(around: Surroundings, service: Service) -> str:
    try:
        deploys = await around.host.deploys(service.id)
    except HostingError as error:
        return f"not known: {error.what}"
    live = next((deploy for deploy in deploys if deploy.state is DeployState.LIVE), None)
    if live is None:
        return "not known."
    return f"{live.commit or 'no commit'} ({live.message or 'no message'}), deploy {live.id}."


async def _wake(context: StepContext, around: Surroundings, service: Service) -> None:
    """Start the service if this run has stopped it, which a deploy needs; behind the host's maintenance mode, where it has one."""
    at_host = AtHost(context, around)
    if service.id not in at_host.held.suspended:
        return
    if around.can(Ability.MAINTENANCE) and service.id not in at_host.held.maintenance:
        await at_host.enter_maintenance(service)
    await at_host.resume(service.id)


async def _after_failure(
    context: StepContext, around: Surroundings, service: Service, followed: Followed, commit: str | None
) -> str | None:
    """What to do about a failed deploy; returns the commit to deploy next.

    Raises:
        HostingError: it is given up, or was rolled back.
    """
    deploy = followed.deploy
    migrations = followed.migrations_failed
    tree = MIGRATIONS_FAIL if migrations else SERVICES_DO_NOT_START
    what = f"The deploy {deploy.id} has failed ({deploy.told})"
    if migrations:
        what += " in the migrations"
        what += f", the last that began was {followed.revisions[-1]}" if followed.revisions else ""
    for line in followed.last_words:
        await context.say(f"log: {line}")
    previous = await before_it(around, service, deploy)
    chosen = await context.ask(
        f"{what}. What now?",
        _ways_on(around, deploy, commit, previous),
        default=GIVE_UP,
        expires_in=ANSWER_WITHIN,
        target="production",
        details=(
            *(f"log: {line}" for line in followed.last_words),
            f"{tree.title}:",
            *(f"{number}. {line}" for number, line in enumerate(with_contacts(tree, context.settings), 1)),
        ),
        way_back="The database stays as the migrations have left it; only the backup leads further back.",
    )
    match chosen:
        case "retry":
            return commit
        case "retry latest":
            return None
        case "roll back" if previous is not None:
            rolled = await roll_back_to(context, around, service, previous)
            raise HostingError(
                f"{what}; it was rolled back to {rolled}.",
                state="Maintenance goes on. What the migrations have committed stays.",
                advice="Fix it, push, and run the step again.",
            )
        case _:
            raise HostingError(
                f"{what}.",
                state="Maintenance goes on. What the migrations have committed stays.",
                advice=f"See: {tree.title}. Run the step again when it is mended, or step 7.5-back to roll the code back.",
            )


def _ways_on(around: Surroundings, deploy: Deploy, commit: str | None, previous: Deploy | None) -> tuple[Choice, ...]:
    """The choices after a failure, each with what it costs."""
    took = (
        f"It takes about as long as this one, {span((deploy.finished_at - deploy.created_at).total_seconds())}"
        if deploy.finished_at and deploy.created_at
        else "It takes about as long as this one"
    )
    same = Choice(
        name=RETRY,
        label=f"Deploy {_short(commit)} again" if commit else "Deploy again",
        consequence=f"{took}; the downtime goes on. Migrations that are committed are not run again.",
    )
    latest = Choice(
        name=RETRY_LATEST,
        label="Deploy the latest commit",
        consequence=f"{took}; for when a fix was pushed. It was not rehearsed.",
    )
    back = Choice(
        name=ROLL_BACK,
        label=f"Roll back to {_short(previous.commit) if previous and previous.commit else 'the deploy before'}",
        consequence=f"{took}. The code is as before; the database stays converted and migrated as far as it came.",
    )
    give_up = Choice(
        name=GIVE_UP,
        label="Leave it",
        consequence="Maintenance and the downtime go on, and nothing else is changed; the step can be run again.",
    )
    can_roll_back = previous is not None and around.can(Ability.ROLLBACK)
    return (same, *((latest,) if commit else ()), *((back,) if can_roll_back else ()), give_up)


def _short(commit: str) -> str:
    return commit[:12]


# --- by a person -------------------------------------------------------------------------------------------------------


async def _deployed_by_hand(context: StepContext, pending: Sequence[str]) -> str:
    """A person deploys; afterwards the version table must say the history's heads.

    Raises:
        Refused: it was not confirmed; or no project tells which revision is the head, and nothing would prove it.
    """
    if not has_project(context.settings):
        raise Refused(
            "Nothing would prove a deploy by hand: no Alembic project is set.",
            advice="Deploy at the host, and tick the step; step 7.6 looks at the service and the tables.",
        )
    await lift(context)
    if not pending and not can_deploy(context.settings):
        return "nothing was pending"
    stopped = Held.of(context.state).suspended
    chosen = await context.ask(
        "Deploy now at the host. Has the deploy ended?",
        (
            Choice(name=DEPLOYED, label="It has ended", consequence="The version table and the schema are looked at."),
            STOP,
        ),
        default=CANCEL,
        expires_in=WITHIN,
        target="production",
        details=(
            *((f"First start what this run has stopped: {context.settings.hosting.service}.",) if stopped else ()),
            *(f"expected: {revision}" for revision in pending),
        ),
        way_back="The host's rollback takes the code back, not the migrations.",
    )
    if chosen != DEPLOYED:
        raise Refused("The deploy was not confirmed.", advice="Run the step again when it has ended.")
    return "deployed"


# --- what came of it ---------------------------------------------------------------------------------------------------


def _applied(context: StepContext, graph: Graph, now: Sequence[str], located_now: Sequence[str]) -> list[str]:
    """The revisions that were applied since the conversion, over all attempts."""
    facts = context.state.facts
    stamped: dict[str, dict[str, list[str]]] = facts.get(STAMPED) or {}
    found: dict[str, list[str]] = facts.get(LOCATED) or {}
    known = stamped.get("production", {}).get("new") or found.get("revisions") or located_now
    done = graph.closure(now) - graph.closure(known)
    return [revision.id for revision in graph.revisions if revision.id in done]


async def _tables(context: StepContext) -> frozenset[str]:
    spec, _ = await context.target("production")
    catalog: Catalog = await read_catalog(spec, context.settings.limits)
    return frozenset(relation.name for relation in catalog.relations if relation.kind in "rp")


async def _remember_tables(context: StepContext, before: frozenset[str], after: frozenset[str]) -> None:
    known: dict[str, list[str]] = context.state.facts.get(TABLES_CREATED) or {}
    if made := sorted(after - before):
        await context.fact(TABLES_CREATED, {**known, "production": [*known.get("production", ()), *made]})


# --- after the engine's death ------------------------------------------------------------------------------------------


async def reconcile_deploy(context: StepContext) -> Reconciled:
    """The step was interrupted: what became of the deploy that it had asked for, if it had."""
    found = "It was interrupted. Migrations that had ended are committed."
    if context.state.facts.get(DEPLOY_STARTED):
        try:
            around = await surroundings(context)
            running = await unfinished(context, around.host, require_service(around.service).id)
        except PgrecastError as error:
            found += f" What became of its deploy could not be asked: {error.what}"
        else:
            found += (
                f" Its deploy {running.id} is {running.state} ({running.told}); run again, the step follows it on."
                if running
                else " The host knows of no deploy of it."
            )
    return Reconciled("failed", f"{found} It is safe to run again.")
