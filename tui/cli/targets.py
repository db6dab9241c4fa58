"""Which database a command is about: `--dsn`, or a configured target."""

from __future__ import annotations

import argparse
import getpass
import os
import sys

from pydantic import SecretStr

from core.engine.targets import ConfiguredTargets
from core.errors import ConnectionFailed
from core.postgres.connect import ConnectionSpec
from core.postgres.targets import connection_spec
from core.secrets.keep import Kept
from core.settings import Settings
from tui.cli.runs import recovery_run


async def target_spec(given: argparse.Namespace, settings: Settings) -> ConnectionSpec:
    """The connection that the arguments name, as it was found to work; asks for a password where a terminal is there to ask.

    Raises:
        UsageError: `--dsn` cannot be understood, or holds a password.
        ConfigurationError: the target is not configured.
        ConnectionFailed: it cannot be reached.
    """
    if given.dsn:
        spec = ConnectionSpec.from_url(given.dsn, environment=os.environ, allow_password=False, source="--dsn")
    else:
        spec = connection_spec(settings, given.target)
    kept = _kept(given, settings)
    try:
        return await _reached(spec, settings, kept, given.target)
    except ConnectionFailed as error:
        if not (error.password_wanted and sys.stdin.isatty()):
            raise
        spec = spec.with_password(SecretStr(getpass.getpass(f"Password for {spec}: ", stream=sys.stderr)))
        return await _reached(spec, settings, kept, given.target)


def _kept(given: argparse.Namespace, settings: Settings) -> Kept | None:
    """Where the run keeps the logins that it has rotated, and that the settings may not have yet."""
    if given.dsn or not (given.run or settings.has_target("production")):
        return None
    return Kept(recovery_run(given.run, settings))


async def _reached(spec: ConnectionSpec, settings: Settings, kept: Kept | None, target: str) -> ConnectionSpec:
    """The connection as it was found to work: with the login that has succeeded its own, if one has."""
    return (await ConfiguredTargets(settings, {target: spec}, kept).find(target)).spec
