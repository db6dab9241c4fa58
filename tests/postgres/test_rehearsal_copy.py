"""A rehearsal on a copy of production that is restored from the verified backup."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from core.errors import ConfigurationError, Refused
from core.events import FactRecorded, StepStarted, TargetIdentified, TransactionOpened
from core.postgres.embedded import EmbeddedServer
from core.postgres.fingerprint import compare
from core.postgres.inspect import inspect
from core.postgres.scratch import SERVER_PREFIX
from core.runbook import facts
from core.runbook.backups.leftovers import reconcile_restoring
from core.runbook.backups.steps import take_backup, verify_backup
from core.runbook.conversion.rehearsal_copy import reconcile_rehearsal
from core.runbook.conversion.rehearse import ON_COPY, ON_TEST, migrate_rehearsed, rehearse, verify_foreign_keys
from core.runbook.questions import ACCEPT, COMMIT, CONVERT, LEAVE, ROLLBACK
from core.settings import Settings
from tests.databases import Database
from tests.sessions import session
from tests.step_world import StepWorld, taking

SCHEMA = """
CREATE TABLE organizations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid REFERENCES organizations);
INSERT INTO organizations (name) SELECT 'o' || g FROM generate_series(1, 20) g;
INSERT INTO users (organization_id) SELECT id FROM organizations;
"""


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> StepWorld:
    """Production with a verified backup, and no test database."""
    async with session(database.spec) as owner:
        await owner.execute(SCHEMA)
    settings = Settings.load(
        None,
        {
            "targets": {"production": {"url": database.dsn}},
            "backup": {"directory": str(tmp_path / "b"), "verify": "files"},
        },
    )
    made = StepWorld(tmp_path, settings, {"production": database.spec}, taking(CONVERT, LEAVE, ACCEPT, COMMIT))
    await take_backup(made)
    await verify_backup(made)
    made.step = "5.1"
    return made


async def test_production_s_plan_is_rehearsed_on_a_copy_that_is_gone_afterwards(world: StepWorld) -> None:
    before = await inspect(world.specs["production"])
    summary = await rehearse(world)
    assert summary.startswith("on a copy of production: committed, proof (contents) holds; 1 foreign key recreated")
    known = world.state.facts
    assert (known[facts.REHEARSAL_ON], known[facts.REHEARSAL_OUTCOME]) == ("copy", "committed")
    assert known[facts.REHEARSAL_MISSING] == []
    assert known[facts.REHEARSAL_FOREIGN_KEYS_NOW] == 1
    question = next(q for q in world.questions if CONVERT in {choice.name for choice in q.choices})
    assert question.target == "copy"
    assert question.choices[0].phrase == world.state.targets["copy"].identity.database
    assert "Its schema is production's." in question.details
    assert compare(before, await inspect(world.specs["production"])) == ()
    assert not Path(known[facts.SCRATCH_SERVER]).exists()
    assert world.evidence(facts.REHEARSAL_FILE, "5.1")  # production's estimate goes by its times

    world.step = "5.2"
    assert "counted on the copy in step 5.1" in await verify_foreign_keys(world)
    world.step = "5.3"
    with pytest.raises(Refused, match="no migration was run on it"):
        await migrate_rehearsed(world)


async def test_with_neither_a_test_database_nor_a_backup(world: StepWorld) -> None:
    world.record(FactRecorded(step="3.2", name=facts.BACKUP_VERIFIED, value=None))
    with pytest.raises(ConfigurationError) as refused:
        await rehearse(world)
    assert "verify a backup (step 3.2)" in refused.value.advice


async def test_what_to_rehearse_on_is_asked_where_both_can_be_had(world: StepWorld, database: Database) -> None:
    """The copy is made on the test database's server this time, and rolled back."""
    world.specs["test"] = database.spec
    wanted = world.settings.backup.model_copy(update={"restore": "test"})
    world.settings = world.settings.model_copy(update={"backup": wanted})
    world.answers = taking(ON_COPY, CONVERT, LEAVE, ACCEPT, ROLLBACK)
    assert "rolled back" in await rehearse(world)
    assert [choice.name for choice in world.questions[0].choices] == [ON_TEST, ON_COPY]
    assert world.questions[0].default == ON_TEST
    async with session(database.spec) as owner:
        copies = await owner.fetch(
            "SELECT datname FROM pg_database WHERE datname = $1", world.questions[1].choices[0].phrase
        )
    assert copies == []
    with pytest.raises(Refused, match="it was rolled back"):
        await verify_foreign_keys(world)


async def test_an_interrupted_rehearsal_on_a_copy_is_cleared_away(world: StepWorld) -> None:
    """The engine died in its transaction: the server of its own is still there, and whoever reads the journal knows where."""
    directory = Path(tempfile.mkdtemp(prefix=SERVER_PREFIX))
    embedded = await EmbeddedServer.start(directory)
    world.record(StepStarted(step="5.1", attempt=1))
    identity = (await world.target("production"))[1]
    told = TargetIdentified.model_validate(
        {
            "target": "copy",
            "identity": {"cluster": "1", "database_oid": 2, "database": "x"},
            "address": "",
            "server": "",
        }
    )
    world.record(told)
    world.record(FactRecorded(step="5.1", name=facts.SCRATCH_SERVER, value=str(directory)))
    world.record(TransactionOpened(step="5.1", target="copy", xid="700", backend_pid=1))
    found = await reconcile_rehearsal(world)
    assert found.outcome == "failed"
    assert f"the scratch server in {directory}" in found.found
    assert not embedded.is_running
    assert not directory.exists()
    assert world.state.conversions["5.1"].outcome == "rolled_back"
    assert (await world.target("production"))[1] == identity


async def test_only_scratch_servers_are_removed(world: StepWorld, tmp_path: Path) -> None:
    world.record(FactRecorded(step="3.2", name=facts.SCRATCH_SERVER, value=str(tmp_path)))
    await reconcile_restoring(world)
    assert tmp_path.exists()
