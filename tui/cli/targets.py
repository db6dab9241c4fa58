"""Which database a command is about: `--dsn`, or a configured target."""

from __future__ import annotations

import argparse
import getpass
import os
import sys

from pydantic import SecretStr

from core.errors import ConnectionFailed
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.targets import connection_spec
from core.settings import Settings


async def target_spec(given: argparse.Namespace, settings: Settings) -> ConnectionSpec:
    """The connection that the arguments name, tried once; asks for a password where a terminal is there to ask.

    Raises:
        UsageError: `--dsn` cannot be understood, or holds a password.
        ConfigurationError: the target is not configured.
        ConnectionFailed: it cannot be reached.
    """
    if given.dsn:
        spec = ConnectionSpec.from_url(given.dsn, environment=os.environ, allow_password=False, source="--dsn")
    else:
        spec = connection_spec(settings, given.target)
    try:
        await _try(spec)
    except ConnectionFailed as error:
        if not (error.password_wanted and sys.stdin.isatty()):
            raise
        spec = spec.with_password(SecretStr(getpass.getpass(f"Password for {spec}: ", stream=sys.stderr)))
        await _try(spec)
    return spec


async def _try(spec: ConnectionSpec) -> None:
    connection = await connect(spec)
    await connection.close()
