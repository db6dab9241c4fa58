"""Serves an engine's clients on a unix socket: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from core.engine.engine import Engine
from core.engine.hub import Session
from core.engine.mailbox import Parcel
from core.engine.protocol import PROTOCOL, Attach, Command, Reply, Welcome
from core.errors import EngineError

LONGEST_LINE = 256 * 1024
"""Bytes of one command; a note is the longest that a person writes."""

MOST_CLIENTS = 64

ATTACH_WITHIN = 10.0
"""Seconds that a connection has to say who it is."""

BREATH = 0.02
"""Seconds between two writes to a client: too short for a person to notice."""

FLUSH_WITHIN = 1.0
"""Seconds that connections have to take what is left when the engine ends."""

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Command)


class Server:
    """Belongs to the engine's loop. The socket is made with mode 0600: who may write to it may command.

    Args:
        path: of the socket; nothing may be there yet.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            EngineError: the socket cannot be made.
        """
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            before = os.umask(0o177)  # the mode from the first moment on
            try:
                listening.bind(str(self._path))
            finally:
                os.umask(before)
            self._server = await asyncio.start_unix_server(self._connected, sock=listening, limit=LONGEST_LINE)
        except OSError as error:
            listening.close()
            raise EngineError(
                f"The engine's socket {self._path} cannot be made: {error.strerror}.",
                advice="Look at the run directory's permissions.",
            ) from error

    async def stop(self) -> None:
        """Take no more clients and end the connections, once they have what the engine still had for them."""
        if self._server is not None:
            self._server.close()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=FLUSH_WITHIN)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._connections.add(task)
        try:
            if len(self._connections) > MOST_CLIENTS:
                await _say(writer, Reply(accepted=False, reason=f"{MOST_CLIENTS} clients are attached already"))
                return
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError):
            pass  # the client is gone, or never said who it is
        except Exception:
            self._engine.hub.log.exception("A client's connection")
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(ATTACH_WITHIN):
            command = await _read(reader)
        if command is None:
            return
        if not isinstance(command, Attach):
            reason = command if isinstance(command, str) else "the first command must be attach"
            await _say(writer, Reply(accepted=False, reason=reason))
            return
        try:
            session, welcome = await self._engine.attach(command, _peer_uid(writer))
        except EngineError as error:
            await _say(writer, Reply(accepted=False, reason=str(error)))
            return
        session.hang_up = writer.transport.abort
        sending = asyncio.get_running_loop().create_task(self._send(session, writer, welcome))
        try:
            reason = await self._receive(session, reader, sending)
        finally:
            await self._engine.detach(session)
        if reason:
            with suppress(ConnectionError):
                await _say(writer, Reply(accepted=False, reason=reason))

    async def _receive(self, session: Session, reader: asyncio.StreamReader, sending: asyncio.Task[None]) -> str:
        """Carry out what the client sends until it goes, or the engine ends; returns why it is sent away, if it is."""
        receiving: asyncio.Task[Command | str | None] | None = None
        try:
            while not session.mailbox.closed:
                receiving = asyncio.get_running_loop().create_task(_read(reader))
                await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
                if not receiving.done() or (command := receiving.result()) is None:
                    return ""
                if command == TOO_LONG:
                    return TOO_LONG
                if isinstance(command, str):
                    reply = Reply(accepted=False, reason=command)
                else:
                    reply = await self._engine.command(session, command)
                if not session.mailbox.put(Parcel(reply)):
                    return ""
            return ""
        except ConnectionError:
            return ""
        finally:
            if receiving is not None:
                receiving.cancel()
                with suppress(asyncio.CancelledError, ConnectionError):
                    await receiving
            session.mailbox.close()
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(FLUSH_WITHIN):
                    await sending

    async def _send(self, session: Session, writer: asyncio.StreamWriter, welcome: Welcome) -> None:
        await _say(writer, welcome)
        while batch := await self._engine.hub.next_batch(session):
            writer.write(b"".join(parcel.line for parcel in batch))
            await writer.drain()
            # What comes meanwhile goes out together: a write for each event and client would cost the step that it tells of.
            await asyncio.sleep(BREATH)


TOO_LONG = f"a line is longer than {LONGEST_LINE} bytes"


async def _read(reader: asyncio.StreamReader) -> Command | str | None:
    """The next command, why it cannot be understood, or None when there is no more."""
    try:
        line = await reader.readline()
    except ValueError:  # the limit
        return TOO_LONG
    if not line.endswith(b"\n"):
        return None  # the end, perhaps in the middle of a line
    return parse(line)


def parse(line: bytes) -> Command | str:
    """The command of a line, or why it is none. Never repeats what was sent."""
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError):
        return "the line is not JSON"
    if not isinstance(said, dict):
        return "the line is not a JSON object"
    said = cast("dict[str, Any]", said)
    # Before anything else is looked at: a client of another version may say more, or less, than is known here.
    if said.get("command") == "attach" and said.get("protocol", PROTOCOL) != PROTOCOL:
        theirs = said["protocol"] if isinstance(said["protocol"], int) else "another one"
        return f"this engine speaks protocol {PROTOCOL}, the client {theirs}; use the same version of pgrecast as the engine"
    try:
        return _COMMANDS.validate_json(line)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)[:3])
        return f"not a command of this protocol ({'; '.join(problems)})"


async def _say(writer: asyncio.StreamWriter, frame: Welcome | Reply) -> None:
    writer.write(frame.model_dump_json().encode() + b"\n")
    await writer.drain()


def _peer_uid(writer: asyncio.StreamWriter) -> int | None:
    """Who is at the other end, by the kernel's word (unix(7), SO_PEERCRED); None where the platform has no such word."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    peer: socket.socket = writer.get_extra_info("socket")
    _pid, uid, _gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid
