"""The databases to work on, and where their passwords are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import SecretStr, model_validator

from core.settings.base import Section
from core.settings.passwords import Wanted, read_command, read_file

TargetName = Literal["production", "test"]
WorkingName = Literal["production", "test", "copy"]
"""What a conversion works on: a target, or the copy of production that a rehearsal restores from the backup."""
URL_VARIABLES: Mapping[TargetName, str] = {"production": "DATABASE_URL", "test": "DATABASE_URL_TEST"}
"""Variables that stand in for a target's url, as applications set them; in these a password is allowed."""


class TargetSettings(Section):
    """One database to work on."""

    url: SecretStr = SecretStr("")
    """Its URL, without a password; whoever connects refuses one, and should one be there, it is shown nowhere."""
    password_file: Path | None = None
    """A file whose first line is the password."""
    password_command: str = ""
    """A command whose first line of output is the password; run without a shell."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password_file is not None and self.password_command:
            raise ValueError("password_file and password_command exclude each other; keep one")
        return self

    def read_password(self, name: str) -> SecretStr | None:
        """Read the password from where the settings say, None when they say nothing.

        Args:
            name: the target's name, for the error's text.

        Raises:
            ConfigurationError: the file or the command cannot be read, fails, or gives nothing.
        """
        wanted = Wanted("password", f"of the {name} database", f"[targets.{name}]")
        if self.password_file is not None:
            return read_file(wanted, self.password_file.expanduser())
        if self.password_command:
            return read_command(wanted, self.password_command)
        return None


class TargetsSettings(Section):
    production: TargetSettings = TargetSettings()
    test: TargetSettings = TargetSettings()

    def of(self, name: TargetName) -> TargetSettings:
        return self.production if name == "production" else self.test
