"""Task 7.6: what must be true after the deploy, each by itself; what maintenance hides is looked at again after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from core.errors import PgrecastError
from core.events import Json
from core.hosting.health import ask_health
from core.postgres.catalog import Catalog
from core.postgres.connect import ConnectionSpec
from core.revisions.graph import VersionTable
from core.revisions.replay import read_graph
from core.revisions.version_table import read_claim
from core.runbook.conversion.convert import scope_request
from core.runbook.conversion.planning import read_catalog, reading
from core.runbook.facts import HEALTH_VERIFIED
from core.runbook.investigation.findings import find_table, key_type
from core.runbook.migrations import application_log, application_project, has_project
from core.runbook.model import StepContext
from core.runbook.timeline import downtime_began
from core.runbook.user_command import run_user_command
from core.runbook.words import counted

HEALTH, FRONTEND, REVISION, KEY_TYPE, TABLES = "health", "front page", "revision", "key type", "tables"
SMOKE = "smoke: "
"""How the names of the user's own tests begin; the command line follows."""
SMOKE_FILE = "smoke.txt"
HIDDEN = "which maintenance explains; looked at again after it"


@dataclass(frozen=True, slots=True)
class Check:
    """A check and what it found. `held` is None where it could not be made."""

    name: str
    held: bool | None
    words: str

    def __str__(self) -> str:
        verdict = {True: "holds", False: "does NOT hold", None: "not proved"}[self.held]
        return f"{self.name}: {verdict}: {self.words}"


async def verify_production(context: StepContext) -> str:
    """Look at the service, the front page, the revision, the key's type and the tables, and run the user's own tests.

    Raises:
        PgrecastError: a check does not hold, or the database cannot be read.
    """
    found = [check async for check in _database_checks(context)]
    found += [check async for check in service_checks(context, _service_names(context))]
    await _record(context, found)
    return _summary(found, "Maintenance stays as it is; what the deploy has migrated is committed.")


async def repeat_hidden(context: StepContext) -> None:
    """Look again at what maintenance had hidden.

    Raises:
        PgrecastError: a check does not hold.
    """
    known: dict[str, bool | None] = context.state.facts.get(HEALTH_VERIFIED) or {}
    names = [name for name in _service_names(context) if known.get(name, True) is None]
    if not names:
        return
    found = [check async for check in service_checks(context, names)]
    await _record(context, found)
    _summary(found, "Maintenance is over: the service is open to everyone.")


async def _record(context: StepContext, found: Iterable[Check]) -> None:
    known: dict[str, Json] = dict(context.state.facts.get(HEALTH_VERIFIED) or {})
    for check in found:
        known[check.name] = check.held
    await context.fact(HEALTH_VERIFIED, known)


def _summary(found: Iterable[Check], state: str) -> str:
    checks = tuple(found)
    failed = [check for check in checks if check.held is False]
    if failed:
        raise PgrecastError(
            f"{counted(len(failed), 'check')} of {len(checks)} {'does' if len(failed) == 1 else 'do'} not hold: "
            f"{'; '.join(f'{check.name}: {check.words}' for check in failed)}.",
            state=state,
            advice="Look at the logs of the deploy and of the service (If services won't start), and run the step again.",
        )
    open_ = [check.name for check in checks if check.held is None]
    rest = f"; not proved: {', '.join(open_)}" if open_ else ""
    return f"{counted(len(checks) - len(open_), 'check')} of {len(checks)} hold{rest}"


# --- the database ------------------------------------------------------------------------------------------------------


async def _database_checks(context: StepContext) -> AsyncIterator[Check]:
    spec, _ = await context.target("production")
    catalog = await read_catalog(spec, context.settings.limits)
    for check in (await _revision(context, spec), _key_type(context, catalog), _tables(context, catalog)):
        await context.say(str(check))
        yield check


async def _revision(context: StepContext, spec: ConnectionSpec) -> Check:
    """Whether the version table says the history's heads."""
    table, heads = VersionTable(), None
    if has_project(context.settings):
        with application_log(context) as log:
            graph = await read_graph(application_project(context.settings.alembic), log)
        table, heads = graph.version_table, graph.heads
    async with reading(spec, context.settings.limits) as connection:
        claim = await read_claim(connection, table)
    if heads is None:
        return Check(REVISION, None, f"{claim}; which one is the head, no project tells ([alembic])")
    held = set(claim.rows or ()) == set(heads)
    return Check(REVISION, held, str(claim) if held else f"{claim}, the head is {', '.join(heads)}")


def _key_type(context: StepContext, catalog: Catalog) -> Check:
    column = context.settings.investigation.key_column
    found, wanted = key_type(catalog, column), scope_request(context.settings).types.target
    if found is None:
        return Check(KEY_TYPE, None, f"there is no column {column}")
    return Check(KEY_TYPE, found == wanted, f"{column} is {found}" + ("" if found == wanted else f", not {wanted}"))


def _tables(context: StepContext, catalog: Catalog) -> Check:
    wanted = context.settings.investigation.indicator_tables
    missing = [name for name in wanted if find_table(catalog, name) is None]
    if missing:
        return Check(TABLES, False, f"missing: {', '.join(missing)}")
    return Check(TABLES, True if wanted else None, f"there are {', '.join(wanted)}" if wanted else "none are named")


# --- the service -------------------------------------------------------------------------------------------------------


def _service_names(context: StepContext) -> list[str]:
    """The checks that maintenance may hide, in their order."""
    wanted = context.settings.service
    return [
        *((HEALTH,) if wanted.health_url else ()),
        *((FRONTEND,) if wanted.frontend_url else ()),
        *(f"{SMOKE}{command}" for command in wanted.smoke),
    ]


async def service_checks(context: StepContext, names: Iterable[str]) -> AsyncIterator[Check]:
    """Make these checks of the service, each said as it is made."""
    for name in names:
        match name:
            case _ if name == HEALTH:
                check = await _health(context)
            case _ if name == FRONTEND:
                check = await _front_page(context)
            case _:
                check = await _smoke(context, name)
        await context.say(str(check))
        yield check


async def _health(context: StepContext) -> Check:
    """Whether the service answers 2xx with the fields that are expected."""
    wanted = context.settings.service
    health = await ask_health(wanted.health_url)
    if health.serves_nobody and _in_maintenance(context):
        return Check(HEALTH, None, f"the service {health.words}, {HIDDEN}")
    if not health.serves:
        return Check(HEALTH, False, f"the service {health.words}")
    wrong = [
        f"{name} is {health.fields[name]!r}, not {value!r}" if name in health.fields else f"{name} is missing"
        for name, value in wanted.expected_fields.items()
        if not _same(health.fields.get(name), value)
    ]
    told = ", ".join(f"{name}={value}" for name, value in wanted.expected_fields.items())
    return Check(HEALTH, not wrong, "; ".join(wrong) or f"the service {health.words}{f', {told}' if told else ''}")


def _same(found: Json, wanted: Json) -> bool:
    """Whether two values are the same JSON: 1 is not true."""
    return isinstance(found, bool) is isinstance(wanted, bool) and found == wanted


async def _front_page(context: StepContext) -> Check:
    page = await ask_health(context.settings.service.frontend_url, follow_redirects=True)
    if page.serves_nobody and _in_maintenance(context):
        return Check(FRONTEND, None, f"it {page.words}, {HIDDEN}")
    return Check(FRONTEND, page.status == 200, f"it {page.words}")


async def _smoke(context: StepContext, name: str) -> Check:
    wanted = context.settings.service
    command = name.removeprefix(SMOKE)
    await context.say(f"Runs {command}")
    ran = await run_user_command(context, command, wanted.smoke_directory, wanted.smoke_timeout)
    await context.file(SMOKE_FILE, ran.document.encode())
    if not ran.held and ran.status is not None and _in_maintenance(context):
        return Check(name, None, f"{ran.words}, {HIDDEN}")
    return Check(name, ran.held, ran.words)


def _in_maintenance(context: StepContext) -> bool:
    return downtime_began(context.state) is not None
