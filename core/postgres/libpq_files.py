"""The files that libpq reads: connection services and passwords.

Sources: PostgreSQL documentation, chapter libpq, "The Password File" and "The Connection Service File".
"""

from __future__ import annotations

import configparser
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from core.errors import UsageError

_FIELD = re.compile(r"((?:[^\\:]|\\.)*):")
_ESCAPED = re.compile(r"\\(.)")


def read_service(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a connection service.

    Args:
        name: the section of the service file.
        environment: PGSERVICEFILE, PGSYSCONFDIR and HOME are looked up in it.

    Raises:
        UsageError: no file has that service, or a file cannot be read.
    """
    named = environment.get("PGSERVICEFILE")
    files = [Path(named) if named else _at_home(environment, ".pg_service.conf")]
    if directory := environment.get("PGSYSCONFDIR"):
        files.append(Path(directory, "pg_service.conf"))
    looked_in: list[str] = []
    for file in files:
        if file is None or not file.is_file():
            continue
        looked_in.append(str(file))
        parser = configparser.ConfigParser(
            interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",), default_section=""
        )
        try:
            parser.read_string(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"The service file {file} cannot be read.", advice="Check its permissions.") from None
        except configparser.Error as error:
            line = getattr(error, "lineno", None) or next(iter(getattr(error, "errors", [])), ("?",))[0]
            raise UsageError(  # without the cause, which quotes the line, which may be the password's
                f"The service file {file} is not one: line {line} is no [section] and no name=value.",
                advice="Correct that line.",
            ) from None
        if parser.has_section(name):
            return dict(parser[name])
    where = " or ".join(looked_in) if looked_in else "any service file, for there is none"
    raise UsageError(
        f"The connection service {name!r} is not in {where}.",
        advice="Name the file by PGSERVICEFILE, or add the service to ~/.pg_service.conf.",
    )


@dataclass(frozen=True, slots=True)
class FoundPassword:
    """What a password file gave: the password, or None and, if the file could not be used, the reason."""

    file: str
    password: SecretStr | None = None
    ignored_because: str = ""


def find_password(
    passfile: str | None, environment: Mapping[str, str], *, host: str, port: int, database: str, user: str
) -> FoundPassword:
    """Look a password up in the named password file, or else in ~/.pgpass.

    Like libpq it takes the first line that fits, and no file that others may read.
    """
    path = Path(passfile) if passfile else _at_home(environment, ".pgpass")
    if path is None or not path.is_file():
        return FoundPassword(str(path or ""))
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return FoundPassword(str(path), ignored_because="others than its owner may read it (chmod 600 makes it usable)")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return FoundPassword(str(path), ignored_because="it cannot be read")
    hosts = {host, "localhost"} if host.startswith("/") else {host}  # libpq calls its default socket localhost
    for line in lines:
        if (password := _password_of(line, (hosts, {str(port)}, {database}, {user}))) is not None:
            return FoundPassword(str(path), SecretStr(password))
    return FoundPassword(str(path))


def _password_of(line: str, wanted: tuple[set[str], ...]) -> str | None:
    if line.startswith("#"):
        return None
    position = 0
    for values in wanted:
        field = _FIELD.match(line, position)
        if field is None or (field[1] != "*" and _ESCAPED.sub(r"\1", field[1]) not in values):
            return None
        position = field.end()
    return _ESCAPED.sub(r"\1", line[position:]) or None


def _at_home(environment: Mapping[str, str], name: str) -> Path | None:
    home = environment.get("HOME")
    return Path(home, name) if home else None
