"""Deploys that really happen: migrations by the application's own Alembic, then another release in place of the running one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from core.demo.alembic import run_alembic
from core.demo.hosting.state import ENDED, Commit, Hosted, HostedDeploy, HostedService
from core.demo.service import HEAD_RELEASE, RUNNING_RELEASE, Release
from core.errors import PgrecastError
from core.postgres.connection_spec import ConnectionSpec
from core.redaction import redactor

OLD_COMMIT = Commit("5d0c7a1e9b3f4826a7c1d2e3f405162738495a6b", "Connect bank accounts")
HEAD_COMMIT = Commit("9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c", "Generate documents from templates")

_COMMIT = re.compile(r"[0-9a-f]{40}")


def find_commit(id_: str | None) -> Commit | None:
    """The commit of that id, None for none; one that the demo does not know is somebody's who works on it now."""
    for known in (HEAD_COMMIT, OLD_COMMIT):
        if id_ in (None, "", known.id):
            return known
    return Commit(id_, "Work in progress") if id_ and _COMMIT.fullmatch(id_) else None


def release_of(commit: Commit) -> Release:
    """What a commit is deployed as."""
    return RUNNING_RELEASE if commit.id == OLD_COMMIT.id else HEAD_RELEASE


class Runtime(Protocol):
    """What runs of a service."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def take(self, release: Release, database: ConnectionSpec, environment: Mapping[str, str]) -> None:
        """Put another version in place of the running one.

        Raises:
            PgrecastError: it does not come up; the former goes on.
        """
        ...


STAGES = ("build", "pre_deploy", "update")


@dataclass(slots=True)
class DeployFault:
    """How the next deploys go wrong.

    Attributes:
        stage: one of `STAGES`; empty for none.
        times: for how many deploys.
    """

    stage: str = ""
    times: int = 0


class Deploys:
    """Carries deploys out, one at a time for each service.

    Args:
        hosted: what the host knows.
        runtimes: what runs, by service.
        application: the directory with alembic.ini.
        pace: seconds that a stage takes beside its work.
    """

    def __init__(self, hosted: Hosted, runtimes: Mapping[str, Runtime], application: Path, *, pace: float) -> None:
        self.pace = pace
        self.fault = DeployFault()
        self._hosted = hosted
        self._runtimes = runtimes
        self._application = application
        self._latest: dict[str, asyncio.Task[None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, service: HostedService, commit: Commit, trigger: str, *, migrate: bool = True) -> HostedDeploy:
        """Take a deploy up; it waits for the one that is under way."""
        deploy = HostedDeploy(
            self._hosted.new_id("dep"), commit, trigger, "queued" if service.busy else "created", datetime.now(UTC)
        )
        former = self._latest.get(service.id)
        service.deploys.insert(0, deploy)
        task = asyncio.create_task(self._carry_out(service, deploy, former, migrate=migrate))
        self._latest[service.id] = self._tasks[deploy.id] = task
        return deploy

    def cancel(self, service: HostedService, deploy: HostedDeploy) -> None:
        """End it where it is; the running version goes on."""
        if deploy.status not in ENDED:
            self._end(deploy, "canceled")
            self._tasks[deploy.id].cancel()
            self._hosted.log(service.id, "==> Deploy canceled", type_="build")

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await self.settle()

    async def _carry_out(
        self, service: HostedService, deploy: HostedDeploy, former: asyncio.Task[None] | None, *, migrate: bool
    ) -> None:
        if former is not None:
            await asyncio.wait({former})
        environment = self._hosted.environment_of(service)
        stages: list[tuple[str, Callable[[], Awaitable[str]]]] = [("build_in_progress", lambda: self._build(deploy))]
        if migrate and service.type == "web_service":
            stages.append(("pre_deploy_in_progress", lambda: self._migrate(service, deploy, environment)))
        stages.append(("update_in_progress", lambda: self._update(service, deploy, environment)))
        deploy.started_at = datetime.now(UTC)
        for status, work in stages:
            deploy.status = status
            try:
                failed = await work()
            except (PgrecastError, OSError, TimeoutError) as error:
                failed = redactor.redact(str(error) or type(error).__name__)
            if failed:
                self._hosted.log(service.id, f"==> {failed}", type_="build", level="error")
                self._end(deploy, f"{status.removesuffix('_in_progress')}_failed")
                return
        live = service.live
        if live is not None:
            live.status = "deactivated"
        service.running = environment
        self._end(deploy, "live")
        self._hosted.log(service.id, "==> Your service is live", type_="build")

    async def _build(self, deploy: HostedDeploy) -> str:
        await asyncio.sleep(self.pace)
        return "Build failed: exited with status 1" if self._fails("build") else ""

    async def _migrate(self, service: HostedService, deploy: HostedDeploy, environment: Mapping[str, str]) -> str:
        self._hosted.log(service.id, "==> Running pre-deploy command: alembic upgrade head", type_="build")
        await asyncio.sleep(self.pace)
        if self._fails("pre_deploy"):
            return "Pre-deploy command failed: exited with status 1"
        revision = release_of(deploy.commit).revision
        outcome = await run_alembic(self._application, database_of(environment), "upgrade", revision)
        for line in outcome.output.splitlines():
            self._hosted.log(service.id, line, type_="build", level="info" if not outcome.exit_status else "error")
        return f"Pre-deploy command failed: exited with status {outcome.exit_status}" if outcome.exit_status else ""

    async def _update(self, service: HostedService, deploy: HostedDeploy, environment: Mapping[str, str]) -> str:
        self._hosted.log(service.id, "==> Deploying...", type_="build")
        await asyncio.sleep(self.pace)
        if self._fails("update"):
            return "Application exited early: exited with status 1"
        runtime = self._runtimes.get(service.id)
        if runtime is not None:
            await runtime.take(release_of(deploy.commit), database_of(environment), environment)
        return ""

    def _fails(self, stage: str) -> bool:
        if self.fault.stage != stage or self.fault.times <= 0:
            return False
        self.fault.times -= 1
        return True

    def _end(self, deploy: HostedDeploy, status: str) -> None:
        deploy.status = status
        deploy.finished_at = datetime.now(UTC)


def database_of(environment: Mapping[str, str]) -> ConnectionSpec:
    """Where DATABASE_URL leads.

    Raises:
        UsageError: there is none, or it cannot be understood.
    """
    url = SecretStr(environment.get("DATABASE_URL", ""))
    return ConnectionSpec.from_url(url, environment={}, allow_password=True, source="DATABASE_URL")
