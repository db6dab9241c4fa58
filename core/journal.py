"""The journal: an append-only log of a run's events in SQLite, each on disk before anyone sees it.

One process appends (the engine, under the run directory's lock); any number read meanwhile. Appending costs the caller's
thread a queue: a writer thread puts all that waits into one transaction, so that many events share one fsync.
Text passes the redactor on its way in.
"""

from __future__ import annotations

import errno
import hashlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import quote

from pydantic import ValidationError

from core.errors import JournalError
from core.events import Actor, Event, Record
from core.masking import masked

FILE = "journal.sqlite"
FORMAT = 1
"""`user_version` of the files that this version reads and writes; `core/journal.sql` makes them."""

RESERVE_FILE = "journal.reserve"
RESERVE_BYTES = 4 * 1024 * 1024
"""Kept allocated beside the journal, and given up when the disk is full, so that a step can still end in the journal."""

BATCH = 1000
"""Events in one transaction at most, and rows in one read."""


class _Row(NamedTuple):
    seq: int
    at: str
    actor: str
    kind: str
    event: str


class _Pending(NamedTuple):
    at: datetime
    actor: Actor
    event: Event
    future: Future[Record]


class Journal:
    """The writing end. Use `Journal.open`; `close` when done. Safe to use from several threads."""

    def __init__(
        self, run_directory: Path, connection: sqlite3.Connection, written: Callable[[Sequence[Record]], None] | None
    ) -> None:
        self._directory = run_directory
        self._connection = connection
        self._written = written
        self._last: int = connection.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, run_directory: Path, written: Callable[[Sequence[Record]], None] | None = None) -> Journal:
        """Open the journal of a run, and make it and its directory when they are not there.

        Args:
            run_directory: made with mode 0700; the journal's mode is 0600.
            written: called in the writer's thread with records that have just reached the disk, in order, before the
                futures of `submit` are resolved.

        Raises:
            JournalError: the file cannot be made, read or understood, or the disk is full.
        """
        path = run_directory / FILE
        connection = None
        try:
            run_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives the -wal and -shm files beside it the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise JournalError(
                    f"The journal {path} cannot be kept: its file system does not support write-ahead logging.",
                    advice="Put the run directory on a local disk.",
                )
            connection.execute("PRAGMA synchronous = FULL")
            if _format(connection, path) == 0:
                schema = resources.files("core").joinpath("journal.sql").read_text(encoding="utf-8")
                connection.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
            return cls(run_directory, connection, written)
        except (OSError, sqlite3.Error) as error:
            if connection is not None:
                connection.close()
            _refuse(path, error, "opened")

    def submit(self, actor: Actor, event: Event) -> Future[Record]:
        """Queue an event; the future gives its record once it is on disk, or raises JournalError.

        The event is written even when nobody waits for the future. Order is that of the calls.
        """
        future: Future[Record] = Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        masked_actor, masked_event = masked(actor), masked(event)
        with self._guard:
            if self._closed:
                raise JournalError("The journal is closed.")
            self._queue.put(_Pending(datetime.now(UTC), masked_actor, masked_event, future))
        return future

    def append(self, actor: Actor, event: Event) -> Record:
        """Append an event and return its record once it is on disk.

        Raises:
            JournalError: it could not be written, for example because the disk is full. Nothing of it is kept, and
                nothing that was written before is lost.
        """
        return self.submit(actor, event).result()

    def read(self, since: int = 0) -> Iterator[Record]:
        """The records after sequence number `since`; see `read_journal`."""
        return read_journal(self._directory, since)

    def sha256(self) -> str:
        """See `journal_sha256`."""
        return journal_sha256(self._directory)

    def require_space(self) -> None:
        """Raise JournalError unless there is room for a step's events: asked before a step starts."""
        path = self._directory / RESERVE_FILE
        if path.exists():
            return
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, RESERVE_BYTES)
            finally:
                os.close(file)
        except OSError as error:
            with suppress(OSError):
                path.unlink()
            _refuse(self._directory / FILE, error, "kept")

    def close(self) -> None:
        """Write what is queued, then close. Closing twice is fine."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._connection.close()

    # --- the writer's thread ---

    def _write_all(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            last = False
            while len(batch) < BATCH:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._write(batch)
            if last:
                return

    def _write(self, batch: Sequence[_Pending]) -> None:
        try:
            rows = [_row(self._last + number, pending) for number, pending in enumerate(batch, start=1)]
            records = [_record(row) for row in rows]  # as a reader will see them
            try:
                self._commit(rows)
            except sqlite3.OperationalError:
                (self._directory / RESERVE_FILE).unlink(missing_ok=True)
                self._commit(rows)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            if len(batch) > 1:  # one bad or too big event must not take the others with it
                for pending in batch:
                    self._write([pending])
                return
            if isinstance(error, OSError | sqlite3.Error):
                error = _error(self._directory / FILE, error, "written")
            batch[0].future.set_exception(error)
            return
        self._last += len(records)
        try:
            if self._written is not None:
                self._written(records)
        finally:
            for pending, record in zip(batch, records, strict=True):
                pending.future.set_result(record)

    def _commit(self, rows: Sequence[_Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT INTO event (seq, at, actor, kind, event) VALUES (?, ?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def read_journal(run_directory: Path, since: int = 0) -> Iterator[Record]:
    """The records of a run's journal after sequence number `since`, while another process may be writing.

    Reads page by page, so that memory does not grow with the journal and the writer is never held up.

    Raises:
        JournalError: there is no journal, or it cannot be read or understood.
    """
    for row in _rows(run_directory / FILE, since):
        try:
            yield _record(row)
        except ValidationError as error:
            raise JournalError(
                f"Event {row.seq} of the journal {run_directory / FILE} cannot be understood.",
                state="The database has not been touched by reading it.",
                advice="Read it with the version of pgrecast that wrote it.",
            ) from error


def journal_sha256(run_directory: Path, last: int | None = None) -> str:
    """sha256 of the journal's content: of each event's five columns, tab-separated, a line each, in order.

    Args:
        last: sequence number of the last event that counts; None for all.

    Raises:
        JournalError: as `read_journal`.
    """
    digest = hashlib.sha256()
    for row in _rows(run_directory / FILE, 0):
        if last is not None and row.seq > last:
            break
        digest.update("\t".join((str(row.seq), *row[1:])).encode() + b"\n")
    return digest.hexdigest()


def _rows(path: Path, since: int) -> Iterator[_Row]:
    if not path.exists():
        raise JournalError(
            f"There is no journal {path}.",
            state="No run has been opened there.",
            advice="Name the run directory with --run.",
        )
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as connection:
            if _format(connection, path) == 0:
                return
            while page := connection.execute(
                "SELECT seq, at, actor, kind, event FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (since, BATCH)
            ).fetchall():
                yield from map(_Row._make, page)
                since = page[-1][0]
    except sqlite3.Error as error:
        _refuse(path, error, "read")


def _format(connection: sqlite3.Connection, path: Path) -> int:
    """The file's format: 0 when nothing has been written yet; JournalError when it is newer than this program."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise JournalError(
            f"The journal {path} has format {found}; this version of pgrecast understands {FORMAT}.",
            state="Nothing has been changed.",
            advice="Use the version of pgrecast that wrote it, or a newer one.",
        )
    return found


def _row(seq: int, pending: _Pending) -> _Row:
    return _Row(
        seq,
        pending.at.isoformat(),
        pending.actor.model_dump_json(),
        pending.event.kind,
        pending.event.model_dump_json(),
    )


def _record(row: _Row) -> Record:
    return Record.model_validate_json(f'{{"seq":{row.seq},"at":"{row.at}","actor":{row.actor},"event":{row.event}}}')


def _refuse(path: Path, error: OSError | sqlite3.Error, verb: str) -> NoReturn:
    raise _error(path, error, verb) from error


def _error(path: Path, error: OSError | sqlite3.Error, verb: str) -> JournalError:
    state = "Nothing that was in the journal is lost."
    full = (
        error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if isinstance(error, OSError)
        else error.sqlite_errorcode == sqlite3.SQLITE_FULL
    )
    if full:
        return JournalError(
            f"The journal {path} cannot be {verb}: the disk is full.",
            state=state,
            advice="Free space there, and go on.",
        )
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return JournalError(
        f"The journal {path} cannot be {verb}: {reason}.",
        state=state,
        advice="Look at the run directory's permissions, limits and disk.",
    )
