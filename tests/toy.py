"""A small runbook for tests of the engine, targets that need no server, and a client that folds what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from core.engine.engine import Engine
from core.engine.protocol import Client, Command, ReadingFrame, Reply
from core.engine.targets import Found
from core.engine.thread import EngineThread, LocalClient
from core.errors import ConfigurationError, QueryFailed
from core.events import Choice, Reading, Record
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.runbook.model import GateReport, Runbook, Step, StepContext, StepKind, Task
from core.runbook.state import RunState, StepStatus, fold
from core.settings import Settings

PHRASE = "shop"
SECRET = "sentinel-of-the-engine-51c0"


async def work(context: StepContext) -> str:
    await context.say("looking")
    context.read(Reading(step=context.step, name="rows", values={"read": 10}))
    await context.fact("keys", 42)
    await context.file("report.md", b"# 42 keys\n")
    return "42 keys"


async def fail(context: StepContext) -> str:
    await context.target("production")
    raise QueryFailed("The read took too long.", advice="Try again later.")


async def crash(context: StepContext) -> str:
    password = SECRET
    raise ValueError(f"no such thing in {context.step} with password={password}")


async def wait_for_ever(context: StepContext) -> str:
    await context.say("waiting")
    await asyncio.sleep(3600)
    return "never"


async def confirm(context: StepContext) -> str:
    await context.target("production")
    choice = await context.ask(
        "Change production?",
        [Choice(name="go", label="Change it", phrase=PHRASE), Choice(name="cancel", label="Cancel")],
        default="cancel",
        expires_in=context.settings.limits.confirmation,
        target="production",
        plan="plan-1",
    )
    await context.fact("choice", choice)
    return choice


async def confirm_and_wait(context: StepContext) -> str:
    await confirm(context)
    return await wait_for_ever(context)


async def reach_test(context: StepContext) -> str:
    _, identity = await context.target("test")
    return str(identity)


async def decide(context: StepContext) -> str:
    return await context.ask(
        "Which way?",
        [Choice(name="A", label="A"), Choice(name="B", label="B")],
        default="A",
        expires_in=timedelta(seconds=0.2),
    )


def keys_known(state: RunState, settings: Settings, now: datetime) -> GateReport:
    return GateReport("keys", "known keys", open="keys" in state.facts, value="not looked yet", opens="2.1")


def window(state: RunState, settings: Settings, now: datetime) -> GateReport:
    return GateReport("window", "an open window", open=False, value="closed", overridable=True)


TOY = Runbook(
    "toy",
    (
        Task(
            1,
            "By hand",
            "",
            "",
            (Step("1.1", "Read", StepKind.MANUAL), Step("1.2", "Later", StepKind.AUTOMATIC, built=False)),
        ),
        Task(
            2,
            "Look",
            "",
            "",
            (
                Step("2.1", "Work", StepKind.AUTOMATIC, action=work),
                Step("2.2", "Fail", StepKind.AUTOMATIC, action=fail),
                Step("2.3", "Crash", StepKind.AUTOMATIC, action=crash),
                Step("2.4", "Wait", StepKind.AUTOMATIC, action=wait_for_ever),
                Step("2.5", "Once", StepKind.AUTOMATIC, action=work, repeatable=False),
                Step("2.6", "Decide", StepKind.DECISION, action=decide),
                Step("2.7", "Reach test", StepKind.AUTOMATIC, action=reach_test),
            ),
        ),
        Task(
            3,
            "Change",
            "",
            "",
            (
                Step("3.1", "Confirm", StepKind.DESTRUCTIVE, action=confirm),
                Step("3.2", "Confirm and wait", StepKind.DESTRUCTIVE, action=confirm_and_wait),
                Step("3.3", "Behind a gate", StepKind.DESTRUCTIVE, action=confirm, gates=(keys_known,)),
                Step("3.4", "Behind a window", StepKind.DESTRUCTIVE, action=confirm, gates=(keys_known, window)),
            ),
        ),
    ),
)


@dataclass
class ToyTargets:
    """Targets without a server: their identities are set by the test."""

    identities: dict[str, Identity] = field(default_factory=lambda: {"production": Identity("c1", 16384, PHRASE)})

    names: tuple[str, ...] = ()
    """Those that are looked for when the engine opens."""
    answers: bool = True
    """Whether they answer at all."""

    async def find(self, name: str) -> Found:
        if not self.answers:
            await asyncio.sleep(3600)
        if name not in self.identities:
            raise ConfigurationError(f"There is no target called {name}.")
        return Found(ConnectionSpec("localhost", 5432, PHRASE, "owner"), self.identities[name], "PostgreSQL 18.0")


def engine_thread(
    directory: Path,
    *,
    targets: ToyTargets | None = None,
    runbook: Runbook = TOY,
    settings: Mapping[str, object] | None = None,
) -> EngineThread:
    given = Settings.model_validate(dict(settings or {}))
    return EngineThread(lambda: Engine(directory, given, runbook, targets or ToyTargets()))


class Follower:
    """An attached client that folds what it gets."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.records: list[Record] = []
        self.readings: list[Reading] = []
        self.state = RunState()
        self.ended = False
        self._news = asyncio.Condition()

    async def follow(self) -> None:
        async for frame in self.client.frames():
            if isinstance(frame, ReadingFrame):
                self.readings.append(frame.reading)
            else:
                self.records.append(frame.record)
                self.state = fold(self.state, frame.record)
            async with self._news:
                self._news.notify_all()
        self.ended = True
        async with self._news:
            self._news.notify_all()

    async def until(self, holds: Callable[[Follower], object], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: bool(holds(self)))

    async def until_step(self, step: str, status: StepStatus) -> None:
        await self.until(lambda follower: follower.state.step(step).status is status)

    async def send(self, command: Command) -> Reply:
        return await self.client.send(command)

    def kinds(self) -> list[str]:
        return [record.event.kind for record in self.records]


@asynccontextmanager
async def attached(
    client: Client,
    *,
    role: Literal["operator", "watcher", "approver"] = "operator",
    name: str = "anna",
    since: int = 0,
) -> AsyncGenerator[Follower]:
    follower = Follower(client)
    await client.attach(role=role, name=name, since=since)
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        await client.detach()
        await asyncio.wait_for(task, 5)


def local(thread: EngineThread) -> LocalClient:
    return LocalClient(thread)
