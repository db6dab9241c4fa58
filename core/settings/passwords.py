"""Passwords from where the settings say: a file, or a command of the user's."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from pydantic import SecretStr

from core.errors import NOTHING_CHANGED, ConfigurationError

PASSWORD_TIMEOUT = 60.0
"""Seconds that a password command may take: it may ask a person to touch a key."""


def _password(name: str, text: str, source: str) -> SecretStr:
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise ConfigurationError(
            f"{source} gave no password for the {name} database: its first line is empty.",
            advice=f"Correct [targets.{name}].",
        )
    return SecretStr(lines[0])


def read_file(name: str, path: Path) -> SecretStr:
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


def read_command(name: str, command: str) -> SecretStr:
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
