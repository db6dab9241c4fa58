"""A backup's manifest: what was dumped, when, and by what it can be told to be whole. Kept beside its data, as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from core.errors import BackupError

FILE = "manifest.json"
CATALOG_FILE = "catalog.json"
"""The canonical form of the catalog that was dumped, as `core.postgres.fingerprint.to_json` writes it."""
CHUNK = 1024 * 1024

Kind = Literal["dump", "export", "adopted"]


class Form(StrEnum):
    """How the data is written down."""

    DIRECTORY = "directory"
    CUSTOM = "custom"
    TAR = "tar"
    PLAIN = "plain"
    """A script for psql, perhaps compressed with gzip."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileFigures(_Part):
    bytes: int
    sha256: str


class TableFigures(_Part):
    """Rows of a table; `digest` stands for their contents (`core.postgres.contents`)."""

    schema_: str
    name: str
    rows: int
    digest: int | None = None
    bytes: int = 0
    """Of its heap and of what is kept beside it, when it was dumped."""
    derived: bool = False
    """Whether a restore computes it anew: a materialized view."""


class SequenceFigures(_Part):
    """The values between which it was while the dump was made: a sequence is in no snapshot. None: never used."""

    schema_: str
    name: str
    first: int | None
    last: int | None


class DatabaseIdentity(_Part):
    cluster: str
    database_oid: int
    database: str


class Content(_Part):
    """What was in the database at the snapshot of the dump.

    Attributes:
        fingerprint: of its catalog, whose canonical form is in CATALOG_FILE.
        roles: every role that an object names: owners, grantees, those of policies.
    """

    fingerprint: str
    tables: tuple[TableFigures, ...]
    sequences: tuple[SequenceFigures, ...] = ()
    large_objects: int | None = None
    roles: tuple[str, ...] = ()


class Manifest(_Part):
    """A backup.

    Attributes:
        data: where the data is: a path, relative to the manifest's folder unless it was adopted.
        taken_at: the moment that it shows, by the server's clock; of what was adopted, as far as is known.
        lsn: the position in the write-ahead log at that moment.
        identity: of the database that was dumped; None where nobody can tell.
        files: by path within the data; of a single file, by its name.
        extensions: names of those that a restore must create, as far as is known.
        content: None where the backup was not made by us: then nothing of that moment is known.
        unproved: what this backup cannot prove by itself, in sentences.
    """

    format: Literal["pgrecast backup"] = "pgrecast backup"
    version: Literal[1] = 1
    kind: Kind
    form: Form
    data: str
    database: str
    taken_at: AwareDatetime
    finished_at: AwareDatetime
    seconds: float
    identity: DatabaseIdentity | None = None
    lsn: str | None = None
    server_version_num: int | None = None
    encoding: str = "UTF8"
    client_version: int | None = None
    database_bytes: int = 0
    files: Mapping[str, FileFigures]
    extensions: tuple[str, ...] = ()
    catalog_sha256: str | None = None
    content: Content | None = None
    unproved: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


class Verified(_Part):
    """What a verification has reached; kept beside the manifest."""

    at: datetime
    depth: Literal["files", "restore", "equal"]
    restore_seconds: float | None = None


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        BackupError: there is none, or it is of another version or was altered.
    """
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BackupError(
            f"There is no manifest {path}.", advice="Name a folder that pgrecast has made, or adopt the dump first."
        ) from None
    except OSError as error:
        raise BackupError(f"The manifest {path} cannot be read: {error.strerror}.") from None
    except ValidationError:
        raise BackupError(
            f"The manifest {path} is not one that this pgrecast reads: it was altered, or is of another version.",
            advice="Take a new backup.",
        ) from None


def digest_of(path: Path) -> FileFigures:
    """Size and SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    sha, count = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
            count += len(chunk)
    return FileFigures(bytes=count, sha256=sha.hexdigest())


def files_below(data: Path) -> dict[str, Path]:
    """The files of a backup's data by their names in the manifest.

    Raises:
        OSError: the folder cannot be read.
    """
    if data.is_dir():
        return {str(path.relative_to(data)): path for path in sorted(data.rglob("*")) if not path.is_dir()}
    return {data.name: data}
