"""Where runs are kept, who drives them, and what they may take."""

from __future__ import annotations

import getpass
import os
from datetime import timedelta
from pathlib import Path

from pydantic import Field

from core.settings.base import Duration, Section, state_directory


class RunSettings(Section):
    operator: str = ""
    """Name that stands in the journal; the login when empty."""
    directory: Path | None = None
    """Where run directories are made; `$XDG_STATE_HOME/pgrecast/runs` when not set."""
    two_person: bool = False
    """Whether a second, different person must approve what the operator has confirmed by typing."""
    group: str = ""
    """Group of the operating system whose members may attach, too; only the run's own user when empty."""
    idle: Duration = timedelta(minutes=10)
    """How long the engine stays when nobody is attached and nothing runs."""
    checklists: tuple[Path, ...] = ()
    """Markdown files of the project whose `- [ ]` lines are ticked with the steps that they match, once that is agreed to."""

    @property
    def operator_name(self) -> str:
        if self.operator:
            return self.operator
        try:
            return getpass.getuser()
        except (OSError, KeyError):  # a uid without an account, as in containers
            return f"uid {os.getuid()}"

    @property
    def root(self) -> Path:
        return self.directory.expanduser() if self.directory else state_directory() / "pgrecast" / "runs"


class LimitsSettings(Section):
    confirmation: Duration = timedelta(minutes=5)
    """How long a confirmation may wait for its answer."""
    commit: Duration = timedelta(minutes=15)
    """How long the COMMIT question waits, the tables locked, before the transaction rolls back."""
    connections: int = Field(default=4, ge=1, le=32)
    """Connections that read the catalog side by side."""
    read: Duration = timedelta(minutes=2)
    """Time-out of each read."""
    other_sessions: int = Field(default=0, ge=0)
    """Sessions of others on production with which its conversion may start, the host's own not counted."""
