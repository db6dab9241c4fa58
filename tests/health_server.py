"""A tiny HTTP server on loopback that answers what a test wants, as a service's health URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class HealthServer:
    """Answers every request with `status`; `asked` counts them."""

    def __init__(self) -> None:
        self.status = 200
        self.asked = 0
        self.url = ""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = b'{"status": "healthy"}'
        head = f"HTTP/1.1 {self.status} Some\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    @classmethod
    @asynccontextmanager
    async def serve(cls) -> AsyncGenerator[HealthServer]:
        self = cls()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}/health"
        try:
            yield self
        finally:
            server.close()
