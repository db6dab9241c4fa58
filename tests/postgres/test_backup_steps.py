"""The backup's steps on a real server: 3.1, 3.2, 3.3, 6.5, and what becomes of an interrupted one."""

from __future__ import annotations

import asyncio
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.backup.storage import open_backup
from core.demo.hosting.host import LoopbackHost
from core.demo.incident import Incident
from core.errors import BackupError, PgrecastError, Refused
from core.events import StepStarted
from core.hosting.render.client import Render
from core.postgres.connect import connect
from core.postgres.scratch import leftovers
from core.runbook import facts
from core.runbook.backups import steps as backup_steps
from core.runbook.backups.leftovers import reconcile_restoring, reconcile_taking
from core.runbook.backups.steps import (
    can_take,
    look_at_changes,
    store_backup,
    take_backup,
    time_restore,
    verify_backup,
)
from core.settings import Settings
from tests.databases import Database, Server
from tests.sessions import session
from tests.step_world import StepWorld

SCHEMA = """
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
CREATE TABLE posts (id serial PRIMARY KEY, author uuid REFERENCES users, body text);
INSERT INTO users (name) SELECT 'u' || g FROM generate_series(1, 50) g;
INSERT INTO posts (author, body) SELECT id, repeat('x', 100) FROM users;
"""
# In the place of ssh and sha256sum: whatever prints lines of that form.
CHECKSUMS = """
import hashlib, pathlib, sys
for path in pathlib.Path(sys.argv[1]).rglob("*"):
    if path.is_file():
        print(hashlib.sha256(path.read_bytes()).hexdigest() + "  " + str(path))
"""


@pytest.fixture
async def source(database: Database) -> Database:
    async with session(database.spec) as owner:
        await owner.execute(SCHEMA)
    return database


def make_world(source: Database, directory: Path, **backup: Any) -> StepWorld:
    wanted = {"directory": str(directory / "backups"), "restore": "test", **backup}
    targets = {"production": {"url": source.dsn}, "test": {"url": source.dsn}}
    settings = Settings.load(None, {"targets": targets, "backup": wanted})
    return StepWorld(directory, settings, {"production": source.spec, "test": source.spec})


async def test_taken_verified_and_its_restore_timed(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path)
    world.step = "3.1"
    summary = await take_backup(world)
    taken = world.state.facts[facts.BACKUP_TAKEN]
    assert taken["path"] in summary
    assert (taken["kind"], taken["database"]) == ("dump", source.name)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(taken["taken_at"])).total_seconds()) < 60
    assert world.state.facts[facts.BACKUP_UNDER_WAY] is None
    assert facts.BACKUP_VERIFIED not in world.state.facts

    world.step = "3.2"
    assert "equal to what was dumped: 100 rows in 2 tables" in await verify_backup(world)
    verified = world.state.facts[facts.BACKUP_VERIFIED]
    assert (verified["depth"], verified["path"], verified["taken_at"]) == ("equal", taken["path"], taken["taken_at"])
    assert world.state.facts[facts.RESTORE_SECONDS] > 0
    assert "| `public.users` | 50 |" in world.evidence(facts.VERIFICATION_FILE)

    world.step = "6.5"
    assert "restored in" in await time_restore(world)
    procedure = world.evidence(facts.RESTORE_FILE)
    assert "--exit-on-error --no-owner" in procedure
    assert taken["manifest_sha256"] in procedure
    assert source.password.get_secret_value() not in procedure
    stages = {reading.values["stage"] for reading in world.readings if reading.name == "backup"}
    assert {"dumping", "reading its files", "restoring rows", "comparing"} <= stages


async def test_the_procedure_s_commands_restore_it(source: Database, tmp_path: Path) -> None:
    """What the report tells a person to type does what it says."""
    world = make_world(source, tmp_path)
    await take_backup(world)
    await verify_backup(world)
    lines = world.evidence(facts.RESTORE_FILE).splitlines()
    commands = [line for line in lines if line.startswith(("psql", "pg_restore", "vacuumdb", "pgrecast fingerprint"))]
    programs = source.server.binary("psql").parent
    old = await named(source, source.name)
    for command in commands:
        program, *arguments = shlex.split(command)
        run = [sys.executable, "-m", "tui.cli"] if program == "pgrecast" else [str(programs / program)]
        environment = {"PGPASSWORD": source.password.get_secret_value(), "LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        process = await asyncio.create_subprocess_exec(*run, *arguments, env=environment)
        assert await asyncio.wait_for(process.wait(), 60) == 0, command
    assert await named(source, f"{source.name}_before_restore") == old
    async with session(source.spec) as restored:
        assert await restored.fetchval("SELECT count(*) FROM users") == 50


async def named(source: Database, name: str) -> int | None:
    connection = await source.server.connect()
    try:
        return await connection.fetchval("SELECT oid FROM pg_database WHERE datname = $1", name)
    finally:
        await connection.close()


async def test_a_backup_that_is_damaged_later_counts_as_verified_no_more(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path, verify="files")
    await take_backup(world)
    await verify_backup(world)
    backup = open_backup(Path(world.state.facts[facts.BACKUP_VERIFIED]["path"]))
    victim = next(backup.data.glob("*.dat.gz"))
    victim.write_bytes(victim.read_bytes()[:-3])
    with pytest.raises(BackupError, match=rf"{victim.name}.*truncated"):
        await verify_backup(world)
    assert world.state.facts[facts.BACKUP_VERIFIED] is None
    with pytest.raises(Refused, match="No backup is verified yet"):
        await time_restore(world)


async def test_a_manifest_that_was_altered_to_fit_is_noticed(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path, verify="files")
    await take_backup(world)
    manifest = Path(world.state.facts[facts.BACKUP_TAKEN]["path"]) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 50', '"rows": 51'))
    with pytest.raises(BackupError, match="was altered"):
        await verify_backup(world)


async def test_nothing_to_verify(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path)
    with pytest.raises(Refused, match="No backup was taken yet"):
        await verify_backup(world)


@pytest.mark.parametrize("fault", ["", "a byte is lost", "the command fails", "no checksums"])
async def test_a_copy_elsewhere_is_proved_by_its_checksums(source: Database, tmp_path: Path, fault: str) -> None:
    elsewhere, script = tmp_path / "elsewhere", tmp_path / "checksums.py"
    elsewhere.mkdir()
    script.write_text(CHECKSUMS)
    world = make_world(
        source,
        tmp_path,
        verify="files",
        copy_command="false" if fault == "the command fails" else f"cp -R {{path}} {elsewhere}",
        checksum_command="" if fault == "no checksums" else f"{sys.executable} {script} {elsewhere}/{{name}}",
    )
    await take_backup(world)
    await verify_backup(world)
    if not fault:
        assert "the checksums of" in await store_backup(world)
        assert world.state.facts[facts.BACKUP_STORED]["path"] == world.state.facts[facts.BACKUP_VERIFIED]["path"]
        return
    if fault == "a byte is lost":
        script.write_text(CHECKSUMS.replace("path.read_bytes()", "path.read_bytes()[1:]"))
    words = {"a byte is lost": "the checksum there is another", "the command fails": "exit status 1"}
    with pytest.raises(BackupError, match=words.get(fault, "no checksum was printed")):
        await store_backup(world)
    assert facts.BACKUP_STORED not in world.state.facts


async def test_older_verified_backups_are_removed(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path, verify="files", keep=1)
    await take_backup(world)
    await verify_backup(world)
    first = Path(world.state.facts[facts.BACKUP_TAKEN]["path"])
    await asyncio.sleep(1.01)
    await take_backup(world)
    assert first.exists()
    await verify_backup(world)
    assert not first.exists()
    assert Path(world.state.facts[facts.BACKUP_VERIFIED]["path"]).exists()


async def test_an_existing_dump_is_adopted(source: Database, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        str(source.server.binary("pg_dump")), f"--file={tmp_path / 'dump.sql'}", env=source.environment
    )
    assert await process.wait() == 0
    world = make_world(source, tmp_path, method="adopt", adopt=str(tmp_path / "dump.sql"))
    await take_backup(world)
    assert "restored in" in await verify_backup(world)
    assert world.state.facts[facts.BACKUP_VERIFIED]["depth"] == "restore"
    assert "no counts were taken with it" in world.evidence(facts.VERIFICATION_FILE)
    with pytest.raises(Refused, match="is not known"):
        await look_at_changes(world)


async def test_what_has_changed_since_is_said(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path, verify="files")
    await take_backup(world)
    await verify_backup(world)
    assert (await look_at_changes(world)).endswith("no table has gained or lost rows")
    async with session(source.spec) as owner:
        await owner.execute("INSERT INTO posts (body) VALUES ('new'); CREATE TABLE later (id int)")
    said = await look_at_changes(world)
    assert "rows were gained or lost in 1 table" in said
    assert "the schema has changed" in said
    log = world.state.step(world.step).log
    assert any("public.posts: 50 rows in the backup, 51 now" in line for line in log)
    assert any("sequences that have gone on: public.posts_id_seq" in line for line in log)


async def test_an_interrupted_dump_is_cleared_away(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path)
    world.step = "3.1"
    partial = tmp_path / "backups" / "x.partial"
    (partial / "data").mkdir(parents=True)
    await world.fact(facts.BACKUP_UNDER_WAY, {"path": str(partial), "application_name": "pgrecast backup 0f0f0f0f"})
    forgotten = await connect(source.spec, application_name="pgrecast backup 0f0f0f0f")
    found = await reconcile_taking(world)
    assert found.outcome == "failed"
    assert "The unfinished backup is removed. 1 session" in found.found
    assert not partial.exists()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await forgotten.fetchval("SELECT 1")
    forgotten.terminate()
    assert "no backup was begun" in (await reconcile_taking(world)).found


async def test_scratch_databases_of_an_interrupted_restore_are_dropped(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path)
    world.step = "3.2"
    name = "pgrecast_scratch_0a0b0c0d"
    world.record(StepStarted(step="3.2", attempt=1))
    async with session(source.spec) as owner:
        made = datetime.now(UTC).isoformat(timespec="seconds")
        await owner.execute(f"CREATE DATABASE {name}")
        await owner.execute(
            f"COMMENT ON DATABASE {name} IS 'Scratch database of pgrecast (a backup, restored to be verified), "
            f"made {made}; it may be dropped.'"
        )
    assert name in (await reconcile_restoring(world)).found
    async with session(source.spec) as owner:
        assert name not in {found.name for found in await leftovers(owner)}


async def test_the_host_s_export_is_downloaded_unpacked_and_restored(
    incident: Incident, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_steps, "ASK_EXPORT_EVERY", 0.05)
    spec = incident.production
    loopback = LoopbackHost(incident, server, pace=0.0)
    await loopback.start()
    render = Render(loopback.settings, loopback.key)
    try:
        settings = Settings.load(
            None,
            {
                "targets": {"production": {"url": f"postgresql://{spec.user}@{spec.host}:{spec.port}/{spec.database}"}},
                "backup": {"method": "export", "directory": str(tmp_path / "backups")},
            },
        )
        world = StepWorld(tmp_path, settings, {"production": spec}, host=render)
        await take_backup(world)
        backup = open_backup(Path(world.state.facts[facts.BACKUP_TAKEN]["path"]))
        assert (backup.manifest.kind, backup.data) == ("export", backup.folder / "data")
        assert [path.name for path in (tmp_path / "backups").iterdir()] == [
            backup.name
        ]  # nothing of the download is left
        assert {path.stat().st_mode & 0o777 for path in backup.data.iterdir()} == {0o600}
        assert "restored in" in await verify_backup(world)
        assert world.state.facts[facts.BACKUP_VERIFIED]["depth"] == "restore"
        assert not any(loopback.key.get_secret_value() in line for line in world.state.step(world.step).log)
    finally:
        await render.close()
        await loopback.stop()


async def test_an_export_by_the_user_s_own_command_is_kept(
    source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in source.environment.items():
        monkeypatch.setenv(name, value)
    program = source.server.binary("pg_dump")
    world = make_world(source, tmp_path, method="export")
    commands = world.settings.hosting.commands.model_copy(
        update={"export": f"{program} --format=custom --file={{directory}}/app.dump"}
    )
    hosting = world.settings.hosting.model_copy(update={"kind": "commands", "commands": commands})
    world.settings = world.settings.model_copy(update={"hosting": hosting})
    await take_backup(world)
    backup = open_backup(Path(world.state.facts[facts.BACKUP_TAKEN]["path"]))
    assert backup.data.parent == backup.folder
    assert "restored in" in await verify_backup(world)


async def test_a_host_that_exports_nothing(source: Database, tmp_path: Path) -> None:
    world = make_world(source, tmp_path, method="export")
    assert not can_take(world.settings)  # so that the step is a person's
    with pytest.raises(Refused, match="cannot export the database"):
        await take_backup(world)


async def test_a_dump_that_dies_leaves_nothing(source: Database, tmp_path: Path) -> None:
    """As when it is killed for want of memory: part of it is written by then."""
    programs = tmp_path / "bin"
    programs.mkdir()
    real = source.server.binary("pg_dump")
    (programs / "pg_dump").write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && exec {real} --version\n'
        'for word in "$@"; do case "$word" in --file=*) mkdir "${word#--file=}"; echo x > "${word#--file=}/toc.dat";; esac; done\n'
        "kill -KILL $$\n"
    )
    (programs / "pg_dump").chmod(0o755)
    world = make_world(source, tmp_path)
    check = world.settings.check.model_copy(update={"client_programs": programs})
    world.settings = world.settings.model_copy(update={"check": check})
    with pytest.raises(PgrecastError, match="pg_dump failed: exit status -9") as failed:
        await take_backup(world)
    assert "The unfinished backup is removed." in failed.value.state
    assert list((tmp_path / "backups").iterdir()) == []
    assert facts.BACKUP_TAKEN not in world.state.facts
