"""A console on a stage: driven by keys, read as plain text."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from textual import events
from textual.pilot import Pilot

from core.settings import Settings
from tests.tui.scenario import RUNBOOK
from tests.tui.scripted import ScriptedClient
from tui.app import Console
from tui.store import Role

DUMPS = Path(__file__).parent / "screens"
UPDATE = "UPDATE_SCREENS"
"""Set in the environment, it writes the dumps instead of comparing: review them with git diff."""


class Stage:
    def __init__(self, app: Console, pilot: Pilot[str], client: ScriptedClient) -> None:
        self.app, self.pilot, self.client = app, pilot, client

    async def settle(self) -> None:
        """Until all that was sent is taken and drawn."""
        while self.app.store.state.last < len(self.client.records) and self.app.store.attached:
            await self.pilot.pause(0.01)
        for _ in range(3):  # a first drawing can change the layout, which the next one fills
            self.app.draw()
            await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
        await self.settle()

    async def burst(self, *keys: str) -> None:
        """Keys that arrive together, as from a paste without brackets or a key held down."""
        for key in keys:
            named = {"\r": "enter", "\t": "tab"}.get(key, key)
            self.app.post_message(events.Key(named, key if len(key) == 1 else None))
        await self.pilot.pause(0.05)
        await self.settle()

    async def answer(self, key: str = "enter") -> None:
        """Press a key that answers, as deliberately as a person: after a pause."""
        await self.pilot.pause(0.6)
        await self.press(key)

    def lines(self) -> list[str]:
        """The screen as a person reads it, dialogs included."""
        update = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in update]

    def text(self) -> str:
        return "\n".join(self.lines())

    def told(self) -> list[str]:
        """What was said for a few seconds."""
        return [str(notification.message) for notification in self.app._notifications]

    def matches(self, name: str) -> None:
        """The screen is the one of that name in `screens/`."""
        path, found = DUMPS / f"{name}.txt", self.text() + "\n"
        if os.environ.get(UPDATE):
            path.write_text(found, encoding="utf-8")
        assert found == path.read_text(encoding="utf-8"), f"{path} differs; {UPDATE}=1 writes it anew"


@asynccontextmanager
async def stage(
    client: ScriptedClient,
    *,
    size: tuple[int, int] = (80, 24),
    role: Role = "operator",
    settings: Settings | None = None,
) -> AsyncGenerator[Stage]:
    """A running console, attached and drawn."""
    app = Console(client, runbook=RUNBOOK, settings=settings or Settings(), role=role, name="me", now=client.clock)
    async with app.run_test(size=size, notifications=True) as pilot:
        on = Stage(app, pilot, client)
        while not app.store.attached and client.reachable:
            await pilot.pause(0.01)
        await on.settle()
        yield on
