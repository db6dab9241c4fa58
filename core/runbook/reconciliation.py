"""What became of a step that ran when its engine died: the journal and the world tell it, nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import asyncpg

from core.errors import PgrecastError
from core.events import StepSaid, TransactionEnded
from core.postgres.connect import ConnectionSpec, connect
from core.retype.outcome import Outcome, question, resolve_outcome
from core.runbook.conversion_state import ConversionState
from core.runbook.facts import CONVERSION_OUTCOME, REHEARSAL_OUTCOME, UNDONE
from core.runbook.model import Reconciled, Step, StepContext, StepKind
from core.runbook.state import RunState

ASK_WITHIN = 10.0
"""Seconds that the server has to answer before its silence counts as undecided for now."""

OUTCOME_FACTS = {"production": CONVERSION_OUTCOME, "test": REHEARSAL_OUTCOME}


async def reconcile(step: Step, context: StepContext, *, within: float = ASK_WITHIN) -> Reconciled:
    """Find out what became of an interrupted step, and do what a committed conversion still needs.

    Raises:
        PgrecastError: the target is not configured, cannot be reached, or is another database now.
    """
    conversion = conversion_of_attempt(context.state, step.id)
    if conversion is None or conversion.xid is None:
        return without_transaction(context.state, step)
    outcome = known_outcome(conversion)
    spec = None
    if outcome is None:
        spec, identity = await context.target(conversion.target)
        outcome = await resolve_outcome(spec, conversion.xid, identity=identity, within=within)
    if outcome != conversion.outcome:
        await context.publish(_ended(conversion, outcome))
    if outcome != "committed":
        return with_transaction(conversion, outcome)
    if spec is None:
        spec, _ = await context.target(conversion.target)
    if (fact := OUTCOME_FACTS.get(conversion.target)) is not None:
        await context.fact(fact, UNDONE if conversion.undoes else outcome)
    analyzed = await _analyze(spec, context)
    return Reconciled("committed", f"{with_transaction(conversion, outcome).found} {analyzed}")


def conversion_of_attempt(state: RunState, step: str) -> ConversionState | None:
    """The conversion whose transaction the step's present attempt opened; None when it has opened none."""
    conversion, started = state.conversions.get(step), state.step(step).started
    if conversion is None or conversion.opened is None or (started is not None and conversion.opened < started):
        return None
    return conversion


def without_transaction(state: RunState, step: Step) -> Reconciled:
    """What the journal tells of an interrupted step that had opened no transaction."""
    planned = state.conversions.get(step.id)
    if step.kind is not StepKind.DESTRUCTIVE:
        found = "It was interrupted; it changes nothing in the database."
    elif planned is not None and planned.xid is None:
        found = "It was interrupted before it changed anything: its transaction had not begun."
    elif not state.step(step.id).confirmed:
        found = "It was interrupted before it was confirmed, and so before it changed anything."
    else:
        found = "It was interrupted; its log says how far it had come."
    again = "It is safe to run again." if step.repeatable else "Look at what is there before it is run again."
    return Reconciled("failed", f"{found} {again}")


def known_outcome(conversion: ConversionState) -> Outcome | None:
    """What the journal alone knows; None when the server must be asked.

    Without a COMMIT a rollback is certain, and the server is not asked: after a crash it may have given the id to another
    transaction.
    """
    if conversion.outcome in ("committed", "rolled_back"):
        return conversion.outcome
    return None if conversion.commit_sent else "rolled_back"


def with_transaction(conversion: ConversionState, outcome: Outcome) -> Reconciled:
    """What the outcome of its transaction means for the step."""
    as_it_was = "everything is as it was. It is safe to run again."
    match outcome:
        case "committed":
            return Reconciled("committed", f"Its transaction {conversion.xid}, which was proved, is committed.")
        case "rolled_back" if not conversion.commit_sent:
            return Reconciled(
                "rolled_back", f"COMMIT had not been sent: its transaction {conversion.xid} is rolled back, {as_it_was}"
            )
        case "rolled_back":
            return Reconciled("rolled_back", f"Its transaction {conversion.xid} is rolled back: {as_it_was}")
        case "undecided":
            return Reconciled(
                "undecided",
                f"COMMIT was sent, and the server does not say yet what became of transaction {conversion.xid}. "
                f"It is asked again and again; by hand: {question(conversion.xid or '')}",
            )


def _ended(conversion: ConversionState, outcome: Literal["committed", "rolled_back", "undecided"]) -> TransactionEnded:
    opened = conversion.opened or datetime.now(UTC)
    return TransactionEnded(
        step=conversion.step,
        target=conversion.target,
        outcome=outcome,
        reason="found out after an interruption",
        seconds=(datetime.now(UTC) - opened).total_seconds(),
    )


async def _analyze(spec: ConnectionSpec, context: StepContext) -> str:
    """ANALYZE the database: the conversion has deleted the statistics of what it rewrote. Returns what to say of it."""
    try:
        connection = await connect(spec, read_only=False, statement_timeout_ms=0, lock_timeout_ms=30_000)
        try:
            await context.publish(StepSaid(step=context.step, text="ANALYZE, which follows COMMIT"))
            await connection.execute("SET search_path = pg_catalog")
            await connection.execute("ANALYZE")
        finally:
            connection.terminate()
    except (PgrecastError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        return f"ANALYZE, which follows COMMIT, failed: run it on the database before anyone is let back in ({error})."
    return "ANALYZE, which follows COMMIT, has been run."
