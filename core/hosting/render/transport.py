"""Calls to Render: with the key, within time, logged with Render's request id, repeated only where that does no harm."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import httpx
from pydantic import SecretStr

from core.errors import HostingError
from core.hosting.render.failures import Refusal, no_answer, refusal, unreachable
from core.hosting.render.rate_limit import seconds_until_reset
from core.redaction import redactor
from core.settings.hosting import KEY_VARIABLE, is_loopback

ATTEMPTS = 4
BACKOFF = 0.5
"""Seconds before the second attempt; twice as long before each further one."""
LONGEST_WAIT = 90.0
"""Seconds that a call waits for its rate limit; Render's limits are by the minute."""
ANSWER_LIMIT = 32 * 1024 * 1024
"""Bytes of the longest answer that is read."""

Query = Sequence[tuple[str, str]]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds.

    Attributes:
        connect: to a connection.
        silence: without a byte of the answer.
        whole: for one attempt, whatever trickles in.
    """

    connect: float = 10.0
    silence: float = 30.0
    whole: float = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A success.

    Attributes:
        call: what was asked, `GET /services`.
        request: Render's id of it.
    """

    call: str
    status: int
    body: bytes
    request: str


class _Unfinished(Exception):
    """An attempt that came to nothing.

    Args:
        error: what to say when there is no further attempt.
        arrived: whether the call may have arrived, and have done what it does.
        wait: seconds that Render wants to be left alone.
    """

    def __init__(self, error: HostingError, *, arrived: bool, wait: float | None = None) -> None:
        super().__init__(error.what)
        self.error = error
        self.arrived = arrived
        self.wait = wait


class Transport:
    """Belongs to one event loop.

    Args:
        url: where the API answers.
        key: its key; None until one is given.
        timeouts: of each attempt.
        pause: waits that many seconds between attempts.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr | None,
        *,
        timeouts: Timeouts,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self.key = key
        self._timeouts = timeouts
        self._pause = pause
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Accept": "application/json", "User-Agent": f"pgrecast/{version('pgrecast')}"},
            timeout=httpx.Timeout(timeouts.silence, connect=timeouts.connect),
            # A proxy of the environment is the way out of many a network, but no way to this machine itself.
            trust_env=not is_loopback(url),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        repeatable: bool,
        key: SecretStr | None = None,
    ) -> Answer:
        """Ask, and return the answer if it is a success (2xx).

        An attempt that has certainly not been taken (no connection, 429) is repeated for every call; one that may have been
        taken only where `repeatable`.

        Args:
            method: of HTTP.
            path: below the API's URL, its parts already quoted.
            query: names and values.
            body: sent as JSON.
            repeatable: whether doing it twice comes to the same as doing it once.
            key: another than the one in use.

        Raises:
            HostingError: refused, or not to be reached; nothing has been changed.
            HostingOutcomeUnknown: it would change something, and may have.
        """
        arrived = False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(method, path, query, body, key)
            except Refusal as refused:
                if method == "DELETE" and refused.status == 404 and arrived:
                    # An attempt before this one was taken after all.
                    return Answer(f"{method} {path}", refused.status, b"", "")
                raise
            except _Unfinished as unfinished:
                arrived = arrived or unfinished.arrived
                wait = _backoff(attempt) if unfinished.wait is None else unfinished.wait
                if attempt == ATTEMPTS or wait > LONGEST_WAIT or (unfinished.arrived and not repeatable):
                    raise unfinished.error from None
                _LOG.warning("%s; again in %.1f s", unfinished.error.what, wait)
                await self._pause(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _once(
        self, method: str, path: str, query: Query, body: Mapping[str, Any] | None, key: SecretStr | None
    ) -> Answer:
        call, changes = f"{method} {path}", method != "GET"
        request = self._client.build_request(
            method, path.lstrip("/"), params=list(query) or None, json=body, headers=_authorization(key or self.key)
        )
        began = time.monotonic()
        id_ = ""
        try:
            async with asyncio.timeout(self._timeouts.whole):
                response = await self._client.send(request, stream=True)
                try:
                    id_ = response.headers.get("render-request-id", "")
                    content = await _read(response)
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            error_ = unreachable(call, _reason(error))
            raise _Unfinished(error_, arrived=False) from None
        except (TimeoutError, httpx.TimeoutException):
            spent = time.monotonic() - began
            error_ = no_answer(call, f"did not answer within {spent:.0f} s", changes=changes, request=id_)
            raise _Unfinished(error_, arrived=True) from None
        except _TooLong:
            raise no_answer(call, "answered with more than can be true", changes=changes, request=id_) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            error_ = no_answer(call, f"broke off its answer ({_reason(error)})", changes=changes, request=id_)
            raise _Unfinished(error_, arrived=True) from None
        _LOG.info(
            "%s: %s in %.2f s, request %s", call, response.status_code, time.monotonic() - began, id_ or "without id"
        )
        if response.is_success:
            return Answer(call, response.status_code, content, id_)
        error_ = refusal(call, response.status_code, content, id_)
        if response.status_code == 429:
            wait = seconds_until_reset(response.headers, _clock_of(response))
            raise _Unfinished(error_, arrived=False, wait=wait)
        if response.is_server_error:
            if changes:
                error_ = no_answer(call, f"failed with {response.status_code}", changes=True, request=id_)
            raise _Unfinished(error_, arrived=True)
        raise error_


class _TooLong(Exception):
    pass


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > ANSWER_LIMIT:
            raise _TooLong
    return bytes(content)


def _authorization(key: SecretStr | None) -> dict[str, str]:
    if key is None or not key.get_secret_value():
        raise HostingError(
            "There is no key for Render's API.",
            advice=f"Set {KEY_VARIABLE}, or api_key_file or api_key_command under [hosting], and start the engine anew.",
        )
    value = key.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise HostingError(
            "The key for Render's API has characters that no key has.",
            advice="Copy it again from the dashboard: it is one word.",
        )
    return {"Authorization": f"Bearer {value}"}


def _backoff(attempt: int) -> float:
    """Seconds to wait after an attempt; clients that failed together do not come back together."""
    return BACKOFF * 2 ** (attempt - 1) * random.uniform(1, 1.5)  # noqa: S311 - no secret


def _clock_of(response: httpx.Response) -> float:
    """Seconds since 1970 by Render's clock, or else by ours."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return time.time()


def _reason(error: Exception) -> str:
    return redactor.redact(str(error) or type(error).__name__).rstrip(".")
