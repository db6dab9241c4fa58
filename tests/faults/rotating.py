"""A rotation with all that belongs to it: a host on loopback, an engine of its own process, and an operator who answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from core.demo.hosting.host import LoopbackHost
from core.demo.hosting.state import WEB
from core.demo.incident import APPLICATION, Incident
from core.engine.client import SocketClient
from core.engine.handover import Handover
from core.engine.process import start_engine
from core.engine.protocol import AnswerQuestion, RunStep, StopEngine
from core.events import ENTER, NOTHING, Question
from core.journal import read_journal
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scram import scram_verifier
from core.runbook.rewriting import WRITE
from core.runbook.rotation.password import ROTATE
from core.runbook.rotation.sessions import END
from core.runbook.rotation.successor import DONE
from core.runbook.state import StepStatus
from core.settings import Settings
from tests.databases import Database
from tests.toy import Follower, attached


@asynccontextmanager
async def loopback(database: Database, password: str, *, pace: float = 0.0) -> AsyncGenerator[LoopbackHost]:
    """The host, and the role with this password. The web service has no URL of its own: its migrations take time."""
    superuser = await database.superuser_connect()
    await superuser.execute(f"ALTER ROLE {database.owner} PASSWORD '{scram_verifier(SecretStr(password))}'")
    await superuser.execute("CREATE TABLE deals (id int)")
    await superuser.execute(f"GRANT SELECT ON deals TO {database.owner}")
    await superuser.close()
    spec = database.spec.with_password(SecretStr(password))
    host = LoopbackHost(Incident(spec, spec, spec, APPLICATION), database.server, pace=pace)
    del host.hosted.services[WEB].variables["DATABASE_URL"]
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


def url(spec: ConnectionSpec, password: str) -> str:
    return f"postgresql+asyncpg://{spec.user}:{quote(password, safe='')}@{spec.host}:{spec.port}/{spec.database}"


def settings_now(host: LoopbackHost, secrets: dict[str, Any]) -> Settings:
    """As they are read from the environment."""
    return Settings.load(
        None,
        {
            "hosting": host.settings.model_dump(),
            "secrets": secrets,
            "limits": {"confirmation": "1min"},
        },
    )


class Operator:
    """Runs steps, and answers what they ask.

    Args:
        leaked: the value that is known to be leaked.
    """

    def __init__(self, follower: Follower, host: LoopbackHost, leaked: str = "") -> None:
        self.follower = follower
        self.leaked = leaked
        self.host = host
        self.new_key = ""
        self._typed = 0

    async def run(self, step: str) -> StepStatus:
        attempts = self.follower.state.step(step).attempts
        reply = await self.follower.send(RunStep(step=step))
        assert reply.accepted, reply.reason
        answered: set[str] = set()
        while True:
            await self.follower.until(
                lambda f: (
                    f.state.step(step).attempts > attempts and (f.state.step(step).status is not StepStatus.RUNNING)
                ),
                30,
            )
            state = self.follower.state
            if state.step(step).status is not StepStatus.ASKING:
                return state.step(step).status
            question = next(q for q in state.questions.values() if q.step == step)
            if question.id not in answered:
                answered.add(question.id)
                reply = await self.follower.send(self.answer(question))
                assert reply.accepted, reply.reason
            await self.follower.until(lambda f, id_=question.id: id_ not in f.state.questions)

    def answer(self, question: Question) -> AnswerQuestion:
        if question.entry is not None:
            value = self._value(question)
            return AnswerQuestion(question=question.id, choice=ENTER if value else NOTHING, value=value)
        offered = {choice.name: choice for choice in question.choices}
        name = next(name for name in (ROTATE, END, WRITE, DONE) if name in offered)
        if "Revoke" in question.title:
            self.host.hosted.revoke(self.host.key)
        return AnswerQuestion(question=question.id, choice=name, phrase=offered[name].phrase or "")

    def _value(self, question: Question) -> SecretStr | None:
        if question.step == "1.1":
            self._typed += 1
            return SecretStr(self.leaked) if self._typed == 1 and self.leaked else None
        key = self.host.hosted.new_key()
        self.new_key = key.get_secret_value()
        return key


@asynccontextmanager
async def engine(
    run: Path, settings: Settings, runbook: str = "tests.faults.sentinel_runbook:RUNBOOK"
) -> AsyncGenerator[Follower]:
    """An engine in a process of its own, and its operator; told to end afterwards, where it has not been killed."""
    await asyncio.to_thread(start_engine, Handover(run, settings, runbook))
    async with attached(SocketClient(run)) as follower:
        replayed = [record.seq for record in read_journal(run)][-1]
        await follower.until(lambda f: f.state.last >= replayed)
        yield follower
        if not follower.ended:
            await follower.send(StopEngine())
            await follower.until(lambda f: f.ended)
