"""Conversion day over the API of a host: the real client, the demo's loopback host, and its application's own migrations."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.demo.alembic import run_alembic
from core.demo.hosting.deploys import HEAD_COMMIT, OLD_COMMIT, DeployFault
from core.demo.hosting.faults import Fault
from core.demo.hosting.host import LoopbackHost
from core.demo.hosting.state import CRON, WEB, WORKER
from core.demo.incident import HEAD_REVISION, TRUE_REVISION, Incident
from core.errors import HostingError
from core.hosting.render.client import Render
from core.postgres.connection_spec import ConnectionSpec
from core.runbook import facts
from core.runbook.conversion_day import deploying, fencing, probing
from core.runbook.conversion_day.begin_maintenance import BEGIN, begin_maintenance
from core.runbook.conversion_day.deploy_production import LATEST, RETRY, ROLL_BACK, deploy_production
from core.runbook.conversion_day.end_maintenance import END, end_maintenance, standing
from core.runbook.conversion_day.verify_production import verify_production
from core.runbook.model import Action
from core.settings import Settings
from tests.databases import Server
from tests.step_world import StepWorld, taking


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "ASK_EVERY", 0.05)
    monkeypatch.setattr(deploying, "ASK_EVERY", 0.05)
    monkeypatch.setattr(fencing, "LOOK_EVERY", 0.4)  # the application works every second


@asynccontextmanager
async def day(
    incident: Incident, production: ConnectionSpec, server: Server, directory: Path, *answers: str
) -> AsyncGenerator[tuple[StepWorld, LoopbackHost]]:
    loopback = LoopbackHost(replace(incident, production=production), server, pace=0.0)
    await loopback.start()
    render = Render(loopback.settings, loopback.key)
    given = Settings.model_validate({"service": {"health_url": f"{loopback.application.url}/health"}})
    world = StepWorld(
        directory,
        given.model_copy(update={"hosting": loopback.settings}),
        {"production": production},
        taking(*answers),
        host=render,
    )
    try:
        yield world, loopback
    finally:
        await render.close()
        await loopback.stop()


async def run(world: StepWorld, step: str, action: Action) -> str:
    world.step = step
    return await action(world)


def said(world: StepWorld) -> str:
    return "\n".join(event.text for event in world.events if event.kind == "step_said")


async def test_the_day_with_a_deploy_that_fails_once_and_an_answer_that_is_lost(
    incident: Incident, empty_database: ConnectionSpec, server: Server, tmp_path: Path
) -> None:
    assert (await run_alembic(incident.application, empty_database, "upgrade", TRUE_REVISION)).exit_status == 0
    async with day(incident, empty_database, server, tmp_path, BEGIN, LATEST, RETRY, END) as (world, loopback):
        summary = await run(world, "7.2", begin_maintenance)
        # The worker is stopped; the backend answered 503 and went on working as the owner, so it is stopped, too.
        assert "ma-saas-backend is stopped" in summary
        assert world.state.facts[facts.SESSIONS_OTHERS]["count"] == 0
        assert [loopback.hosted.services[id_].suspended for id_ in (WEB, WORKER, CRON)] == [True, True, True]
        assert not loopback.hosted.services[WEB].auto_deploy

        loopback.deploys.fault = DeployFault("pre_deploy", 1)
        loopback.faults.add(Fault("lost", "POST", "/deploys"))
        assert "is live (9f8e7d6c5b4a)" in await run(world, "7.5", deploy_production)
        (failure,) = [question for question in world.questions if "What now?" in question.title]
        assert "has failed (pre_deploy_failed) in the migrations" in failure.title
        assert f"Running upgrade {TRUE_REVISION} -> " in said(world)
        assert world.state.facts[facts.DEPLOYED]["commit"] == HEAD_COMMIT.id
        assert loopback.hosted.services[WEB].auto_deploy

        await run(world, "7.6", verify_production)
        assert world.state.facts[facts.HEALTH_VERIFIED]["health"] is None
        assert "the service answers 200" in await run(world, "7.7", end_maintenance)
        assert world.state.facts[facts.HEALTH_VERIFIED]["health"] is True
        assert loopback.application.release.revision == HEAD_REVISION
        assert not any(loopback.hosted.services[id_].suspended for id_ in (WEB, WORKER, CRON))
        assert standing(world.state) == ()


async def test_a_deploy_on_the_database_as_it_was_found_is_rolled_back(
    incident: Incident, production_copy: ConnectionSpec, server: Server, tmp_path: Path
) -> None:
    async with day(incident, production_copy, server, tmp_path, LATEST, ROLL_BACK) as (world, loopback):
        with pytest.raises(HostingError, match=r"in the migrations, .*; it was rolled back to dep-demolive"):
            await run(world, "7.5", deploy_production)
        details = "\n".join(world.questions[-1].details)
        assert "cannot be implemented" in details
        assert "1. Check which migration failed" in details
        assert world.state.facts[facts.DEPLOYED]["commit"] == OLD_COMMIT.id
        assert not loopback.hosted.services[WEB].auto_deploy
        assert loopback.application.release.revision == TRUE_REVISION
