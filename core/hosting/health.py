"""Asks a service by HTTP whether it serves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import httpx

TIMEOUT = 10.0
"""Seconds for the whole of one question."""

UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Health:
    """What the service answered.

    Attributes:
        serves_nobody: whether it is known to serve nobody: it says 503, or nobody listens. An answer that did not come, or
            that something between here and there gave, proves nothing.
        words: the answer, as the end of a sentence that begins with the service: `answers 503`.
        status: of the answer; None when none came.
        seconds: until it came, or until it was given up.
    """

    serves_nobody: bool
    words: str
    status: int | None = None
    seconds: float = 0.0

    @property
    def serves(self) -> bool:
        """Whether it answers as a service does that serves: 2xx."""
        return self.status is not None and 200 <= self.status < 300


async def ask_health(url: str, *, timeout: float = TIMEOUT) -> Health:
    """Ask once. Not through a proxy of the environment: one that does not reach the service answers 503 itself.

    Args:
        url: where the service answers, http or https.
        timeout: in seconds.
    """
    began = time.monotonic()

    def health(words: str, *, serves_nobody: bool = False, status: int | None = None) -> Health:
        return Health(serves_nobody, words, status, time.monotonic() - began)

    try:
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            status = (await client.get(url, headers={"Cache-Control": "no-cache"})).status_code
    except httpx.TimeoutException:
        return health(f"has not answered within {timeout:.0f} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if any(isinstance(cause, ConnectionRefusedError) for cause in _causes(error)):
            return health("refuses the connection", serves_nobody=True)
        return health(f"could not be asked: {error or type(error).__name__}")
    return health(f"answers {status}", serves_nobody=status == UNAVAILABLE, status=status)


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
