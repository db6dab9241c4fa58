"""The rotation of credentials against a real server: proved, told, interrupted everywhere, and resumed."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from pydantic import SecretStr

from core.demo.hosting.host import LoopbackHost
from core.demo.hosting.state import WEB, WORKER
from core.demo.incident import APPLICATION, Incident
from core.engine.targets import ConfiguredTargets, identified
from core.errors import ConfigurationError, HostingError, ProofFailed, QueryFailed, Refused
from core.events import Json, Question, StepTicked
from core.hosting.factory import host_of
from core.hosting.interface import Ability, Host
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.identity import Identity
from core.postgres.scram import scram_verifier
from core.runbook.conversion_day import deploying
from core.runbook.facts import CREDENTIALS_ROTATED, ROTATION_FILES, ROTATION_KEY
from core.runbook.rewriting import WRITE
from core.runbook.rotation.files import rotate_test_and_files
from core.runbook.rotation.key import new_key, revoke_key
from core.runbook.rotation.password import ROTATE, rotate_production
from core.runbook.rotation.sessions import END, LEAVE_OPEN
from core.runbook.rotation.successor import DONE, progress_of
from core.runbook.rotation.verify import verify_rotation
from core.secrets.keep import Kept
from core.secrets.login import Login, is_accepted
from core.secrets.role_password import (
    prove,
    require_checked_passwords,
    require_may_set_password,
    set_role_password,
)
from core.settings import Settings
from tests.databases import Database, run_sync
from tests.memory_host import MemoryHost
from tests.step_world import StepWorld, taking

YES = taking(ROTATE, END, WRITE, DONE)


class RotationWorld(StepWorld):
    """A step's world whose targets go by the kept successors, as the engine's do."""

    after_fact: Callable[[], None] | None = None

    async def target(self, name: str) -> tuple[ConnectionSpec, Identity]:
        found = await ConfiguredTargets(self.settings, self.specs, Kept(self.run_directory)).find(name)
        return found.spec, found.identity

    async def fact(self, name: str, value: Json) -> None:
        await super().fact(name, value)
        if self.after_fact is not None:
            self.after_fact()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "ASK_EVERY", 0.0)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir()
    return directory


@pytest.fixture
def test_spec(database: Database) -> ConnectionSpec:
    """A second database of the same role, on the same cluster."""

    async def make() -> None:
        connection = await database.connect()
        await connection.execute(f"CREATE DATABASE {database.name}_test")
        await connection.close()

    run_sync(make())
    return database.spec.with_database(f"{database.name}_test")


def url(spec: ConnectionSpec, *, scheme: str = "postgresql", host: str = "inside") -> str:
    assert spec.password is not None
    return f"{scheme}://{spec.user}:{quote(spec.password.get_secret_value(), safe='')}@{host}:5432/{spec.database}"


def host_for(spec: ConnectionSpec) -> MemoryHost:
    return MemoryHost(
        {
            "web": {"DATABASE_URL": url(spec, scheme="postgresql+asyncpg"), "PORT": "8000"},
            "worker": {"PGPASSWORD": spec.password.get_secret_value() if spec.password else ""},
            "cron": {"REDIS_URL": "redis://cache/0"},
            "shared": {"ANALYTICS_URL": url(spec, host="outside")},
        },
        groups={"shared": ("web", "cron")},
    )


def world(
    run: Path,
    specs: dict[str, ConnectionSpec],
    host: Host | None,
    answers: Callable[[Question], str] | None = YES,
    *,
    entering: Callable[[Question], SecretStr | None] | None = None,
    before: RotationWorld | None = None,
    **settings: Any,
) -> RotationWorld:
    made = RotationWorld(run, Settings.model_validate(settings), specs, answers, entering, host=host)
    for event in before.events if before else ():
        made.record(event)
    return made


async def accepts(spec: ConnectionSpec, password: SecretStr | None) -> bool:
    assert password is not None
    return await is_accepted(spec.with_password(password))


def new_of(run: Path, target: str = "production") -> SecretStr:
    found = Kept(run).successor(target)
    assert found is not None
    return found[1].password


async def test_the_password_is_rotated_and_everybody_gets_it(database: Database, run: Path) -> None:
    old, host = database.spec, host_for(database.spec)
    leaked = await database.connect()  # a session of whoever has the leaked password
    context = world(run, {"production": old}, host)
    summary = await rotate_production(context)
    new = new_of(run)
    assert await accepts(old, new)
    assert not await accepts(old, old.password)
    plain = new.get_secret_value()
    assert host.values["web"]["DATABASE_URL"] == f"postgresql+asyncpg://{old.user}:{plain}@inside:5432/{old.database}"
    assert host.values["web"]["PORT"] == "8000"
    assert host.values["worker"]["PGPASSWORD"] == plain
    assert host.values["shared"]["ANALYTICS_URL"] == f"postgresql://{old.user}:{plain}@outside:5432/{old.database}"
    assert set(host.running) == {"web", "worker", "cron"}
    assert all(deploy.commit == "c0ffee" for deploy in host.deployed)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await leaked.fetchval("SELECT 1")
    progress = progress_of(context, "production")
    assert progress is not None
    assert (progress.ended, progress.proved, len(progress.variables)) == (1, True, 3)
    assert "3 variables changed" in summary
    (question,) = [q for q in context.questions if any(c.name == ROTATE for c in q.choices)]
    assert question.choices[0].phrase == database.name
    assert question.target == "production"
    assert "3 variables of 3 services and groups" in "\n".join(question.details)


async def test_secret_files_at_the_host_get_it_too(database: Database, run: Path) -> None:
    old, host = database.spec, host_for(database.spec)
    old_password = database.password.get_secret_value()
    host.secret_files = {
        "web": {
            "app.env": f"# ours\nDATABASE_URL={url(old)}\nDB_PASSWORD={old_password}\nPORT=8000\n",
            "ca.pem": "no login",
        },
        "shared": {"pool.ini": f"url: {url(old)}\npassword of {old.user} is {url(old).split(':')[2].split('@')[0]}\n"},
    }
    context = world(run, {"production": old}, host)
    await rotate_production(context)
    plain = new_of(run).get_secret_value()
    changed = f"# ours\nDATABASE_URL=postgresql://{old.user}:{plain}@inside:5432/{old.database}\nDB_PASSWORD={plain}\nPORT=8000\n"
    assert host.secret_files["web"] == {"app.env": changed, "ca.pem": "no login"}
    assert f"{old.user}:{plain}@" in host.secret_files["shared"]["pool.ini"]
    (question,) = [q for q in context.questions if any(c.name == ROTATE for c in q.choices)]
    details = "\n".join(question.details)
    assert "3 variables and 2 secret files of 3 services and groups" in details
    assert "file pool.ini; the old password is in it in a way that is not understood" in details


async def test_what_is_told_and_recorded_holds_no_secret(database: Database, run: Path) -> None:
    old = database.spec
    context = world(run, {"production": old}, host_for(old))
    await rotate_production(context)
    told = "".join(event.model_dump_json() for event in context.events)
    assert old.password is not None
    for secret in (old.password.get_secret_value(), new_of(run).get_secret_value()):
        assert secret not in told
    assert stat.S_IMODE(Kept(run).path.stat().st_mode) == 0o600


async def test_the_server_sees_a_verifier_only(database: Database) -> None:
    connection = await database.superuser_connect()
    try:
        new = SecretStr("Fake-new-password-1")
        await set_role_password(database.spec, new)
        stored = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", database.owner)
        assert stored.startswith("SCRAM-SHA-256$4096:")
        assert await accepts(database.spec, new)
    finally:
        await connection.close()


async def test_a_role_that_may_not_change_its_password_is_found_out_first(
    database: Database, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await require_may_set_password(database.spec)
    assert await accepts(database.spec, database.password)  # it was rolled back

    async def refuse(spec: ConnectionSpec) -> None:
        raise QueryFailed("The server does not let it.")

    monkeypatch.setattr("core.runbook.rotation.password.require_may_set_password", refuse)
    host = host_for(database.spec)
    before = {owner: dict(values) for owner, values in host.values.items()}
    with pytest.raises(QueryFailed):
        await rotate_production(world(run, {"production": database.spec}, host))
    assert host.values == before
    assert Kept(run).empty


async def test_without_agreement_nothing_happens(database: Database, run: Path) -> None:
    host = host_for(database.spec)
    before = {owner: dict(values) for owner, values in host.values.items()}
    context = world(run, {"production": database.spec}, host, None)
    with pytest.raises(Refused, match="not agreed"):
        await rotate_production(context)
    assert host.values == before
    assert await accepts(database.spec, database.password)
    assert Kept(run).empty


async def test_one_rotation_serves_both_where_they_share_the_role(
    database: Database, test_spec: ConnectionSpec, run: Path
) -> None:
    specs = {"production": database.spec, "test": test_spec}
    context = world(run, specs, host_for(database.spec))
    await context_identified(context)
    assert "serves production and test" in await rotate_production(context)
    assert "share cluster and role" in "\n".join(context.questions[0].details)
    asked = len(context.questions)
    summary = await rotate_test_and_files(context)
    assert "served by production's rotation" in summary
    (question,) = context.questions[asked:]
    assert "local files" in question.title  # none is named in the settings
    assert await accepts(test_spec, new_of(run, "test"))


async def context_identified(context: RotationWorld) -> None:
    """As the engine does when it opens."""
    for name in context.specs:
        found = await ConfiguredTargets(context.settings, context.specs).find(name)
        context.record(identified(name, found))


async def test_two_roles_are_two_rotations(database: Database, run: Path) -> None:
    owner = await database.connect()
    other, password = f"{database.owner}_test", SecretStr("fake-test-password-77")
    await owner.execute(f"CREATE ROLE {other} LOGIN PASSWORD '{scram_verifier(password)}'")
    await owner.close()
    test = replace(database.spec, user=other, password=password)
    context = world(run, {"production": database.spec, "test": test}, host_for(database.spec))
    await context_identified(context)
    await rotate_production(context)
    assert await accepts(test, password)
    await rotate_test_and_files(context)
    assert not await accepts(test, password)
    assert new_of(run, "test") != new_of(run, "production")


async def test_a_server_that_asks_for_no_password_is_refused(
    database: Database, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whoever(spec: ConnectionSpec) -> bool:
        return True

    monkeypatch.setattr("core.secrets.role_password.is_accepted", whoever)
    with pytest.raises(Refused, match="any password"):
        await require_checked_passwords(database.spec)


async def test_a_proof_that_does_not_hold(database: Database) -> None:
    right, wrong = Login(database.owner, database.password), Login(database.owner, SecretStr("wrong-one-1234"))
    with pytest.raises(ProofFailed, match="refused"):
        await prove(database.spec, old=right, new=wrong)
    with pytest.raises(ProofFailed, match="still let in"):
        await prove(database.spec, old=right, new=right)


async def test_old_sessions_may_stay(database: Database, run: Path) -> None:
    session = await database.connect()
    context = world(run, {"production": database.spec}, host_for(database.spec), taking(ROTATE, LEAVE_OPEN))
    assert "1 old session left open" in await rotate_production(context)
    assert await session.fetchval("SELECT 1") == 1
    await session.close()
    assert any("left open" in line for line in context.state.step("0.0").log)


async def test_a_stopped_service_is_not_deployed(database: Database, run: Path) -> None:
    host = host_for(database.spec)
    host.suspended = {"worker"}
    await rotate_production(world(run, {"production": database.spec}, host))
    assert {deploy.id.partition("-")[0] for deploy in host.deployed} == {"web", "cron"}


async def test_a_deploy_that_fails_is_tried_again(database: Database, run: Path) -> None:
    host = host_for(database.spec)
    host.failing = {"web"}
    first = world(run, {"production": database.spec}, host)
    with pytest.raises(HostingError, match="ended as failed"):
        await rotate_production(first)
    new = new_of(run)
    host.failing = set()
    again = world(run, {"production": database.spec}, host, before=first)
    await rotate_production(again)
    assert new_of(run) == new
    assert host.running["web"]["DATABASE_URL"] == host.values["web"]["DATABASE_URL"]


async def test_where_variables_cannot_be_changed_a_person_does_it(database: Database, run: Path) -> None:
    host = replace(host_for(database.spec), abilities=frozenset[Ability]())
    context = world(run, {"production": database.spec}, host)
    await rotate_production(context)
    assert any(str(Kept(run).path) in "\n".join(q.details) for q in context.questions)
    assert host.deployed == []


class Killed(BaseException):
    """The engine dies."""


class Fuse:
    """Kills at the n-th thing that has an effect."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.where = ""

    def burn(self, where: str = "fact") -> None:
        self.left -= 1
        if not self.left:
            self.where = where
            raise Killed(where)

    async def call(self, what: str) -> None:
        if what.startswith("has "):  # just before, a fact was recorded
            self.burn(what)


async def test_interrupted_anywhere_it_is_resumed_and_some_login_always_works(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = database.spec
    places: list[str] = []
    superuser = await database.superuser_connect()
    for at in range(1, 60):
        run = tmp_path / f"run{at}"
        run.mkdir()
        await superuser.execute(f"ALTER ROLE {database.owner} PASSWORD '{scram_verifier(database.password)}'")
        fuse, host = Fuse(at), host_for(old)
        del host.values["cron"], host.values["shared"]
        host.groups = {}
        host.on_call = fuse.call
        first = world(run, {"production": old}, host)
        first.after_fact = fuse.burn

        async def set_password(spec: ConnectionSpec, password: SecretStr, fuse: Fuse = fuse) -> object:
            fuse.burn("set the password")
            altered = await set_role_password(spec, password)
            fuse.burn("has set the password")
            return altered

        with monkeypatch.context() as patched:
            patched.setattr("core.runbook.rotation.over_sql.set_role_password", set_password)
            try:
                await rotate_production(first)
            except Killed:
                places.append(fuse.where)
            else:
                break
        kept = Kept(run).successor("production")
        known = [old.password, *([kept[1].password] if kept else [])]
        assert any([await accepts(old, password) for password in known]), fuse.where
        spec, _ = await first.target("production")  # the engine still gets in
        assert await is_accepted(spec)
        host.on_call = host_for(old).on_call
        second = world(run, {"production": old}, host, before=first)
        await rotate_production(second)
        new = new_of(run)
        assert await accepts(old, new), fuse.where
        assert not await accepts(old, old.password), fuse.where
        for service in ("web", "worker"):
            assert new.get_secret_value() in "".join(host.running[service].values()), (fuse.where, service)
            assert known[0] is not None
            assert known[0].get_secret_value() not in "".join(host.running[service].values()), fuse.where
    else:
        pytest.fail("it never came to its end")
    await superuser.close()
    assert {"set the password", "has set the password", "has set web DATABASE_URL", "has deployed web"} <= set(places)
    assert len(places) > 9


# --- by the host ---


async def host_that_makes_users(database: Database) -> MemoryHost:
    async def make(name: str) -> str:
        password = "fake-made-by-the-host-91"
        connection = await database.superuser_connect()
        await connection.execute(
            f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD '{scram_verifier(SecretStr(password))}' IN ROLE {database.owner}"
        )
        await connection.close()
        return password

    async def drop(name: str) -> None:
        connection = await database.superuser_connect()
        await connection.execute(f"ALTER ROLE {name} NOLOGIN PASSWORD NULL")
        await connection.close()

    host = host_for(database.spec)
    host.users, host.make_user, host.drop_user = [database.owner], make, drop
    host.url = f"postgresql://{database.owner}:x@{database.host}:{database.port}/{database.name}"
    return host


HOST: dict[str, Any] = {"secrets": {"how": "host"}}


async def test_a_user_that_the_host_makes(database: Database, run: Path) -> None:
    owner = await database.connect()
    await owner.execute("CREATE TABLE kept (id int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    host = await host_that_makes_users(database)
    context = world(run, {"production": database.spec}, host, **HOST)
    await rotate_production(context)
    found = Kept(run).successor("production")
    assert found is not None
    assert found[1].user.startswith(database.owner)
    assert found[1].user != database.owner
    assert host.users == [found[1].user]
    assert f"://{found[1].user}:fake-made-by-the-host-91@inside:5432/" in host.running["web"]["DATABASE_URL"]
    assert not await accepts(database.spec, database.password)
    spec, _ = await context.target("production")
    assert spec.user == found[1].user
    owner.terminate()


async def test_nobody_is_removed_before_a_person_has_given_the_services_the_new_user(
    database: Database, run: Path
) -> None:
    host = await host_that_makes_users(database)
    host.abilities = frozenset({Ability.CREDENTIALS})
    not_yet = world(run, {"production": database.spec}, host, taking(ROTATE), **HOST)
    with pytest.raises(Refused, match="not done"):
        await rotate_production(not_yet)
    assert await accepts(database.spec, database.password)
    assert len(host.users) == 2
    done = world(run, {"production": database.spec}, host, before=not_yet, **HOST)
    await rotate_production(done)
    assert len(host.users) == 1
    assert not await accepts(database.spec, database.password)


async def test_a_user_that_owns_nothing_is_found_out_before_the_services_get_it(database: Database, run: Path) -> None:
    owner = await database.connect()
    await owner.execute("CREATE TABLE kept (id int)")
    await owner.close()
    host = await host_that_makes_users(database)
    make = host.make_user
    assert make is not None

    async def make_alone(name: str) -> str:
        password = await make(name)
        connection = await database.superuser_connect()
        await connection.execute(f"REVOKE {database.owner} FROM {name}")
        await connection.close()
        return password

    host.make_user = make_alone
    before = {owner_: dict(values) for owner_, values in host.values.items()}
    context = world(run, {"production": database.spec}, host, **HOST)
    with pytest.raises(Refused, match="may not act as the owner"):
        await rotate_production(context)
    assert host.values == before
    assert await accepts(database.spec, database.password)
    assert any("table public.kept" in line for line in context.state.step("0.0").log)


async def test_interrupted_while_the_host_makes_the_user(database: Database, tmp_path: Path) -> None:
    for name in ("make", "has made", "set", "has removed"):
        run = tmp_path / name
        run.mkdir()
        superuser = await database.superuser_connect()
        await superuser.execute(f"ALTER ROLE {database.owner} LOGIN PASSWORD '{scram_verifier(database.password)}'")
        await superuser.close()
        host = await host_that_makes_users(database)

        async def call(what: str, name: str = name) -> None:
            if what.startswith(f"{name} "):
                raise Killed(what)

        host.on_call = call
        first = world(run, {"production": database.spec}, host, **HOST)
        with pytest.raises(Killed):
            await rotate_production(first)
        host.on_call = host_for(database.spec).on_call
        if name == "has removed":  # the host has done it
            host.users = host.users[-1:]
        second = world(run, {"production": database.spec}, host, before=first, **HOST)
        await rotate_production(second)
        assert len(host.users) == 1
        assert host.users[0].startswith(f"{database.owner[:20]}")
        assert not await accepts(database.spec, database.password)


async def test_a_user_that_render_makes(database: Database, run: Path) -> None:
    owner = await database.connect()
    await owner.execute("CREATE TABLE deals (id int)")
    loopback = LoopbackHost(
        Incident(database.spec, database.spec, database.spec, APPLICATION), database.server, pace=0.0
    )
    del loopback.hosted.services[WEB].variables["DATABASE_URL"]  # its migrations take time
    await loopback.start()
    render = host_of(loopback.settings, loopback.key)
    try:
        context = world(run, {"production": database.spec}, render, **HOST)
        await rotate_production(context)
        found = Kept(run).successor("production")
        assert found is not None
        assert [user.username for user in await render.credentials()] == [found[1].user]
        assert f"://{found[1].user}:" in loopback.hosted.services[WORKER].running["DATABASE_URL"]
        assert not await accepts(database.spec, database.password)
        spec, _ = await context.target("production")
        assert spec.user == found[1].user
    finally:
        await render.close()
        await loopback.stop()
        owner.terminate()


# --- the API key ---

LEAKED_KEY, NEW_KEY = "rnd_fakeLeakedKey00000000000", "rnd_fakeNewKey1111111111111"


def key_settings() -> dict[str, Any]:
    return {"hosting": {"kind": "render", "service": "web"}, "RENDER_API_KEY": LEAKED_KEY}


async def test_the_new_key_lives_before_the_leaked_one_dies(run: Path) -> None:
    host = MemoryHost({"web": {"HOST_KEY": LEAKED_KEY, "PORT": "1"}}, keys={LEAKED_KEY, NEW_KEY})
    order: list[str] = []

    def answers(question: Question) -> str:
        order.append(f"revoke, using {host.used}")
        host.keys.discard(LEAKED_KEY)
        return DONE

    def entering(question: Question) -> SecretStr:
        order.append("typed")
        return SecretStr(f" {NEW_KEY} ")

    context = world(run, {}, host, answers, entering=entering, **key_settings())
    assert "401" in await revoke_key(context)
    assert order == ["typed", f"revoke, using {NEW_KEY}"]
    assert context.state.facts[ROTATION_KEY] == {"alive": True, "dead": True}
    assert "web: HOST_KEY holds the leaked key" in "\n".join(context.questions[-1].details)
    assert "kept" in await new_key(context)  # asks for nothing more
    assert len(order) == 2
    assert NEW_KEY not in "".join(event.model_dump_json() for event in context.events)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [(None, "No new API key"), (LEAKED_KEY, "the key that was leaked"), ("rnd_never", "answers 401")],
)
async def test_a_key_that_does_not_do(run: Path, typed: str | None, reason: str) -> None:
    host = MemoryHost({}, keys={LEAKED_KEY})
    value = SecretStr(typed) if typed else None
    context = world(run, {}, host, entering=lambda _: value, **key_settings())
    with pytest.raises(Refused, match=reason):
        await new_key(context)
    assert host.used == ""
    assert Kept(run).empty


async def test_a_key_that_stays_alive_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runbook.rotation.key.ASK_EVERY", 0.0)
    host = MemoryHost({}, keys={LEAKED_KEY, NEW_KEY})
    context = world(run, {}, host, entering=lambda _: SecretStr(NEW_KEY), **key_settings())
    with pytest.raises(Refused, match="is alive"):
        await revoke_key(context)
    assert context.state.facts[ROTATION_KEY] == {"alive": True, "dead": False}


# --- files and the end ---


async def test_local_files_and_the_last_word(database: Database, test_spec: ConnectionSpec, tmp_path: Path) -> None:
    run, project = tmp_path / "run", tmp_path / "project"
    run.mkdir()
    project.mkdir()
    env = project / ".env"
    env.write_text(f"# local\nDATABASE_URL={url(database.spec)}\nRENDER_API_KEY={LEAKED_KEY}\n")
    env.chmod(0o640)
    password_file = tmp_path / "password"
    password_file.write_text(f"{database.password.get_secret_value()}\n")
    password_file.chmod(0o600)
    key_file = tmp_path / "key"
    key_file.write_text(f"{LEAKED_KEY}\n")
    key_file.chmod(0o600)
    settings: dict[str, Any] = {
        "targets": {
            "production": {"url": database.dsn, "password_file": password_file},
            "test": {"url": f"{database.dsn}_test", "password_file": password_file},
        },
        "secrets": {"project": project},
        "hosting": {"kind": "render", "service": "web", "api_key_file": key_file},
    }
    host = host_for(database.spec)
    host.keys = {LEAKED_KEY, NEW_KEY}

    def answers(question: Question) -> str:
        if "Revoke" in question.title:
            host.keys.discard(LEAKED_KEY)
        return YES(question)

    context = world(run, {}, host, answers, entering=lambda _: SecretStr(NEW_KEY), **settings)
    await revoke_key(context)
    await new_key(context)
    await rotate_production(context)
    new = new_of(run).get_secret_value()
    summary = await rotate_test_and_files(context)
    assert "3 local files changed" in summary
    assert env.read_text().startswith(f"# local\nDATABASE_URL=postgresql://{database.owner}:{new}@inside")
    assert f"RENDER_API_KEY={NEW_KEY}\n" in env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o640
    assert stat.S_IMODE((project / ".env.before-rotation").stat().st_mode) == 0o600
    assert (password_file.read_text(), key_file.read_text()) == (f"{new}\n", f"{NEW_KEY}\n")
    assert len(context.state.facts[ROTATION_FILES]) == 3
    shown = "\n".join(context.questions[-1].details)
    assert "+DATABASE_URL=" in shown
    for secret in (new, NEW_KEY, LEAKED_KEY, database.password.get_secret_value()):
        assert secret not in shown
    assert "each old one is refused" in await verify_rotation(context)
    assert context.state.facts[CREDENTIALS_ROTATED] is True
    assert not Kept(run).path.exists()  # the settings have it all by now
    assert "each old one is refused" in await verify_rotation(context)


async def test_the_last_word_is_not_given_too_early(database: Database, run: Path) -> None:
    context = world(run, {"production": database.spec}, host_for(database.spec))
    await context_identified(context)
    with pytest.raises(Refused, match=r"production database's password \(step 1.5\)"):
        await verify_rotation(context)
    assert context.state.facts[CREDENTIALS_ROTATED] is False


async def test_what_the_settings_do_not_give_is_kept_and_said(database: Database, run: Path) -> None:
    context = world(run, {"production": database.spec}, host_for(database.spec))
    await context_identified(context)
    await rotate_production(context)
    for step in ("1.3", "1.4"):
        context.record(StepTicked(step=step))
    summary = await verify_rotation(context)
    assert "the settings still give the old secret of production" in summary
    assert context.state.facts[CREDENTIALS_ROTATED] is True
    assert Kept(run).path.exists()


async def test_after_a_rotation_by_hand_the_old_password_is_asked_for(database: Database, run: Path) -> None:
    typed = {"value": database.password}
    context = world(
        run,
        {"production": database.spec},
        host_for(database.spec),
        entering=lambda _: typed["value"],
        secrets={"how": "manual"},
    )
    await context_identified(context)
    for step in ("1.3", "1.4", "1.5"):
        context.record(StepTicked(step=step))
    with pytest.raises(Refused, match="still let in"):
        await verify_rotation(context)
    typed["value"] = SecretStr("fake-and-dead-1234")
    await verify_rotation(context)
    assert context.state.facts[CREDENTIALS_ROTATED] is True


async def test_a_store_command_has_it_before_it_is_in_force(database: Database, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    store = tmp_path / "store"
    store.write_text(f'#!/bin/sh\ncat > "{tmp_path}/stored-$1"\n')
    store.chmod(0o700)
    command = f"{store} {{name}}"
    context = world(run, {"production": database.spec}, host_for(database.spec), secrets={"store_command": command})
    await rotate_production(context)
    assert (tmp_path / "stored-production.password").read_text() == f"{new_of(run).get_secret_value()}\n"
    failing = world(
        tmp_path, {"production": database.spec}, host_for(database.spec), secrets={"store_command": "false"}
    )
    failing.specs = {"production": database.spec.with_password(new_of(run))}
    with pytest.raises(ConfigurationError, match="status 1"):
        await rotate_production(failing)
    assert await accepts(database.spec, new_of(run))  # it has not come into force
    again = world(tmp_path, failing.specs, host_for(database.spec), before=failing, secrets={"store_command": command})
    await rotate_production(again)
    assert (tmp_path / "stored-production.password").read_text() == f"{new_of(tmp_path).get_secret_value()}\n"
