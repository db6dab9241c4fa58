"""The one host of a run: made when a step first asks for it, closed with the engine."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from core.hosting.factory import host_of
from core.hosting.interface import Host
from core.secrets.keep import Kept
from core.settings import Settings


class RunHost:
    """Belongs to the engine's loop. Goes by the key that has succeeded the settings' one, where the run keeps one."""

    def __init__(self, settings: Settings, kept: Kept) -> None:
        self._settings = settings
        self._kept = kept
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
                key = await asyncio.to_thread(self._key)
                self._host = host_of(self._settings.hosting, key)
            return self._host

    def _key(self) -> SecretStr | None:
        kept = self._kept.api_key()
        return kept[1] if kept is not None else self._settings.read_host_api_key()

    async def close(self) -> None:
        if self._host is not None:
            await self._host.close()
            self._host = None
