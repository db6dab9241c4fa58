"""The first depth of a verification: are the files what the manifest says, and can every one of them be unpacked?"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.backup.manifest import FileFigures, Form, digest_of, files_below
from core.backup.plain import GZIP_MAGIC
from core.backup.storage import Backup
from core.errors import BackupError, QueryFailed, UsageError
from core.postgres.client_tools import client_environment, find_client_tools, run_tool
from core.postgres.fingerprint import Canonical, from_json

MOST_NAMED = 10
PLAIN_BEGIN, PLAIN_END = b"PostgreSQL database dump", b"PostgreSQL database dump complete"
GZIP = 31  # zlib's wbits for the gzip format
PIECE = 64 * 1024
ENDS = 4096
READ_TIMEOUT = 24 * 3600.0
Progress = Callable[[int], None]
"""Told the number of bytes read so far, in a thread of its own."""


async def verify_files(
    backup: Backup, *, client_programs: Path | None = None, progress: Progress = lambda _: None
) -> None:
    """Read every file: its checksum, that it decompresses to its end, and that pg_restore can read all of the archive.

    Raises:
        BackupError: something is damaged; each file is named with what is wrong with it.
        ConfigurationError: there is no pg_restore that reads the archive.
    """
    problems = await asyncio.to_thread(lambda: list(_problems(backup, progress)))
    if problems:
        more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        raise _damaged(backup, "; ".join(problems[:MOST_NAMED]) + more)
    if backup.manifest.form is not Form.PLAIN:
        await _read_archive(backup, client_programs)


def read_catalog_file(backup: Backup) -> Canonical:
    """The canonical form of the catalog that was dumped.

    Raises:
        BackupError: it is not there, or was altered.
    """
    try:
        return from_json(backup.catalog.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, UsageError) as error:
        raise _damaged(backup, f"{backup.catalog.name} cannot be read: {error}") from error


def _problems(backup: Backup, progress: Progress) -> Iterator[str]:
    manifest, data = backup.manifest, backup.data
    try:
        found = files_below(data) if data.exists() else {}
    except OSError as error:
        yield f"{data} cannot be read: {error.strerror}"
        return
    if not found:
        yield f"{data} is missing or empty"
        return
    for name in sorted(found.keys() - manifest.files.keys()):
        yield f"{name}: not in the manifest"
    read = 0
    for name, expected in manifest.files.items():
        path = found.get(name)
        if path is None:
            yield f"{name}: missing"
            continue
        try:
            yield from _file_problems(name, path, expected, manifest.form)
        except OSError as error:
            yield f"{name}: cannot be read: {error.strerror}"
        read += expected.bytes
        progress(read)
    if manifest.content is not None:
        try:
            if digest_of(backup.catalog).sha256 != manifest.catalog_sha256:
                yield f"{backup.catalog.name}: its checksum is not the manifest's"
        except OSError:
            yield f"{backup.catalog.name}: missing"


@dataclass
class _Read:
    """A file that is read once, from its beginning to its end: its checksum, and what it unpacks to."""

    path: Path
    bytes: int = 0
    sha256: str = ""
    head: bytes = b""
    tail: bytes = b""
    fault: str = ""
    """Why it does not decompress; empty where it does, or is not compressed."""

    def through(self) -> _Read:
        sha = hashlib.sha256()
        self._member = zlib.decompressobj(GZIP)
        compressed = self.path.suffix == ".gz" or self._begins_packed()
        with self.path.open("rb") as file:
            while chunk := file.read(PIECE):
                sha.update(chunk)
                self.bytes += len(chunk)
                if not compressed:
                    self._keep(chunk)
                elif not self.fault:
                    self._unpack(chunk)
        self.sha256 = sha.hexdigest()
        if compressed and not self._member.eof and not self.fault:
            self.fault = "it ends too early"
        return self

    def _begins_packed(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(2) == GZIP_MAGIC

    def _unpack(self, chunk: bytes) -> None:
        """Several members may follow each other (RFC 1952, section 2.2)."""
        try:
            while chunk:
                if self._member.eof:
                    self._member = zlib.decompressobj(GZIP)
                self._keep(self._member.decompress(chunk))
                chunk = self._member.unused_data
        except zlib.error as error:
            self.fault = str(error)

    def _keep(self, content: bytes) -> None:
        if len(self.head) < ENDS:
            self.head += content[: ENDS - len(self.head)]
        self.tail = (self.tail + content)[-ENDS:]


def _file_problems(name: str, path: Path, expected: FileFigures, form: Form) -> Iterator[str]:
    read = _Read(path).through()
    if read.bytes != expected.bytes:
        yield f"{name}: {read.bytes} bytes instead of {expected.bytes}{' (truncated)' if read.bytes < expected.bytes else ''}"
    elif read.sha256 != expected.sha256:
        yield f"{name}: its contents have changed (the checksum is not the manifest's)"
    if read.fault:
        yield f"{name}: does not decompress: {read.fault}"
    elif form is Form.PLAIN:
        if PLAIN_BEGIN not in read.head:
            yield f"{name}: does not begin like a script of pg_dump"
        if PLAIN_END not in read.tail:
            yield f"{name}: the script has no end: what pg_dump writes last is not there"


async def _read_archive(backup: Backup, client_programs: Path | None) -> None:
    """Have pg_restore read all of the archive; listing it would not notice a file that is cut off."""
    needed = backup.manifest.client_version or 0
    tools = await find_client_tools(needed * 10_000, tls=False, directory=client_programs)
    try:
        await run_tool(
            tools.path("pg_restore"), ("--file=/dev/null", str(backup.data)), client_environment(), timeout=READ_TIMEOUT
        )
    except QueryFailed as error:
        raise _damaged(backup, error.what) from error


def _damaged(backup: Backup, what: str) -> BackupError:
    return BackupError(
        f"The backup {backup.name} is damaged: {what}.",
        advice="Do not rely on it: take a new one, or fetch the copy that was stored elsewhere.",
    )
