"""Asks a service by HTTP whether it serves."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

TIMEOUT = 10.0
"""Seconds for the whole of one question."""

UNAVAILABLE = 503
MOST_READ = 65_536
"""Bytes of an answer that are read."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the service answered.

    Attributes:
        serves_nobody: whether it is known to serve nobody: it says 503, or nobody listens. An answer that did not come, or
            that something between here and there gave, proves nothing.
        words: the answer, as the end of a sentence that begins with the service: `answers 503`.
        status: of the answer; None when none came.
        seconds: until it came, or until it was given up.
        fields: of the JSON object that it is; none where it is something else.
    """

    serves_nobody: bool
    words: str
    status: int | None = None
    seconds: float = 0.0
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def serves(self) -> bool:
        """Whether it answers as a service does that serves: 2xx."""
        return self.status is not None and 200 <= self.status < 300


async def ask_health(url: str, *, timeout: float = TIMEOUT, follow_redirects: bool = False) -> Health:
    """Ask once. Not through a proxy of the environment: one that does not reach the service answers 503 itself.

    Args:
        url: where the service answers, http or https.
        timeout: in seconds.
        follow_redirects: whether to ask where the answer points to.
    """
    began = time.monotonic()

    def health(
        words: str, *, serves_nobody: bool = False, status: int | None = None, fields: Mapping[str, Any] | None = None
    ) -> Health:
        return Health(serves_nobody, words, status, time.monotonic() - began, fields or {})

    try:
        async with (
            asyncio.timeout(timeout),
            httpx.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=follow_redirects) as client,
            client.stream("GET", url, headers={"Cache-Control": "no-cache"}) as response,
        ):
            status = response.status_code
            fields = _fields(await _beginning(response))
    except (TimeoutError, httpx.TimeoutException):
        return health(f"has not answered within {timeout:.0f} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if any(isinstance(cause, ConnectionRefusedError) for cause in _causes(error)):
            return health("refuses the connection", serves_nobody=True)
        return health(f"could not be asked: {error or type(error).__name__}")
    return health(f"answers {status}", serves_nobody=status == UNAVAILABLE, status=status, fields=fields)


async def _beginning(response: httpx.Response) -> bytes:
    """The answer's beginning, as far as it comes: that it breaks off later says nothing of its status."""
    read = bytearray()
    with suppress(httpx.HTTPError):
        async for part in response.aiter_bytes():
            read += part
            if len(read) >= MOST_READ:
                break
    return bytes(read)


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it came of, and what that came of; with several attempts (addresses) all of theirs."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__]
        if isinstance(found, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", found).exceptions
