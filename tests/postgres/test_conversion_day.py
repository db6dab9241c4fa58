"""Tasks 7.2 and 7.5 to 7.7 on a real server, an application that logs in as the owner, and a host in memory."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.errors import ConnectionFailed, HostingError, PgrecastError, Refused
from core.hosting.interface import Ability, DeployState
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.scram import scram_verifier
from core.runbook import facts
from core.runbook.conversion_day import deploying, fencing, probing
from core.runbook.conversion_day.begin_maintenance import BEGIN, STAY, TAKE_BACK, begin_maintenance, look_after_start
from core.runbook.conversion_day.check_production import check_production
from core.runbook.conversion_day.deploy_production import (
    DEPLOY,
    GIVE_UP,
    LATEST,
    RETRY,
    ROLL_BACK,
    deploy_production,
    reconcile_deploy,
)
from core.runbook.conversion_day.end_maintenance import DONE, END, end_maintenance, go_back, standing
from core.runbook.conversion_day.held_at_host import Held
from core.runbook.conversion_day.maintenance import BY_HAND
from core.runbook.conversion_day.roll_back import BACK, roll_back_deploy
from core.runbook.conversion_day.verify_production import verify_production
from core.runbook.model import Action
from core.runbook.timeline import downtime
from core.settings import Settings
from tests.databases import Database
from tests.hosts import CRON, WEB, WORKER, Application, MemoryHost, Plan, running
from tests.sessions import session
from tests.step_world import StepWorld, taking

YES = taking(BEGIN, END, DEPLOY, LATEST, BACK)
FAILED = Plan(
    ((DeployState.MIGRATING, "pre_deploy_in_progress"), (DeployState.FAILED, "pre_deploy_failed")),
    ("INFO  [alembic.runtime.migration] Running upgrade 1 -> 2, folders", "ERROR: relation exists", "bye"),
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "ASK_EVERY", 0.02)
    monkeypatch.setattr(deploying, "ASK_EVERY", 0.01)
    monkeypatch.setattr(fencing, "LOOK_EVERY", 0.06)


@pytest.fixture
async def application(database: Database) -> AsyncGenerator[Application]:
    async with session(database.spec) as connection:
        await connection.execute(
            "CREATE TABLE users (id varchar(36) PRIMARY KEY); CREATE TABLE folders (id varchar(36) PRIMARY KEY);"
            "CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('2')"
        )
    async with running(database.spec) as found:
        yield found


@pytest.fixture
def host(application: Application) -> MemoryHost:
    return MemoryHost(application)


@pytest.fixture
async def stranger(database: Database) -> ConnectionSpec:
    """Another role's login."""
    role = f"{database.owner}_other"
    async with session(database.spec) as connection:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{scram_verifier(database.password)}'")
    return replace(database.spec, user=role)


@pytest.fixture
def world(database: Database, application: Application, host: MemoryHost, tmp_path: Path) -> StepWorld:
    return world_of(database, application, host, tmp_path)


def world_of(
    database: Database,
    application: Application,
    host: MemoryHost | None,
    directory: Path,
    *,
    hosting: dict[str, Any] | None = None,
    **service: Any,
) -> StepWorld:
    given = {
        "service": {"health_url": application.url, "contacts": ["Sam Example"], **service},
        "hosting": {"kind": "render", "service": WEB, "others": [WORKER, CRON], **(hosting or {})},
        "investigation": {"indicator_tables": ["folders"]},
    }
    return StepWorld(directory, Settings.model_validate(given), {"production": database.spec}, YES, host=host)


async def run(world: StepWorld, step: str, action: Action) -> str:
    world.step = step
    return await action(world)


def said(world: StepWorld) -> str:
    return "\n".join(event.text for event in world.events if event.kind == "step_said")


async def enters(spec: ConnectionSpec) -> bool:
    try:
        (await connect(spec)).terminate()
    except ConnectionFailed:
        return False
    return True


# --- the last looks -----------------------------------------------------------------------------------------------------


async def test_the_last_looks_name_who_is_connected_and_whose_database_it_is(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    world = world_of(database, application, host, tmp_path, hosting={"database": "dpg-1-a"})
    host.reached = SecretStr(f"postgresql://other:obviously-fake@{database.host}:{database.port}/{database.name}")
    summary = await run(world, "7.1", check_production)
    assert f"1 session of others (backend as {database.owner}: 1); it is the host's database" in summary
    assert "the schema was not investigated" in summary
    host.reached = SecretStr("postgresql://other:obviously-fake@db.example:5432/app")
    assert "the host's connection strings lead ELSEWHERE" in await run(world, "7.1", check_production)
    assert "internal:5432/app or db.example:5432/app, NOT to" in said(world)
    assert "obviously-fake" not in said(world)
    host.failing = {"connection": 1}
    assert "database" not in (await run(world, "7.1", check_production)).partition(";")[2]


async def test_a_verified_backup_that_has_gone_is_missed(world: StepWorld, tmp_path: Path) -> None:
    world.step = "3.2"
    backup = tmp_path / "backup"
    await world.fact(facts.BACKUP_VERIFIED, {"path": str(backup), "depth": "equal"})
    with pytest.raises(Refused, match="is not at"):
        await run(world, "7.1", check_production)
    backup.mkdir()
    await run(world, "7.1", check_production)


# --- maintenance there and back ----------------------------------------------------------------------------------------


async def test_production_is_kept_from_serving_and_serves_again(
    world: StepWorld, host: MemoryHost, stranger: ConnectionSpec
) -> None:
    host.known[CRON] = replace(host.known[CRON], suspended=True)  # by somebody else
    summary = await run(world, "7.2", begin_maintenance)
    assert world.state.facts[facts.MAINTENANCE_PROVED] is True
    assert world.state.facts[facts.SESSIONS_OTHERS]["count"] == 0
    assert not await enters(stranger)
    # It answers 503 and goes on running as the owner, whom no privilege keeps out: it is stopped.
    assert "came back" in summary
    assert "web is stopped" in summary
    assert host.changes() == [
        ("set_auto_deploy", WEB, "False"),
        ("set_maintenance", WEB, "True"),
        ("suspend", WORKER),
        ("suspend", WEB),
    ]
    assert Held.of(world.state) == Held((WEB,), {}, (WORKER, WEB), (WEB,))
    began = datetime.fromisoformat(world.state.facts[facts.DOWNTIME_BEGAN])
    assert downtime(world.state, began + timedelta(minutes=7)) == timedelta(minutes=7)

    host.calls.clear()
    summary = await run(world, "7.7", end_maintenance)
    assert "answers 200" in summary
    assert "the downtime was" in summary
    assert await enters(stranger)
    assert standing(world.state) == ()
    assert host.changes() == [
        ("resume", WEB),
        ("set_maintenance", WEB, "False"),
        ("resume", WORKER),
        ("set_auto_deploy", WEB, "True"),
    ]
    assert host.known[CRON].suspended
    seconds = world.state.facts[facts.DOWNTIME_SECONDS]
    assert 0 < seconds < 60
    assert downtime(world.state, datetime.now(UTC) + timedelta(hours=5)) == timedelta(seconds=seconds)


async def test_what_was_not_confirmed_changes_nothing(world: StepWorld, host: MemoryHost) -> None:
    world.answers = None
    with pytest.raises(Refused, match="not confirmed"):
        await run(world, "7.2", begin_maintenance)
    assert host.changes() == []
    assert standing(world.state) == ()
    (question,) = world.questions
    assert [choice.phrase for choice in question.choices] == [world.specs["production"].database, None]
    assert any("web is put into the host's maintenance mode" in line for line in question.details)


async def test_services_that_the_settings_do_not_name_are_said(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    world = world_of(database, application, host, tmp_path, hosting={"others": [WORKER]})
    world.answers = None
    with pytest.raises(Refused):
        await run(world, "7.2", begin_maintenance)
    lines = world.questions[0].details
    assert "nightly (cron) goes on running: hosting.others does not name it (crn-nightly)." in lines
    assert "worker (worker) is stopped." in lines


async def test_a_session_that_will_not_leave_is_named(world: StepWorld, database: Database, host: MemoryHost) -> None:
    stubborn = await database.superuser_connect()
    summary = await run(world, "7.2", begin_maintenance)
    assert "1 session could not be ended" in summary
    assert "1 session of others" in summary
    assert f"SELECT pg_terminate_backend({stubborn.get_server_pid()})" in said(world)
    await stubborn.close()


async def test_run_again_it_goes_on_from_there(world: StepWorld, host: MemoryHost) -> None:
    host.failing = {"suspend": 1}
    with pytest.raises(HostingError) as failed:
        await run(world, "7.2", begin_maintenance)
    assert failed.value.state.startswith("Still on: srv-web: in the host's maintenance mode")
    assert "7.2-back" in failed.value.advice
    await run(world, "7.2", begin_maintenance)
    began = world.state.facts[facts.DOWNTIME_BEGAN]
    await run(world, "7.2", begin_maintenance)
    assert world.state.facts[facts.DOWNTIME_BEGAN] == began
    await run(world, "7.7", end_maintenance)
    assert host.known[WEB].auto_deploy
    assert not any(service.suspended for service in host.known.values())


async def test_a_failure_half_way_is_taken_back(world: StepWorld, host: MemoryHost, application: Application) -> None:
    host.failing = {"suspend": 1}
    world.answers = taking(BEGIN, TAKE_BACK)
    with pytest.raises(HostingError) as failed:
        await run(world, "7.2", begin_maintenance)
    assert failed.value.state == "Everything that was on is taken back."
    assert host.known[WEB].auto_deploy
    assert not host.known[WEB].maintenance
    assert not application.maintenance
    assert standing(world.state) == ()


async def test_a_service_that_goes_on_serving(
    world: StepWorld, host: MemoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "WITHIN", timedelta(seconds=0.2))
    host.application = None  # its maintenance mode has no effect
    world.answers = taking(BEGIN, STAY)
    with pytest.raises(Refused, match="not seen to stop"):
        await run(world, "7.2", begin_maintenance)
    assert world.state.facts[facts.MAINTENANCE_PROVED] is False
    assert facts.FENCE_UP not in world.state.facts
    assert facts.DOWNTIME_BEGAN not in world.state.facts


async def test_the_way_back_from_it(world: StepWorld, host: MemoryHost, stranger: ConnectionSpec) -> None:
    await run(world, "7.2", begin_maintenance)
    await run(world, "7.2-back", go_back)
    assert await enters(stranger)
    assert standing(world.state) == ()
    assert facts.DOWNTIME_SECONDS in world.state.facts
    # A later attempt has a downtime of its own.
    first = world.state.facts[facts.DOWNTIME_BEGAN]
    await run(world, "7.2", begin_maintenance)
    assert world.state.facts[facts.DOWNTIME_BEGAN] > first


async def test_by_a_variable_and_a_deploy(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    world = world_of(database, application, host, tmp_path, hosting={"maintenance": "variable"})
    host.environment["MAINTENANCE_MODE"] = "false"
    await run(world, "7.2", begin_maintenance)
    assert ("set_variable", WEB, "MAINTENANCE_MODE", "true") in host.calls
    # What is live is deployed, and nothing newer.
    assert ("deploy", WEB, "c0ffee00") in host.calls
    assert facts.DEPLOYED not in world.state.facts
    await run(world, "7.7", end_maintenance)
    assert host.environment == {"MAINTENANCE_MODE": "false"}
    assert not application.maintenance


async def test_a_variable_that_is_no_switch_is_left_alone(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    world = world_of(database, application, host, tmp_path, hosting={"maintenance": "variable"})
    host.environment["MAINTENANCE_MODE"] = "obviously-fake"
    with pytest.raises(Refused, match="no switch"):
        await run(world, "7.2", begin_maintenance)
    assert "obviously-fake" not in "".join(event.model_dump_json() for event in world.events)


async def test_no_variable_is_set_where_the_host_does_not_tell_what_is_live(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    world = world_of(database, application, host, tmp_path, hosting={"maintenance": "variable"})
    host.made.clear()
    with pytest.raises(HostingError, match="does not tell which deploy of srv-web is live"):
        await run(world, "7.2", begin_maintenance)
    assert host.changes() == [("set_auto_deploy", WEB, "False")]
    assert host.environment == {}


async def test_by_a_person_where_no_host_can_be_called(
    database: Database, application: Application, tmp_path: Path, stranger: ConnectionSpec
) -> None:
    world = world_of(database, application, None, tmp_path, hosting={"kind": "none"})
    await application.stop()
    # Step 7.5 would be a person's: nothing would lift a fence before the deploy, so none is raised.
    summary = await run(world, "7.2", begin_maintenance)
    assert world.questions == []
    assert "refuses the connection" in summary
    assert await enters(stranger)


async def test_while_the_host_does_not_answer_the_day_goes_on_by_hand(
    world: StepWorld, host: MemoryHost, application: Application, stranger: ConnectionSpec
) -> None:
    host.failing = {"service": 1}
    with pytest.raises(HostingError, match="answered 500"):
        await run(world, "7.2", begin_maintenance)
    host.failing = {"service": 1000}
    await application.stop()
    world.answers = taking(BY_HAND, BEGIN, DONE, END)
    await run(world, "7.2", begin_maintenance)
    assert host.changes() == []
    assert "For you to do: stop srv-worker." in world.questions[-1].details
    assert not await enters(stranger)
    with pytest.raises(Refused, match="Nothing would prove a deploy by hand"):
        await run(world, "7.5", deploy_production)
    await application.start()
    await run(world, "7.7", end_maintenance)
    assert await enters(stranger)


async def test_what_the_host_does_not_take_back_a_person_may_have_done(
    world: StepWorld, host: MemoryHost, application: Application
) -> None:
    await run(world, "7.2", begin_maintenance)
    host.failing = {"resume": 1000}
    with pytest.raises(HostingError, match="answered 500"):
        await run(world, "7.7", end_maintenance)
    assert Held.of(world.state).suspended
    application.maintenance = False
    await application.start()
    world.answers = taking(END, DONE)
    assert "answers 200" in await run(world, "7.7", end_maintenance)
    assert standing(world.state) == ()


class FlaggedApplication(Application):
    """In maintenance while a file is there."""

    flag: Path

    @property
    def maintenance(self) -> bool:
        return self.flag.exists()

    @maintenance.setter
    def maintenance(self, on: bool) -> None:
        assert not on  # as it begins


async def test_by_the_users_own_commands(database: Database, tmp_path: Path, stranger: ConnectionSpec) -> None:
    application = FlaggedApplication(None)
    application.flag, log = tmp_path / "maintenance", tmp_path / "log"
    log.write_text("Running upgrade 1 -> 2, folders\nserving\n")
    commands = {
        "maintenance_on": f"touch {application.flag}",
        "maintenance_off": f"rm -f {application.flag}",
        "suspend": f"touch {tmp_path}/{{service}}.stopped",
        "resume": f"rm -f {tmp_path}/{{service}}.stopped",
        "deploy": "echo deployed {commit}",
        "logs": f"cat {log}",
    }
    hosting = {"kind": "commands", "service": "web", "others": ["worker"], "commands": commands}
    await application.start()
    world = world_of(database, application, None, tmp_path, hosting=hosting)
    try:
        await run(world, "7.2", begin_maintenance)
        assert (tmp_path / "worker.stopped").exists()
        assert not await enters(stranger)
        assert "is live" in await run(world, "7.5", deploy_production)
        assert "Running upgrade 1 -> 2, folders" in said(world)
        assert "serving" in world.evidence(deploying.LOG_FILE)
        assert "answers 200" in await run(world, "7.7", end_maintenance)
        assert not (tmp_path / "worker.stopped").exists()
        assert await enters(stranger)
    finally:
        await application.stop()


async def test_without_a_fence_no_session_is_ended(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path, stranger: ConnectionSpec
) -> None:
    world = world_of(database, application, host, tmp_path, fence="none")
    held = await connect(stranger)
    summary = await run(world, "7.2", begin_maintenance)
    assert "2 sessions of others" in summary
    assert await held.fetchval("SELECT 1") == 1
    assert await enters(stranger)
    held.terminate()


async def test_an_application_that_cannot_be_stopped_is_named(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    host.able = frozenset({Ability.MAINTENANCE, Ability.DEPLOY, Ability.SERVICES})
    world = world_of(database, application, host, tmp_path, fence="read_only")
    summary = await run(world, "7.2", begin_maintenance)
    assert "stop backend at its host: it logs in as the owner" in summary
    owner = await database.connect()
    assert await owner.fetchval("SHOW default_transaction_read_only") == "on"
    await owner.close()
    await run(world, "7.7", end_maintenance)
    owner = await database.connect()
    assert await owner.fetchval("SHOW default_transaction_read_only") == "off"
    await owner.close()


# --- what an engine's death leaves -------------------------------------------------------------------------------------


async def test_a_fence_that_is_meant_to_stand_is_said_with_how_to_lift_it(
    world: StepWorld, stranger: ConnectionSpec
) -> None:
    from core.events import StepFinished, StepTicked

    await run(world, "7.2", begin_maintenance)
    world.record(StepFinished(step="7.2", summary=""))
    await look_after_start(world)
    assert f"GRANT CONNECT ON DATABASE {world.specs['production'].database} TO PUBLIC" in said(world)
    assert not await enters(stranger)
    # Somebody has ended maintenance by hand and ticked it: nothing is to stand any more.
    world.record(StepTicked(step="7.7"))
    await look_after_start(world)
    assert await enters(stranger)


# --- the deploy --------------------------------------------------------------------------------------------------------


async def test_the_deploy_is_followed_to_its_end(world: StepWorld, host: MemoryHost, stranger: ConnectionSpec) -> None:
    await run(world, "7.2", begin_maintenance)
    host.calls.clear()
    host.plans = [Plan(lines=("Running upgrade 1 -> 2, folders", "Running upgrade 2 -> 3, more", "serving"))]
    summary = await run(world, "7.5", deploy_production)
    assert await enters(stranger)
    # The service is started behind maintenance mode, deployed, and left there.
    assert host.changes() == [("resume", WEB), ("deploy", WEB, "latest"), ("set_auto_deploy", WEB, "True")]
    assert host.known[WEB].maintenance
    assert world.state.facts[facts.DEPLOYED] == {"id": "dep-1", "state": "live", "commit": "1a7e57"}
    assert summary.startswith("deploy dep-1 is live")
    assert "Running upgrade 2 -> 3, more" in said(world)
    assert "serving" not in said(world)
    assert "serving" in world.evidence(deploying.LOG_FILE)
    shown = [reading.values for reading in world.readings if reading.name == "deploy"]
    assert shown[-1]["revision"] == "3"
    (asked,) = [question for question in world.questions if question.step == "7.5"]
    assert any("Live now: c0ffee00" in line for line in asked.details)
    assert asked.choices[0].phrase == world.specs["production"].database


async def test_a_service_that_maintenance_has_stopped_is_started_behind_maintenance_mode(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    world = world_of(database, application, host, tmp_path, hosting={"maintenance": "suspend"})
    await run(world, "7.2", begin_maintenance)
    await run(world, "7.5", deploy_production)
    assert host.changes()[-4:] == [
        ("set_maintenance", WEB, "True"),
        ("resume", WEB),
        ("deploy", WEB, "latest"),
        ("set_auto_deploy", WEB, "True"),
    ]
    assert application.maintenance
    await run(world, "7.7", end_maintenance)
    assert not application.maintenance


async def test_a_failed_deploy_can_be_tried_again(world: StepWorld, host: MemoryHost) -> None:
    host.plans = [FAILED]
    world.answers = taking(LATEST, RETRY)
    assert "dep-2 is live" in await run(world, "7.5", deploy_production)
    failure = world.questions[-1]
    assert "in the migrations, the last that began was 2" in failure.title
    details = "\n".join(failure.details)
    assert re.search(r"log: \d\d:\d\d:\d\d ERROR: relation exists", details)
    assert "If migrations fail after the conversion:" in details
    assert "4. Fix the migration, push, redeploy." in details
    assert "5. Call: Sam Example" in details
    assert [choice.name for choice in failure.choices] == [RETRY, ROLL_BACK, GIVE_UP]
    assert all(choice.consequence for choice in failure.choices)


async def test_a_failed_deploy_can_be_rolled_back(world: StepWorld, host: MemoryHost) -> None:
    host.plans = [FAILED]
    world.answers = taking(LATEST, ROLL_BACK)
    with pytest.raises(HostingError, match="rolled back to dep-0"):
        await run(world, "7.5", deploy_production)
    assert ("roll_back", WEB, "dep-0") in host.calls
    # Or the next push would deploy what was just taken back.
    assert host.known[WEB].auto_deploy is False
    assert world.state.facts[facts.DEPLOYED]["id"] == "dep-2"


async def test_a_failed_deploy_can_be_left(world: StepWorld, host: MemoryHost) -> None:
    host.plans = [Plan(((DeployState.FAILED, "build_failed"),), ("no space left",))]
    world.answers = taking(LATEST, GIVE_UP)
    with pytest.raises(HostingError) as failed:
        await run(world, "7.5", deploy_production)
    assert "Maintenance goes on" in failed.value.state
    assert "If services won't start" in failed.value.advice
    assert world.state.facts[facts.DEPLOYED]["state"] == "failed"


async def test_an_interrupted_deploy_is_followed_on_and_not_asked_for_twice(world: StepWorld, host: MemoryHost) -> None:
    # The engine dies after the host has taken the call and before its answer is journaled.
    since = datetime.now(UTC)
    world.step = "7.5"
    await world.fact(facts.DEPLOY_STARTED, {"id": None, "commit": None, "since": since.isoformat()})
    await host.deploy(WEB)
    assert "dep-1 is live" in await run(world, "7.5", deploy_production)
    assert [call for call in host.calls if call[0] == "deploy"] == [("deploy", WEB, "latest")]
    assert world.state.facts[facts.DEPLOY_STARTED] is None
    assert world.questions == []


async def test_after_the_engines_death_it_is_said_what_became_of_the_deploy(world: StepWorld, host: MemoryHost) -> None:
    world.step = "7.5"
    assert "deploy" not in (await reconcile_deploy(world)).found
    await deploying.start(world, host, WEB, None)
    assert "Its deploy dep-1 is building (build_in_progress); run again" in (await reconcile_deploy(world)).found
    host.failing = {"find_deploy": 1}
    assert "could not be asked: find_deploy answered 500" in (await reconcile_deploy(world)).found


async def test_a_deploy_that_the_host_refuses_is_not_looked_for_later(world: StepWorld, host: MemoryHost) -> None:
    host.failing = {"deploy": 1}
    with pytest.raises(HostingError, match="answered 500"):
        await run(world, "7.5", deploy_production)
    assert world.state.facts[facts.DEPLOY_STARTED] is None


async def test_a_host_that_does_not_answer_for_a_moment(world: StepWorld, host: MemoryHost) -> None:
    host.failing = {"find_deploy": 5}
    assert "dep-1 is live" in await run(world, "7.5", deploy_production)
    host.failing = {"find_deploy": 1000}
    with pytest.raises(HostingError, match="answered 500"):
        await run(world, "7.5", deploy_production)
    host.failing = {}
    assert "dep-2 is live" in await run(world, "7.5", deploy_production)


async def test_rolled_back_later(world: StepWorld, host: MemoryHost) -> None:
    await run(world, "7.5", deploy_production)
    assert "rolled back to dep-0 (c0ffee00)" in await run(world, "7.5-back", roll_back_deploy)
    assert world.questions[-1].choices[0].phrase == world.specs["production"].database


# --- verification ------------------------------------------------------------------------------------------------------


def smoke(directory: Path, text: str) -> str:
    script = directory / f"smoke_{len(list(directory.iterdir()))}.py"
    script.write_text(text)
    return f"{sys.executable} {script}"


async def test_what_maintenance_hides_is_looked_at_again_after_it(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    test = smoke(
        tmp_path,
        f"import sys, urllib.request as u\ntry: print(u.urlopen('{application.url}').status)\nexcept OSError: sys.exit(3)",
    )
    world = world_of(database, application, host, tmp_path, frontend_url=application.url, smoke=[test])
    await run(world, "7.2", begin_maintenance)
    await run(world, "7.5", deploy_production)
    summary = await run(world, "7.6", verify_production)
    assert world.state.facts[facts.HEALTH_VERIFIED] == {
        "revision": None,  # no project
        "key type": True,
        "tables": True,
        "health": None,
        "front page": None,
        f"smoke: {test}": None,
    }
    assert summary.startswith("2 checks of 6 hold; not proved: revision, health")
    assert "# exit status 3" in world.evidence("smoke.txt")
    await run(world, "7.7", end_maintenance)
    found = world.state.facts[facts.HEALTH_VERIFIED]
    assert [found[name] for name in ("health", "front page", f"smoke: {test}")] == [True, True, True]
    assert "200\n# exit status 0" in world.evidence("smoke.txt")


async def test_everything_that_does_not_hold_is_named(
    database: Database, application: Application, host: MemoryHost, tmp_path: Path
) -> None:
    async with session(database.spec) as connection:
        await connection.execute("DROP TABLE folders; ALTER TABLE users ALTER id TYPE uuid USING id::uuid")
    application.status = 500
    fails = smoke(tmp_path, "print('no deals'); raise SystemExit(4)")
    world = world_of(database, application, host, tmp_path, smoke=[fails, "/no/such/program"])
    with pytest.raises(PgrecastError) as failed:
        await run(world, "7.6", verify_production)
    what = failed.value.what
    assert what.startswith("5 checks of 6 do not hold")
    for words in (
        "users.id is uuid, not character varying(36)",
        "missing: folders",
        "the service answers 500",
        "exit status 4",
        "it cannot be run: No such file",
    ):
        assert words in what


async def test_a_service_that_does_not_come_up_after_maintenance(
    world: StepWorld, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(world, "7.2", begin_maintenance)
    application.status = 500
    with monkeypatch.context() as patched:
        patched.setattr(probing, "WITHIN", timedelta(seconds=0.2))
        with pytest.raises(Refused, match="not seen to serve") as failed:
            await run(world, "7.7", end_maintenance)
    assert "Maintenance is off" in failed.value.state
    assert facts.DOWNTIME_SECONDS not in world.state.facts
    application.status = 200
    await run(world, "7.7", end_maintenance)
    assert facts.DOWNTIME_SECONDS in world.state.facts
