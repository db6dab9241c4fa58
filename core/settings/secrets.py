"""The rotation of credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from core.settings.base import Section


class SecretsSettings(Section):
    how: Literal["sql", "host", "manual"] = "sql"
    """How a database's password is rotated: by ALTER ROLE over SQL, by the host making a new user, or by a person."""
    project: Path | None = None
    """The project's folder, which is looked through for secrets, its git history too."""
    leaked_file: Path | None = None
    """A file of mode 0600 with a value known to be leaked in each line; they can be typed as well."""
    env_files: tuple[Path, ...] = ()
    """Local files that hold the database's login; those called .env, .env.* or *.env in the project when empty."""
    variables: tuple[str, ...] = ()
    """Variables at the host that may hold the database's login; every one is looked at when empty."""
    store_command: str = ""
    """A command that keeps a new secret, run without a shell; it gets the secret on its standard input, and `{name}` stands
    for the secret's name."""
