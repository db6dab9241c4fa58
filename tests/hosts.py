"""A host in memory, and the service that it keeps: an application that logs in as the database's owner, again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
from pydantic import SecretStr

from core.errors import ConnectionFailed, HostingError
from core.hosting.interface import Ability, Connection, Deploy, DeployState, LogLine, Service, ServiceKind, Variable
from core.hosting.none import NoHost
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec

WEB, WORKER, CRON = "srv-web", "srv-worker", "crn-nightly"


class Application:
    """Answers GET with JSON, and keeps a session open as whoever `spec` names while it runs.

    Attributes:
        document, status: what it answers while it runs and is not in maintenance.
    """

    def __init__(self, spec: ConnectionSpec | None) -> None:
        self.spec = spec
        self.maintenance = False
        self.status = 200
        self.document: dict[str, Any] = {"status": "healthy", "database_configured": True}
        self._port = 0
        self._server: asyncio.Server | None = None
        self._work: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/health"

    async def start(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]
            self._work = asyncio.create_task(self._hold_session())

    async def stop(self) -> None:
        if self._server is not None and self._work is not None:
            self._server.close()
            self._server = None
            await self._work  # not cancelled in the midst of a login

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            status = 503 if self.maintenance else self.status
            body = json.dumps({"status": "maintenance"} if self.maintenance else self.document).encode()
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
            )
            await writer.drain()
        writer.close()

    async def _hold_session(self) -> None:
        connection: asyncpg.Connection | None = None
        try:
            while self.spec is not None and self._server is not None:
                try:
                    connection = connection or await connect(self.spec, application_name="backend", read_only=False)
                    await connection.fetchval("SELECT 1")
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ConnectionFailed):
                    connection = None
                await asyncio.sleep(0.03)
        finally:
            if connection is not None:
                connection.terminate()


@dataclass
class Plan:
    """How a deploy of the memory host goes: its states one after another, and the log lines that come with the first."""

    states: tuple[tuple[DeployState, str], ...] = (
        (DeployState.BUILDING, "build_in_progress"),
        (DeployState.MIGRATING, "pre_deploy_in_progress"),
        (DeployState.LIVE, "live"),
    )
    lines: tuple[str, ...] = ()


@dataclass
class MemoryHost(NoHost):
    """Implements `core.hosting.interface.Host`.

    Attributes:
        calls: what was asked to change something, in order.
        failing: names of calls that fail, and how often yet.
        plans: how the next deploys go; the default when there are no more.
    """

    application: Application | None = None
    able: frozenset[Ability] = frozenset(Ability)
    calls: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    failing: dict[str, int] = field(default_factory=dict[str, int])
    plans: list[Plan] = field(default_factory=list[Plan])
    known: dict[str, Service] = field(default_factory=dict[str, Service])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    made: list[Deploy] = field(default_factory=list[Deploy])
    reached: SecretStr | None = None
    log: list[LogLine] = field(default_factory=list[LogLine])
    going: dict[str, list[tuple[DeployState, str]]] = field(default_factory=dict[str, list[tuple[DeployState, str]]])
    name = "the memory host"

    def __post_init__(self) -> None:
        for id_, kind in ((WEB, ServiceKind.WEB), (WORKER, ServiceKind.WORKER), (CRON, ServiceKind.CRON)):
            self.known.setdefault(id_, Service(id_, id_.partition("-")[2], kind, False, False, True))
        if not self.made:
            self.made.append(
                Deploy("dep-0", DeployState.LIVE, "live", "c0ffee00", "as it was", datetime(2026, 1, 1, tzinfo=UTC))
            )

    @property
    def abilities(self) -> frozenset[Ability]:
        return self.able

    async def services(self) -> tuple[Service, ...]:
        return tuple(self.known.values())

    async def service(self, service: str) -> Service:
        self._call("service", service)
        return self.known[service]

    async def set_maintenance(self, service: str, on: bool) -> None:
        self._call("set_maintenance", service, str(on))
        self.known[service] = replace(self.known[service], maintenance=on)
        if self.application is not None:
            self.application.maintenance = on

    async def suspend(self, service: str) -> None:
        self._call("suspend", service)
        self.known[service] = replace(self.known[service], suspended=True)
        if self.application is not None and service == WEB:
            await self.application.stop()

    async def resume(self, service: str) -> None:
        self._call("resume", service)
        self.known[service] = replace(self.known[service], suspended=False)
        if self.application is not None and service == WEB:
            await self.application.start()

    async def set_auto_deploy(self, service: str, on: bool) -> None:
        self._call("set_auto_deploy", service, str(on))
        self.known[service] = replace(self.known[service], auto_deploy=on)

    async def variables(self, owner: str) -> tuple[Variable, ...]:
        return tuple(Variable(owner, name, SecretStr(value)) for name, value in self.environment.items())

    async def set_variable(self, owner: str, name: str, value: SecretStr) -> None:
        self._call("set_variable", owner, name, value.get_secret_value())
        self.environment[name] = value.get_secret_value()

    async def remove_variable(self, owner: str, name: str) -> None:
        self._call("remove_variable", owner, name)
        del self.environment[name]

    async def deploy(self, service: str, commit: str | None = None) -> Deploy:
        self._call("deploy", service, commit or "latest")
        if self.known[service].suspended:
            raise HostingError(f"{service} is suspended.")
        return self._begin(commit or "1a7e57", "the newest")

    async def roll_back(self, service: str, deploy: str) -> Deploy:
        self._call("roll_back", service, deploy)
        earlier = next(d for d in self.made if d.id == deploy)
        return self._begin(earlier.commit, earlier.message)

    async def deploys(self, service: str, limit: int = 20) -> tuple[Deploy, ...]:
        return tuple(reversed(self.made))[:limit]

    async def find_deploy(self, service: str, deploy: str) -> Deploy:
        self._call("find_deploy", service, deploy)
        place = next(place for place, d in enumerate(self.made) if d.id == deploy)
        if self.going.get(deploy):
            state, told = self.going[deploy].pop(0)
            if state is DeployState.LIVE:
                self._replace_live()
                if self.application is not None:
                    self.application.maintenance = self.known[service].maintenance is True or (
                        self.environment.get("MAINTENANCE_MODE") == "true"
                    )
            finished = datetime.now(UTC) if state.over else None
            self.made[place] = replace(self.made[place], state=state, told=told, finished_at=finished)
        return self.made[place]

    async def logs(self, services: Sequence[str], since: datetime, limit: int = 1000) -> tuple[LogLine, ...]:
        return tuple(line for line in self.log if line.at >= since)[:limit]

    async def connection(self) -> Connection:
        self._call("connection")
        return Connection(
            inside=SecretStr("postgresql://app:obviously-fake@internal:5432/app"), outside=self.reached or SecretStr("")
        )

    def changes(self) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] not in ("find_deploy", "service")]

    def _begin(self, commit: str | None, message: str | None) -> Deploy:
        plan = self.plans.pop(0) if self.plans else Plan()
        now = datetime.now(UTC)
        deploy = Deploy(f"dep-{len(self.made)}", DeployState.WAITING, "created", commit, message, now)
        self.made.append(deploy)
        self.going[deploy.id] = list(plan.states)
        self.log += [LogLine(now, line) for line in plan.lines]
        return deploy

    def _replace_live(self) -> None:
        self.made[:] = [
            replace(d, state=DeployState.REPLACED, told="deactivated") if d.state is DeployState.LIVE else d
            for d in self.made
        ]

    def _call(self, *call: str) -> None:
        self.calls.append(call)
        if self.failing.get(call[0]):
            self.failing[call[0]] -= 1
            raise HostingError(f"{call[0]} answered 500.", advice="Try again.")


@asynccontextmanager
async def running(spec: ConnectionSpec | None) -> AsyncGenerator[Application]:
    application = Application(spec)
    await application.start()
    try:
        yield application
    finally:
        await application.stop()
