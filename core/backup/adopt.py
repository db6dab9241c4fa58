"""A dump that somebody else has made, taken in: recognised, its figures written down, and what nobody can prove of it said."""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
import tarfile
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from core.backup.manifest import Form, Kind, Manifest, digest_of, files_below
from core.backup.plain import unpacked
from core.backup.storage import DATA, Backup, begin, discard, finish, require_space
from core.errors import BackupError, ConfigurationError, PgrecastError, QueryFailed
from core.postgres.client_tools import ClientTools, client_environment, find_client_tools, run_tool

TOC = "toc.dat"
CUSTOM_MAGIC = b"PGDMP"
SCRIPT_BEGIN = b"-- PostgreSQL database dump\n"
HEAD = 2 * 1024 * 1024
"""Bytes of a script in which its heading and its extensions are looked for."""
LIST_TIMEOUT = 120.0
PIECE = 1024 * 1024

TIME_OF_FILE = "when it was dumped: the file's own time is taken for it"
DATABASE_UNKNOWN = "of which database it is: nothing in it says so"
NOT_BY_US = "that every row of that moment is in it: no counts were taken with it"

_DUMPED_FROM = re.compile(r"Dumped from database version:? (\d+)")
_DUMPED_BY = re.compile(r"Dumped by pg_dump version:? (\d+)")
_CREATED = re.compile(r"Archive created at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: (\S+))?")
_DATABASE = re.compile(r"^;\s+dbname: (.+)$", re.MULTILINE)
_LISTED_EXTENSION = re.compile(r"^\d+; \d+ \d+ EXTENSION - (\S+)", re.MULTILINE)
_CREATED_EXTENSION = re.compile(r'^CREATE EXTENSION (?:IF NOT EXISTS )?"?([^" ;]+)', re.MULTILINE)


@dataclass(frozen=True)
class Told:
    """What a dump says of itself; None and empty where it does not."""

    database: str | None = None
    taken_at: datetime | None = None
    server_major: int | None = None
    client_major: int | None = None
    extensions: tuple[str, ...] = ()


async def adopt(
    path: Path, root: Path, database: str, *, kind: Kind = "adopted", client_programs: Path | None = None
) -> Backup:
    """Take in a dump where it is. What must be unpacked first, and what was downloaded, comes into the backup's own folder.

    Args:
        path: a script (.sql, .sql.gz), an archive of pg_dump (custom, tar, directory), or a directory's .tar.gz.
        root: the directory of backups.
        database: the database that it should be of.
        kind: `export` for what a host has made.
        client_programs: directory of the pg_restore to use; None to look for one that fits.

    Raises:
        BackupError: it is no dump, is damaged, or is one of another database.
        Refused: there is no room, or a backup of that name.
        ConfigurationError: no pg_restore reads it.
    """
    began = asyncio.get_running_loop().time()
    path = path.expanduser().absolute()
    form = await asyncio.to_thread(recognise, path)
    modified_at = path.stat().st_mtime
    now = datetime.now(UTC)
    partial = begin(root, database, now)
    try:
        data, named = path, str(path)
        if form is None:
            form, data, named = Form.DIRECTORY, partial / DATA, DATA
            require_space(partial, path.stat().st_size, f"Unpacking {path.name}")
            await asyncio.to_thread(unpack, path, data)
        elif kind == "export":  # it was downloaded for us alone, to a place that does not last
            data, named = partial / path.name, path.name
            await asyncio.to_thread(shutil.move, path, data)
            await asyncio.to_thread(_close_to_others, data)
        told = await (_told_by_script(data) if form is Form.PLAIN else _told_by_archive(data, client_programs))
        if told.database not in (None, database):
            raise BackupError(
                f"{path} is a dump of {told.database}, and not of {database}.",
                advice="Adopt a dump of the database that this run is about.",
            )
        found = await asyncio.to_thread(lambda: {name: digest_of(file) for name, file in files_below(data).items()})
        modified = datetime.fromtimestamp(modified_at, UTC)
        unproved = (
            NOT_BY_US,
            *(() if told.taken_at else (TIME_OF_FILE,)),
            *(() if told.database else (DATABASE_UNKNOWN,)),
        )
        manifest = Manifest(
            kind=kind,
            form=form,
            data=named,
            database=database,
            taken_at=told.taken_at or modified,
            finished_at=now,
            seconds=asyncio.get_running_loop().time() - began,
            server_version_num=told.server_major * 10_000 if told.server_major else None,
            client_version=told.client_major,
            files=found,
            extensions=told.extensions,
            unproved=unproved,
        )
        return finish(partial, manifest, None)
    except BaseException as error:
        said = discard(partial)
        if isinstance(error, OSError):
            raise BackupError(f"{path} cannot be taken in: {error.strerror or error}.") from error
        if isinstance(error, PgrecastError):
            error.state = f"{error.state} {said}".strip()
        raise


def recognise(path: Path) -> Form | None:
    """How a dump is written down; None for a directory's .tar.gz, which must be unpacked.

    Raises:
        BackupError: it is not there, cannot be read, or is no dump.
    """
    try:
        if path.is_dir():
            if (path / TOC).is_file():
                return Form.DIRECTORY
            raise _no_dump(path, f"the folder has no {TOC}")
        head = _head(path, 64 * 1024)
    except (OSError, EOFError, zlib.error) as error:
        raise _no_dump(path, getattr(error, "strerror", None) or str(error)) from error
    if head.startswith(CUSTOM_MAGIC):
        return Form.CUSTOM
    if head[257:262] == b"ustar":  # before a script is looked for: a tar may begin with one
        return None if path.suffix in (".gz", ".tgz") else Form.TAR
    if SCRIPT_BEGIN in head:
        return Form.PLAIN
    raise _no_dump(path, "it does not begin like a script or an archive of pg_dump")


def unpack(archive: Path, data: Path) -> None:
    """Unpack a directory's .tar.gz: plain files of one folder, and nothing that leads out of it.

    Raises:
        BackupError: it has something else in it, or is damaged.
        OSError: it could not be written.
    """
    data.mkdir(mode=0o700)
    folders: set[PurePosixPath] = set()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                if member.isdir():
                    continue
                if not member.isfile() or name.is_absolute() or ".." in name.parts:
                    raise _no_dump(archive, f"{member.name!r} in it is no plain file of its folder")
                folders.add(name.parent)
                source = tar.extractfile(member)
                assert source is not None  # noqa: S101 - of a plain file there is one
                target = data / name.name
                with target.open("xb") as file:
                    target.chmod(0o600)
                    while piece := source.read(PIECE):
                        file.write(piece)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _no_dump(archive, str(error)) from error
    except FileExistsError as error:
        raise _no_dump(archive, "it has a file twice") from error
    if len(folders) != 1 or not (data / TOC).is_file():
        raise _no_dump(archive, f"it is no single folder with a {TOC}")


async def _told_by_script(path: Path) -> Told:
    text = (await asyncio.to_thread(_head, path, HEAD)).decode(errors="replace")
    return Told(
        server_major=_number(_DUMPED_FROM, text),
        client_major=_number(_DUMPED_BY, text),
        extensions=tuple(sorted(set(_CREATED_EXTENSION.findall(text)))),
    )


async def _told_by_archive(data: Path, client_programs: Path | None) -> Told:
    text = ""
    async for tools in _newer_and_newer(client_programs):
        try:
            listed = await run_tool(
                tools.path("pg_restore"), ("--list", str(data)), client_environment(), timeout=LIST_TIMEOUT
            )
        except QueryFailed as error:
            if "unsupported version" in error.what:
                continue
            raise _no_dump(data, error.what) from error
        text = listed.decode(errors="replace")
        break
    else:
        raise ConfigurationError(
            f"No pg_restore here reads {data}: it was made by a later version.",
            advice="Install PostgreSQL's newest client programs.",
        )
    created = _CREATED.search(text)
    database = _DATABASE.search(text)
    return Told(
        database=database[1].strip() if database else None,
        taken_at=_moment(created[1], created[2]) if created else None,
        server_major=_number(_DUMPED_FROM, text),
        client_major=_number(_DUMPED_BY, text),
        extensions=tuple(sorted(set(_LISTED_EXTENSION.findall(text)))),
    )


async def _newer_and_newer(directory: Path | None) -> AsyncIterator[ClientTools]:
    least = 0
    while True:
        try:
            tools = await find_client_tools(least * 10_000, tls=False, directory=directory)
        except ConfigurationError:
            if not least:
                raise
            return
        yield tools
        least = tools.major + 1


def _close_to_others(data: Path) -> None:
    for path in (data, *data.rglob("*")) if data.is_dir() else (data,):
        path.chmod(0o700 if path.is_dir() else 0o600)


def _moment(written: str, zone: str | None) -> datetime:
    """pg_restore writes it in the machine's own time."""
    naive = datetime.fromisoformat(written)
    return naive.replace(tzinfo=UTC) if zone == "UTC" else naive.astimezone(UTC)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(found[1]) if found else None


def _head(path: Path, count: int) -> bytes:
    with unpacked(path) as file:
        return file.read(count)


def _no_dump(path: Path, why: str) -> BackupError:
    return BackupError(
        f"{path} is no dump that can be adopted: {why}.",
        advice="Name a script (.sql, .sql.gz) or an archive that pg_dump has made of one database.",
    )
