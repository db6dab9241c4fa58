"""The client's end of an engine's socket; implements `core.engine.protocol.Client`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from core.engine.address import find_socket
from core.engine.protocol import Attach, Command, Frame, ReadingFrame, RecordFrame, Reply, Welcome
from core.errors import EngineError

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one frame: a conversion's plan names every table."""

ANSWER_WITHIN = 30.0
"""Seconds that an engine has to answer an attach."""

_FRAMES: TypeAdapter[Frame] = TypeAdapter(Frame)

GONE = "The connection to the engine has ended."
UNKNOWN = "Whether the last command was carried out stands in the run's journal; the engine goes on by itself."


class SocketClient:
    """Belongs to the loop that it attaches on. After its connection has ended it can attach again.

    Args:
        run_directory: the run's; its engine is looked for at each attach.
    """

    def __init__(self, run_directory: Path) -> None:
        self._run_directory = run_directory
        self._writer: asyncio.StreamWriter | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._frames: deque[RecordFrame | ReadingFrame] = deque()
        self._news = asyncio.Event()
        self._replies: deque[asyncio.Future[Reply]] = deque()
        """What is waited for, in the order in which the engine answers."""
        self._ended = False
        self._farewell = ""

    async def attach(self, *, role: Literal["operator", "watcher", "approver"], name: str, since: int = 0) -> Welcome:
        await self.detach()
        path = find_socket(self._run_directory)
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
        except OSError as error:
            raise EngineError(
                f"The engine of {self._run_directory} does not answer: {error.strerror or error}.",
                state="What the run has done so far stands in its journal.",
                advice="Start pgrecast on it; it starts an engine.",
            ) from error
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await _write(writer, Attach(role=role, name=name, since=since))
                answer = _FRAMES.validate_json(await reader.readline())
        except (OSError, ValueError) as error:  # a timeout and a frame that is none are among them
            writer.transport.abort()
            raise EngineError(
                f"The engine of {self._run_directory} does not answer in a way that can be understood.",
                advice="Look at engine.log in the run directory.",
            ) from error
        if not isinstance(answer, Welcome):
            writer.transport.abort()
            reason = answer.reason if isinstance(answer, Reply) else "it said something else"
            raise EngineError(f"The engine has refused this client: {reason}.")
        self._writer, self._ended, self._farewell = writer, False, ""
        self._frames.clear()
        self._receiving = asyncio.get_running_loop().create_task(self._receive(reader))
        return answer

    async def frames(self) -> AsyncIterator[RecordFrame | ReadingFrame]:
        while True:
            while self._frames:
                yield self._frames.popleft()
            if self._ended or self._receiving is None:
                return
            self._news.clear()
            await self._news.wait()

    async def send(self, command: Command) -> Reply:
        if self._writer is None or self._ended:
            raise EngineError(self._farewell or GONE, state=UNKNOWN)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies.append(reply)
        try:
            await _write(self._writer, command)
        except OSError as error:
            raise EngineError(GONE, state=UNKNOWN) from error
        return await reply

    async def detach(self) -> None:
        self._hang_up()
        if self._receiving is not None:
            await asyncio.wait({self._receiving})
            self._receiving = None
        self._writer = None

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError, ValueError):  # cut off, or not a frame of this protocol
            while (line := await reader.readline()).endswith(b"\n"):
                frame = _FRAMES.validate_json(line)
                if isinstance(frame, Reply):
                    self._answer(frame)
                elif not isinstance(frame, Welcome):
                    self._frames.append(frame)
                    self._news.set()
        self._ended = True
        self._hang_up()
        while self._replies:
            reply = self._replies.popleft()
            if not reply.done():
                reply.set_exception(EngineError(self._farewell or GONE, state=UNKNOWN))
                reply.exception()  # whoever waits hears of it; nobody has to
        self._news.set()

    def _answer(self, frame: Reply) -> None:
        if not self._replies:
            self._farewell = frame.reason
            return
        reply = self._replies.popleft()
        if not reply.done():
            reply.set_result(frame)


async def _write(writer: asyncio.StreamWriter, command: BaseModel) -> None:
    # Without what is not set: an engine that does not know a newer field understands the rest.
    writer.write(command.model_dump_json(exclude_none=True).encode() + b"\n")
    await writer.drain()
