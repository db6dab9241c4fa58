"""The world as a step sees it: implements `core.runbook.model.StepContext`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from core.engine.evidence import store
from core.engine.hosting import RunHost
from core.engine.hub import Hub
from core.engine.questions import Questions
from core.engine.targets import Targets, identified, recorded
from core.events import ENGINE, Choice, Event, FactRecorded, FileRecorded, Json, Reading, StepSaid
from core.hosting.interface import Host
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.runbook.state import RunState
from core.settings import Settings


class EngineContext:
    """One step's context, for one attempt. Made on the engine's loop."""

    def __init__(
        self, step: str, hub: Hub, settings: Settings, targets: Targets, host: RunHost, questions: Questions
    ) -> None:
        self._step = step
        self._host = host
        self._hub = hub
        self._settings = settings
        self._targets = targets
        self._questions = questions
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    @property
    def step(self) -> str:
        return self._step

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def state(self) -> RunState:
        return self._hub.state

    @property
    def run_directory(self) -> Path:
        return self._hub.run_directory

    async def target(self, name: str) -> tuple[ConnectionSpec, Identity]:
        found = await self._targets.find(name)
        known = self._hub.state.targets.get(name)
        if known is None:
            await self._hub.publish(ENGINE, identified(name, found))
        else:
            recorded(known).require(found.identity)
        return found.spec, found.identity

    async def host(self) -> Host:
        return await self._host.get()

    async def publish(self, event: Event) -> None:
        await self._hub.publish(ENGINE, event)

    def read(self, reading: Reading) -> None:
        if threading.get_ident() == self._thread:
            self._hub.show(reading)
        else:
            self._loop.call_soon_threadsafe(self._hub.show, reading)

    async def say(self, text: str) -> None:
        await self.publish(StepSaid(step=self._step, text=text))

    async def fact(self, name: str, value: Json) -> None:
        await self.publish(FactRecorded(step=self._step, name=name, value=value))

    async def file(self, name: str, content: bytes) -> Path:
        stored = await asyncio.to_thread(store, self.run_directory, name, content)
        path = str(stored.path.relative_to(self.run_directory))
        await self.publish(
            FileRecorded(step=self._step, name=name, path=path, sha256=stored.sha256, bytes=stored.bytes)
        )
        return stored.path

    async def ask(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        default: str,
        expires_in: timedelta,
        target: str | None = None,
        plan: str | None = None,
        locks: Sequence[str] = (),
        duration: str = "",
        checked: Sequence[str] = (),
        cannot_undo: Sequence[str] = (),
        way_back: str = "",
        details: Sequence[str] = (),
    ) -> str:
        return await self._questions.ask(
            self._step,
            title,
            choices,
            default=default,
            expires_in=expires_in,
            target=target,
            plan=plan,
            locks=locks,
            duration=duration,
            checked=checked,
            cannot_undo=cannot_undo,
            way_back=way_back,
            details=details,
        )

    async def enter(
        self, title: str, label: str, *, secret: bool, expires_in: timedelta, details: Sequence[str] = ()
    ) -> SecretStr | None:
        return await self._questions.enter(
            self._step, title, label, secret=secret, expires_in=expires_in, details=details
        )
