"""Task 5: the rehearsal on the test database, and the count of its foreign keys."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import PgrecastError, ProofFailed, Refused
from core.events import Tally
from core.postgres.catalog import Catalog
from core.postgres.identity import Identity
from core.retype.estimate import Timings
from core.retype.proof import Proof
from core.runbook.conversion import Preparation, convert
from core.runbook.decide import decided_request
from core.runbook.facts import (
    REHEARSAL_FILE,
    REHEARSAL_FOREIGN_KEYS,
    REHEARSAL_FOREIGN_KEYS_NOW,
    REHEARSAL_MISSING,
    REHEARSAL_OUTCOME,
    REHEARSAL_PROOF,
    REHEARSAL_PROVED,
    REHEARSAL_SECONDS,
)
from core.runbook.model import StepContext
from core.runbook.planning import Planned, clone_of_run, plan_conversion, read_catalog, show_inspection
from core.runbook.rehearsal import Rehearsal, not_rehearsed, statements_of
from core.runbook.words import counted, span

MOST_LISTED = 20


async def rehearse(context: StepContext) -> str:
    """Convert the test database, prove it, and keep what production's conversion needs of it."""
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
        await context.fact(REHEARSAL_FOREIGN_KEYS, {"before": before, "dropped": dropped, "recreated": recreated})
        await context.fact(REHEARSAL_PROOF, proof.depth)
        await context.fact(REHEARSAL_PROVED, proof.held)

    try:
        result = await convert(context, "test", decided_request(context), prepare=prepare, proved=proved)
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
    missing = not_rehearsed(production.plan, statements_of(planned.plan))
    if not missing:
        return missing, ("Every statement of production's plan is in this rehearsal.",)
    more = (f"and {len(missing) - MOST_LISTED} more",) if len(missing) > MOST_LISTED else ()
    listed = (f"Not rehearsed: {name}" for name in missing[:MOST_LISTED])
    return missing, (
        f"This rehearsal leaves out {counted(len(missing), 'statement')} of production's plan:",
        *listed,
        *more,
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
    """Count the test database's foreign keys, and hold them against those before the rehearsal.

    Raises:
        Refused: nothing was rehearsed yet.
        ProofFailed: there are more or fewer.
    """
    known = context.state.facts.get(REHEARSAL_FOREIGN_KEYS)
    if not known:
        raise Refused("Nothing was rehearsed yet.", advice="Run step 5.1 first.")
    spec, _ = await context.target("test")
    catalog = await read_catalog(spec, context.settings.limits, show_inspection(context))
    found, before = foreign_keys(catalog), int(known["before"])
    if found != before:
        raise ProofFailed(
            f"The test database has {counted(found, 'foreign key')}; before the rehearsal it had {before:,}.",
            state="Nothing is changed by counting.",
            advice="If migrations have run since, that is why. Otherwise compare: pgrecast fingerprint before and after.",
        )
    await context.fact(REHEARSAL_FOREIGN_KEYS_NOW, found)
    outcome = str(context.state.facts.get(REHEARSAL_OUTCOME, "")).replace("_", " ")
    return f"{counted(found, 'foreign key')}, as many as before the rehearsal ({outcome})"
