"""Where backups are kept: a folder each, made under another name until it is whole, never overwritten."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from core.backup.manifest import CATALOG_FILE, FILE, Manifest, Verified, read_manifest
from core.errors import BackupError, Refused

PARTIAL = ".partial"
DATA = "data"
VERIFIED_FILE = "verified.json"
MARGIN = 64 * 1024 * 1024
"""Bytes of the disk that are left alone."""


@dataclass(frozen=True)
class Backup:
    """A whole backup: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def data(self) -> Path:
        return self.folder / self.manifest.data

    @property
    def manifest_sha256(self) -> str:
        return hashlib.sha256((self.folder / FILE).read_bytes()).hexdigest()

    @property
    def catalog(self) -> Path:
        return self.folder / CATALOG_FILE

    @property
    def verified(self) -> Verified | None:
        """What a verification has reached last; None when there was none."""
        try:
            return Verified.model_validate_json((self.folder / VERIFIED_FILE).read_bytes())
        except (OSError, ValidationError):
            return None


def open_backup(folder: Path) -> Backup:
    """The backup in a folder.

    Raises:
        BackupError: there is none, or its manifest cannot be read.
    """
    folder = folder.expanduser().absolute()
    if folder.name.endswith(PARTIAL):
        raise BackupError(f"{folder} was not finished, and is no backup.", advice="Take the backup again.")
    return Backup(folder, read_manifest(folder / FILE))


def begin(root: Path, database: str, now: datetime) -> Path:
    """Make the folder in which a backup is made; `finish` gives it its name.

    Raises:
        Refused: there is a backup of that name already.
        BackupError: the folder cannot be made.
    """
    partial = root / f"{_name(database, now)}{PARTIAL}"
    if partial.with_suffix("").exists():
        raise Refused(
            f"There is a backup {partial.with_suffix('')} already, and it is not overwritten.", advice="Try again."
        )
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.mkdir(mode=0o700)
    except FileExistsError:
        raise Refused(
            f"{partial} is there already: a backup is being made, or one was interrupted.",
            advice="Look whether another pgrecast runs; remove the folder if none does.",
        ) from None
    except OSError as error:
        raise BackupError(
            f"The folder {partial} cannot be made: {error.strerror}.",
            advice="Correct backup.directory, or its permissions.",
        ) from None
    return partial


def finish(partial: Path, manifest: Manifest, catalog: str | None) -> Backup:
    """Write manifest and catalog, and give the backup its name.

    Raises:
        BackupError: it could not be written.
    """
    final = partial.with_suffix("")
    try:
        if catalog is not None:
            write(partial / CATALOG_FILE, catalog.encode())
            manifest = manifest.model_copy(update={"catalog_sha256": hashlib.sha256(catalog.encode()).hexdigest()})
        write(partial / FILE, manifest.model_dump_json(indent=1).encode() + b"\n")
        if final.exists():  # rename() would put an empty folder aside silently
            raise FileExistsError(17, "it is there already")
        partial.rename(final)
        _sync(final.parent)
    except OSError as error:
        raise BackupError(f"The backup {final} could not be written: {error.strerror}.") from None
    return Backup(final, manifest)


def discard(partial: Path) -> str:
    """Remove an unfinished backup. Returns what is to be said of it."""
    shutil.rmtree(partial, ignore_errors=True)
    if partial.exists():
        return f"The unfinished backup {partial} could not be removed: remove it by hand."
    return "The unfinished backup is removed."


def remember(backup: Backup, verified: Verified) -> None:
    """Keep what a verification has reached beside the backup; a folder that cannot be written keeps nothing."""
    try:
        write(backup.folder / VERIFIED_FILE, verified.model_dump_json().encode() + b"\n")
    except OSError:
        return


def forget(backup: Backup) -> None:
    """A check has failed: it counts as verified no more."""
    try:
        (backup.folder / VERIFIED_FILE).unlink(missing_ok=True)
    except OSError:
        return


def backups(root: Path) -> Iterator[Backup]:
    """The whole backups in a directory, the newest first; what cannot be read as one is left out."""
    found: list[Backup] = []
    for path in root.glob(f"*/{FILE}") if root.is_dir() else ():
        if not path.parent.name.endswith(PARTIAL):
            try:
                found.append(open_backup(path.parent))
            except BackupError:
                continue
    yield from sorted(found, key=lambda backup: backup.manifest.taken_at, reverse=True)


def retire(root: Path, latest: Backup, keep: int) -> tuple[str, ...]:
    """Remove what is older than the newest `keep` verified backups of the same database, and was verified itself.

    Args:
        keep: 0 removes nothing.

    Returns:
        the names of what was removed. Unverified and adopted ones stay, and so does whatever is not ours.
    """
    if not keep:
        return ()
    same = [
        backup
        for backup in backups(root)
        if backup.manifest.kind != "adopted"
        and backup.manifest.database == latest.manifest.database
        and _database(backup) == _database(latest)
        and backup.verified is not None
    ]
    removed: list[str] = []
    for backup in same[keep:]:
        if backup.folder != latest.folder:
            # Without its manifest it is no backup any more, should the removal be interrupted.
            (backup.folder / FILE).unlink(missing_ok=True)
            shutil.rmtree(backup.folder, ignore_errors=True)
            removed.append(backup.name)
    return tuple(removed)


def require_space(directory: Path, needed: int, purpose: str) -> None:
    """Refuse where the disk has less free than is needed.

    Args:
        directory: where it is needed; its nearest ancestor that exists counts.
        needed: bytes.
        purpose: what for, in a few words.

    Raises:
        Refused: there is not enough.
    """
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free - MARGIN
    if free < needed:
        raise Refused(
            f"{purpose} needs about {_megabytes(needed)}, and {place} has {_megabytes(max(0, free))} free.",
            advice="Free some, or name another directory (backup.directory; for scratch servers TMPDIR).",
        )


def write(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _database(backup: Backup) -> int | None:
    identity = backup.manifest.identity
    return identity.database_oid if identity else None


def _name(database: str, now: datetime) -> str:
    """A database's name may be any text."""
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', database)[:80] or '_'}-{now:%Y%m%dT%H%M%SZ}"


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
