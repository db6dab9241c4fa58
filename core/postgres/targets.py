"""From the settings to a connection: where a configured target is, as whom and with which password."""

from __future__ import annotations

import os

from core.postgres.connection_spec import ConnectionSpec
from core.settings import Settings
from core.settings.targets import URL_VARIABLES, TargetName


def connection_spec(settings: Settings, name: TargetName) -> ConnectionSpec:
    """Where and how to connect to a configured target. Blocks while its password command runs.

    Raises:
        ConfigurationError: the target is not configured, or its password cannot be had.
        UsageError: its URL cannot be understood, or holds a password where none is allowed.
    """
    target = settings.targets.of(name)
    spec = ConnectionSpec.from_url(
        settings.url(name),
        environment=os.environ,
        allow_password=not target.url,
        source=f"the url of [targets.{name}]" if target.url else URL_VARIABLES[name],
    )
    password = target.read_password(name)
    return spec if password is None else spec.with_password(password, f"from [targets.{name}]")
