"""What waits to be sent to one client: bounded, and never in the way of the engine."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import cached_property

from core.engine.protocol import Frame, ReadingFrame
from core.events import Reading

LIMIT = 10_000
"""Frames that may wait for a client; one that lets more pile up has stopped reading."""

READING_INTERVAL = 0.1
"""Seconds between two deliveries of readings to a client; of those in between the newest wins."""


class Parcel:
    """A frame and, made once for all sockets, its line."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    @cached_property
    def line(self) -> bytes:
        return self.frame.model_dump_json().encode() + b"\n"


class Mailbox:
    """Frames in order, and the newest of each reading behind them. Belongs to the engine's loop."""

    def __init__(self) -> None:
        self._parcels: deque[Parcel] = deque()
        self._readings: dict[tuple[str, str], Reading] = {}
        self._readings_open = False
        self._readings_due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._something = asyncio.Event()
        self.closed = False

    @property
    def empty(self) -> bool:
        """Whether every frame has been taken."""
        return not self._parcels

    def put(self, parcel: Parcel) -> bool:
        """Add a frame; False when there is no room for it: the client has stopped reading."""
        if self.closed:
            return True
        if len(self._parcels) >= LIMIT:
            return False
        self._parcels.append(parcel)
        self._something.set()
        return True

    def put_reading(self, reading: Reading) -> None:
        """Add a passing figure; it replaces one of the same step and name that waits."""
        if self.closed:
            return
        self._readings[reading.step, reading.name] = reading
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._readings_due, loop.time()), self._open_readings)

    async def take(self) -> list[Parcel]:
        """Wait for frames and take all of them; an empty list once the mailbox is closed and empty."""
        while not self._parcels and not self._readings_open and not self.closed:
            self._something.clear()
            await self._something.wait()
        taken = list(self._parcels)
        self._parcels.clear()
        if self._readings_open:
            taken += [Parcel(ReadingFrame(reading=reading)) for reading in self._readings.values()]
            self._readings.clear()
            self._readings_open = False
            self._timer = None
            self._readings_due = asyncio.get_running_loop().time() + READING_INTERVAL
        return taken

    def close(self) -> None:
        """Nothing more comes in; what waits can still be taken."""
        self.closed = True
        self._readings.clear()
        self._readings_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._something.set()

    def _open_readings(self) -> None:
        self._readings_open = True
        self._something.set()
