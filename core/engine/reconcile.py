"""Finds out what became of steps that ran when the engine died, or that ended without knowing: looked at, never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from core.engine.hub import Hub
from core.engine.targets import Targets, recorded
from core.errors import JournalError, PgrecastError
from core.events import ENGINE, QuestionExpired, StepReconciled, TransactionEnded
from core.runbook.model import Reconciled, Runbook, Step, StepContext, StepKind
from core.runbook.state import ConversionState, RunState, StepStatus

PATIENCE_AT_START = 3.0
"""Seconds that the start waits for the world to answer; what is still open then goes on beside."""

ASK_WITHIN = 10.0
"""Seconds in which a server has to answer before its silence counts as undecided for now."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds between two looks at what is undecided."""

INTERRUPTED = (StepStatus.RUNNING, StepStatus.ASKING, StepStatus.UNDECIDED)


def conversion_of_attempt(state: RunState, step: str) -> ConversionState | None:
    """The transaction that the step's present attempt opened; None when it has opened none."""
    conversion, started = state.conversions.get(step), state.step(step).started
    if conversion is None or conversion.opened is None or (started is not None and conversion.opened < started):
        return None
    return conversion


def without_asking(state: RunState, step: Step) -> Reconciled | None:
    """What the journal alone tells of an interrupted step; None when the server must be asked."""
    conversion = conversion_of_attempt(state, step.id)
    if conversion is None:
        planned = state.conversions.get(step.id)
        if step.kind is not StepKind.DESTRUCTIVE:
            found = "It was interrupted; it changes nothing in the database."
        elif planned is not None and planned.xid is None:
            found = "It was interrupted before it changed anything: its transaction had not begun."
        else:
            found = "It was interrupted; its log says how far it had come."
        again = " It is safe to run again." if step.repeatable else " Look at what is there before you run it again."
        return Reconciled("failed", found + again)
    match conversion.outcome:
        case "committed":
            return Reconciled(
                "committed", "Its transaction was committed; it was interrupted in what follows, ANALYZE for one."
            )
        case "rolled_back":
            return Reconciled("rolled_back", "Its transaction was rolled back: everything is as it was.")
        case _ if not conversion.commit_sent:
            return Reconciled(
                "rolled_back",
                f"COMMIT had not been sent, so its transaction {conversion.xid} is rolled back: everything is as it was.",
            )
        case _:
            return None


def as_found(outcome: str, conversion: ConversionState) -> Reconciled:
    """What the server's answer means."""
    match outcome:
        case "committed":
            return Reconciled(
                "committed",
                f"The server says that its transaction {conversion.xid} is committed; its proof was made before. "
                "What follows COMMIT, ANALYZE for one, may not have run.",
            )
        case "rolled_back":
            return Reconciled(
                "rolled_back",
                f"The server says that its transaction {conversion.xid} is rolled back: everything is as it was.",
            )
        case _:
            return Reconciled(
                "undecided",
                f"COMMIT was sent, and the server does not say yet what became of transaction {conversion.xid}. "
                f"It is asked again and again; by hand: SELECT pg_xact_status('{conversion.xid}')",
            )


class Reconciler:
    """Belongs to the engine's loop.

    Args:
        context: makes a step's context, for steps that bring their own way of finding out.
    """

    def __init__(self, hub: Hub, runbook: Runbook, targets: Targets, context: Callable[[Step], StepContext]) -> None:
        self._hub = hub
        self._runbook = runbook
        self._targets = targets
        self._context = context
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def at_start(self) -> None:
        """Close what a dead engine had left open. What the world does not tell at once goes on beside.

        Raises:
            JournalError: what was found could not be written.
        """
        for question in list(self._hub.state.questions.values()):
            reason = "the engine ended before it was answered"
            await self._hub.publish(
                ENGINE,
                QuestionExpired(question=question.id, step=question.step, choice=question.default, reason=reason),
            )
        for id_, step_state in list(self._hub.state.steps.items()):
            if step_state.status in INTERRUPTED:
                await self._begin(id_)
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=PATIENCE_AT_START)

    def resolve(self, step: Step) -> None:
        """Find out what became of the step's transaction, beside everything else."""
        if step.id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._until_decided(step), name=f"reconcile {step.id}")
            self._tasks[step.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(step.id, None))

    async def stop(self) -> None:
        """Ask no more; the next start does."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _begin(self, id_: str) -> None:
        try:
            step = self._runbook.step(id_)
        except KeyError:
            found = "It was interrupted; this version of pgrecast does not know the step, and cannot look."
            await self._hub.publish(ENGINE, StepReconciled(step=id_, outcome="failed", found=found))
            return
        self.resolve(step)

    async def _until_decided(self, step: Step) -> None:
        pause = FIRST_PAUSE
        said = ""
        while True:
            reconciled = await self._look(step)
            try:
                if reconciled.outcome != "undecided" or reconciled.found != said:
                    await self._publish(step, reconciled)
                    said = reconciled.found
                if reconciled.outcome != "undecided":
                    return
            except JournalError as error:
                self._hub.log.error("%s", error)  # noqa: TRY400 - nothing is wrong with the program
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def _look(self, step: Step) -> Reconciled:
        try:
            if step.reconcile is not None:
                return await step.reconcile(self._context(step))
            if (told := without_asking(self._hub.state, step)) is not None:
                return told
            conversion = self._hub.state.conversions[step.id]
            assert conversion.xid is not None  # noqa: S101 - or it would not have been sent COMMIT
            known = self._hub.state.targets.get(conversion.target)
            outcome = await self._targets.outcome(
                conversion.target, conversion.xid, recorded(known) if known else None, within=ASK_WITHIN
            )
            return as_found(outcome, conversion)
        except PgrecastError as error:
            return Reconciled("undecided", f"It cannot be found out yet: {error.what}")
        except Exception as error:
            self._hub.log.exception("Reconciling step %s", step.id)
            return Reconciled(
                "undecided", f"It cannot be found out: an unexpected {type(error).__name__}, see engine.log."
            )

    async def _publish(self, step: Step, reconciled: Reconciled) -> None:
        conversion = conversion_of_attempt(self._hub.state, step.id)
        outcome = reconciled.outcome
        if (
            conversion is not None
            and conversion.opened is not None
            and (outcome == "committed" or outcome == "rolled_back" or outcome == "undecided")
            and conversion.outcome != outcome
        ):
            await self._hub.publish(
                ENGINE,
                TransactionEnded(
                    step=step.id,
                    target=conversion.target,
                    outcome=outcome,
                    reason="found out afterwards",
                    seconds=(datetime.now(UTC) - conversion.opened).total_seconds(),
                ),
            )
        await self._hub.publish(ENGINE, StepReconciled(step=step.id, outcome=outcome, found=reconciled.found))
