"""A dump that is a script for psql, handed over line by line: nothing in it may lead psql away from the database."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, cast

from core.errors import BackupError

PIECE = 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"

_COPY = re.compile(rb"COPY .* FROM stdin;\s*$")
_COMMAND = re.compile(rb"\\(?!(?:un)?restrict\b)")
_DATABASE = re.compile(rb"(?:CREATE|DROP|ALTER) DATABASE ")


async def script(path: Path) -> AsyncIterator[bytes]:
    """The script in pieces, unpacked.

    Raises:
        BackupError: it cannot be read, or has a command that leads elsewhere; nothing of that line was handed over.
    """
    pieces = _checked(path)
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def unpacked(path: Path) -> IO[bytes]:
    """Open a file, unpacked where it is packed with gzip.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as plain:
        packed = plain.read(2) == GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def _checked(path: Path) -> Iterator[bytes]:
    piece, in_copy = bytearray(), False
    try:
        with unpacked(path) as file:
            for number, line in enumerate(file, 1):
                if in_copy:
                    in_copy = line.rstrip(b"\r\n") != b"\\."
                elif _COMMAND.match(line) or _DATABASE.match(line):
                    raise _leads_away(path, number, line)
                else:
                    in_copy = line.startswith(b"COPY ") and _COPY.match(line) is not None
                piece += line
                if len(piece) >= PIECE:
                    yield bytes(piece)
                    piece.clear()
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise BackupError(f"The script {path.name} cannot be read: {error}.") from error
    if piece:
        yield bytes(piece)


def _leads_away(path: Path, number: int, line: bytes) -> BackupError:
    shown = line[:60].decode(errors="replace").strip()
    return BackupError(
        f"The script {path.name} is not restored: line {number}, {shown!r}, could lead to another database or program.",
        advice="Adopt a dump of one database that was made without --create, or take the backup with pgrecast.",
    )
