"""A backup taken, damaged, verified and restored on a real server."""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from core.backup.content import read_content
from core.backup.dump import DumpOptions, take_dump
from core.backup.manifest import FILE, digest_of
from core.backup.restore import RestoreOptions, restored
from core.backup.storage import Backup, backups, begin, open_backup, retire
from core.backup.verify import COUNTED_ONLY, compare_restored, frozen, verify
from core.demo.incident import Incident
from core.errors import BackupError, PgrecastError, Refused, WrongDatabase
from core.events import Json
from core.postgres.connect import connect, identify
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.fingerprint import FOREIGN_KEY_ORDER, compare, from_json
from core.postgres.identity import Identity
from tests.databases import Database
from tests.sessions import session

SCHEMA = """
CREATE EXTENSION citext;
CREATE SCHEMA "Order Desk";
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE "User" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email citext UNIQUE, mood mood, at timestamptz DEFAULT now(),
  ratio float8, blob bytea);
CREATE TABLE "Order Desk"."order" (id bigserial PRIMARY KEY, "user" uuid NOT NULL REFERENCES "User" ON DELETE CASCADE,
  other uuid REFERENCES "User", total numeric);
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE SEQUENCE unused;
CREATE VIEW busy AS SELECT u.email, count(*) AS n FROM "User" u JOIN "Order Desk"."order" o ON o."user" = u.id GROUP BY 1;
CREATE MATERIALIZED VIEW stale AS SELECT count(*) AS n FROM "User";
CREATE POLICY mine ON "User" USING (email = current_user);
ALTER TABLE "User" ENABLE ROW LEVEL SECURITY;
INSERT INTO "User" (email, mood, ratio, blob)
  SELECT 'u' || g, 'glad', 1.0 / g, sha256(g::text::bytea) FROM generate_series(1, 300) g;
INSERT INTO "Order Desk"."order" ("user", total) SELECT id, ratio FROM "User";
INSERT INTO parted SELECT g, '2026-01-15' FROM generate_series(1, 10) g;
SELECT lo_from_bytea(0, 'a large object');
"""


@pytest.fixture
async def shop(database: Database) -> Database:
    connection = await database.superuser_connect()
    await connection.execute(f"CREATE ROLE {database.owner}_reader")
    await connection.close()
    async with session(database.spec) as owner:
        await owner.execute(SCHEMA)
        await owner.execute(f'GRANT SELECT ON busy TO {database.owner}_reader; GRANT UPDATE (mood) ON "User" TO PUBLIC')
    return database


async def identity_of(spec: ConnectionSpec) -> Identity:
    connection = await connect(spec)
    try:
        return await identify(connection)
    finally:
        connection.terminate()


async def dump(database: Database, root: Path) -> Backup:
    return await take_dump(database.spec, await identity_of(database.spec), DumpOptions(root))


def elsewhere(database: Database) -> RestoreOptions:
    """Restores on the tests' own server, as the owner: no server is started."""
    return RestoreOptions(database.spec)


def truncated(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-20])
    return "(truncated)"


def bit_flipped(path: Path) -> str:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "its contents have changed"


def missing(path: Path) -> str:
    path.unlink()
    return f"{path.name}: missing"


def extra(path: Path) -> str:
    (path.parent / "9999.dat.gz").write_bytes(b"")
    return "9999.dat.gz: not in the manifest"


async def test_a_backup_is_restored_equal(shop: Database, tmp_path: Path) -> None:
    shown: dict[str, dict[str, Json]] = {}

    def show(values: dict[str, Json]) -> None:
        shown[str(values["stage"])] = values

    options = DumpOptions(tmp_path / "backups")
    backup = await take_dump(shop.spec, await identity_of(shop.spec), options, show=show)
    found = await verify(backup, "equal", elsewhere(shop), show=show)
    for stage in ("dumping", "restoring rows"):  # as the programs have told of each table
        assert shown[stage]["percent"] == 100
        assert shown[stage]["tables_done"] == shown[stage]["tables_total"] == 3
    assert found.depth == "equal"
    assert found.comparison is not None
    assert (found.comparison.rows, found.comparison.tables) == (611, 4)
    assert {line.split(" (")[0] for line in found.unproved} == {
        "rows of materialized views, which a restore computes anew from the tables as they are",
        "the order in which a table's foreign keys fire, which a restore does not keep",
        "owners and privileges: it was restored without them",
    }
    assert open_backup(backup.folder).verified is not None


async def test_on_a_server_of_our_own_owners_and_privileges_are_compared_too(shop: Database, tmp_path: Path) -> None:
    backup = await dump(shop, tmp_path)
    found = await verify(backup, "equal", RestoreOptions())
    assert found.depth == "equal"
    assert not any("owners" in line for line in found.unproved)


async def test_only_this_user_can_read_it_and_nothing_of_the_login_is_in_it(shop: Database, tmp_path: Path) -> None:
    backup = await dump(shop, tmp_path / "backups")
    await verify(backup, "files", elsewhere(shop))
    paths = [tmp_path / "backups", *(tmp_path / "backups").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}
    assert not any(shop.password.get_secret_value().encode() in path.read_bytes() for path in paths if path.is_file())


async def test_damage_is_found_and_named(shop: Database, tmp_path: Path) -> None:
    whole = await dump(shop, tmp_path)
    await verify(whole, "files", elsewhere(shop))
    assert whole.verified is not None
    damages: tuple[Callable[[Path], str], ...] = (truncated, bit_flipped, missing, extra)
    for number, (damage, suffix) in enumerate(itertools.product(damages, (".dat.gz", "toc.dat"))):
        backup = open_backup(shutil.copytree(whole.folder, tmp_path / f"damaged-{number}"))
        said = damage(next(path for path in sorted(backup.data.iterdir()) if path.name.endswith(suffix)))
        with pytest.raises(BackupError, match=re.escape(said)):
            await verify(backup, "files", elsewhere(shop))
        assert backup.verified is None


async def test_damage_from_before_its_checksum_was_taken_is_found(shop: Database, tmp_path: Path) -> None:
    """A disk that writes something else: the manifest's checksum fits, and the file cannot be unpacked."""
    backup = await dump(shop, tmp_path)
    name = next(name for name in backup.manifest.files if name.endswith(".dat.gz"))
    for damage in (truncated, bit_flipped):
        damage(backup.data / name)
        files = {**backup.manifest.files, name: digest_of(backup.data / name)}
        fitting = replace(backup, manifest=backup.manifest.model_copy(update={"files": files}))
        with pytest.raises(BackupError, match="does not decompress"):
            await verify(fitting, "files", elsewhere(shop))


async def test_what_was_restored_is_not_what_was_dumped(shop: Database, tmp_path: Path) -> None:
    """As if something else had been in the database when it was dumped; everything that differs is named."""
    backup = await dump(shop, tmp_path)
    text = (backup.folder / FILE).read_text()
    for was, would_be in (
        ('"rows": 300', '"rows": 299'),
        ('"first": 300', '"first": 2'),
        ('"last": 300', '"last": 299'),
        ('"large_objects": 1', '"large_objects": 0'),
    ):
        assert was in text
        text = text.replace(was, would_be)
    (backup.folder / FILE).write_text(text)
    with pytest.raises(BackupError) as unlike:
        await verify(open_backup(backup.folder), "equal", elsewhere(shop))
    for said in (
        'public."User": 299 rows were dumped, 300 restored',
        'sequence "Order Desk".order_id_seq: it was at 299, and is at 300',
        "large objects: 0 were dumped, 1 restored",
    ):
        assert said in unlike.value.what


async def test_swapped_values_are_found_by_contents_alone(shop: Database, tmp_path: Path) -> None:
    """As if the dump had been made of another moment: as many rows, others in them."""
    backup = await dump(shop, tmp_path)
    async with session(shop.spec) as owner:
        await owner.execute('UPDATE "Order Desk"."order" SET total = 2 - total WHERE id < 3')
    later = await dump(shop, tmp_path / "later")
    mixed = replace(backup, manifest=backup.manifest.model_copy(update={"content": later.manifest.content}))
    with pytest.raises(BackupError, match=r'"Order Desk"\."order": 300 rows, of which not all have the same contents'):
        await verify(mixed, "equal", elsewhere(shop))


async def test_figures_are_of_the_dump_s_own_snapshot(shop: Database, tmp_path: Path) -> None:
    """Rows written while it is dumped are neither in the data nor in the figures."""
    stop = asyncio.Event()

    async def write() -> None:
        async with session(shop.spec) as owner:
            while not stop.is_set():
                await owner.execute("INSERT INTO parted SELECT 0, '2026-01-02' FROM generate_series(1, 5)")

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.2)
    backup = await dump(shop, tmp_path)
    stop.set()
    await writing
    found = await verify(backup, "equal", elsewhere(shop))
    assert found.depth == "equal"


async def test_the_wrong_database_is_not_dumped(shop: Database, tmp_path: Path) -> None:
    wrong = replace(await identity_of(shop.spec), database_oid=1)
    with pytest.raises(WrongDatabase):
        await take_dump(shop.spec, wrong, DumpOptions(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["cancelled", "refused", "no room"])
async def test_what_is_not_finished_is_removed(
    shop: Database, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    async def tell(path: Path) -> None:
        begun.append(path)

    identity = await identity_of(shop.spec)
    match ending:
        case "refused":
            connection = await shop.superuser_connect()
            await connection.execute("CREATE TABLE closed (id int); REVOKE ALL ON closed FROM PUBLIC")
            await connection.close()
            with pytest.raises(PgrecastError, match="permission denied for table closed") as refused:
                await take_dump(shop.spec, identity, DumpOptions(tmp_path), begun=tell)
            assert "The unfinished backup is removed." in refused.value.state
        case "no room":
            full = SimpleNamespace(free=10**6)
            monkeypatch.setattr(shutil, "disk_usage", Mock(return_value=full))
            with pytest.raises(Refused, match="has 0 MB free"):
                await take_dump(shop.spec, identity, DumpOptions(tmp_path), begun=tell)
            assert begun == []
        case _:
            dumping = asyncio.create_task(take_dump(shop.spec, identity, DumpOptions(tmp_path), begun=tell))
            while not begun:
                await asyncio.sleep(0)
            dumping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dumping
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


async def test_nothing_is_overwritten_and_the_oldest_verified_is_retired(shop: Database, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    begin(tmp_path, "a b/c", now)
    with pytest.raises(Refused, match="is there already"):
        begin(tmp_path, "a b/c", now)
    (tmp_path / "of somebody else").mkdir()
    made = [await dump(shop, tmp_path)]
    for _ in range(2):
        await asyncio.sleep(1.1 - datetime.now(UTC).microsecond / 1e6 % 1)
        made.append(await dump(shop, tmp_path))
    assert retire(tmp_path, made[-1], 1) == ()  # none is verified yet
    for backup in (made[0], made[2]):
        await verify(backup, "files", elsewhere(shop))
    assert retire(tmp_path, made[-1], 0) == ()
    assert retire(tmp_path, made[-1], 1) == (made[0].name,)
    assert [backup.name for backup in backups(tmp_path)] == [made[2].name, made[1].name]
    assert (tmp_path / "of somebody else").is_dir()


async def test_an_extension_that_the_scratch_server_lacks_is_said(shop: Database, tmp_path: Path) -> None:
    backup = await dump(shop, tmp_path)
    extensions = (*backup.manifest.extensions, "timescale_of_mine")
    wanting = replace(backup, manifest=backup.manifest.model_copy(update={"extensions": extensions}))
    with pytest.raises(Refused, match="lacks timescale_of_mine") as refused:
        await verify(wanting, "equal", elsewhere(shop))
    assert "backup.restore" in refused.value.advice


async def test_counts_and_catalog_are_compared_where_contents_are_not_asked_for(shop: Database, tmp_path: Path) -> None:
    backup = await dump(shop, tmp_path)
    found = await verify(backup, "restore", elsewhere(shop))
    assert found.depth == "restore"
    assert "equal" not in found.summary
    assert COUNTED_ONLY in found.unproved


async def test_what_belongs_to_the_server_is_named_and_no_difference(shop: Database, tmp_path: Path) -> None:
    async with session(shop.spec) as owner:
        await owner.execute(f"ALTER DATABASE {shop.name} SET work_mem = '5MB'; CREATE PUBLICATION p FOR TABLE parted_1")
    connection = await shop.superuser_connect()
    await connection.execute(
        f"CREATE SUBSCRIPTION s_{shop.name} CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p "
        "WITH (connect = false, slot_name = none)"
    )
    await connection.close()
    backup = await dump(shop, tmp_path)
    found = await verify(backup, "equal", RestoreOptions())
    named = "; ".join(found.unproved)
    assert "database settings, which are no part of a restore (1)" in named
    assert "subscriptions, which are no part of a restore (1)" in named
    connection = await shop.superuser_connect()
    await connection.execute(f"DROP SUBSCRIPTION s_{shop.name}")
    await connection.close()


async def test_what_a_role_may_not_create_is_left_out_and_named(shop: Database, tmp_path: Path) -> None:
    connection = await shop.superuser_connect()
    await connection.execute("CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    await connection.execute("CREATE EVENT TRIGGER noting ON ddl_command_end EXECUTE FUNCTION noted()")
    await connection.close()
    backup = await dump(shop, tmp_path)
    found = await verify(backup, "equal", elsewhere(shop))
    assert any("event trigger" in line for line in found.unproved if line.startswith("not restored"))
    assert not any("not restored" in line for line in (await verify(backup, "equal", RestoreOptions())).unproved)


async def test_the_demo_s_backup_is_restored_equal_with_owners_and_privileges(
    incident: Incident, tmp_path: Path
) -> None:
    """By fingerprint, but for the order of foreign keys, which is in it and which no restore keeps; and by contents."""
    spec = incident.production
    backup = await take_dump(spec, await identity_of(spec), DumpOptions(tmp_path))
    async with restored(backup, RestoreOptions()) as done:
        async with frozen(done.spec) as connection:
            reading = await read_content(connection)
        assert done.owners
    dumped, form = backup.manifest.content, from_json(backup.catalog.read_text())
    assert dumped is not None
    assert [(t.name, t.rows, t.digest) for t in dumped.tables if not t.derived] == [
        (t.name, t.rows, t.digest) for t in reading.content.tables if not t.derived
    ]
    assert sum(table.rows for table in dumped.tables) > 1_000
    comparison = compare_restored(backup.manifest, dumped, reading, done, backup)
    assert comparison.equal
    assert comparison.rows > 1_000
    if done.version == (backup.manifest.server_version_num or 0) // 10_000:
        differences = compare(form, reading.canonical, ignoring=(FOREIGN_KEY_ORDER,))
        left = [str(difference) for difference in differences if not difference.object.startswith("database setting")]
        assert left == []
        assert all("foreign keys" in line or "materialized" in line for line in comparison.not_compared)
