"""The backup: how it is made, where it is kept, and how it is proved."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from core.settings.base import Duration, Section, state_directory


class BackupSettings(Section):
    method: Literal["dump", "export", "adopt"] = "dump"
    """How it comes: by pg_dump, from the host's own export, or as a file that is there already (`adopt`)."""
    directory: Path | None = None
    """Where backups are kept, one folder each; `$XDG_STATE_HOME/pgrecast/backups` when not set."""
    jobs: int = Field(default=2, ge=1, le=32)
    """Connections that dump, and restore, side by side."""
    adopt: Path | None = None
    """The file or folder that is adopted: a plain script (.sql, .sql.gz), or pg_dump's custom, tar or directory format."""
    keep: int = Field(default=0, ge=0)
    """How many verified backups of a database are kept, the oldest removed first; 0 for all."""
    verify: Literal["files", "restore", "equal"] = "equal"
    """How deep a backup is verified: its files; and restored; and the restored compared with what was dumped."""
    restore: Literal["embedded", "test"] = "embedded"
    """Where it is restored to be verified: on a server of our own, or on the test database's server."""
    copy_command: str = ""
    """A command that takes `{path}`, the backup's folder, called `{name}`, off this machine; run without a shell."""
    checksum_command: str = ""
    """A command that prints the copy's checksums as sha256sum does; when empty, copy_command itself prints them."""
    max_age: Duration = timedelta(hours=24)
    """How old a verified backup may be when production is converted."""

    @model_validator(mode="after")
    def _something_to_adopt(self) -> Self:
        if self.method == "adopt" and self.adopt is None:
            raise ValueError('method = "adopt" needs adopt, the file or folder')
        if self.checksum_command and not self.copy_command:
            raise ValueError("checksum_command needs copy_command")
        return self

    @property
    def root(self) -> Path:
        """The directory in which each backup is a folder."""
        return self.directory.expanduser() if self.directory else state_directory() / "pgrecast" / "backups"
