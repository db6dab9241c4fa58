"""The databases that a run works on: how to reach them, and which ones they really are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, get_args

from core.errors import ConfigurationError, ConnectionFailed
from core.events import TargetIdentified, TargetIdentity
from core.postgres.connect import ConnectionSpec, connect, identify
from core.postgres.identity import Identity
from core.postgres.targets import connection_spec
from core.secrets.keep import Kept
from core.secrets.login import is_refusal
from core.settings import Settings
from core.settings.targets import TargetName


@dataclass(frozen=True, slots=True)
class Found:
    """What answers at a target's address now.

    Attributes:
        server: its version in words.
    """

    spec: ConnectionSpec
    identity: Identity
    server: str


class Targets(Protocol):
    """How the engine touches databases."""

    @property
    def names(self) -> tuple[str, ...]:
        """The targets that there are."""
        ...

    async def find(self, name: str) -> Found:
        """Connect to the target and tell which database it is.

        Raises:
            ConfigurationError: no such target.
            ConnectionFailed: there is no connection.
        """
        ...


class ConfiguredTargets:
    """The targets of the settings, and those that were given beside them.

    Args:
        settings: where production and test are.
        given: further targets, or others in their place, by name.
        kept: logins that have succeeded those, kept by the run until the settings have them as well.
    """

    def __init__(
        self, settings: Settings, given: Mapping[str, ConnectionSpec] | None = None, kept: Kept | None = None
    ) -> None:
        self._settings = settings
        self._kept = kept
        self._given = dict(given or {})

    @property
    def names(self) -> tuple[str, ...]:
        configured = (name for name in get_args(TargetName) if self._settings.has_target(name))
        return tuple(dict.fromkeys((*self._given, *configured)))

    async def spec(self, name: str) -> ConnectionSpec:
        if name in self._given:
            return self._given[name]
        for known in get_args(TargetName):
            if name == known:
                # In a thread: a password command may take its time.
                return await asyncio.to_thread(connection_spec, self._settings, known)
        raise ConfigurationError(f"There is no target called {name}.", advice="Targets are production and test.")

    async def find(self, name: str) -> Found:
        spec = await self.spec(name)
        successor = await asyncio.to_thread(self._kept.successor, name) if self._kept is not None else None
        if successor is None:
            return await _look(spec)
        try:
            return await _look(successor[1].on(spec))
        except ConnectionFailed as error:
            if not is_refusal(error):
                raise
            return await _look(spec)  # it is not in force yet


async def _look(spec: ConnectionSpec) -> Found:
    connection = await connect(spec)
    try:
        version = connection.get_server_version()
        return Found(spec, await identify(connection), f"PostgreSQL {version.major}.{version.minor}")
    finally:
        connection.terminate()


def identified(name: str, found: Found) -> TargetIdentified:
    """The event that records what was found."""
    identity = TargetIdentity(
        cluster=found.identity.cluster, database_oid=found.identity.database_oid, database=found.identity.database
    )
    address = f"{found.spec.host}:{found.spec.port}"
    return TargetIdentified(target=name, identity=identity, address=address, server=found.server)


def recorded(event: TargetIdentified) -> Identity:
    """The identity that the run was opened on."""
    return Identity(event.identity.cluster, event.identity.database_oid, event.identity.database)
