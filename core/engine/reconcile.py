"""At the engine's start, and when a step ends without knowing: find out what became of it, until it is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from core.engine.hub import Hub
from core.errors import JournalError, PgrecastError
from core.events import ENGINE, QuestionExpired, StepReconciled
from core.runbook.model import Reconciled, Runbook, Step, StepContext
from core.runbook.reconciliation import reconcile
from core.runbook.state import StepStatus

PATIENCE_AT_START = 3.0
"""Seconds that the start waits for the world to answer; what is still open then goes on beside."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds between two looks at what is undecided."""

INTERRUPTED = (StepStatus.RUNNING, StepStatus.ASKING, StepStatus.UNDECIDED)


class Reconciler:
    """Belongs to the engine's loop.

    Args:
        context: makes a step's context.
    """

    def __init__(self, hub: Hub, runbook: Runbook, context: Callable[[Step], StepContext]) -> None:
        self._hub = hub
        self._runbook = runbook
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
        for step in (step for task in self._runbook.tasks for step in task.steps if step.after_start is not None):
            if self._hub.state.steps.get(step.id) is not None and step.id not in self._tasks:
                self._beside(step, self._look_after(step))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=PATIENCE_AT_START)

    def resolve(self, step: Step) -> None:
        """Find out what became of the step's transaction, beside everything else."""
        if step.id not in self._tasks:
            self._beside(step, self._until_decided(step))

    async def stop(self) -> None:
        """Ask no more; the next start does."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _beside(self, step: Step, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"reconcile {step.id}")
        self._tasks[step.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(step.id, None))

    async def _look_after(self, step: Step) -> None:
        assert step.after_start is not None  # noqa: S101 - or it would not have been begun
        try:
            await step.after_start(self._context(step))
        except PgrecastError as error:
            self._hub.log.error("After the start, step %s: %s", step.id, error)  # noqa: TRY400 - nothing is wrong with the program
        except Exception:
            self._hub.log.exception("After the start, step %s", step.id)

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
                    await self._hub.publish(
                        ENGINE, StepReconciled(step=step.id, outcome=reconciled.outcome, found=reconciled.found)
                    )
                    said = reconciled.found
                if reconciled.outcome != "undecided":
                    return
            except JournalError as error:
                self._hub.log.error("%s", error)  # noqa: TRY400 - nothing is wrong with the program
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def _look(self, step: Step) -> Reconciled:
        try:
            context = self._context(step)
            return await (step.reconcile(context) if step.reconcile else reconcile(step, context))
        except PgrecastError as error:
            return Reconciled("undecided", f"It cannot be found out yet: {error.what}")
        except Exception as error:
            self._hub.log.exception("Reconciling step %s", step.id)
            return Reconciled(
                "undecided", f"It cannot be found out: an unexpected {type(error).__name__}, see engine.log."
            )
