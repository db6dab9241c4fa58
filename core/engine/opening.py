"""At its opening the engine looks, beside everything else, which databases its targets are."""

from __future__ import annotations

import asyncio

from core.engine.hub import Hub
from core.engine.targets import Targets, identified, recorded
from core.errors import JournalError, PgrecastError
from core.events import ENGINE, Event, TargetUnreachable


class Opening:
    """Belongs to the engine's loop. What it does not find is looked for again by the step that needs it."""

    def __init__(self, hub: Hub, targets: Targets) -> None:
        self._hub = hub
        self._targets = targets
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
            event = await self._find(name)
            if event is not None:
                await self._hub.publish(ENGINE, event)
        except JournalError as error:
            self._hub.log.error("%s", error)  # noqa: TRY400 - nothing is wrong with the program
        except Exception:
            self._hub.log.exception("Identifying %s", name)

    async def _find(self, name: str) -> Event | None:
        """What there is to say of the target; None when the run knows it already."""
        try:
            found = await self._targets.find(name)
            known = self._hub.state.targets.get(name)
            if known is None:
                return identified(name, found)
            recorded(known).require(found.identity)
        except PgrecastError as error:
            return TargetUnreachable(target=name, reason=error.what)
        return None
