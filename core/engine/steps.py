"""Runs steps: one task each, its outcome always in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from core.engine.hub import Hub
from core.errors import NOTHING_CHANGED, JournalError, PgrecastError
from core.events import ENGINE, Actor, Event, StepFailed, StepFinished, StepSaid, StepStarted
from core.runbook import gates
from core.runbook.model import GateReport, Runbook, Step, StepContext, StepKind
from core.runbook.reconciliation import conversion_of_attempt
from core.runbook.state import StepStatus
from core.settings import Settings

RETRY_INTERVAL = 1.0
"""Seconds between attempts to journal how a step ended, when the disk is full."""


@dataclass(slots=True)
class _Running:
    step: Step
    task: asyncio.Task[None] | None = None
    """None until its start is in the journal."""
    stopped: str = ""
    """Why it was told to stop."""
    ended: bool = False
    """Whether its action has ended; its end is on its way into the journal."""


class Steps:
    """The steps that run now. Belongs to the engine's loop.

    Args:
        context: makes a step's context.
        resolve: finds out what became of a conversion whose step has ended without knowing; returns at once.
    """

    def __init__(
        self,
        hub: Hub,
        runbook: Runbook,
        settings: Settings,
        context: Callable[[Step], StepContext],
        resolve: Callable[[Step], None],
    ) -> None:
        self._hub = hub
        self._runbook = runbook
        self._settings = settings
        self._context = context
        self._resolve = resolve
        self._running: dict[str, _Running] = {}
        self._stopping = False

    @property
    def running(self) -> tuple[str, ...]:
        return tuple(id_ for id_, running in self._running.items() if self._is_active(running))

    async def run(self, actor: Actor, step_id: str) -> str | None:
        """Start a step; None when it runs, otherwise why not.

        Raises:
            JournalError: its start could not be journaled, for example because the disk is full; it does not run.
        """
        try:
            step = self._runbook.step(step_id)
        except KeyError:
            return f"there is no step {step_id}"
        if (reason := self._objection(step)) is not None:
            return reason
        running = self._running[step.id] = _Running(step)
        try:
            await asyncio.to_thread(self._hub.journal.require_space)
            attempt = self._hub.state.step(step.id).attempts + 1
            await self._hub.publish(actor, StepStarted(step=step.id, attempt=attempt))
        except BaseException:
            del self._running[step.id]
            raise
        running.task = asyncio.get_running_loop().create_task(self._perform(running), name=f"step {step.id}")
        return None

    async def abort(self, actor: Actor, step_id: str) -> str | None:
        """Cancel what a step does; None when it has been told, otherwise why not."""
        running = self._running.get(step_id)
        if running is None or running.task is None or running.ended:
            return f"step {step_id} does not run"
        if running.stopped:
            return f"step {step_id} is being stopped already"
        running.stopped = f"{actor.name} has stopped it."
        running.task.cancel()
        with suppress(JournalError):  # on a full disk it stops all the same
            await self._hub.publish(actor, StepSaid(step=step_id, text="Told to stop."))
        return None

    async def stop_all(self, reason: str) -> None:
        """Cancel every step and wait until each has ended; none starts any more."""
        self._stopping = True
        tasks: list[asyncio.Task[None]] = []
        for running in self._running.values():
            if running.task is not None:
                if not running.stopped:
                    running.stopped = reason
                    running.task.cancel()
                tasks.append(running.task)
        if tasks:
            await asyncio.wait(tasks)

    def closed_gates(self, step: Step) -> tuple[GateReport, ...]:
        """The step's gates that are closed and not overridden."""
        overridden = self._hub.state.overrides.get(step.id, {})
        reports = gates.reports(step, self._hub.state, self._settings, datetime.now(UTC))
        return tuple(report for report in reports if not report.open and report.name not in overridden)

    def _is_active(self, running: _Running) -> bool:
        """Whether it runs. Who hears of a step's end may command the next one in the same moment."""
        status = self._hub.state.step(running.step.id).status
        return not running.ended or status in (StepStatus.RUNNING, StepStatus.ASKING)

    def _objection(self, step: Step) -> str | None:
        """Why the step must not start now."""
        state = self._hub.state.step(step.id)
        if self._stopping:
            return "the engine is stopping"
        if step.id in self.running or state.status in (StepStatus.RUNNING, StepStatus.ASKING):
            return f"step {step.id} runs already"
        if not step.built:
            return f"step {step.id} is not in this version; do it by hand and tick it"
        if step.action is None:
            return f"step {step.id} is for a person; do it and tick it"
        undecided = [id_ for id_, s in self._hub.state.steps.items() if s.status is StepStatus.UNDECIDED]
        if undecided and (step.kind is StepKind.DESTRUCTIVE or step.id in undecided):
            return f"the outcome of step {undecided[0]} is not known yet"
        if state.status is StepStatus.DONE and not step.repeatable:
            return f"step {step.id} is done, and must not be done twice"
        if step.kind is StepKind.DESTRUCTIVE:
            for other in self.running:
                if self._running[other].step.kind is StepKind.DESTRUCTIVE:
                    return f"step {other} runs, and one destructive step runs at a time"
        closed = self.closed_gates(step)
        if closed:
            return f"{gates.needs(closed)}; {'; '.join(f'{r.name}: {r.value}' for r in closed)}"
        return None

    async def _perform(self, running: _Running) -> None:
        step = running.step
        try:
            end = await self._attempt(running)
            running.ended = True
            await self._journal(end)
            self._hub.forget_readings(step.id)
        finally:
            if self._running.get(step.id) is running:
                del self._running[step.id]
        conversion = self._hub.state.conversions.get(step.id)
        if conversion is not None and conversion.xid and conversion.outcome in (None, "undecided"):
            self._resolve(step)

    async def _attempt(self, running: _Running) -> Event:
        """Run the action to its end, whatever that is, and say it as an event."""
        step = running.step
        assert step.action is not None  # noqa: S101 - or it would not have been started
        try:
            return StepFinished(step=step.id, summary=await step.action(self._context(step)))
        except PgrecastError as error:
            return StepFailed(
                step=step.id, error=type(error).__name__, what=error.what, state=error.state, advice=error.advice
            )
        except asyncio.CancelledError:
            what = running.stopped or "It was cancelled."
            return self._failed(step, "Stopped", what, "Run it again when you want to.")
        except Exception as error:
            self._hub.log.exception("Step %s", step.id)
            return self._failed(
                step,
                "UnexpectedError",
                f"An unexpected {type(error).__name__} has ended the step; this is a defect of pgrecast.",
                "Its details are in engine.log in the run directory; please report them.",
            )

    def _failed(self, step: Step, error: str, what: str, advice: str) -> StepFailed:
        conversion = self._hub.state.conversions.get(step.id)
        if conversion is not None and conversion.xid and conversion.outcome is None:
            state = "Its transaction is not committed as far as is known; the server is asked."
        elif (
            step.kind is not StepKind.DESTRUCTIVE
            or not self._hub.state.step(step.id).confirmed
            or (conversion is not None and conversion.outcome != "committed")
        ):
            state = NOTHING_CHANGED
        else:
            state = "What it had changed by then is in its log."
        mine = conversion_of_attempt(self._hub.state, step.id)
        if mine is not None and mine.rollback_seconds is not None:
            state = f"{state} The roll back took {mine.rollback_seconds:.1f} s."
        return StepFailed(step=step.id, error=error, what=what, state=state, advice=advice)

    async def _journal(self, ended: Event) -> None:
        """Write how the step ended. A full disk only delays it, unless the engine stops: then the next start finds out."""
        while True:
            try:
                await self._hub.publish(ENGINE, ended)
                return
            except JournalError as error:
                self._hub.log.error("%s", error)  # noqa: TRY400 - nothing is wrong with the program
                if self._stopping:
                    return
                await asyncio.sleep(RETRY_INTERVAL)
