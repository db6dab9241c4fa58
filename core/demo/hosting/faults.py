"""Faults of the API that can be switched on: the ways in which a call to a real host goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

FaultKind = Literal[
    "limited_seconds",
    "limited_epoch",
    "error_500",
    "plain_502",
    "forbidden",
    "silent",
    "half",
    "lost",
    "not_json",
    "slow",
]
"""What the client gets: 429 with the seconds that remain, 429 with the time of the reset, 500 with JSON, 502 with plain
text, 403 with plain text, no answer, half an answer, a connection that is cut, an answer that is no JSON, a late one."""
CARRIED_OUT = frozenset({"half", "lost", "not_json", "slow"})
"""Of these the call is carried out, and only its answer goes wrong."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Fault:
    """A fault of some calls.

    Attributes:
        kind: what the client gets.
        method: of the calls that it meets; empty for any.
        path: what their path ends with; empty for any.
        times: how many calls it meets.
        seconds: until the rate limit is reset; how late a slow answer comes.
    """

    kind: FaultKind
    method: str = ""
    path: str = ""
    times: int = 1
    seconds: float = 1.0

    def meets(self, request: web.Request) -> bool:
        return self.times > 0 and self.method in ("", request.method) and request.path.endswith(self.path)


class Faults:
    """Those that are switched on; the first that meets a call is used up by one."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a call, wrongly where a fault meets it."""
        fault = next((fault for fault in self._faults if fault.meets(request)), None)
        if fault is None:
            return await handler(request)
        fault.times -= 1
        if fault.kind in CARRIED_OUT:
            return await self._spoil(request, fault, await handler(request))
        match fault.kind:
            case "limited_seconds" | "limited_epoch":
                reset = fault.seconds if fault.kind == "limited_seconds" else time.time() + fault.seconds
                headers = {"Ratelimit-Limit": "10", "Ratelimit-Remaining": "0", "Ratelimit-Reset": f"{reset:.0f}"}
                return web.json_response({"error": "rate limit exceeded"}, status=429, headers=headers)
            case "error_500":
                return web.json_response({"message": "internal server error"}, status=500)
            case "plain_502":
                return web.Response(text="error code: 502", status=502)
            case "forbidden":
                return web.Response(text="forbidden", status=403)
            case _:
                # Until the client goes: the handler is cancelled with its connection.
                await asyncio.Event().wait()
                raise AssertionError("nobody sets that event")

    async def _spoil(self, request: web.Request, fault: Fault, answer: web.StreamResponse) -> web.StreamResponse:
        assert isinstance(answer, web.Response)  # noqa: S101 - the API gives no other
        body = answer.body if isinstance(answer.body, bytes) else b""
        match fault.kind:
            case "slow":
                await asyncio.sleep(fault.seconds)
                return answer
            case "not_json":
                return web.Response(text="<html>Sign in</html>", status=answer.status, content_type="text/html")
            case _:
                if fault.kind == "half":
                    spoilt = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
                    spoilt.content_length = len(body) + 2
                    await spoilt.prepare(request)
                    await spoilt.write(body[: len(body) // 2])
                if request.transport is not None:
                    request.transport.close() if fault.kind == "half" else request.transport.abort()
                return answer
