"""Runs the application's own migrations, as a deploy would: Alembic in a process and an environment of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import URL

from core.postgres.connection_spec import ConnectionSpec
from core.redaction import redactor

TIMEOUT = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class AlembicOutcome:
    """How a run of Alembic ended.

    Attributes:
        arguments: what it was asked to do, such as ("upgrade", "head").
        exit_status: 0 where it did it.
        output: its output and log in the order written, secrets masked.
    """

    arguments: tuple[str, ...]
    exit_status: int
    output: str


def database_url(spec: ConnectionSpec) -> SecretStr:
    """Return the URL of a database with its password: what the application reads from DATABASE_URL."""
    is_socket = spec.host.startswith("/")
    url = URL.create(
        "postgresql",
        username=spec.user,
        password=spec.password.get_secret_value() if spec.password else None,
        host=None if is_socket else spec.host,
        port=None if is_socket else spec.port,
        database=spec.database,
        query={"host": spec.host, "port": str(spec.port)} if is_socket else {},
    )
    secret = SecretStr(url.render_as_string(hide_password=False))
    redactor.add(secret)
    return secret


async def run_alembic(
    application: Path, database: ConnectionSpec, *arguments: str, timeout: float = TIMEOUT
) -> AlembicOutcome:
    """Run an Alembic command, such as `upgrade head`, `stamp ba1a5bcdb110` or `current`.

    A run that is cancelled, or does not end in time, is killed: the server rolls its transaction back.

    Args:
        application: the application's directory, with its alembic.ini.
        database: on which; the password reaches the process by its environment.
        arguments: the command and its arguments.
        timeout: in seconds.

    Raises:
        TimeoutError: it did not end in time.
    """
    # None of this program's own connection settings: the application knows DATABASE_URL only.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alembic", "-c", "alembic.ini", *arguments,
        cwd=application,
        env={**environment, "DATABASE_URL": database_url(database).get_secret_value(), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = redactor.redact(output.decode(errors="replace"))
    return AlembicOutcome(arguments, process.returncode or 0, text)
