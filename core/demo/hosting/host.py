"""The host put together and served on loopback."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from aiohttp import web

from core.demo.alembic import database_url
from core.demo.hosting.api import PREFIX, Api
from core.demo.hosting.dashboard import Dashboard
from core.demo.hosting.database import HostedDatabase
from core.demo.hosting.deploys import HEAD_COMMIT, OLD_COMMIT, Deploys, Runtime
from core.demo.hosting.faults import Faults
from core.demo.hosting.standing import Backend, Jobs, Standing
from core.demo.hosting.state import (
    CRON,
    DATABASE,
    GROUP,
    SITE,
    WEB,
    WORKER,
    Commit,
    Hosted,
    HostedDeploy,
    HostedGroup,
    HostedService,
)
from core.demo.incident import Cluster, Incident
from core.demo.service import HOST, DemoApplication
from core.demo.worker import DemoWorker
from core.settings.hosting import HostingSettings

PACE = 0.3
"""Seconds that each stage of a deploy takes beside its work."""
STOP_TIMEOUT = 2.0


class LoopbackHost:
    """The demo's services under a host with Render's API, within this process.

    Args:
        incident: the databases, and the application's directory.
        cluster: the server, with the superuser's login.
        pace: seconds that each stage of a deploy takes beside its work.

    Attributes:
        key: an API key that is alive from the start, and was leaked.
    """

    def __init__(self, incident: Incident, cluster: Cluster, *, pace: float = PACE) -> None:
        self.hosted = Hosted()
        self.key = self.hosted.new_key()
        self.faults = Faults()
        self.database = HostedDatabase(self.hosted, incident.production, cluster)
        self.application = DemoApplication(incident, report=lambda level, line: self.hosted.log(WEB, line, level=level))
        worker = DemoWorker(incident.production, report=lambda level, line: self.hosted.log(WORKER, line, level=level))
        runtimes: Mapping[str, Runtime] = {WEB: Backend(self.application), WORKER: Jobs(worker)}
        self._runtimes = runtimes
        self._standing = Standing(self.hosted, runtimes)
        self.deploys = Deploys(self.hosted, runtimes, incident.application, pace=pace)
        self._api = Api(self.hosted, self._standing, self.deploys, self.database, self.faults)
        self._dashboard = Dashboard(self.hosted, self.faults, self.deploys, self.key)
        self._server: web.AppRunner | None = None
        self._describe(incident)

    @property
    def url(self) -> str:
        """Where the API answers; known once it has started."""
        return f"{self._origin}{PREFIX}"

    @property
    def dashboard_url(self) -> str:
        """Where a person does what the API cannot; whoever knows it may."""
        return f"{self._origin}{self._dashboard.path}"

    @property
    def dashboard_help(self) -> str:
        """How a person uses the dashboard, as a page of text."""
        return self._dashboard.help(self.dashboard_url)

    @property
    def front_page(self) -> str:
        """Where the static site answers."""
        return f"{self._origin}/sites/{SITE}/"

    @property
    def settings(self) -> HostingSettings:
        """The settings that lead here."""
        return HostingSettings(
            kind="render",
            api_url=self.url,
            service=WEB,
            frontend=SITE,
            others=(WORKER, CRON),
            database=DATABASE,
        )

    async def start(self) -> None:
        """Start the services, then serve the API on a free port.

        Raises:
            ConnectionFailed: the application does not get into its database.
        """
        for runtime in self._runtimes.values():
            await runtime.start()
        self.hosted.services[WEB].url = self.application.url
        application = self._api.application()
        application.add_routes(self._dashboard.routes())
        server = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_TIMEOUT, handler_cancellation=True)
        await server.setup()
        self._server = server
        await web.TCPSite(server, HOST, 0).start()
        self.hosted.services[SITE].url = self.front_page

    async def stop(self) -> None:
        """Stop serving, end what is under way, and stop the services."""
        if self._server is not None:
            await self._server.cleanup()
            self._server = None
        await self.deploys.stop()
        await self.database.stop()
        for runtime in self._runtimes.values():
            await runtime.stop()

    @property
    def _origin(self) -> str:
        if self._server is None:
            raise RuntimeError("the host has not been started")
        return f"http://{HOST}:{self._server.addresses[0][1]}"

    def _describe(self, incident: Incident) -> None:
        """The services as they were found: the last deploy failed on its migration, and the one before it serves."""
        url = self.database.url()
        shared = {"DATABASE_URL": url, "DATABASE_URL_TEST": database_url(incident.test).get_secret_value()}
        self.hosted.groups[GROUP] = HostedGroup(GROUP, "ma-saas-shared", {"LOG_LEVEL": "info", **shared})
        own = {"DATABASE_URL": url, "ENVIRONMENT": "production", "PORT": "10000"}
        for service in (
            HostedService(WEB, "ma-saas-backend", "web_service", variables=own, deploys=_history()),
            HostedService(WORKER, "ma-saas-worker", "background_worker", groups=(GROUP,), deploys=_history()[1:]),
            HostedService(CRON, "ma-saas-nightly", "cron_job", groups=(GROUP,), deploys=_history()[1:]),
            HostedService(SITE, "ma-saas-frontend", "static_site", deploys=_history()[1:]),
        ):
            service.running = self.hosted.environment_of(service)
            self.hosted.services[service.id] = service


def _history() -> list[HostedDeploy]:
    now = datetime.now(UTC)

    def ended(id_: str, commit: Commit, status: str, days: int) -> HostedDeploy:
        at = now - timedelta(days=days)
        return HostedDeploy(id_, commit, "new_commit", status, at, at, at + timedelta(minutes=4))

    return [
        ended("dep-demofailed", HEAD_COMMIT, "pre_deploy_failed", 1),
        ended("dep-demolive", OLD_COMMIT, "live", 9),
    ]
