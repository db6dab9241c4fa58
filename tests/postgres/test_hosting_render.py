"""The client for Render's API against the demo's loopback host: every call, and every way in which one goes wrong."""

from __future__ import annotations

import asyncio
import logging
import stat
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from core.demo.alembic import run_alembic
from core.demo.hosting.deploys import HEAD_COMMIT, OLD_COMMIT, DeployFault
from core.demo.hosting.faults import Fault, FaultKind
from core.demo.hosting.host import LoopbackHost
from core.demo.hosting.state import CRON, GROUP, SITE, WEB, WORKER
from core.demo.incident import HEAD_REVISION, TRUE_REVISION, Incident
from core.demo.service import APPLICATION_NAME
from core.errors import HostingError, HostingOutcomeUnknown
from core.hosting.health import ask_health
from core.hosting.interface import Ability, Deploy, DeployState, ServiceKind
from core.hosting.render.client import Render
from core.hosting.render.transport import ATTEMPTS, LONGEST_WAIT, Timeouts
from core.postgres.connection_spec import ConnectionSpec
from core.redaction import MASK, redactor
from tests.databases import Server
from tests.sessions import session

PATIENT = Timeouts(connect=10.0, silence=20.0, whole=30.0)
IMPATIENT = Timeouts(connect=10.0, silence=0.5, whole=30.0)
"""For a host that says nothing."""


class Pauses(list[float]):
    """How long the client wanted to wait; it waits a hundredth of it."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.sleep(min(seconds, 2.0) / 100)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@asynccontextmanager
async def serving(
    incident: Incident, production: ConnectionSpec, server: Server, *, pace: float = 0.0
) -> AsyncGenerator[LoopbackHost]:
    host = LoopbackHost(replace(incident, production=production), server, pace=pace)
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


@asynccontextmanager
async def calling(loopback: LoopbackHost, pauses: Pauses, timeouts: Timeouts = PATIENT) -> AsyncGenerator[Render]:
    render = Render(loopback.settings, loopback.key, timeouts=timeouts, pause=pauses)
    try:
        yield render
    finally:
        await render.close()


@pytest.fixture
async def loopback(incident: Incident, server: Server) -> AsyncIterator[LoopbackHost]:
    async with serving(incident, incident.production, server) as host:
        yield host


@pytest.fixture
async def render(loopback: LoopbackHost, pauses: Pauses, request: pytest.FixtureRequest) -> AsyncIterator[Render]:
    async with calling(loopback, pauses, IMPATIENT if "silent" in request.node.name else PATIENT) as render:
        yield render


async def ended(render: Render, deploy: Deploy) -> Deploy:
    async with asyncio.timeout(60):
        while not (found := await render.find_deploy(WEB, deploy.id)).state.over:
            await asyncio.sleep(0.02)
    return found


# --- services ---


async def test_services_and_how_they_stand(loopback: LoopbackHost, render: Render) -> None:
    assert render.abilities == frozenset(Ability)
    services = {service.id: service for service in await render.services()}
    assert {id_: service.kind for id_, service in services.items()} == {
        WEB: ServiceKind.WEB,
        WORKER: ServiceKind.WORKER,
        CRON: ServiceKind.CRON,
        SITE: ServiceKind.STATIC,
    }
    web = services[WEB]
    assert (web.suspended, web.maintenance, web.auto_deploy, web.url) == (False, False, True, loopback.application.url)
    assert services[WORKER].maintenance is None
    assert (await ask_health(services[SITE].url)).status == 200
    await render.suspend(SITE)
    assert (await ask_health(services[SITE].url)).status == 503
    assert await render.service(WEB) == web


async def test_maintenance_makes_the_application_answer_503_while_it_keeps_its_sessions(
    loopback: LoopbackHost, render: Render, incident: Incident
) -> None:
    health = f"{loopback.application.url}/health"
    await render.set_maintenance(WEB, True)
    assert (await ask_health(health)).status == 503
    assert (await render.service(WEB)).maintenance is True
    async with session(incident.production) as connection:
        assert await connection.fetchval(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = $1", APPLICATION_NAME
        )
    await render.set_maintenance(WEB, False)
    assert (await ask_health(health)).status == 200
    with pytest.raises(HostingError, match="only available for web services"):
        await render.set_maintenance(WORKER, True)


async def test_suspending_stops_what_runs_and_resuming_starts_it(
    loopback: LoopbackHost, render: Render, incident: Incident
) -> None:
    async def sessions() -> set[str]:
        async with session(incident.production) as connection:
            found = await connection.fetch(
                "SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name LIKE 'ma\\_saas\\_%'"
            )
        return {name for (name,) in found}

    async with asyncio.timeout(10):
        while await sessions() != {"ma_saas_backend", "ma_saas_worker"}:
            await asyncio.sleep(0.02)
    for service in (WEB, WORKER):
        await render.suspend(service)
        assert (await render.service(service)).suspended is True
    assert (await ask_health(f"{loopback.application.url}/health")).words == "refuses the connection"
    async with asyncio.timeout(10):
        while await sessions():
            await asyncio.sleep(0.02)
    with pytest.raises(HostingError, match="suspended"):
        await render.deploy(WEB)
    await render.resume(WEB)
    assert (await render.service(WEB)).suspended is False
    assert (await ask_health(f"{loopback.application.url}/health")).status == 200


async def test_automatic_deploys_are_held_and_let_go(render: Render) -> None:
    await render.set_auto_deploy(WEB, False)
    assert (await render.service(WEB)).auto_deploy is False
    await render.set_auto_deploy(WEB, True)
    assert (await render.service(WEB)).auto_deploy is True


async def test_lists_are_read_page_by_page(loopback: LoopbackHost, render: Render) -> None:
    many = {f"NAME_{n:03}": str(n) for n in range(250)}
    loopback.hosted.services[SITE].variables.update(many)
    found = await render.variables(SITE)
    assert {variable.name: variable.value.get_secret_value() for variable in found} == many


async def test_one_variable_is_set_and_removed_and_the_others_stay(loopback: LoopbackHost, render: Render) -> None:
    before = {variable.name for variable in await render.variables(WEB)}
    await render.set_variable(WEB, "MAINTENANCE_MODE", SecretStr("true"))
    assert {variable.name for variable in await render.variables(WEB)} == before | {"MAINTENANCE_MODE"}
    await render.remove_variable(WEB, "MAINTENANCE_MODE")
    assert {variable.name for variable in await render.variables(WEB)} == before
    with pytest.raises(HostingError, match="404"):
        await render.remove_variable(WEB, "MAINTENANCE_MODE")
    assert redactor.redact("it is true") == "it is true"


async def test_groups_hold_variables_too_and_tell_who_shares_them(render: Render) -> None:
    assert await render.variable_groups() == (GROUP,)
    assert await render.services_of_group(GROUP) == (WORKER, CRON)
    await render.set_variable(GROUP, "LOG_LEVEL", SecretStr("debug"))
    found = {variable.name: variable for variable in await render.variables(GROUP)}
    assert found["LOG_LEVEL"].value.get_secret_value() == "debug"
    assert found["LOG_LEVEL"].owner == GROUP
    await render.remove_variable(GROUP, "LOG_LEVEL")
    assert "LOG_LEVEL" not in {variable.name for variable in await render.variables(GROUP)}


async def test_secret_files_are_read_and_written(loopback: LoopbackHost, render: Render) -> None:
    for owner in (WEB, GROUP):
        assert await render.files(owner) == ()
        loopback.faults.add(Fault("lost", method="PUT"))
        await render.set_file(owner, "app.env", SecretStr("DATABASE_URL=fake\n"))
        (file,) = await render.files(owner)
        assert (file.owner, file.name, file.content.get_secret_value()) == (owner, "app.env", "DATABASE_URL=fake\n")


async def test_ids_that_are_none_reach_nothing(render: Render) -> None:
    with pytest.raises(
        HostingError, match=r"404 to GET /services/srv-nobody: not found: srv-nobody \(request api-demo/"
    ):
        await render.service("srv-nobody")
    with pytest.raises(HostingError, match="404"):
        await render.service(f"{WEB}/env-vars")
    with pytest.raises(HostingError, match="no id"):
        await render.service("..")


# --- deploys ---


async def test_a_deploy_on_the_database_as_it_was_found_fails_on_its_migration(
    incident: Incident, production_copy: ConnectionSpec, server: Server, pauses: Pauses
) -> None:
    async with serving(incident, production_copy, server) as loopback, calling(loopback, pauses) as render:
        began = datetime.now(UTC)
        deploy = await render.deploy(WEB, HEAD_COMMIT.id)
        found = await ended(render, deploy)
        assert (found.state, found.told, found.commit) == (DeployState.FAILED, "pre_deploy_failed", HEAD_COMMIT.id)
        assert (await ask_health(f"{loopback.application.url}/health")).status == 200
        text = "\n".join(line.text for line in await render.logs([WEB], began))
        assert "cannot be implemented" in text
        assert [deploy.state for deploy in await render.deploys(WEB)] == [
            DeployState.FAILED,
            DeployState.FAILED,
            DeployState.LIVE,
        ]


async def test_a_deploy_migrates_and_serves_the_new_release_and_a_rollback_the_old_one(
    incident: Incident, empty_database: ConnectionSpec, server: Server, pauses: Pauses
) -> None:
    outcome = await run_alembic(incident.application, empty_database, "upgrade", TRUE_REVISION)
    assert outcome.exit_status == 0
    async with serving(incident, empty_database, server) as loopback, calling(loopback, pauses) as render:
        began = datetime.now(UTC)
        # The second waits for the first: its answer is 202 with nothing in it, and it is found all the same.
        first, second = await render.deploy(WEB), await render.roll_back(WEB, "dep-demolive")
        assert second.told in ("queued", "created")
        assert first.id != second.id
        assert (await ended(render, first)).commit == HEAD_COMMIT.id
        lines = await render.logs([WEB], began)
        assert f"Running upgrade {TRUE_REVISION} -> " in "\n".join(line.text for line in lines)
        assert list(lines) == sorted(lines, key=lambda line: line.at)
        assert all(line.service == WEB and line.at >= began for line in lines)
        assert any(HEAD_REVISION in line.text and "answers at" in line.text for line in lines)

        back = await ended(render, second)
        assert (back.state, back.commit) == (DeployState.LIVE, OLD_COMMIT.id)
        assert (await render.find_deploy(WEB, first.id)).state is DeployState.REPLACED
        assert loopback.application.release.revision == TRUE_REVISION
        assert (await ask_health(f"{loopback.application.url}/health")).status == 200


async def test_a_variable_takes_effect_with_the_next_deploy(loopback: LoopbackHost, render: Render) -> None:
    health = f"{loopback.application.url}/health"

    async def deploy_the_same() -> DeployState:
        return (await ended(render, await render.roll_back(WEB, "dep-demolive"))).state

    await render.set_variable(WEB, "MAINTENANCE_MODE", SecretStr("true"))
    assert (await ask_health(health)).status == 200
    assert await deploy_the_same() is DeployState.LIVE
    assert (await ask_health(health)).status == 503
    await render.remove_variable(WEB, "MAINTENANCE_MODE")
    assert await deploy_the_same() is DeployState.LIVE
    assert (await ask_health(health)).status == 200
    # A database that does not let it in: the new version does not come up, and the old one goes on.
    await render.set_variable(WEB, "DATABASE_URL", SecretStr("postgresql://nobody:wrong-and-fake@127.0.0.1:1/nowhere"))
    assert await deploy_the_same() is DeployState.FAILED
    assert (await ask_health(health)).status == 200


@pytest.mark.parametrize(
    ("stage", "status"), [("build", "build_failed"), ("pre_deploy", "pre_deploy_failed"), ("update", "update_failed")]
)
async def test_a_deploy_that_fails(loopback: LoopbackHost, render: Render, stage: str, status: str) -> None:
    loopback.deploys.fault = DeployFault(stage, 1)
    begun = render.roll_back(WEB, "dep-demolive") if stage == "update" else render.deploy(WEB)  # without migrations
    deploy = await ended(render, await begun)
    assert (deploy.state, deploy.told) == (DeployState.FAILED, status)
    assert deploy.finished_at is not None


async def test_a_deploy_is_cancelled(incident: Incident, server: Server, pauses: Pauses) -> None:
    async with (
        serving(incident, incident.production, server, pace=60.0) as loopback,
        calling(loopback, pauses) as render,
    ):
        deploy = await render.deploy(WEB)
        await render.cancel_deploy(WEB, deploy.id)
        assert (await render.find_deploy(WEB, deploy.id)).state is DeployState.CANCELED


async def test_logs_are_read_page_by_page_in_order(loopback: LoopbackHost, render: Render) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    for n in range(230):
        loopback.hosted.log(WORKER, f"line {n}")
    found = [line for line in await render.logs([WEB, WORKER], began) if line.text.startswith("line ")]
    assert [line.text for line in found] == [f"line {n}" for n in range(230)]
    assert len(await render.logs([WORKER], began, limit=150)) == 150
    assert await render.logs([WEB], datetime.now(UTC) + timedelta(hours=1)) == ()


# --- the database ---


async def test_a_new_login_becomes_the_default_and_the_old_one_ends(
    incident: Incident, server: Server, pauses: Pauses, empty_database: ConnectionSpec
) -> None:
    name = f"{empty_database.database}_next"
    async with serving(incident, incident.production, server) as loopback, calling(loopback, pauses) as render:
        before = await render.connection()
        assert "@localhost:" in before.outside.get_secret_value() or "127.0.0.1" not in before.inside.get_secret_value()
        await render.make_credential(name)
        try:
            found = {credential.username: credential for credential in await render.credentials()}
            assert found[name].default
            after = await render.connection()
            assert f"//{name}:" in after.inside.get_secret_value()
            spec = ConnectionSpec.from_url(after.inside, environment={}, allow_password=True)
            async with session(spec) as connection:
                assert await connection.fetchval("SELECT count(*) FROM users") > 0
            with pytest.raises(HostingError, match="already"):
                await render.make_credential(name)
            with pytest.raises(HostingError, match="default user cannot be deleted"):
                await render.remove_credential(name)
            assert redactor.redact(after.outside.get_secret_value()) != after.outside.get_secret_value()
        finally:
            async with loopback.database._as_superuser() as connection:
                await connection.execute(f"DROP ROLE {name}")


async def test_an_export_is_made_and_downloaded(loopback: LoopbackHost, render: Render, tmp_path: Path) -> None:
    assert await render.exports() == ()
    await render.start_export()
    (export,) = await render.exports()
    if export.url is None:
        with pytest.raises(HostingError, match="not ready"):
            await render.download_export(export, tmp_path)
    await loopback.database.settle()
    (export,) = await render.exports()
    path = await render.download_export(export, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as archive:
        assert any(name.endswith("/toc.dat") for name in archive.getnames())
    assert [found.name for found in tmp_path.iterdir()] == [path.name]

    assert export.url is not None
    assert redactor.redact(export.url.get_secret_value()) == MASK
    gone = type(export)(export.id, export.created_at, SecretStr(f"{export.url.get_secret_value()}x"))
    with pytest.raises(HostingError, match="could not be downloaded: the answer is 403"):
        await render.download_export(gone, tmp_path)


async def test_since_when_the_database_can_be_recovered(loopback: LoopbackHost, render: Render) -> None:
    assert await render.recoverable_since() == loopback.database.recoverable_since


async def test_without_the_databases_id_nothing_of_it_is_possible(loopback: LoopbackHost) -> None:
    render = Render(loopback.settings.model_copy(update={"database": ""}), loopback.key)
    assert not render.abilities & {Ability.EXPORT, Ability.CREDENTIALS, Ability.RECOVERY}
    with pytest.raises(HostingError, match="which database"):
        await render.connection()
    await render.close()


# --- the key ---


async def test_a_key_is_alive_until_it_is_revoked_and_another_takes_its_place(
    loopback: LoopbackHost, render: Render
) -> None:
    old, new = loopback.key, loopback.hosted.new_key()
    assert await render.key_alive(old)
    assert await render.key_alive(new)
    await render.use_key(new)
    loopback.hosted.revoke(old)
    assert not await render.key_alive(old)
    assert (await render.service(WEB)).id == WEB
    await render.use_key(old)
    with pytest.raises(HostingError, match=r"401 to GET /services/.*: unauthorized") as caught:
        await render.service(WEB)
    assert "API key is not valid" in caught.value.advice


@pytest.mark.parametrize("key", [None, "", "two words", "tränen"])
async def test_what_cannot_be_a_key_is_not_sent(loopback: LoopbackHost, key: str | None) -> None:
    render = Render(loopback.settings, None if key is None else SecretStr(key))
    with pytest.raises(HostingError, match="key for Render's API") as caught:
        await render.services()
    assert key is None or not key or key not in str(caught.value)
    await render.close()


async def test_a_dashboard_makes_and_revokes_keys(loopback: LoopbackHost, render: Render) -> None:
    async with httpx.AsyncClient(trust_env=False) as dashboard:
        made = SecretStr((await dashboard.post(f"{loopback.dashboard_url}/keys")).json()["key"])
        assert await render.key_alive(made)
        await dashboard.post(f"{loopback.dashboard_url}/keys/revoke", json={"key": made.get_secret_value()})
        assert not await render.key_alive(made)
        await dashboard.post(f"{loopback.dashboard_url}/keys/revoke", json={"key": "leaked"})
        assert not await render.key_alive(loopback.key)
        await render.use_key(loopback.hosted.new_key())
        await dashboard.post(f"{loopback.dashboard_url}/faults", json={"kind": "forbidden", "path": "/services"})
        with pytest.raises(HostingError, match="403 to GET /services: forbidden"):
            await render.services()
        assert (await dashboard.post(f"{loopback.dashboard_url}/faults", json={"kind": "none"})).status_code == 400
        assert (await dashboard.post(f"{loopback.dashboard_url}/keys/revoke", content=b"?")).status_code == 400
        await dashboard.post(f"{loopback.dashboard_url}/deploys/fail", content=b'{"stage": "build"}')
        assert (await ended(render, await render.deploy(WEB))).told == "build_failed"
        assert (
            await dashboard.post(f"{loopback.dashboard_url}/deploys/fail", content=b'{"stage": "?"}')
        ).status_code == 400
        await dashboard.post(f"{loopback.dashboard_url}/deploys/pace", content=b'{"seconds": 60}')
        slow = await render.deploy(WEB)
        assert not (await render.find_deploy(WEB, slow.id)).state.over
        page = (await dashboard.get(loopback.dashboard_url)).text
        assert page == loopback.dashboard_help
        assert f"curl -X POST {loopback.dashboard_url}/keys" in page
        assert (await dashboard.get(loopback.dashboard_url[:-1])).status_code == 404


# --- faults ---


@pytest.mark.parametrize("kind", ["limited_seconds", "limited_epoch"])
async def test_a_rate_limit_is_waited_for_whichever_way_its_reset_is_told(
    loopback: LoopbackHost, render: Render, pauses: Pauses, kind: FaultKind
) -> None:
    loopback.faults.add(Fault(kind, seconds=17, times=1))
    assert await render.services()
    (wait,) = pauses
    assert 15 <= wait <= 19  # the answer tells its time in whole seconds
    # It has not been taken, so that it may be repeated whatever it is.
    loopback.faults.add(Fault(kind, method="POST", seconds=17, times=1))
    assert await render.deploy(WEB)
    assert len(loopback.hosted.services[WEB].deploys) == 3


async def test_a_rate_limit_beyond_all_patience_is_told(loopback: LoopbackHost, render: Render, pauses: Pauses) -> None:
    loopback.faults.add(Fault("limited_seconds", seconds=LONGEST_WAIT + 1))
    with pytest.raises(HostingError, match="429 to GET /services: rate limit exceeded"):
        await render.services()
    assert pauses == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("error_500", "500 to GET /services: internal server error"),
        ("plain_502", "502 to GET /services: error code: 502"),
        ("silent", "did not answer within"),
        ("half", "broke off its answer"),
        ("lost", "broke off its answer"),
    ],
)
async def test_what_only_reads_is_asked_again(
    loopback: LoopbackHost, render: Render, pauses: Pauses, kind: FaultKind, said: str
) -> None:
    loopback.faults.add(Fault(kind, times=ATTEMPTS - 1))
    assert len(await render.services()) == 4
    assert len(pauses) == ATTEMPTS - 1
    assert pauses == sorted(pauses)
    loopback.faults.add(Fault(kind, times=ATTEMPTS))
    with pytest.raises(HostingError, match=said) as caught:
        await render.services()
    assert not isinstance(caught.value, HostingOutcomeUnknown)
    assert "Nothing has been changed" in caught.value.state
    assert caught.value.advice


@pytest.mark.parametrize("kind", ["error_500", "silent", "half", "lost"])
async def test_what_may_be_done_twice_is_repeated(loopback: LoopbackHost, render: Render, kind: FaultKind) -> None:
    loopback.faults.add(Fault(kind, method="PUT"))
    await render.set_variable(WEB, "LOG_LEVEL", SecretStr("debug"))
    assert loopback.hosted.services[WEB].variables["LOG_LEVEL"] == "debug"
    loopback.faults.add(Fault(kind, method="DELETE"))
    await render.remove_variable(WEB, "LOG_LEVEL")
    assert "LOG_LEVEL" not in loopback.hosted.services[WEB].variables
    loopback.faults.add(Fault(kind, method="PATCH"))
    await render.set_maintenance(WEB, True)
    assert loopback.hosted.services[WEB].maintenance


@pytest.mark.parametrize("kind", ["half", "lost", "not_json"])
async def test_a_deploy_whose_answer_is_lost_is_found_and_not_begun_twice(
    loopback: LoopbackHost, render: Render, kind: FaultKind
) -> None:
    loopback.faults.add(Fault(kind, method="POST"))
    deploy = await render.deploy(WEB, HEAD_COMMIT.id)
    deploys = loopback.hosted.services[WEB].deploys
    assert (deploy.id, len(deploys)) == (deploys[0].id, 3)


@pytest.mark.parametrize("kind", ["error_500", "silent"])
async def test_a_deploy_of_which_nothing_is_known_is_not_repeated(
    loopback: LoopbackHost, render: Render, kind: FaultKind
) -> None:
    loopback.faults.add(Fault(kind, method="POST"))
    with pytest.raises(HostingOutcomeUnknown) as caught:
        await render.deploy(WEB)
    assert "not known" in caught.value.state
    assert "before you try again" in caught.value.advice
    assert len(loopback.hosted.services[WEB].deploys) == 2


@pytest.mark.parametrize(("kind", "carried_out"), [("lost", True), ("silent", False)])
async def test_a_call_whose_answer_is_lost_counts_when_its_effect_is_there(
    loopback: LoopbackHost, render: Render, kind: FaultKind, carried_out: bool
) -> None:
    calls: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("/suspend", lambda: render.suspend(WORKER)),
        ("/resume", lambda: render.resume(WORKER)),
        ("/export", render.start_export),
    ]
    for path, call in calls:
        loopback.faults.add(Fault(kind, method="POST", path=path))
        if carried_out:
            await call()
        elif path != "/resume":
            with pytest.raises(HostingOutcomeUnknown, match=path):
                await call()
    assert len(loopback.database.exports) == carried_out
    await loopback.database.settle()


async def test_an_answer_that_is_no_json_is_told_as_such(loopback: LoopbackHost, render: Render) -> None:
    loopback.faults.add(Fault("not_json"))
    with pytest.raises(HostingError, match="is no JSON"):
        await render.services()


async def test_a_late_answer_is_an_answer(loopback: LoopbackHost, render: Render, pauses: Pauses) -> None:
    loopback.faults.add(Fault("slow", seconds=0.2))
    assert await render.services()
    assert pauses == []


async def test_nobody_there(render: Render, loopback: LoopbackHost, pauses: Pauses) -> None:
    await loopback.stop()
    with pytest.raises(HostingError, match="cannot be reached") as caught:
        await render.deploy(WEB)
    assert not isinstance(caught.value, HostingOutcomeUnknown)
    assert len(pauses) == ATTEMPTS - 1


async def test_requests_are_logged_with_their_ids_and_nothing_secret(
    loopback: LoopbackHost, render: Render, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = SecretStr("postgresql://me:obviously-fake-Zk81@db.example/app")
    loopback.faults.add(Fault("plain_502", method="PUT"))
    await render.set_variable(WEB, "DATABASE_URL", secret)
    await render.key_alive(loopback.key)
    assert "request api-demo/" in caplog.text
    assert "PUT /services/srv-demobackend/env-vars/DATABASE_URL" in caplog.text
    assert "again in" in caplog.text
    assert loopback.key.get_secret_value() not in caplog.text
    assert "obviously-fake-Zk81" not in caplog.text
