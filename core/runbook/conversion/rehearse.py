"""Task 5: the rehearsal, on the test database or on a copy of production, and the count of its foreign keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from core.backup.comparison import Circumstances, schema_differences
from core.errors import ConfigurationError, PgrecastError, ProofFailed, Refused
from core.events import Choice, Tally
from core.postgres.catalog import Catalog
from core.postgres.fingerprint import canonical
from core.postgres.identity import Identity
from core.retype.estimate import Timings
from core.retype.proof import Proof
from core.runbook.conversion.convert import Preparation, convert
from core.runbook.conversion.decide import decided_request
from core.runbook.conversion.planning import Planned, clone_of_run, plan_conversion, read_catalog, show_inspection
from core.runbook.conversion.rehearsal import Rehearsal, not_rehearsed, statements_of
from core.runbook.conversion.rehearsal_copy import COPY, copy_of_production
from core.runbook.facts import (
    BACKUP_VERIFIED,
    DIFFERENCES_FILE,
    INVESTIGATION_TOTALS,
    MIGRATED_TEST,
    REHEARSAL_FILE,
    REHEARSAL_FOREIGN_KEYS,
    REHEARSAL_FOREIGN_KEYS_NOW,
    REHEARSAL_MISSING,
    REHEARSAL_ON,
    REHEARSAL_OUTCOME,
    REHEARSAL_PROOF,
    REHEARSAL_PROVED,
    REHEARSAL_SECONDS,
)
from core.runbook.migrations import has_project, migrate_test, rehearse_migrations
from core.runbook.model import StepContext
from core.runbook.words import counted, size, span
from core.settings.targets import WorkingName

MOST_LISTED = 20


ON_TEST, ON_COPY = "on test", "on a copy"


async def rehearse(context: StepContext) -> str:
    """Convert the test database, or a copy restored from the verified backup, prove it, and keep what production's
    conversion needs of it."""
    if await _where(context) == "test":
        return await _rehearsed(context, "test")
    async with copy_of_production(context) as on_copy:
        summary = await _rehearsed(on_copy, COPY)
        if context.state.facts.get(REHEARSAL_OUTCOME) != "committed":
            return f"on a copy of production: {summary}"
        keys = await _count_foreign_keys(on_copy, COPY)
        migrated = ""
        if has_project(context.settings):
            migrated = f"; {await rehearse_migrations(on_copy, COPY)}"
    return f"on a copy of production: {summary}; {keys}{migrated}"


async def _where(context: StepContext) -> Literal["test", "copy"]:
    """What to rehearse on: asked where both can be had.

    Raises:
        ConfigurationError: there is neither a test database nor a verified backup.
    """
    backup = isinstance(context.state.facts.get(BACKUP_VERIFIED), dict)
    try:
        spec, _ = await context.target("test")
    except ConfigurationError as error:
        if not backup:
            error.advice += " Or verify a backup (step 3.2): a copy restored from it is rehearsed on then."
            raise
        return "copy"
    if not backup:
        return "test"
    size_of = context.state.facts.get(INVESTIGATION_TOTALS)
    true_size = f", {size(int(size_of['database_bytes']))}" if size_of and "database_bytes" in size_of else ""
    chosen = await context.ask(
        "Rehearse on the test database, or on a copy of production?",
        (
            Choice(
                name=ON_TEST,
                label=f"On test, {spec.database}",
                consequence="It stays converted, for the application to be tried on.",
            ),
            Choice(
                name=ON_COPY,
                label="On a copy",
                consequence=f"The verified backup is restored for it: production's true size{true_size}, so that its times tell "
                "what production's conversion takes. The copy is dropped afterwards.",
            ),
        ),
        default=ON_TEST,
        expires_in=context.settings.limits.confirmation,
        details=("The step can be run again, on the other one; the last one's times count.",),
    )
    return "copy" if chosen == ON_COPY else "test"


async def _rehearsed(context: StepContext, target: WorkingName) -> str:
    rehearsed: Planned

    async def prepare(planned: Planned) -> Preparation:
        nonlocal rehearsed
        rehearsed = planned
        missing, details = await _compare_with_production(context, planned)
        await context.fact(REHEARSAL_MISSING, list(missing) if missing is not None else None)
        return Preparation(checked=("This is not the production database.",), details=details)

    async def proved(proof: Proof, timings: Timings, tallies: Sequence[Tally]) -> None:
        left = Rehearsal(statements=statements_of(rehearsed.plan), timings=timings)
        await context.file(REHEARSAL_FILE, left.model_dump_json().encode())
        before = foreign_keys(rehearsed.catalog)
        counts = {tally.what: tally.count for tally in tallies if not tally.root}
        dropped, recreated = counts.get("foreign keys dropped", 0), counts.get("foreign keys recreated", 0)
        await context.fact(REHEARSAL_ON, target)
        await context.fact(REHEARSAL_FOREIGN_KEYS, {"before": before, "dropped": dropped, "recreated": recreated})
        await context.fact(REHEARSAL_PROOF, proof.depth)
        await context.fact(REHEARSAL_PROVED, proof.held)

    try:
        result = await convert(context, target, decided_request(context), prepare=prepare, proved=proved)
    except ProofFailed:
        await context.fact(REHEARSAL_PROVED, False)
        raise
    await context.fact(REHEARSAL_SECONDS, result.working_seconds)
    await context.fact(REHEARSAL_OUTCOME, result.outcome)
    if result.trouble:
        raise result.trouble
    keys = counted(result.count("foreign keys recreated"), "foreign key")
    return f"{result.outcome.replace('_', ' ')}, proof ({result.proof.depth}) holds; {keys} recreated in {span(result.working_seconds)}"


async def _compare_with_production(
    context: StepContext, planned: Planned
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Which of production's statements this rehearsal leaves out; None when production could not be read.

    Raises:
        Refused: the test database is the production database.
    """
    try:
        spec, identity = await context.target("production")
        _require_another(planned.identity, identity)
        clone = await clone_of_run(context)
        production = await plan_conversion(spec, identity, planned.request, context.settings.limits, clone=clone)
    except Refused:
        raise
    except PgrecastError as error:
        return None, (
            f"Production could not be read, so that what this rehearsal leaves out is not known: {error.what}",
        )
    differences = await _differences(context, planned.catalog, production.catalog)
    missing = not_rehearsed(production.plan, statements_of(planned.plan))
    if not missing:
        return missing, ("Every statement of production's plan is in this rehearsal.", *differences)
    more = (f"and {len(missing) - MOST_LISTED} more",) if len(missing) > MOST_LISTED else ()
    listed = (f"Not rehearsed: {name}" for name in missing[:MOST_LISTED])
    return missing, (
        f"This rehearsal leaves out {counted(len(missing), 'statement')} of production's plan:",
        *listed,
        *more,
        *differences,
    )


async def _differences(context: StepContext, here: Catalog, production: Catalog) -> tuple[str, ...]:
    """How this schema differs from production's; all of it is left as evidence."""
    versions = (production.server.version_num // 10_000, here.server.version_num // 10_000)
    how = Circumstances(owners=True, dumped_on=versions[0], restored_on=versions[1])
    found = await asyncio.to_thread(lambda: schema_differences(canonical(production), canonical(here), how))
    if not found:
        return ("Its schema is production's.",)
    await context.file(DIFFERENCES_FILE, "\n".join(map(str, found)).encode() + b"\n")
    objects = list(dict.fromkeys(difference.object for difference in found))
    more = f", and {len(objects) - MOST_LISTED} more" if len(objects) > MOST_LISTED else ""
    return (
        f"Its schema differs from production's in {counted(len(objects), 'object')}: {', '.join(objects[:MOST_LISTED])}{more}",
    )


def _require_another(test: Identity, production: Identity) -> None:
    if test == production:
        raise Refused(
            f"The test target is the production database itself: {production}.",
            advice="Correct [targets.test] or DATABASE_URL_TEST.",
        )


def foreign_keys(catalog: Catalog) -> int:
    """How many foreign keys there are, partitions' copies of their parents' left out."""
    return sum(key.parent == 0 for key in catalog.foreign_keys())


async def verify_foreign_keys(context: StepContext) -> str:
    """Count the rehearsed database's foreign keys, and hold them against those before the rehearsal.

    Raises:
        Refused: nothing was rehearsed yet.
        ProofFailed: there are more or fewer.
    """
    if context.state.facts.get(REHEARSAL_ON) != COPY:
        return await _count_foreign_keys(context, "test")
    found = context.state.facts.get(REHEARSAL_FOREIGN_KEYS_NOW)
    if found is None:
        raise Refused(
            "The copy that was rehearsed on is gone, and its foreign keys were not counted: it was rolled back.",
            advice="Run step 5.1 again and COMMIT, or rehearse on the test database.",
        )
    return f"{counted(int(found), 'foreign key')}, counted on the copy in step 5.1, as many as before the rehearsal"


async def migrate_rehearsed(context: StepContext) -> str:
    """Run the migrations on the test database; of a copy, tell what step 5.1 has done on it.

    Raises:
        Refused: the copy is gone, and nothing was migrated on it.
        PgrecastError: as the migrations fail.
    """
    if context.state.facts.get(REHEARSAL_ON) != COPY:
        return await migrate_test(context)
    applied = context.state.facts.get(MIGRATED_TEST)
    if applied is None:
        raise Refused(
            "The copy that was rehearsed on is gone, and no migration was run on it.",
            advice="Run step 5.1 again and COMMIT, or rehearse on the test database.",
        )
    return f"{counted(len(applied), 'migration')} applied on the copy in step 5.1"


async def _count_foreign_keys(context: StepContext, target: WorkingName) -> str:
    known = context.state.facts.get(REHEARSAL_FOREIGN_KEYS)
    if not known:
        raise Refused("Nothing was rehearsed yet.", advice="Run step 5.1 first.")
    spec, _ = await context.target(target)
    catalog = await read_catalog(spec, context.settings.limits, show_inspection(context))
    found, before = foreign_keys(catalog), int(known["before"])
    if found != before:
        raise ProofFailed(
            f"The {target} database has {counted(found, 'foreign key')}; before the rehearsal it had {before:,}.",
            state="Nothing is changed by counting.",
            advice="If migrations have run since, that is why. Otherwise compare: pgrecast fingerprint before and after.",
        )
    await context.fact(REHEARSAL_FOREIGN_KEYS_NOW, found)
    outcome = str(context.state.facts.get(REHEARSAL_OUTCOME, "")).replace("_", " ")
    return f"{counted(found, 'foreign key')}, as many as before the rehearsal ({outcome})"
