"""What is made of a service's answer, against a server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import pytest

from core.hosting.health import MOST_READ, Health, ask_health


@asynccontextmanager
async def serving(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[str]:
    """A server whose connections are all over when it ends."""
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(cast("asyncio.Task[None]", asyncio.current_task()))
        with suppress(ConnectionError):
            await answer(reader, writer)
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/health"
    await asyncio.gather(*connections)


@asynccontextmanager
async def answering(*parts: bytes) -> AsyncGenerator[str]:
    """A server that answers everything with these bytes, and then closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)

    async with serving(answer) as url:
        yield url


async def ask(*parts: bytes) -> Health:
    async with answering(*parts) as url:
        return await ask_health(url, timeout=5)


def head(status: str, length: int | None = None) -> bytes:
    size = f"Content-Length: {length}\r\n" if length is not None else "Connection: close\r\n"
    return f"HTTP/1.1 {status}\r\n{size}\r\n".encode()


async def test_its_fields_are_told() -> None:
    body = b'{"status": "healthy", "database_configured": true}'
    found = await ask(head("200 OK", len(body)), body)
    assert found.serves
    assert found.fields == {"status": "healthy", "database_configured": True}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff", b"[" * 20_000])
async def test_what_is_no_object_has_no_fields(body: bytes) -> None:
    found = await ask(head("200 OK", len(body)), body)
    assert (found.status, dict(found.fields)) == (200, {})


async def test_an_answer_that_breaks_off_still_has_its_status() -> None:
    found = await ask(head("503 Service Unavailable", 5000), b"half")
    assert found.serves_nobody
    assert found.words == "answers 503"


async def test_no_more_is_read_than_is_needed() -> None:
    found = await ask(head("200 OK"), *([b"x" * MOST_READ] * 100))
    assert found.status == 200


async def test_a_redirect_is_followed_only_where_that_is_wanted() -> None:
    async with answering(head("200 OK", 0)) as there:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode()
        async with answering(moved) as here:
            assert (await ask_health(here)).status == 302
            assert (await ask_health(here, follow_redirects=True)).status == 200


async def test_nobody_listens() -> None:
    async with answering() as url:
        pass
    assert (await ask_health(url)).words == "refuses the connection"


async def test_silence_proves_nothing() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()

    async with serving(mute) as url:
        found = await ask_health(url, timeout=0.2)
    assert not found.serves_nobody
    assert found.status is None
    assert found.words.startswith("has not answered")
