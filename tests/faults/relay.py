"""A TCP relay in front of a server that can be cut, or made to swallow everything, at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

Cut = Literal["before", "after", "swallow"]
"""When the client sends the text that is waited for: cut before it is passed on; pass it on and cut; pass it on and let
nothing come back, as a firewall does that has forgotten the connection."""


class Relay:
    """Passes bytes both ways, for any number of connections.

    Attributes:
        port: where it listens, on 127.0.0.1.
        closed_to_new: whether new connections are closed at once.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.closed_to_new = False
        self._host = host
        self._server_port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._trigger: tuple[bytes, Cut] | None = None
        self._swallowing: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.triggered = asyncio.Event()

    def cut_at(self, text: bytes, how: Cut) -> None:
        """Act on the next connection over which a client sends this text."""
        self._trigger = (text, how)

    def cut(self) -> None:
        """Cut every connection now."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed_to_new:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(self._host, self._server_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        down = asyncio.create_task(self._pass_down(server_reader, writer))
        self._tasks.add(down)
        try:
            await self._pass_up(reader, writer, server_writer)
        finally:
            for end in (writer, server_writer):
                end.transport.abort()
            self._writers -= {writer, server_writer}
            await asyncio.wait([down])
            self._tasks.discard(down)

    async def _pass_up(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                text, how = self._trigger or (b"", None)
                if how is None or text not in data:
                    server.write(data)
                    await server.drain()
                    continue
                self._trigger = None
                if how != "before":
                    self._swallowing.add(client)
                    server.write(data)
                    await server.drain()
                    await asyncio.sleep(0.2)  # the server acts on it; what it answers is lost
                self.triggered.set()
                if how != "swallow":
                    return

    async def _pass_down(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if client not in self._swallowing:
                    client.write(data)
                    await client.drain()
        client.transport.abort()


@asynccontextmanager
async def relay_to(host: str, port: int) -> AsyncGenerator[Relay, None]:
    relay = Relay(host, port)
    server = await asyncio.start_server(relay._accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        relay.cut()
        server.close()
        await server.wait_closed()
