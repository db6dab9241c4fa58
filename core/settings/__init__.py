"""Settings: what a person configures, from the command line, the environment and a TOML file, in this order.

A misspelt name is an error wherever it stands, with the nearest right name; a value is never repeated in an error, for it
may be a secret. `config.example.toml` shows every setting.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from core.errors import ConfigurationError
from core.settings.alembic import AlembicSettings
from core.settings.backup import BackupSettings
from core.settings.base import default_config
from core.settings.console import ConsoleSettings
from core.settings.conversion import CheckSettings, ConversionSettings
from core.settings.documents import DocumentsSettings, ReleaseSettings
from core.settings.hosting import KEY_VARIABLE, HostingSettings
from core.settings.investigation import InvestigationSettings
from core.settings.monitor import MonitorSettings
from core.settings.reading import DELIMITER, PREFIX, advice, check_environment, explain, read_configuration
from core.settings.run import LimitsSettings, RunSettings
from core.settings.secrets import SecretsSettings
from core.settings.sections import SECTIONS, TOLD
from core.settings.service import ServiceSettings
from core.settings.targets import URL_VARIABLES, TargetName, TargetsSettings
from core.settings.window import WindowSettings


class Settings(BaseSettings):
    """All settings. `load()` reads them; tests may call the class itself."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    targets: TargetsSettings = TargetsSettings()
    run: RunSettings = RunSettings()
    conversion: ConversionSettings = ConversionSettings()
    check: CheckSettings = CheckSettings()
    limits: LimitsSettings = LimitsSettings()
    investigation: InvestigationSettings = InvestigationSettings()
    backup: BackupSettings = BackupSettings()
    window: WindowSettings = WindowSettings()
    service: ServiceSettings = ServiceSettings()
    hosting: HostingSettings = HostingSettings()
    monitor: MonitorSettings = MonitorSettings()
    secrets: SecretsSettings = SecretsSettings()
    alembic: AlembicSettings = AlembicSettings()
    documents: DocumentsSettings = DocumentsSettings()
    release: ReleaseSettings = ReleaseSettings()
    console: ConsoleSettings = ConsoleSettings()
    database_url: SecretStr | None = Field(default=None, validation_alias=URL_VARIABLES["production"], exclude=True)
    database_url_test: SecretStr | None = Field(default=None, validation_alias=URL_VARIABLES["test"], exclude=True)
    host_api_key: SecretStr | None = Field(default=None, validation_alias=KEY_VARIABLE, exclude=True)

    def read_host_api_key(self) -> SecretStr | None:
        """The key of the host's API, from where the settings say or else from the environment; None where there is none. Blocks.

        Raises:
            ConfigurationError: the file or the command that is named cannot be read, fails, or gives nothing.
        """
        if self.hosting.kind != "render":
            return None
        return self.hosting.read_api_key() or self.host_api_key

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings

    @classmethod
    def load(cls, config: Path | None = None, given: Mapping[str, Any] | None = None) -> Settings:
        """Read the settings.

        Args:
            config: the file that the user named; the default one is read when it is there and none was named.
            given: what the command line says, nested by section; goes before everything else.

        Raises:
            ConfigurationError: a file that is not there or not TOML, a name that no setting has, a value that cannot be.
        """
        path, values = read_configuration(config)
        check_environment(os.environ)

        class Loaded(Settings):
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=values)

        try:
            return Loaded(**(given or {}))
        except ValidationError as error:
            raise ConfigurationError(explain(error, path), advice=advice(path)) from None
        except SettingsError as error:
            raise ConfigurationError(
                f"The environment cannot be read as settings: {error}.",
                advice="Write a list as JSON: PGRECAST_CONVERSION__ROOTS='[\"users.id\"]'.",
            ) from None

    def url(self, name: TargetName) -> SecretStr:
        """The target's URL: configured, or `DATABASE_URL` / `DATABASE_URL_TEST`.

        Raises:
            ConfigurationError: neither is there.
        """
        found = self._url(name)
        if not found:
            raise ConfigurationError(
                f"No {name} database is configured.",
                advice=f"Set url under [targets.{name}] in {default_config()}, or the environment's {URL_VARIABLES[name]}.",
            )
        return found

    def told(self) -> dict[str, Any]:
        """What decides on steps and gates, as JSON: whoever looks at the run goes by its engine's settings, not by their own."""
        return {section: _jsonable(getattr(self, section).model_dump(round_trip=True)) for section in TOLD}

    def as_told(self, told: object) -> Settings:
        """These settings with what an engine has told; what this version cannot read of it stays as it is."""
        if not isinstance(told, Mapping):
            return self
        found: dict[str, BaseModel] = {}
        for section in TOLD:
            with suppress(KeyError, ValidationError):
                found[section] = SECTIONS[section].model_validate(cast("Mapping[str, Any]", told)[section])
        return self.model_copy(update=found)

    def has_target(self, name: TargetName) -> bool:
        """Whether the target is configured."""
        return bool(self._url(name))

    def _url(self, name: TargetName) -> SecretStr | None:
        return self.targets.of(name).url or (self.database_url if name == "production" else self.database_url_test)


def _jsonable(value: object) -> Any:
    match value:
        case dict():
            return {key: _jsonable(item) for key, item in cast("dict[str, object]", value).items()}
        case list() | tuple():
            return [_jsonable(item) for item in cast("Iterable[object]", value)]
        case timedelta():
            return f"{value.total_seconds():f}s"
        case Path():
            return str(value)
        case _:
            return value
