"""The application whose migrations these are: its project, its interpreter, and what of our environment it gets to see."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.errors import ConfigurationError
from core.postgres.connection_spec import ConnectionSpec
from core.redaction import redactor

INI = "alembic.ini"
TOML = "pyproject.toml"

# What programs need to run at all; everything else of our environment stays with us, PG* and PYTHONPATH above all.
PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
SET = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}

_OUR_ROOT = Path(__file__).parents[2]
_LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "database": "PGDATABASE",
    "user": "PGUSER",
    "options": "PGOPTIONS",
}


@dataclass(frozen=True, slots=True)
class ApplicationProject:
    """An Alembic project and how it is run. `find` makes one of what a person names.

    Attributes:
        ini: its alembic.ini, None where pyproject.toml configures it or nothing does.
        toml: its pyproject.toml, where that has a table [tool.alembic].
        script_location: the folder with env.py and versions, where no file says which.
        working_directory: where it runs; relative paths of the configuration start there.
        interpreter: the command that starts the Python of its environment, such as ("/srv/app/.venv/bin/python",).
        section: of the ini (`alembic -n`).
        url_variables: variables in which it looks for the database's URL; libpq's own are set besides.
        passed_on: further variables of our environment that it gets to see.
        scheme: under which SQLAlchemy finds its driver, such as "postgresql+psycopg"; "" to find out.
        x_arguments: what `alembic -x` would be given.
        through_env: replay the history through its env.py; otherwise only where it does not do without.
        base_sql: an SQL file that makes what the first revision finds, where the history does not begin with nothing.
    """

    ini: Path | None
    toml: Path | None
    script_location: Path | None
    working_directory: Path
    interpreter: tuple[str, ...] = (sys.executable,)
    section: str = "alembic"
    url_variables: tuple[str, ...] = ("DATABASE_URL",)
    passed_on: tuple[str, ...] = ()
    scheme: str = ""
    x_arguments: tuple[str, ...] = ()
    through_env: bool = False
    base_sql: Path | None = None

    @classmethod
    def find(cls, location: Path, *, working_directory: Path | None = None, **options: Any) -> ApplicationProject:
        """The project at a place.

        Args:
            location: an alembic.ini, a pyproject.toml, a folder with either, or one with env.py and versions.
            working_directory: where it runs; the configuration's folder by default.
            options: the other attributes.

        Raises:
            ConfigurationError: there is no such project.
        """
        location = location.expanduser().absolute()
        folder = location if location.is_dir() else location.parent
        ini, toml, scripts = _configuration(location)
        directory = working_directory.expanduser().absolute() if working_directory else folder
        if not directory.is_dir():
            raise ConfigurationError(f"There is no folder {directory} to run Alembic in.", advice="Correct its name.")
        return cls(ini, toml, scripts, directory, **options)

    def request(self, command: str, database: ConnectionSpec | None = None, **values: Any) -> dict[str, Any]:
        """What the runner is asked to do; it holds the password and goes through a pipe.

        Args:
            command: of the runner.
            database: which the command works on, None for none.
            values: what the command needs besides.
        """
        return {
            "command": command,
            "ini": str(self.ini) if self.ini else None,
            "toml": str(self.toml) if self.toml else None,
            "script_location": str(self.script_location) if self.script_location else None,
            "section": self.section,
            "x_arguments": self.x_arguments,
            # In a site directory of the application's, ours cannot be told from its own.
            "hidden_paths": [] if (_OUR_ROOT / "alembic").is_dir() else [str(_OUR_ROOT)],
            "url_variables": self.url_variables,
            "scheme": self.scheme,
            "through_env": self.through_env,
            "url": _url_parts(database or _NOWHERE),
            "libpq": _libpq(database) if database else {},
            "identity_sql": "",
            "identity": None,
            "settings": [],
            **values,
        }

    def environment(self, ours: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of its processes: scrubbed, without any connection's parameters.

        Args:
            ours: the environment to choose from, os.environ by default.
        """
        ours = os.environ if ours is None else ours
        for name in self.passed_on:
            redactor.add(SecretStr(ours.get(name, "")) if _may_be_secret(name) else None)
        return {name: ours[name] for name in (*PASSED_ON, *self.passed_on) if name in ours} | SET


# Some settings modules insist on a URL while they are imported; nothing can be reached by this one.
_NOWHERE = ConnectionSpec("127.0.0.1", 1, "none", "none", source="nowhere")


def _configuration(location: Path) -> tuple[Path | None, Path | None, Path | None]:
    if location.is_dir():
        toml = location / TOML
        ini = location / INI
        has_toml = toml.is_file() and _configures_alembic(toml)
        if ini.is_file() or has_toml:
            return (ini if ini.is_file() else None), (toml if has_toml else None), None
        if (location / "env.py").is_file():
            return None, None, location
        raise ConfigurationError(
            f"There is no Alembic project in {location}: neither {INI}, nor {TOML} with [tool.alembic], nor env.py.",
            advice="Name the project's folder, or its configuration file.",
        )
    if not location.is_file():
        raise ConfigurationError(f"There is no {location}.", advice="Correct the name of the Alembic project.")
    return (None, location, None) if location.suffix == ".toml" else (location, None, None)


def _configures_alembic(toml: Path) -> bool:
    try:
        return "alembic" in tomllib.loads(toml.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{toml} cannot be read: {error}.", advice="Correct the file.") from None


def _url_parts(database: ConnectionSpec) -> dict[str, Any]:
    return {
        "host": database.host,
        "port": database.port,
        "user": database.user,
        "password": database.password.get_secret_value() if database.password else None,
        "database": database.database,
    }


def _libpq(database: ConnectionSpec) -> dict[str, str]:
    """The connection as libpq's variables, which psycopg and asyncpg read, for TLS too (libpq, "Environment Variables")."""
    values = {variable: str(getattr(database, name)) for name, variable in _LIBPQ.items() if getattr(database, name)}
    if database.password is not None:
        values["PGPASSWORD"] = database.password.get_secret_value()
    for name in database.tls.__slots__:
        if value := getattr(database.tls, name):
            values["PG" + name.replace("_", "").upper()] = value
    return values


def _may_be_secret(name: str) -> bool:
    return any(word in name.upper() for word in ("PASS", "SECRET", "TOKEN", "KEY", "URL", "DSN", "CREDENTIAL"))
