"""Dumps that somebody else has made, taken in and verified as far as they can be."""

from __future__ import annotations

import asyncio
import gzip
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from core.backup.adopt import DATABASE_UNKNOWN, NOT_BY_US, TIME_OF_FILE, adopt
from core.backup.off_site import checksums, command_line, missing_or_unlike
from core.backup.restore import RestoreOptions
from core.backup.verify import verify
from core.errors import BackupError, ConfigurationError, Refused
from tests.databases import Database
from tests.sessions import session

SCHEMA = """
CREATE EXTENSION citext;
CREATE TABLE "User" (id int PRIMARY KEY, name citext, note text);
INSERT INTO "User" SELECT g, 'u' || g, E'\\\\connect postgres' FROM generate_series(1, 100) g;
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT 1::text';
"""


@pytest.fixture
async def source(database: Database) -> Database:
    async with session(database.spec) as owner:
        await owner.execute(SCHEMA)
    return database


def pg_dump(source: Database, *arguments: str) -> None:
    program = [str(source.server.binary("pg_dump")), *arguments]
    subprocess.run(program, env={**source.environment, "LC_ALL": "C"}, check=True, timeout=60)


def made(source: Database, folder: Path, form: str) -> Path:
    match form:
        case "plain":
            pg_dump(source, f"--file={folder / 'dump.sql'}")
            return folder / "dump.sql"
        case "plain.gz":
            packed = folder / "dump.sql.gz"
            packed.write_bytes(gzip.compress(made(source, folder, "plain").read_bytes()))
            return packed
        case "dir.tar.gz":
            pg_dump(source, "--format=directory", f"--file={folder / 'dump'}")
            with tarfile.open(folder / "dump.dir.tar.gz", "w:gz") as tar:
                tar.add(folder / "dump", "2026-03-07T02:00Z/app")
            return folder / "dump.dir.tar.gz"
        case _:
            pg_dump(source, f"--format={form}", f"--file={folder / 'dump'}")
            return folder / "dump"


@pytest.mark.parametrize("form", ["plain", "plain.gz", "custom", "tar", "directory", "dir.tar.gz"])
async def test_every_form_is_adopted_and_restored(source: Database, tmp_path: Path, form: str) -> None:
    path = made(source, tmp_path, form)
    backup = await adopt(path, tmp_path / "backups", source.name)
    assert backup.manifest.extensions[0] == "citext"
    found = await verify(backup, "equal", RestoreOptions(source.spec))
    assert found.depth == "restore"  # what was in the database then is not known
    assert found.content is not None
    assert [(table.name, table.rows) for table in found.content.tables] == [("User", 100)]
    assert NOT_BY_US in found.unproved
    knows = form not in ("plain", "plain.gz")
    assert (TIME_OF_FILE in found.unproved, DATABASE_UNKNOWN in found.unproved) == (not knows, not knows)


async def test_damage_is_found_before_and_after_it_was_adopted(source: Database, tmp_path: Path) -> None:
    options = RestoreOptions(source.spec)
    for form in ("plain.gz", "custom", "directory"):
        folder = tmp_path / form
        folder.mkdir()
        path = made(source, folder, form)
        backup = await adopt(path, folder / "backups", source.name)
        await verify(backup, "files", options)
        victim = next(path.glob("*.dat.gz")) if path.is_dir() else path
        victim.write_bytes(victim.read_bytes()[:-40])
        with pytest.raises(BackupError, match="truncated"):
            await verify(backup, "files", options)
        with pytest.raises(BackupError, match=r"damaged|no dump"):
            await verify(await adopt(path, folder / "later", source.name), "files", options)


async def test_a_script_without_its_end_does_not_pass(source: Database, tmp_path: Path) -> None:
    path = made(source, tmp_path, "plain")
    path.write_text(path.read_text().partition("-- PostgreSQL database dump complete")[0])
    with pytest.raises(BackupError, match="the script has no end"):
        await verify(await adopt(path, tmp_path / "backups", source.name), "files", RestoreOptions(source.spec))


async def test_a_script_that_leads_elsewhere_is_not_run(source: Database, tmp_path: Path) -> None:
    pg_dump(source, "--create", f"--file={tmp_path / 'dump.sql'}")
    backup = await adopt(tmp_path / "dump.sql", tmp_path / "backups", source.name)
    with pytest.raises(BackupError, match="could lead to another database"):
        await verify(backup, "restore", RestoreOptions(source.spec))


async def test_a_dump_of_another_database_is_not_adopted(source: Database, tmp_path: Path) -> None:
    path = made(source, tmp_path, "custom")
    with pytest.raises(BackupError, match=f"a dump of {source.name}, and not of app"):
        await adopt(path, tmp_path / "backups", "app")
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize("name", ["../toc.dat", "/toc.dat", "a/../../toc.dat"])
async def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    with pytest.raises(BackupError, match="no plain file of its folder"):
        await adopt(archive, tmp_path / "backups", "app")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08\x00", None])
async def test_what_is_no_dump_is_not_adopted(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "dump.sql"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackupError, match="no dump that can be adopted"):
        await adopt(path, tmp_path / "backups", "app")


async def test_checksums_of_a_copy(source: Database, tmp_path: Path) -> None:
    backup = await adopt(made(source, tmp_path, "directory"), tmp_path / "backups", source.name)
    assert command_line("cp -r {path} /there/{name}", backup) == f"cp -r {tmp_path / 'dump'} /there/dump"
    with pytest.raises(ConfigurationError, match="no command line"):
        command_line("cp 'x", backup)
    wanted = checksums(backup)
    printed = "copying\n" + "\n".join(f"{sha}  ./there/{name}" for name, sha in wanted.items())
    assert missing_or_unlike(backup, printed) == ()
    name, sha = next(iter(wanted.items()))
    assert missing_or_unlike(backup, printed.replace(sha, "0" * 64)) == (f"{name}: the checksum there is another",)
    assert missing_or_unlike(backup, printed.replace(f"/{name}", "/other")) == (f"{name}: no checksum was printed",)


async def test_two_at_once_do_not_meet(source: Database, tmp_path: Path) -> None:
    path = made(source, tmp_path, "custom")
    results = await asyncio.gather(
        *(adopt(path, tmp_path / "backups", source.name) for _ in range(2)), return_exceptions=True
    )
    assert sum(isinstance(result, Refused) for result in results) <= 1
    assert not any(isinstance(result, OSError) for result in results)
