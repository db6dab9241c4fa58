"""The one host of a run: made when a step first asks for it, closed with the engine."""

from __future__ import annotations

import asyncio

from core.hosting.factory import host_of
from core.hosting.interface import Host
from core.settings import Settings


class RunHost:
    """Belongs to the engine's loop. A key that was typed in lives as long as the host does: in memory, for every step after."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._host: Host | None = None
        self._making = asyncio.Lock()

    async def get(self) -> Host:
        """The host.

        Raises:
            ConfigurationError: its API key cannot be read; asked again, it is tried again.
        """
        async with self._making:
            if self._host is None:
                # In a thread: a key's command may take its time.
                key = await asyncio.to_thread(self._settings.read_host_api_key)
                self._host = host_of(self._settings.hosting, key)
            return self._host

    async def close(self) -> None:
        if self._host is not None:
            await self._host.close()
            self._host = None
