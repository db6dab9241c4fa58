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

from pydantic import SecretStr

from core.demo.host import RESUME, SUSPEND
from core.errors import EmbeddedServerError
from core.postgres.connection_spec import ConnectionSpec


@dataclass(frozen=True)
class Demo:
    """A demo that is up.

    Attributes:
        directory: where its server's data and its password file are.
        application: the application's project, with its alembic.ini.
        url: where the application answers.
        host: process id of its host.
    """

    directory: Path
    production: ConnectionSpec
    test: ConnectionSpec
    application: Path
    url: str
    host: int

    def stop(self) -> None:
        """Tell the host to end; it stops application and server, and removes what it made unless told to keep it."""
        with suppress(ProcessLookupError):
            os.kill(self.host, signal.SIGTERM)

    def suspend(self) -> None:
        """Have the host stop the application, as its dashboard would; it takes a moment."""
        os.kill(self.host, SUSPEND)

    def resume(self) -> None:
        """Have the host start the application again."""
        os.kill(self.host, RESUME)

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
    try:
        async for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "said" in said:
                tell(said["said"])
            if "error" in said:
                raise EmbeddedServerError(**said["error"])
            if "ready" in said:
                return _demo(directory, said["ready"], said["pid"])
    except BaseException:
        with suppress(ProcessLookupError):
            process.terminate()
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
        host=host,
    )


def _spec(told: dict[str, Any]) -> ConnectionSpec:
    changed: dict[str, Any] = {"password": SecretStr(told["password"])}
    return ConnectionSpec(**(told | changed))
