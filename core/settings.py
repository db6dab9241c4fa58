"""Settings: what a person configures, from the command line, the environment and a TOML file, in this order.

A misspelt name is an error wherever it stands, with the nearest right name; a value is never repeated in an error, for it
may be a secret. `config.example.toml` shows every setting.
"""

from __future__ import annotations

import difflib
import getpass
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from core.errors import NOTHING_CHANGED, ConfigurationError

PREFIX = "PGRECAST_"
DELIMITER = "__"
OTHER_VARIABLES = frozenset({"PGRECAST_POSTGRES_BIN"})
"""Variables of that prefix which other rooms read by themselves."""

PASSWORD_TIMEOUT = 60.0
"""Seconds that a password command may take: it may ask a person to touch a key."""

TargetName = Literal["production", "test"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
URL_VARIABLES: Mapping[TargetName, str] = {"production": "DATABASE_URL", "test": "DATABASE_URL_TEST"}
"""Variables that stand in for a target's url, as applications set them; in these a password is allowed."""

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*", value)
        if match is None:
            raise ValueError('write a number and a unit: "30s", "15min", "24h" or "2d"')
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError('write a text with a unit: "30s", "15min", "24h" or "2d"')


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]
"""A span of time, written as a number and a unit: "30s", "15min", "24h", "2d"."""


def state_directory() -> Path:
    """Where programs of this user keep their state (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_STATE_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".local" / "state"


def default_config() -> Path:
    """The configuration file that is read when none is named (XDG Base Directory Specification).

    Never one in the working directory: a configuration can name a command to run.
    """
    given = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".config") / "pgrecast" / "config.toml"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TargetSettings(_Section):
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
        if self.password_file is not None:
            return _password_of_file(name, self.password_file.expanduser())
        if self.password_command:
            return _password_of_command(name, self.password_command)
        return None


class TargetsSettings(_Section):
    production: TargetSettings = TargetSettings()
    test: TargetSettings = TargetSettings()

    def of(self, name: TargetName) -> TargetSettings:
        return self.production if name == "production" else self.test


class RunSettings(_Section):
    operator: str = ""
    """Name that stands in the journal; the login when empty."""
    directory: Path | None = None
    """Where run directories are made; `$XDG_STATE_HOME/pgrecast/runs` when not set."""
    two_person: bool = False
    """Whether a second, different person must approve what the operator has confirmed by typing."""
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


class ConversionSettings(_Section):
    from_type: str = "uuid"
    """Type of the key columns now."""
    to_type: str = "varchar(36)"
    """Type that they get."""
    collation: str = ""
    """Collation of the converted columns: a name of pg_catalog's (`C`), or one in double quotes, with its schema; the
    database's own when empty."""
    roots: tuple[str, ...] = ()
    """Keys to begin with, `table.column`; every primary key of that type when empty."""
    include: tuple[str, ...] = ()
    """Further columns, with all that is connected to them."""
    exclude: tuple[str, ...] = ()
    """Columns to leave as they are."""
    soft_references: Literal["all", "none", "ask"] = "ask"
    """Columns of the key's type that reference without a foreign key."""
    approach: Literal["ask", "dynamic", "enumerated", "staged"] = "ask"
    """How foreign keys are recreated: saved in the run, listed and scripted for review, or with a pause after phase 2."""
    script: Path | None = None
    """A conversion script of your own, to be audited in task 4; none when not set."""
    repair_functions: tuple[str, ...] = ("ask",)
    """Functions whose bodies get the casts that they need: ids as `pgrecast plan` tells them, `all`, `none` or `ask`."""
    proof: Literal["catalog", "counts", "contents"] = "contents"
    """How deep the proof goes."""
    lock_timeout: Duration = timedelta(seconds=5)
    """How long an attempt waits for a table's lock; everyone else waits behind it."""
    lock_attempts: int = Field(default=5, ge=1, le=100)
    """How often the locks are tried for before the step fails."""
    accept: tuple[str, ...] = ()
    """Ids of warnings that are accepted beforehand; `all` for every one."""


class CheckSettings(_Section):
    """How a conversion's expressions and functions are tried beforehand, on an empty copy of the schema."""

    server: Literal["embedded", "test"] = "embedded"
    """Where the copy is made: on a server of our own, or on the test database's, whose role may create databases then."""
    client_programs: Path | None = None
    """Directory of pg_dump and the like; when not set, programs that fit the server are looked for."""


class LimitsSettings(_Section):
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


class InvestigationSettings(_Section):
    indicator_tables: tuple[str, ...] = ("folders", "rbac_audit_logs", "pipeline_templates", "document_questions")
    """Tables whose presence tells how far the migrations really came."""
    count_tables: tuple[str, ...] = ("users", "organizations")
    """Tables whose rows are counted."""
    key_column: str = "users.id"
    """The column whose type tells whether a conversion is needed."""
    max_age: Duration = timedelta(hours=24)
    """How old an investigation may be when production is converted."""
    procedure: Path | None = None
    """The user's own procedure, a Markdown document: its SQL blocks are run, its template is filled in."""


class BackupSettings(_Section):
    max_age: Duration = timedelta(hours=24)
    """How old a verified backup may be when production is converted."""


class WindowSettings(_Section):
    days: tuple[Weekday, ...] = ("saturday", "sunday")
    """Days on which a maintenance window is proposed."""
    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "02:00"
    """When it begins, UTC."""
    duration: Duration = timedelta(hours=2)
    """How long it is."""


class ServiceSettings(_Section):
    health_url: Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$")] = ""
    """Where the service around production answers; maintenance is proved by asking there. A person's tick when empty."""
    host_roles: tuple[str, ...] = (
        "rdsadmin",
        "rds*",
        "cloudsql*",
        "alloydb*",
        "azuresu",
        "azure_*",
        "cloud_admin",
        "supabase_admin",
        "_aiven",
        "_dodb",
    )
    """Roles under which the database's host itself connects, as patterns; their sessions are not others'."""


class AlembicSettings(_Section):
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


class ConsoleSettings(_Section):
    theme: Literal["dark", "light", "ansi"] = "dark"
    """Colours of the full-screen console; `ansi` uses the terminal's own sixteen."""
    keys: tuple[str, ...] = ()
    """Keys of your own, `action=keys`: "step.run=R", "move.down=j,down"."""

    @property
    def keymap(self) -> dict[str, str]:
        """The keys by action."""
        return {action.strip(): keys.strip() for action, _, keys in (entry.partition("=") for entry in self.keys)}


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
    alembic: AlembicSettings = AlembicSettings()
    console: ConsoleSettings = ConsoleSettings()
    database_url: SecretStr | None = Field(default=None, validation_alias=URL_VARIABLES["production"], exclude=True)
    database_url_test: SecretStr | None = Field(default=None, validation_alias=URL_VARIABLES["test"], exclude=True)

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
        path, values = _read_file(config)
        _check_environment(os.environ)

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
            raise ConfigurationError(_explain(error, path), advice=_advice(path)) from None
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


SECTIONS: Mapping[str, type[BaseModel]] = {
    "targets": TargetsSettings,
    "run": RunSettings,
    "conversion": ConversionSettings,
    "check": CheckSettings,
    "limits": LimitsSettings,
    "investigation": InvestigationSettings,
    "backup": BackupSettings,
    "window": WindowSettings,
    "service": ServiceSettings,
    "alembic": AlembicSettings,
    "console": ConsoleSettings,
}


TOLD = ("conversion", "check", "limits", "investigation", "backup", "window", "service", "alembic")
"""Sections without secrets that decide which steps there are and when their gates are open."""


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


def _advice(path: Path | None) -> str:
    where = f"{path} and the environment" if path else "the environment"
    return f"Correct {where}; config.example.toml shows every setting."


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _read_file(config: Path | None) -> tuple[Path | None, dict[str, Any]]:
    path = config.expanduser() if config else default_config()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if config is None:
            return None, {}
        raise ConfigurationError(
            f"There is no configuration file {path}.", advice="Correct the name after --config."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"The configuration file {path} cannot be read: {reason}.", advice="Correct the file or its permissions."
        ) from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path} is not TOML: {str(error).rstrip('.')}.", advice="Correct that line; https://toml.io shows how."
        ) from None
    for name in values:
        if name not in SECTIONS:
            raise ConfigurationError(
                f"{path} has a section or setting {name} that does not exist{_nearest(name, SECTIONS)}",
                advice=f"The sections are {', '.join(SECTIONS)}.",
            )
    return path, values


def _check_environment(environment: Mapping[str, str]) -> None:
    """Complain about a variable of our prefix that names no section, which pydantic-settings would ignore."""
    for variable in environment:
        if not variable.upper().startswith(PREFIX) or variable.upper() in OTHER_VARIABLES:
            continue
        section, _, rest = variable[len(PREFIX) :].lower().partition(DELIMITER)
        if section in SECTIONS and rest:
            continue
        raise ConfigurationError(
            f"The environment has {variable}, and no setting has that name{_nearest(variable.upper(), _variables())}",
            advice=f"Correct or unset {variable}.",
        )


def setting_names(model: type[BaseModel] | None = None) -> tuple[str, ...]:
    """Every setting by its dotted name (`conversion.lock_timeout`), in order of definition."""
    found: list[str] = []
    fields = SECTIONS if model is None else {name: field.annotation for name, field in model.model_fields.items()}
    for name, kind in fields.items():
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += [f"{name}.{rest}" for rest in setting_names(kind)]
        else:
            found.append(name)
    return tuple(found)


def _variables() -> list[str]:
    return [PREFIX + name.replace(".", DELIMITER).upper() for name in setting_names()]


def _explain(error: ValidationError, path: Path | None) -> str:
    problems: list[str] = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            problems.append(f"there is no setting {name}{_nearest(name, setting_names())}")
        else:
            problems.append(f"{name} {_plain(problem['msg'])}".strip())
    where = f"{path}, or the environment" if path else "The environment"
    return f"{where} has settings that cannot be used: {'; '.join(problems)}."


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"is wrong: {message[0].lower()}{message[1:]}" if message.startswith("Input ") else message


def _password(name: str, text: str, source: str) -> SecretStr:
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise ConfigurationError(
            f"{source} gave no password for the {name} database: its first line is empty.",
            advice=f"Correct [targets.{name}].",
        )
    return SecretStr(lines[0])


def _password_of_file(name: str, path: Path) -> SecretStr:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(
                f"The password file {path} of the {name} database can be read by others.",
                advice=f"Run: chmod 600 {shlex.quote(str(path))}",
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"The password file {path} of the {name} database cannot be read: {reason}.",
            advice=f"Correct password_file under [targets.{name}].",
        ) from None
    return _password(name, text, f"The file {path}")


def _password_of_command(name: str, command: str) -> SecretStr:
    advice = f"Correct password_command under [targets.{name}]; run it by hand to see what it says."
    try:
        arguments = shlex.split(command)
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=PASSWORD_TIMEOUT, check=False
        )
        text = done.stdout.decode()
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a command line, or did not print text"
        raise ConfigurationError(
            f"The password command of the {name} database cannot be run: {reason}.",
            state=NOTHING_CHANGED,
            advice=advice,
        ) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"The password command of the {name} database did not end within {PASSWORD_TIMEOUT:.0f} s.", advice=advice
        ) from None
    if done.returncode != 0:
        raise ConfigurationError(
            f"The password command of the {name} database ended with status {done.returncode}.", advice=advice
        )
    return _password(name, text, "The password command")
