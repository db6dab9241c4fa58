"""The way back by the backup, on a real server: restored beside production, compared, and put in its place."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.backup import replacement
from core.engine.targets import Found, identified
from core.errors import BackupError, Refused, WrongDatabase
from core.events import FactRecorded, TargetIdentified
from core.postgres.connect import connect, identify
from core.postgres.identity import Identity
from core.runbook import facts
from core.runbook.backups.restore_production import (
    RESTORE,
    SERVE,
    reconcile_restore,
    reconcile_serving,
    restore_beside,
    serve_restored,
)
from core.runbook.backups.steps import take_backup, verify_backup
from core.settings import Settings
from tests.databases import Database
from tests.sessions import session
from tests.step_world import StepWorld, taking

SCHEMA = """
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
INSERT INTO users (name) SELECT 'u' || g FROM generate_series(1, 50) g;
"""


class World(StepWorld):
    """Holds production to the identity on record, as the engine does."""

    async def target(self, name: str) -> tuple[Any, Identity]:
        spec, found = await super().target(name)
        known = self.state.targets.get(name)
        if known is None:
            self.record(identified(name, Found(spec, found, "PostgreSQL")))
        else:
            Identity(known.identity.cluster, known.identity.database_oid, known.identity.database).require(found)
        return spec, found


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    """A verified backup; since then, production has lost rows and changed its schema."""
    async with session(database.spec) as owner:
        await owner.execute(SCHEMA)
        await owner.execute(f'ALTER DATABASE {database.name} SET search_path TO "$user", public, "Odd, one"')
        await owner.execute(f"ALTER DATABASE {database.name} SET TimeZone TO 'Europe/Zurich'")
        await owner.execute(f"CREATE ROLE {database.owner}_reader; GRANT SELECT ON users TO {database.owner}_reader")
        await owner.execute(f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC")
    wanted = {"directory": str(tmp_path / "backups"), "restore": "test"}
    targets = {"production": {"url": database.dsn}, "test": {"url": database.dsn}}
    settings = Settings.load(None, {"targets": targets, "backup": wanted})
    made = World(tmp_path, settings, {"production": database.spec, "test": database.spec}, taking(RESTORE, SERVE))
    await take_backup(made)
    await verify_backup(made)
    async with session(database.spec) as owner:
        await owner.execute("DELETE FROM users WHERE name < 'u3'; ALTER TABLE users ADD COLUMN ruined int")
    return made


async def databases(database: Database) -> set[str]:
    connection = await database.server.connect()
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", f"{database.name}%")
        return {row["datname"] for row in rows}
    finally:
        await connection.close()


async def test_the_backup_is_restored_and_serves(world: World, database: Database) -> None:
    before = (await world.target("production"))[1]
    assert "compared with what was dumped" in await restore_beside(world)
    ready = world.state.facts[facts.RESTORE_READY]
    assert world.state.facts[facts.RESTORE_UNDER_WAY] is None
    assert (await world.target("production"))[1] == before  # untouched
    confirmation = world.questions[-1]
    assert confirmation.choices[0].phrase == database.name
    assert any("public.users: 50 rows in the backup" in line for line in confirmation.details)

    summary = await serve_restored(world)
    assert "is the restored backup now" in summary
    serving = world.state.facts[facts.RESTORE_SERVING]
    assert await databases(database) == {database.name, serving["previous"]}
    after = (await world.target("production"))[1]
    assert (after.database, after.database_oid) == (database.name, ready["database_oid"])
    async with session(database.spec) as owner:
        assert await owner.fetchval("SELECT count(*) FROM users") == 50
        assert await owner.fetchval("SHOW search_path") == '"$user", public, "Odd, one"'
        assert await owner.fetchval("SHOW TimeZone") == "Europe/Zurich"
        reader = f"{database.owner}_reader"
        assert await owner.fetchval("SELECT has_table_privilege($1, 'users', 'SELECT')", reader)
        assert not await owner.fetchval("SELECT has_database_privilege($1, current_database(), 'CONNECT')", reader)
    async with session(database.spec.with_database(serving["previous"])) as old:
        assert await old.fetchval("SELECT count(*) FROM users") < 50
    # And back again: the old one is whole.
    with pytest.raises(Refused, match="No backup is restored and waiting"):
        await serve_restored(world)


async def test_nothing_is_made_without_the_typed_name(world: World, database: Database) -> None:
    world.answers = None
    with pytest.raises(Refused, match="not confirmed"):
        await restore_beside(world)
    assert await databases(database) == {database.name}


async def test_a_restore_that_fails_leaves_production_alone_and_nothing_beside_it(
    world: World, database: Database
) -> None:
    backup = Path(world.state.facts[facts.BACKUP_VERIFIED]["path"])
    victim = next((backup / "data").glob("*.dat.gz"))
    victim.write_bytes(victim.read_bytes()[:-12])
    with pytest.raises(BackupError) as failed:
        await restore_beside(world)
    assert "Production is as it was." in failed.value.state
    assert "is dropped" in failed.value.state
    assert await databases(database) == {database.name}
    assert world.state.facts.get(facts.RESTORE_READY) is None


async def test_a_restore_that_is_stopped_leaves_nothing_beside_production(world: World, database: Database) -> None:
    task = asyncio.create_task(restore_beside(world))
    while not world.state.facts.get(facts.RESTORE_UNDER_WAY):
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await databases(database) == {database.name}


async def test_an_interrupted_restore_is_cleared_away(world: World, database: Database) -> None:
    name = f"{database.name}_restored_x"
    async with session(database.spec) as owner:
        await owner.execute(f"CREATE DATABASE {name}")
    world.record(FactRecorded(step="7.3-restore", name=facts.RESTORE_UNDER_WAY, value=name))
    assert "is dropped" in (await reconcile_restore(world)).found
    # A database that is not marked as ours, or is production itself, is never dropped.
    async with session(database.spec) as owner:
        await owner.execute(f"CREATE DATABASE {name}")
        await owner.execute(f"COMMENT ON DATABASE {name} IS 'dear to somebody'")
    for left_alone in (name, database.name):
        world.record(FactRecorded(step="7.3-restore", name=facts.RESTORE_UNDER_WAY, value=left_alone))
        assert "left alone" in (await reconcile_restore(world)).found
    assert await databases(database) == {database.name, name}


async def test_nothing_is_exchanged_while_others_are_connected(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacement, "ATTEMPTS", 1)
    await restore_beside(world)
    before = dict(world.state.targets)
    other = await database.superuser_connect()
    try:
        with pytest.raises(Refused, match=r"while somebody is connected: .*postgres"):
            await serve_restored(world)
    finally:
        await other.close()
    assert world.state.targets == before
    assert world.state.facts[facts.RESTORE_READY]
    application = await connect(database.spec)  # the owner's own sessions are ended
    assert "is the restored backup now" in await serve_restored(world)
    application.terminate()


@pytest.mark.parametrize("exchanged", [True, False])
async def test_an_interrupted_exchange_is_found_out(world: World, database: Database, exchanged: bool) -> None:
    """The engine dies around the exchange: the world as it would then be, on record and on the server."""
    await restore_beside(world)
    ready, before = world.state.facts[facts.RESTORE_READY], world.state.targets["production"]
    fact = {"previous": f"{database.name}_before", "database_oid": before.identity.database_oid}
    world.record(FactRecorded(step="7.3-serve", name=facts.RESTORE_EXCHANGING, value=fact))
    after = before.identity.model_copy(update={"database_oid": ready["database_oid"]})
    world.record(TargetIdentified(target="production", identity=after, address=before.address, server=before.server))
    if exchanged:
        async with session(database.spec.with_database("postgres")) as owner:
            await owner.execute(f"ALTER DATABASE {database.name} RENAME TO {database.name}_before")
            await owner.execute(f"ALTER DATABASE {ready['database']} RENAME TO {database.name}")
    found = await reconcile_serving(world)
    assert found.outcome == ("finished" if exchanged else "failed")
    await world.target("production")  # and the run goes on with whichever it is
    assert bool(world.state.facts.get(facts.RESTORE_SERVING)) is exchanged
    assert world.state.facts[facts.RESTORE_EXCHANGING] is None


async def test_the_identity_on_record_is_what_answers(world: World, database: Database) -> None:
    """The guard that the reconciliation relies on."""
    known = world.state.targets["production"]
    wrong = known.identity.model_copy(update={"database_oid": 1})
    world.record(known.model_copy(update={"identity": wrong}))
    with pytest.raises(WrongDatabase):
        await world.target("production")
    connection = await connect(database.spec)
    assert (await identify(connection)).database_oid != 1
    connection.terminate()
