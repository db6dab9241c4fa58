"""Reads the configuration file and looks at the environment; says what is wrong without repeating a value."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.errors import ConfigurationError
from core.settings.base import default_config
from core.settings.sections import SECTIONS, setting_names

PREFIX = "PGRECAST_"
DELIMITER = "__"
OTHER_VARIABLES = frozenset({"PGRECAST_POSTGRES_BIN"})
"""Variables of that prefix which other rooms read by themselves."""


def advice(path: Path | None) -> str:
    where = f"{path} and the environment" if path else "the environment"
    return f"Correct {where}; config.example.toml shows every setting."


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def read_configuration(config: Path | None) -> tuple[Path | None, dict[str, Any]]:
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


def check_environment(environment: Mapping[str, str]) -> None:
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


def _variables() -> list[str]:
    return [PREFIX + name.replace(".", DELIMITER).upper() for name in setting_names()]


def explain(error: ValidationError, path: Path | None) -> str:
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
