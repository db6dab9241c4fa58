"""Looks, whenever a step's standing has changed, which lines of the project's checklists do not say what the run says.

It only looks, so that a screen can tell; lines are ticked by a step, once that is agreed to.
"""

from __future__ import annotations

import asyncio

from core.engine.hub import Hub
from core.errors import JournalError
from core.events import (
    ENGINE,
    FactRecorded,
    Record,
    StepFailed,
    StepFinished,
    StepReconciled,
    StepTicked,
    StepUnticked,
    TransactionEnded,
)
from core.runbook.checklists.tick import STEP, look_at, read_checklists
from core.runbook.facts import CHECKLISTS_WAITING
from core.runbook.model import Runbook
from core.settings import Settings

CHANGES = (StepTicked, StepUnticked, StepFinished, StepFailed, StepReconciled, TransactionEnded)


class Checklists:
    """Belongs to the engine's loop. Does nothing where the settings name no checklist, or the runbook ticks none."""

    def __init__(self, hub: Hub, runbook: Runbook, settings: Settings) -> None:
        self._hub = hub
        self._runbook = runbook
        self._settings = settings
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look now, and from now on whenever something changes."""
        known = any(step.id == STEP for task in self._runbook.tasks for step in task.all_steps)
        if self._settings.run.checklists and known:
            self._hub.observe(self._notice)
            self._changed.set()
            self._task = asyncio.get_running_loop().create_task(self._look_again_and_again(), name="checklists")

    async def stop(self) -> None:
        """Look no further."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _notice(self, record: Record) -> None:
        if isinstance(record.event, CHANGES):
            self._changed.set()

    async def _look_again_and_again(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                files, trouble = await asyncio.to_thread(read_checklists, self._settings)
                for sentence in trouble:
                    self._hub.log.warning("Checklists: %s", sentence)
                waiting = await asyncio.to_thread(look_at, files, self._runbook, self._hub.state)
                value = [line.model_dump(mode="json") for line in waiting.lines]
                if value != (self._hub.state.facts.get(CHECKLISTS_WAITING) or []):
                    await self._hub.publish(ENGINE, FactRecorded(step=STEP, name=CHECKLISTS_WAITING, value=value))
            except JournalError as error:
                self._hub.log.error("%s", error)  # noqa: TRY400 - nothing is wrong with the program
            except Exception:
                self._hub.log.exception("Looking at the checklists")
