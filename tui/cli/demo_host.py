"""The demo's host process, seen from the command line: brought up, told to end, and how to reach what it serves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from core.demo.hosting.dashboard import LEAKED
from core.errors import EmbeddedServerError, HostingError
from core.postgres.connection_spec import ConnectionSpec
from core.settings.hosting import HostingSettings


@dataclass(frozen=True)
class Demo:
    """A demo that is up.

    Attributes:
        directory: where its server's data and its password file are.
        application: the application's project, with its alembic.ini.
        url: where the application answers.
        front_page: where its website answers.
        hosting: the settings that lead to the host's API.
        api_key: the key of that API, which was leaked.
        dashboard: where a person does what that API cannot.
        host: process id of its host.
    """

    directory: Path
    production: ConnectionSpec
    test: ConnectionSpec
    application: Path
    url: str
    front_page: str
    hosting: HostingSettings
    api_key: SecretStr
    dashboard: str
    host: int

    def stop(self) -> None:
        """Tell the host to end; it stops application and server, and removes what it made unless told to keep it."""
        with suppress(ProcessLookupError):
            os.kill(self.host, signal.SIGTERM)

    def make_key(self) -> SecretStr:
        """Make an API key, as a person does in the host's dashboard."""
        return SecretStr(self._in_dashboard("keys").json()["key"])

    def revoke_key(self) -> None:
        """Revoke the leaked API key, as a person does in the host's dashboard."""
        self._in_dashboard("keys/revoke", {"key": LEAKED})

    def _in_dashboard(self, what: str, told: dict[str, str] | None = None) -> httpx.Response:
        try:
            return httpx.post(f"{self.dashboard}/{what}", json=told, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            raise HostingError(
                f"The demo's dashboard does not answer: {type(error).__name__}.", advice="Start the demo again."
            ) from None

    @property
    def how_to_reach(self) -> str:
        """A command line that opens a session on production."""
        spec = self.production
        return (
            f"PGPASSFILE={self.directory / 'pgpass'} psql "
            f"postgresql://{spec.user}@{spec.host}:{spec.port}/{spec.database}  (kill {self.host} ends it)"
        )


async def bring_up(directory: Path, *, rows: int, until_gone: Path | None, tell: Callable[[str], None]) -> Demo:
    """Start the host and wait until the incident is there.

    Args:
        rows: of production in total.
        until_gone: the host ends, and removes what it made, when this file has come and gone; None for a demo that is kept.
        tell: told of what the host does.

    Raises:
        EmbeddedServerError: it did not come up.
    """
    until = ["--while", str(until_gone)] if until_gone else ["--keep"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "core.demo", str(directory), "--rows", str(rows), *until,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    host: int | None = None
    try:
        async for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            host = said.get("pid", host)
            if "said" in said:
                tell(said["said"])
            if "error" in said:
                raise EmbeddedServerError(**said["error"])
            if "ready" in said:
                await process.wait()
                return _demo(directory, said["ready"], said["pid"])
    except BaseException:
        if host is not None:
            with suppress(ProcessLookupError):
                os.kill(host, signal.SIGTERM)
        raise
    raise EmbeddedServerError(
        "The demo's host has ended before the demo was up.", advice="Its error stands above; try again."
    )


def _demo(directory: Path, ready: dict[str, Any], host: int) -> Demo:
    return Demo(
        directory=directory,
        production=_spec(ready["production"]),
        test=_spec(ready["test"]),
        application=Path(ready["application"]),
        url=ready["url"],
        front_page=ready["front_page"],
        hosting=HostingSettings.model_validate(ready["hosting"]),
        api_key=SecretStr(ready["api_key"]),
        dashboard=ready["dashboard"],
        host=host,
    )


def _spec(told: dict[str, Any]) -> ConnectionSpec:
    changed: dict[str, Any] = {"password": SecretStr(told["password"])}
    return ConnectionSpec(**(told | changed))
