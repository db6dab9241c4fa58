"""The application's migrations in the runbook: locate the revision, stamp it, clear the way, run what is pending."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import asyncpg

from core.errors import ConfigurationError, PgrecastError, Refused
from core.events import Choice, Json, Reading
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.identity import Identity
from core.redaction import redactor
from core.revisions.application import ApplicationProject
from core.revisions.clearance import clear, clearable
from core.revisions.graph import Graph
from core.revisions.locate import Verdict
from core.revisions.process import Log
from core.revisions.replay import ReplayProgress
from core.revisions.report import answer, report_lines
from core.revisions.spelling import TypePair
from core.revisions.stamp import Stamped, require_proof, stamp
from core.revisions.survey import Survey, survey
from core.revisions.upgrade import (
    MigrationFailed,
    Progress,
    RevisionApplied,
    RevisionStarted,
    StatementSent,
    Upgraded,
    WaitingForLock,
    preview,
    upgrade,
)
from core.revisions.version_table import Claim, read_claim
from core.runbook.conversion.convert import scope_request
from core.runbook.conversion.planning import milliseconds, reading
from core.runbook.conversion_day.commits import commit_of_project
from core.runbook.facts import (
    LOCATED,
    LOCATION_FILE,
    MIGRATED_TEST,
    MIGRATION_BEGAN,
    PREVIEW_FILE,
    REHEARSED_COMMIT,
    STAMPED,
    TABLES_CREATED,
)
from core.runbook.markdown import bullets, code
from core.runbook.model import StepContext
from core.runbook.questions import CANCEL, STOP
from core.runbook.words import counted, span
from core.settings import Settings
from core.settings.alembic import AlembicSettings
from core.settings.targets import WorkingName

STAMP, MIGRATE = "stamp", "migrate"
PROJECT_PYTHONS = (".venv/bin/python", "venv/bin/python")


def has_project(settings: Settings) -> bool:
    """Whether the settings name the application's Alembic project."""
    return settings.alembic.project is not None


def application_project(wanted: AlembicSettings) -> ApplicationProject:
    """The project that the settings name, run by the Python of its own environment.

    Raises:
        ConfigurationError: there is none, or it is not where the settings say.
    """
    if wanted.project is None:
        raise ConfigurationError(
            "No Alembic project is configured.", advice="Set project under [alembic]; config.example.toml shows how."
        )
    location = wanted.project.expanduser()
    folder = location if location.is_dir() else location.parent
    own = next((path for name in PROJECT_PYTHONS if (path := folder / name).exists()), None)
    interpreter = shlex.split(wanted.interpreter) or [str(own or sys.executable)]
    return ApplicationProject.find(
        location,
        working_directory=wanted.working_directory,
        interpreter=tuple(interpreter),
        url_variables=wanted.url_variables,
        passed_on=wanted.passed_on,
    )


# --- steps -------------------------------------------------------------------------------------------------------------


async def locate_production(context: StepContext) -> str:
    """Find the revision at which production's schema really is. Reads only."""
    found, _, _ = await located(context, "production")
    await context.fact(
        LOCATED,
        {
            "verdict": found.location.verdict.value,
            "claimed": _plain(found.location.claim.rows),
            "revisions": _plain(found.location.rows),
            "pending": list(found.location.pending),
            "in_the_way": [obstacle.sentence for obstacle in found.location.obstacles],
        },
    )
    return answer(found.location)


async def migrate_test(context: StepContext) -> str:
    """On the test database: stamp what is proved, clear the way, run every pending revision."""
    return await rehearse_migrations(context, "test")


async def rehearse_migrations(context: StepContext, target: WorkingName) -> str:
    """Stamp what is proved, clear the way, run every pending revision, and remember with which commit of the project."""
    commit = await commit_of_project(context.settings.alembic)
    await _stamp(context, target)
    words = await migrate(context, target, MIGRATED_TEST)
    await context.fact(REHEARSED_COMMIT, commit)
    return words


async def stamp_production(context: StepContext) -> str:
    """Set production's version table to what the schema proves."""
    return await _stamp(context, "production")


# --- their parts -------------------------------------------------------------------------------------------------------


async def located(context: StepContext, target: WorkingName) -> tuple[Survey, ConnectionSpec, Identity]:
    """Survey the target, show what is found, and leave the report as evidence."""
    spec, identity = await context.target(target)
    project = application_project(context.settings.alembic)
    scratch = (await context.target("test"))[0] if context.settings.alembic.scratch == "test" else None

    def show(progress: ReplayProgress) -> None:
        values = {"revision": progress.revision, "done": progress.done, "total": progress.total}
        context.read(Reading(step=context.step, name="replay", values=values))

    with application_log(context) as log:
        found = await survey(
            project, spec, scratch=scratch, log=log, converted=_converted(context, target), progress=show
        )
    lines = report_lines(found)
    title = f"# Which revision is {target} at?"
    await context.file(LOCATION_FILE, "\n\n".join((title, bullets(map(code, filter(None, lines))))).encode())
    await context.say(answer(found.location))
    return found, spec, identity


def _converted(context: StepContext, target: WorkingName) -> tuple[TypePair, ...]:
    """The types that this run has exchanged on the target: columns that the conversion has left are no drift."""
    committed = [c for c in context.state.conversions.values() if c.target == target and c.outcome == "committed"]
    types = scope_request(context.settings).types
    return (TypePair(types.source, types.target),) if committed else ()


async def _stamp(context: StepContext, target: WorkingName) -> str:
    found, spec, identity = await located(context, target)
    location, table = found.location, found.replay.graph.version_table
    if location.verdict is Verdict.AGREES:
        return f"nothing to stamp: {answer(location)}"
    rows, reason = await _which(context, target, spec, found)
    require_proof(location, rows, reason)
    async with _writing(spec) as connection:
        done = await stamp(connection, identity, table, old=location.claim, new=Claim(rows), graph=found.replay.graph)
    await _remember(context, target, done)
    return f"stamped {done}"


async def _which(
    context: StepContext, target: WorkingName, spec: ConnectionSpec, found: Survey
) -> tuple[tuple[str, ...], str | None]:
    """The rows to stamp, confirmed by the typed name, and the reason where nothing proves them."""
    location = found.location
    if location.rows is not None:
        options = {STAMP: (location.rows, f"Stamp {Claim(location.rows)}", "What the schema proves.")}
    else:
        options = {
            f"{STAMP} {number}": (candidate.rows, f"Stamp {Claim(candidate.rows)}", f"If {candidate.question}")
            for number, candidate in enumerate(location.candidates, 1)
        }
    choices = [
        Choice(name=name, label=label, phrase=spec.database, consequence=consequence)
        for name, (_, label, consequence) in options.items()
    ]
    chosen = await context.ask(
        f"Stamp the {target} database {spec.database}? It says {location.claim}.",
        (*choices, STOP),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        target=target,
        checked=tuple(str(evidence) for evidence in location.evidence),
        way_back=f"The old value, {location.claim}, is kept in the journal.",
        details=location.notes,
    )
    if chosen == CANCEL:
        raise Refused("Nothing was stamped.", advice="Run the step again to be asked again.")
    rows, _, consequence = options[chosen]
    return rows, None if location.rows is not None else f"the operator's answer: {consequence}"


async def _remember(context: StepContext, target: WorkingName, done: Stamped) -> None:
    stamps: dict[str, Json] = {**(context.state.facts.get(STAMPED) or {})}
    stamps[target] = {"old": _plain(done.old.rows), "new": _plain(done.new.rows)}
    await context.fact(STAMPED, stamps)


async def migrate(
    context: StepContext, target: WorkingName, fact: str, *, first: Callable[[], Awaitable[object]] | None = None
) -> str:
    """Run the target's pending revisions from here; `first` is done once that is confirmed.

    Raises:
        Refused: it was not confirmed.
        MigrationFailed: a revision failed; those before it are committed.
        ConfigurationError, ConnectionFailed, QueryFailed: the project, or the database, cannot be had.
    """
    found, spec, identity = await located(context, target)
    if not found.location.pending:
        await context.fact(fact, [])
        return f"nothing is pending: {answer(found.location)}"
    project = application_project(context.settings.alembic)
    with application_log(context) as log:
        await _show_sql(context, project, found.location.pending, log)
        await cleared(context, target, spec, identity, found, f"run {counted(len(found.location.pending), 'revision')}")
        if first is not None:
            await first()
        done = await _upgraded(context, target, project, spec, identity, found, log)
    await context.fact(fact, list(done.revisions))
    return f"{counted(len(done.revisions), 'migration')} applied: {done.before} -> {done.after}"


async def require_heads(context: StepContext, spec: ConnectionSpec, graph: Graph) -> Claim:
    """What production's version table says: the history's heads.

    Raises:
        PgrecastError: it says something else.
        ConnectionFailed, QueryFailed: it cannot be read.
    """
    async with reading(spec, context.settings.limits) as connection:
        claim = await read_claim(connection, graph.version_table)
    if set(claim.rows or ()) != set(graph.heads):
        raise PgrecastError(
            f"The version table says {claim} after the deploy, not {', '.join(graph.heads)}.",
            state="What the deploy has migrated is committed.",
            advice="Read the deploy's log for the migration that failed (If Migrations Fail After Conversion).",
        )
    return claim


async def _show_sql(context: StepContext, project: ApplicationProject, revisions: Sequence[str], log: Log) -> None:
    """The SQL of each pending revision as evidence, where offline mode can give it."""
    shown = await preview(project, revisions, log)
    parts = [f"-- revision {p.revision}\n{p.sql or f'-- no preview: {p.why}'}\n" for p in shown]
    await context.file(PREVIEW_FILE, "\n".join(parts).encode())


async def cleared(
    context: StepContext, target: WorkingName, spec: ConnectionSpec, identity: Identity, found: Survey, then: str
) -> None:
    """Ask, by the typed name, to go on; and move what is in the pending revisions' way, if anything is."""
    in_the_way = clearable(found.location)
    chosen = await context.ask(
        f"Migrate the {target} database {spec.database}: {then}?",
        (
            Choice(
                name=MIGRATE,
                label="Go on",
                phrase=spec.database,
                consequence="Each revision is committed before the next begins.",
            ),
            STOP,
        ),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        target=target,
        checked=tuple(f"pending: {revision}" for revision in found.location.pending),
        cannot_undo=("A revision that has run is undone by its own downgrade only.",),
        details=tuple(
            f"{o.revision}: {o.sentence}. It is dropped if it holds nothing, otherwise renamed aside."
            for o in in_the_way
        ),
        way_back="Downgrade the revisions, or restore the backup.",
    )
    if chosen != MIGRATE:
        raise Refused("The migrations were not confirmed.", advice="Run the step again to be asked again.")
    await let_go(context, target)
    if in_the_way:
        async with _writing(spec) as connection:
            for sentence in await clear(connection, identity, in_the_way):
                await context.say(sentence)


async def let_go(context: StepContext, target: WorkingName) -> None:
    """Record that migrations may run from now on."""
    began: dict[str, Json] = {**(context.state.facts.get(MIGRATION_BEGAN) or {})}
    await context.fact(MIGRATION_BEGAN, {**began, target: datetime.now(UTC).isoformat()})


async def _upgraded(
    context: StepContext,
    target: WorkingName,
    project: ApplicationProject,
    spec: ConnectionSpec,
    identity: Identity,
    found: Survey,
    log: Log,
) -> Upgraded:
    """Run the pending revisions, told as they go; a failure leaves its own words, and the tables that were made a fact."""
    told: asyncio.Queue[str | None] = asyncio.Queue()
    tables: list[str] = []

    async def tell() -> None:
        while (line := await told.get()) is not None:
            await context.say(line)

    def report(progress: Progress) -> None:
        match progress:
            case RevisionStarted():
                told.put_nowait(str(progress))
            case RevisionApplied():
                made = counted(len(progress.changes), "change")
                told.put_nowait(f"Applied {progress.revision} in {span(progress.seconds)}: {made}, committed")
                tables.extend(c.item.name for c in progress.changes if c.item.kind == "table" and c.before is None)
            case WaitingForLock():
                values = {"revision": progress.revision, "seconds": progress.seconds, "waits_for": progress.blockers}
                context.read(Reading(step=context.step, name="waiting", values=values))
            case StatementSent():
                values = {"revision": progress.revision, "statement": progress.sql[:200]}
                context.read(Reading(step=context.step, name="migration", values=values))

    telling = asyncio.create_task(tell())
    try:
        return await upgrade(
            project,
            spec,
            identity,
            found.replay.graph,
            log=log,
            lock_timeout_ms=milliseconds(context.settings.alembic.lock_timeout),
            report=report,
        )
    except MigrationFailed as error:
        failure = error.failure
        for name in ("message", "detail", "hint", "statement"):
            if said := getattr(failure, name):
                told.put_nowait(f"{failure.revision} {name}: {said}")
        raise
    finally:
        told.put_nowait(None)
        await telling
        if tables:
            known: dict[str, list[str]] = context.state.facts.get(TABLES_CREATED) or {}
            await context.fact(TABLES_CREATED, {**known, target: [*known.get(target, ()), *tables]})


@asynccontextmanager
async def _writing(spec: ConnectionSpec) -> AsyncGenerator[asyncpg.Connection]:
    connection = await connect(spec, read_only=False)
    try:
        yield connection
    finally:
        connection.terminate()


@contextmanager
def application_log(context: StepContext) -> Generator[Log]:
    """A file beside the journal for what the application prints, redacted."""
    path = context.run_directory / f"application-{context.step}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.log"
    with path.open("a", encoding="utf-8") as file:
        path.chmod(0o600)

        def log(line: str) -> None:
            file.write(redactor.redact(line) + "\n")
            file.flush()

        yield log


def _plain(rows: Sequence[str] | None) -> list[str] | None:
    return None if rows is None else list(rows)
