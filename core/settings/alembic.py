"""The application's migrations."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from core.settings.base import Duration, Section


class AlembicSettings(Section):
    project: Path | None = None
    """The application's Alembic project: an alembic.ini, a pyproject.toml, or a folder with either; none when not set."""
    interpreter: str = ""
    """The command that starts the Python of the application's own environment; `.venv/bin/python` beside the project, where
    there is one, when empty."""
    working_directory: Path | None = None
    """Where Alembic runs; the configuration's folder when not set."""
    url_variables: tuple[str, ...] = ("DATABASE_URL",)
    """Variables in which the application looks for the database's URL."""
    passed_on: tuple[str, ...] = ()
    """Further variables of this environment that the application gets to see."""
    scratch: Literal["embedded", "test"] = "embedded"
    """Where the history is replayed: on a server of our own, or in a scratch database on the test database's server."""
    migrate_by: Literal["deploy", "console"] = "deploy"
    """Who runs production's migrations: the host's deploy, or this console, revision by revision."""
    lock_timeout: Duration = timedelta(seconds=5)
    """How long a migration's statement waits for a lock."""
