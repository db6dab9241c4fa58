"""At its opening the engine looks, beside everything else, which databases its targets are, and whether its machine is fit."""

from __future__ import annotations

import asyncio

from core.engine.hub import Hub
from core.engine.targets import Found, Targets, identified, recorded
from core.errors import JournalError, PgrecastError
from core.events import ENGINE, TargetUnreachable
from core.runbook.machine.preflight import preflight_at_start
from core.settings import Settings

MAIN = "production"
"""The target whose connection is looked at: the one that a run is about."""


class Opening:
    """Belongs to the engine's loop. What it does not find is looked for again by the step that needs it."""

    def __init__(self, hub: Hub, targets: Targets, settings: Settings) -> None:
        self._hub = hub
        self._targets = targets
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to look; returns at once."""
        for name in self._targets.names:
            task = asyncio.get_running_loop().create_task(self._look(name), name=f"identify {name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Look no further."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _look(self, name: str) -> None:
        try:
            found = await self._find(name)
            if name == MAIN:
                spec = found.spec if found else None
                looked = await preflight_at_start(spec, self._hub.run_directory, self._settings)
                await self._hub.publish(ENGINE, looked)
        except JournalError as error:
            self._hub.log.error("%s", error)  # noqa: TRY400 - nothing is wrong with the program
        except Exception:
            self._hub.log.exception("Identifying %s", name)

    async def _find(self, name: str) -> Found | None:
        """Find the target, and tell what the run does not know of it yet; None when it is not there, or not the same."""
        try:
            found = await self._targets.find(name)
            known = self._hub.state.targets.get(name)
            if known is not None:
                recorded(known).require(found.identity)
                return found
        except PgrecastError as error:
            await self._hub.publish(ENGINE, TargetUnreachable(target=name, reason=error.what))
            return None
        await self._hub.publish(ENGINE, identified(name, found))
        return found
