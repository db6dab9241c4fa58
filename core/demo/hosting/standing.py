"""Whether services run and serve: suspended, resumed, or kept back by maintenance."""

from __future__ import annotations

from collections.abc import Mapping

from core.demo.hosting.deploys import Runtime
from core.demo.hosting.state import Hosted, HostedService
from core.demo.service import DemoApplication, Release
from core.demo.worker import DemoWorker
from core.errors import PgrecastError
from core.postgres.connection_spec import ConnectionSpec
from core.redaction import redactor

MAINTENANCE_VARIABLE = "MAINTENANCE_MODE"


def asks_for_maintenance(environment: Mapping[str, str]) -> bool:
    """Whether the application's own switch is on."""
    return environment.get(MAINTENANCE_VARIABLE, "").strip().lower() in ("1", "true", "yes", "on")


class Backend:
    """The web service: the application serves while neither the host nor its own variable keeps it back."""

    def __init__(self, application: DemoApplication) -> None:
        self.application = application
        self._by_host = False
        self._by_variable = False

    async def start(self) -> None:
        await self.application.start()

    async def stop(self) -> None:
        await self.application.stop()

    async def take(self, release: Release, database: ConnectionSpec, environment: Mapping[str, str]) -> None:
        await self.application.deploy(release, database)
        self._by_variable = asks_for_maintenance(environment)
        self.keep_back(by_host=self._by_host)

    def keep_back(self, *, by_host: bool) -> None:
        self._by_host = by_host
        self.application.maintenance = self._by_host or self._by_variable


class Jobs:
    """The worker."""

    def __init__(self, worker: DemoWorker) -> None:
        self.worker = worker

    async def start(self) -> None:
        await self.worker.start()

    async def stop(self) -> None:
        await self.worker.stop()

    async def take(self, release: Release, database: ConnectionSpec, environment: Mapping[str, str]) -> None:
        del release, environment
        await self.worker.deploy(database)


class Standing:
    """Starts and stops what runs of each service.

    Args:
        hosted: what the host knows.
        runtimes: what runs, by service.
    """

    def __init__(self, hosted: Hosted, runtimes: Mapping[str, Runtime]) -> None:
        self._hosted = hosted
        self._runtimes = runtimes

    def apply_maintenance(self, service: HostedService) -> None:
        runtime = self._runtimes.get(service.id)
        if isinstance(runtime, Backend):
            runtime.keep_back(by_host=service.maintenance)

    async def suspend(self, service: HostedService) -> None:
        service.suspended = True
        self._hosted.log(service.id, "==> Service suspended", type_="build")
        if service.id in self._runtimes:
            await self._runtimes[service.id].stop()

    async def resume(self, service: HostedService) -> None:
        """Start it again; where it does not come up, it stays down and its log says why."""
        service.suspended = False
        self._hosted.log(service.id, "==> Service resumed", type_="build")
        runtime = self._runtimes.get(service.id)
        if runtime is None:
            return
        try:
            await runtime.stop()
            await runtime.start()
        except (PgrecastError, OSError) as error:
            self._hosted.log(service.id, redactor.redact(str(error)), level="error")
