"""From a connection to a plan: the catalog, the scope, what else goes on, the blockers, the statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg

from core.errors import ConnectionFailed, QueryFailed
from core.events import Reading
from core.postgres.catalog import Catalog
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.connection_errors import lost
from core.postgres.identity import Identity
from core.postgres.inspect import InspectionProgress, Progress, inspect
from core.postgres.targets import connection_spec
from core.retype import bodies
from core.retype.activity import Activity, read_activity
from core.retype.advice import described
from core.retype.blockers import find_blockers
from core.retype.check import Checked, check_on_clone, plan_checked
from core.retype.clone import CloneSettings
from core.retype.model import Plan, ScopeRequest
from core.retype.scope import decide_scope
from core.retype.soft_references.clues import read_clues
from core.retype.soft_references.find import Clues
from core.runbook.model import StepContext
from core.settings import Settings
from core.settings.run import LimitsSettings

EMBEDDED = CloneSettings()


def clone_settings(settings: Settings) -> CloneSettings:
    """How the settings say that empty copies are made. Blocks while a password command runs.

    Raises:
        ConfigurationError, UsageError: they are to be made on the test target's server, and it cannot be had.
    """
    server = connection_spec(settings, "test") if settings.check.server == "test" else None
    return CloneSettings(server, settings.check.client_programs)


async def clone_of_run(context: StepContext) -> CloneSettings:
    """As `clone_settings`, by the login that the test target has now: it may have been rotated.

    Raises:
        PgrecastError: the copies are to be made on the test target's server, and it cannot be reached.
    """
    check = context.settings.check
    server = (await context.target("test"))[0] if check.server == "test" else None
    return CloneSettings(server, check.client_programs)


@dataclass(frozen=True)
class Planned:
    """A plan, and what it was made from."""

    request: ScopeRequest
    identity: Identity
    catalog: Catalog
    activity: Activity
    plan: Plan
    checked: Checked = field(default=Checked(), kw_only=True)
    """What the check on an empty clone has found; planning again needs no clone."""
    clues: Clues = field(default=Clues(), kw_only=True)
    """What was read of columns without a foreign key; planning again reads no values."""

    def replan(self, catalog: Catalog) -> Plan:
        """The plan of the same request from another reading of the catalog."""
        return _plan(self.request, self.identity, catalog, self.activity, self.checked, self.clues)


def _plan(
    request: ScopeRequest, identity: Identity, catalog: Catalog, activity: Activity, checked: Checked, clues: Clues
) -> Plan:
    scope = decide_scope(catalog, request, clues)
    found = find_blockers(catalog, scope, activity)
    chosen = checked.chosen(request.repair_functions)
    not_allowed = bodies.blockers(catalog, checked.functions or (), chosen, activity)
    findings = found._replace(blockers=(*found.blockers, *not_allowed))
    return plan_checked(catalog, scope, findings, identity, checked, request.repair_functions)


async def plan_conversion(
    spec: ConnectionSpec,
    identity: Identity,
    request: ScopeRequest,
    limits: LimitsSettings,
    *,
    again: Planned | None = None,
    progress: Progress | None = None,
    clone: CloneSettings | None = EMBEDDED,
) -> Planned:
    """Read the database and plan, its expressions checked on an empty clone. Nothing is changed.

    Args:
        identity: the database that it must be.
        again: planned a moment ago, to plan another request without reading the catalog and the samples again.
        progress: told of each query of the reading.
        clone: how to make the clone; None to check nothing and to guess.

    Raises:
        UsageError: a column that the request names cannot be used.
        ConnectionFailed, QueryFailed: the database could not be read.
    """
    catalog = again.catalog if again else await read_catalog(spec, limits, progress)
    async with reading(spec, limits) as connection:
        clues = again.clues if again else await read_clues(connection, catalog, request)
        scope = await asyncio.to_thread(decide_scope, catalog, request, clues)
        activity = await read_activity(connection, catalog, scope)
    checked = Checked()
    if clone is not None:
        findings = await asyncio.to_thread(find_blockers, catalog, scope, activity)
        checked = await check_on_clone(spec, catalog, scope, settings=clone, is_blocked=bool(findings.blockers))
    plan = await asyncio.to_thread(_plan, request, identity, catalog, activity, checked, clues)
    return Planned(request, identity, catalog, activity, plan, checked=checked, clues=clues)


@asynccontextmanager
async def reading(spec: ConnectionSpec, limits: LimitsSettings) -> AsyncGenerator[asyncpg.Connection]:
    """A session that only reads, each query bounded by the settings.

    Raises:
        ConnectionFailed: there is no connection, or it was lost.
        QueryFailed: the server refused or cancelled a query.
    """
    connection = await connect(spec, statement_timeout_ms=milliseconds(limits.read))
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise ConnectionFailed(
                f"The connection to {spec} was lost while the database was read.",
                advice="Try again when the server answers.",
            ) from error
        said = described(error) if isinstance(error, asyncpg.PostgresError) else str(error)
        raise QueryFailed(
            f"The database could not be read: {said}", advice="Look at the message, and try again."
        ) from error
    finally:
        connection.terminate()


async def read_catalog(spec: ConnectionSpec, limits: LimitsSettings, progress: Progress | None = None) -> Catalog:
    """The catalog, read within the settings' limits; raises as `core.postgres.inspect.inspect` does."""
    timeout = milliseconds(limits.read)
    return await inspect(spec, connections=limits.connections, progress=progress, statement_timeout_ms=timeout)


def milliseconds(span: timedelta) -> int:
    return round(span / timedelta(milliseconds=1))


def show_inspection(context: StepContext) -> Progress:
    """Shows the reading of the catalog as it goes on."""

    def show(progress: InspectionProgress) -> None:
        values = {"query": progress.name, "rows": progress.rows, "done": progress.done, "total": progress.total}
        context.read(Reading(step=context.step, name="inspection", values=values))

    return show
