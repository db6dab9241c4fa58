"""Where a new secret is kept until everybody has it: in a file of the run, and in the user's own store.

A secret that has come into force and is nowhere but in memory would be lost with the engine. So each successor is on disk
before it is put into force: in the run directory, mode 0600, together with what it succeeds, which the proofs need again
after an interruption. The file goes when the rotation is through.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer, SecretStr, ValidationError

from core.errors import NOTHING_CHANGED, ConfigurationError, JournalError, Refused
from core.redaction import redactor
from core.secrets.login import Login
from core.secrets.private_files import read_private, replace_file

FILE = "kept-secrets.json"

STORE_TIMEOUT = 60.0
"""Seconds that a store command may take: it may ask a person to touch a key."""

_Plain = Annotated[SecretStr, PlainSerializer(lambda value: value.get_secret_value(), when_used="json")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Login(_Model):
    user: str
    password: _Plain

    @classmethod
    def of(cls, login: Login) -> Self:
        return cls(user=login.user, password=login.password)

    @property
    def login(self) -> Login:
        return Login(self.user, self.password)


class _Successor(_Model):
    old: _Login
    new: _Login
    targets: tuple[str, ...]


class _Key(_Model):
    old: _Plain | None = None
    new: _Plain


class _Content(_Model):
    logins: tuple[_Successor, ...] = ()
    api_key: _Key | None = None


class Kept:
    """The secrets that a run keeps. Reads the file each time: whoever asks sees what the disk holds.

    Args:
        run_directory: of the run.
    """

    def __init__(self, run_directory: Path) -> None:
        self.path = run_directory / FILE

    def successor(self, target: str) -> tuple[Login, Login] | None:
        """The old and the new login of a target; None when it has none.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        return next(((old, new) for targets, old, new in self.logins() if target in targets), None)

    def logins(self) -> tuple[tuple[tuple[str, ...], Login, Login], ...]:
        """Every login that has a successor: its targets, itself, and the successor.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        return tuple((kept.targets, kept.old.login, kept.new.login) for kept in self._read().logins)

    def keep_login(self, targets: Sequence[str], old: Login, new: Login) -> None:
        """Write down a successor; on disk when this returns.

        Raises:
            ConfigurationError, JournalError: it could not be written; nothing was changed.
        """
        content = self._read()
        others = tuple(kept for kept in content.logins if not set(kept.targets) & set(targets))
        entry = _Successor(old=_Login.of(old), new=_Login.of(new), targets=tuple(targets))
        self._write(content.model_copy(update={"logins": (*others, entry)}))

    def api_key(self) -> tuple[SecretStr | None, SecretStr] | None:
        """The leaked API key, where it is known, and its successor; None when there is none.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        found = self._read().api_key
        if found is None:
            return None
        for value in (found.old, found.new):
            redactor.add(value)
        return found.old, found.new

    def keep_api_key(self, old: SecretStr | None, new: SecretStr) -> None:
        """Write down a successor of the API key.

        Raises:
            ConfigurationError, JournalError: it could not be written.
        """
        self._write(self._read().model_copy(update={"api_key": _Key(old=old, new=new)}))

    def forget_login(self, target: str) -> None:
        """Keep the login of this target no longer, nor of those that share it.

        Raises:
            ConfigurationError, JournalError: it could not be written.
        """
        content = self._read()
        self._write(content.model_copy(update={"logins": tuple(k for k in content.logins if target not in k.targets)}))

    def forget_api_key(self) -> None:
        """Keep the API keys no longer.

        Raises:
            ConfigurationError, JournalError: it could not be written.
        """
        self._write(self._read().model_copy(update={"api_key": None}))

    def show_once(self, name: str) -> SecretStr:
        """The kept secret of this name (a target, or `api_key`), for a person to take away; a second time it is refused.

        Raises:
            ConfigurationError: nothing of that name is kept, or the file cannot be read.
            Refused: it was shown already.
        """
        login, key = self.successor(name), self.api_key() if name == "api_key" else None
        value = login[1].password if login is not None else key[1] if key is not None else None
        if value is None:
            names = ", ".join(self.names) or "nothing"
            raise ConfigurationError(f"No secret called {name} is kept.", advice=f"Kept in this run: {names}.")
        marker = self.path.with_name(f"{FILE}.{name}.shown")
        digest = hashlib.sha256(value.get_secret_value().encode()).hexdigest()
        if marker.exists() and marker.read_text(encoding="utf-8") == digest:
            raise Refused(
                f"The secret {name} was shown already.",
                advice=f"If it was not you who saw it, rotate again. It is kept in {self.path} until the rotation is through.",
            )
        replace_file(marker, digest.encode())
        return value

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what is kept."""
        content = self._read()
        logins = (target for kept in content.logins for target in kept.targets)
        return (*logins, *(("api_key",) if content.api_key is not None else ()))

    @property
    def empty(self) -> bool:
        """Whether nothing is kept."""
        return self._read() == _Content()

    def _read(self) -> _Content:
        if not self.path.exists():
            return _Content()
        try:
            return _Content.model_validate_json(read_private(self.path, "file of kept secrets"))
        except ValidationError:
            raise ConfigurationError(
                f"The file of kept secrets {self.path} is not one.",
                advice="Was it changed by hand? The new secrets are in it: copy them before you move it away.",
            ) from None

    def _write(self, content: _Content) -> None:
        """Write the file, or remove it when nothing is to be kept."""
        try:
            if content == _Content():
                self.path.unlink(missing_ok=True)
                for marker in self.path.parent.glob(f"{FILE}.*.shown"):
                    marker.unlink()
            else:
                replace_file(self.path, content.model_dump_json().encode())
        except OSError as error:
            raise JournalError(
                f"The file of kept secrets {self.path} cannot be written: {error.strerror}.",
                advice="Look at the run directory's disk and permissions, and run the step again.",
            ) from None


async def store(command: str, name: str, value: SecretStr) -> None:
    """Give a secret to the user's own store: on the command's standard input, and as PGRECAST_VALUE in its environment.

    Args:
        command: run without a shell; `{name}` in it stands for the secret's name.
        name: "production.password", say.

    Raises:
        ConfigurationError: it cannot be run, or says that it failed.
    """
    await asyncio.to_thread(_store, command, name, value)


def _store(command: str, name: str, value: SecretStr) -> None:
    advice = "Correct store_command under [secrets]; run it by hand to see what it says. Then run the step again."
    plain = value.get_secret_value()
    try:
        arguments = [part.replace("{name}", name) for part in shlex.split(command)]
        done = subprocess.run(
            arguments,
            input=f"{plain}\n".encode(),
            env={**os.environ, "PGRECAST_NAME": name, "PGRECAST_VALUE": plain},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=STORE_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a command line"
        raise ConfigurationError(
            f"The store command cannot be run: {reason}.", state=NOTHING_CHANGED, advice=advice
        ) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"The store command did not end within {STORE_TIMEOUT:.0f} s.", advice=advice
        ) from None
    if done.returncode != 0:
        raise ConfigurationError(f"The store command ended with status {done.returncode}.", advice=advice)
