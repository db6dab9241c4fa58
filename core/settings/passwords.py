"""Passwords and keys from where the settings say: a file, or a command of the user's."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from core.errors import NOTHING_CHANGED, ConfigurationError

PASSWORD_TIMEOUT = 60.0
"""Seconds that a password command may take: it may ask a person to touch a key."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, in words for whoever must correct it.

    Attributes:
        what: "password"; with `_file` and `_command` behind it, the names of its settings.
        whose: "of the production database".
        section: of the settings, "[targets.production]".
    """

    what: str
    whose: str
    section: str

    @property
    def setting(self) -> str:
        return self.what.lower().replace(" ", "_")


def _first_line(wanted: Wanted, text: str, source: str) -> SecretStr:
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise ConfigurationError(
            f"{source} gave nothing: its first line is empty.",
            advice=f"Correct {wanted.section}.",
        )
    return SecretStr(lines[0])


def read_file(wanted: Wanted, path: Path) -> SecretStr:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(
                f"The {wanted.what} file {path} {wanted.whose} can be read by others.",
                advice=f"Run: chmod 600 {shlex.quote(str(path))}",
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"The {wanted.what} file {path} {wanted.whose} cannot be read: {reason}.",
            advice=f"Correct {wanted.setting}_file under {wanted.section}.",
        ) from None
    return _first_line(wanted, text, f"The file {path}")


def read_command(wanted: Wanted, command: str) -> SecretStr:
    advice = f"Correct {wanted.setting}_command under {wanted.section}; run it by hand to see what it says."
    named = f"The {wanted.what} command {wanted.whose}"
    try:
        arguments = shlex.split(command)
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=PASSWORD_TIMEOUT, check=False
        )
        text = done.stdout.decode()
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a command line, or did not print text"
        raise ConfigurationError(f"{named} cannot be run: {reason}.", state=NOTHING_CHANGED, advice=advice) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{named} did not end within {PASSWORD_TIMEOUT:.0f} s.", advice=advice) from None
    if done.returncode != 0:
        raise ConfigurationError(f"{named} ended with status {done.returncode}.", advice=advice)
    return _first_line(wanted, text, named)
