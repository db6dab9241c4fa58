"""An engine on a loop and in a thread of its own within this process: for tests."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Literal, Self, TypeVar

from core.engine.engine import Engine
from core.engine.hub import Session
from core.engine.protocol import Attach, Command, ReadingFrame, RecordFrame, Reply, Welcome
from core.errors import EngineError

T = TypeVar("T")

GONE = "The engine has ended."


class EngineThread:
    """Use as a context manager, or `start` and `stop`.

    Args:
        make: makes the engine; called in its thread.
    """

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Start the engine and wait until it serves.

        Raises:
            PgrecastError: it could not start.
        """
        self._thread.start()
        self._started.result()

    def stop(self, reason: str = "its work is done") -> None:
        """Cancel what runs, and wait until the engine has ended. Stopping twice is fine."""
        if self._loop is not None and self._engine is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has ended just now
                self._loop.call_soon_threadsafe(self._engine.request_stop, reason)
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            raise EngineError("The engine has not been started.")
        return self._engine

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the engine's loop and give its result to the caller's.

        Raises:
            EngineError: the engine has ended.
        """
        try:
            if self._loop is None or not self._thread.is_alive():
                raise RuntimeError
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise EngineError(GONE) from None
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise EngineError(GONE) from None

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        try:
            engine = self._make()
            await engine.start()
        except BaseException as error:  # noqa: BLE001 - handed to who starts it
            self._started.set_exception(error)
            return
        self._loop, self._engine = asyncio.get_running_loop(), engine
        self._started.set_result(None)
        await engine.stop(await engine.wait_for_stop())


class LocalClient:
    """A client of an engine in a thread of this process; implements `core.engine.protocol.Client`."""

    def __init__(self, thread: EngineThread) -> None:
        self._thread = thread
        self._session: Session | None = None

    async def attach(self, *, role: Literal["operator", "watcher", "approver"], name: str, since: int = 0) -> Welcome:
        if self._session is not None:
            await self.detach()
        engine = self._thread.engine
        command = Attach(role=role, name=name, since=since)
        self._session, welcome = await self._thread.run(engine.attach(command, os.getuid()))
        return welcome

    async def frames(self) -> AsyncIterator[RecordFrame | ReadingFrame]:
        session = self._session
        if session is None:
            raise EngineError("This client is not attached.")
        while True:
            try:
                batch = await self._thread.run(self._thread.engine.hub.next_batch(session))
            except EngineError:  # it has ended
                return
            if not batch:
                return
            for parcel in batch:
                if isinstance(parcel.frame, RecordFrame | ReadingFrame):
                    yield parcel.frame

    async def send(self, command: Command) -> Reply:
        if self._session is None:
            raise EngineError("This client is not attached.")
        if self._session.mailbox.closed:
            raise EngineError(GONE)
        return await self._thread.run(self._thread.engine.command(self._session, command))

    async def detach(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            with suppress(EngineError):
                await self._thread.run(self._thread.engine.detach(session))
