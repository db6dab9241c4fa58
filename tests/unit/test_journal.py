"""The journal: append-only, on disk before anyone sees it, readable beside its writer, whole after every accident."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from core import journal as journal_module
from core.errors import JournalError
from core.events import (
    ENGINE,
    Actor,
    Choice,
    FactRecorded,
    Question,
    QuestionAsked,
    Record,
    RunOpened,
    StepSaid,
    TargetIdentified,
    TargetIdentity,
    UnknownEvent,
)
from core.journal import FILE, RESERVE_FILE, Journal, journal_sha256, read_journal
from core.redaction import redactor

ANNA = Actor(name="anna", uid=1000)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "run")
    yield opened
    opened.close()


def said(number: int) -> StepSaid:
    return StepSaid(step="7.3", text=f"line {number}")


def raw(tmp_path: Path) -> sqlite3.Connection:
    return sqlite3.connect(tmp_path / "run" / FILE)


def test_an_appended_event_is_read_back_as_it_was(journal: Journal) -> None:
    record = journal.append(ANNA, said(1))
    assert (record.seq, record.actor, record.event) == (1, ANNA, said(1))
    assert list(journal.read()) == [record]


def test_it_is_on_disk_when_append_returns(journal: Journal, tmp_path: Path) -> None:
    journal.append(ANNA, said(1))
    program = (
        "import sys, pathlib; from core.journal import read_journal; print(*read_journal(pathlib.Path(sys.argv[1])))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run")], capture_output=True, text=True, check=True
    )
    assert "line 1" in seen.stdout


def test_only_the_owner_may_look(journal: Journal, tmp_path: Path) -> None:
    journal.append(ANNA, said(1))
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    files = list((tmp_path / "run").iterdir())
    assert len(files) >= 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET event = '{}'",
        "DELETE FROM event",
        "INSERT OR REPLACE INTO event SELECT seq, at, actor, kind, '{}' FROM event WHERE seq = 2",
        "INSERT INTO event SELECT 99, at, actor, kind, event FROM event WHERE seq = 2",
    ],
)
def test_what_is_written_stays(journal: Journal, tmp_path: Path, statement: str) -> None:
    for number in range(3):
        journal.append(ANNA, said(number))
    before = journal.sha256()
    connection = raw(tmp_path)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()
    assert journal.sha256() == before


def test_order_and_numbers_hold_among_many_threads(journal: Journal) -> None:
    def work(thread: int) -> None:
        for number in range(200):
            journal.submit(ANNA, StepSaid(step=str(thread), text=str(number)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.append(ANNA, said(0))
    records = list(journal.read())
    assert [record.seq for record in records] == list(range(1, 1002))
    for number in range(5):
        own = [r.event.text for r in records if isinstance(r.event, StepSaid) and r.event.step == str(number)]
        assert own == [str(i) for i in range(200)]


def test_many_that_wait_share_one_transaction(tmp_path: Path) -> None:
    batches: list[int] = []
    first = threading.Event()

    def written(records: Sequence[Record]) -> None:
        batches.append(len(records))
        first.wait(10)

    journal = Journal.open(tmp_path / "run", written)
    futures = [journal.submit(ANNA, said(number)) for number in range(500)]
    first.set()
    assert [future.result().seq for future in futures] == list(range(1, 501))
    journal.close()
    assert len(batches) <= 3
    assert sum(batches) == 500


def test_listeners_hear_of_a_record_before_its_appender(tmp_path: Path) -> None:
    heard: list[int] = []
    journal = Journal.open(tmp_path / "run", lambda records: heard.extend(record.seq for record in records))
    for number in range(1, 20):
        assert journal.append(ANNA, said(number)).seq == number
        assert heard[-1] == number
    journal.close()


def test_reading_goes_on_beside_writing_and_from_anywhere(journal: Journal, tmp_path: Path) -> None:
    for number in range(2500):
        journal.submit(ANNA, said(number))
    journal.append(ANNA, said(2500))
    reading = read_journal(tmp_path / "run", since=10)
    assert next(reading).seq == 11
    journal.append(ANNA, said(2501))
    assert [record.seq for record in reading] == list(range(12, 2503))


def test_what_the_live_reader_gets_is_what_the_later_one_gets(journal: Journal) -> None:
    live = journal.append(ENGINE, FactRecorded(step="2.3", name="counts", value={"users": (1, 2), "none": None}))
    assert [live] == list(journal.read())


def test_an_event_of_a_newer_version_is_kept_as_it_is(journal: Journal, tmp_path: Path) -> None:
    journal.append(ANNA, said(1))
    connection = raw(tmp_path)
    with connection:
        connection.execute(
            'INSERT INTO event SELECT 2, at, actor, \'moon_seen\', \'{"kind":"moon_seen","phase":3}\' FROM event'
        )
    connection.close()
    (_, unknown) = journal.read()
    assert isinstance(unknown.event, UnknownEvent)
    assert unknown.event.kind == "moon_seen"
    assert unknown.event.model_dump() == {"kind": "moon_seen", "phase": 3}


def test_a_journal_of_a_newer_format_is_refused_with_the_way_out(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    connection = raw(tmp_path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(JournalError, match="format 2") as refused:
        Journal.open(tmp_path / "run")
    assert "newer" in refused.value.advice
    with pytest.raises(JournalError, match="format 2"):
        list(read_journal(tmp_path / "run"))


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not a database, " * 100)
    with pytest.raises(JournalError, match="not a database"):
        Journal.open(tmp_path)
    with pytest.raises(JournalError, match="not a database"):
        list(read_journal(tmp_path))


def test_no_journal_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="There is no journal"):
        list(read_journal(tmp_path))


def test_opened_again_it_goes_on(tmp_path: Path) -> None:
    first = Journal.open(tmp_path)
    first.append(ANNA, said(1))
    first.close()
    first.close()
    with pytest.raises(JournalError, match="closed"):
        first.append(ANNA, said(2))
    second = Journal.open(tmp_path)
    assert second.append(ANNA, said(2)).seq == 2
    second.close()


def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    futures = [journal.submit(ANNA, said(number)) for number in range(1500)]
    journal.close()
    assert [future.result().seq for future in futures] == list(range(1, 1501))
    assert sum(1 for _ in read_journal(tmp_path)) == 1500


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.append(ANNA, said(1))
    one = journal.sha256()
    assert re.fullmatch("[0-9a-f]{64}", one)
    journal.append(ANNA, said(2))
    two = journal.sha256()
    assert one != two
    journal.close()
    assert journal_sha256(tmp_path) == two


def test_a_second_writer_is_found_out(tmp_path: Path) -> None:
    first, second = Journal.open(tmp_path), Journal.open(tmp_path)
    first.append(ANNA, said(1))
    with pytest.raises(JournalError, match="another process"):
        second.append(ANNA, said(2))
    first.append(ANNA, said(3))
    first.close()
    second.close()
    assert [record.seq for record in read_journal(tmp_path)] == [1, 2]


def test_secrets_are_masked_wherever_they_stand(journal: Journal, tmp_path: Path) -> None:
    secret = "sentinel-of-the-journal-7f3a"
    redactor.add(SecretStr(secret))
    identity = TargetIdentity(cluster="1", database_oid=1, database=secret)
    events = (
        StepSaid(step="1.1", text=f"the key {secret} works"),
        FactRecorded(step="1.1", name="rotation", value={f"of {secret}": [1, {"deep": (f"{secret}!",)}]}),
        QuestionAsked(
            question=Question(
                id="q",
                step="7.3",
                title="COMMIT?",
                choices=(Choice(name="commit", label=secret),),
                default="commit",
                details=(f"as {secret}",),
                asked_at=datetime.now(UTC),
                expires_at=datetime.now(UTC),
            )
        ),
        RunOpened(run="postgresql://u:another-secret@h/db", program="0"),
    )
    for event in events:
        record = journal.append(Actor(name=f"anna {secret}"), event)
        assert secret not in record.model_dump_json()
    text = b"".join(file.read_bytes() for file in (tmp_path / "run").glob(FILE + "*"))
    assert secret.encode() not in text
    assert b"another-secret" not in text
    # A database may be called what its password is; its name is no secret, and the confirmation needs it.
    shown = journal.append(ENGINE, TargetIdentified(target="test", identity=identity, address="h", server="18"))
    assert isinstance(shown.event, TargetIdentified)
    assert shown.event.identity.database == secret


def test_text_that_is_not_utf8_is_written_visibly(journal: Journal) -> None:
    record = journal.append(ANNA, StepSaid(step="1.1", text="caf\udce9 \x00"))
    assert isinstance(record.event, StepSaid)
    assert record.event.text == "caf\\udce9 \x00"
    assert list(journal.read()) == [record]


def test_an_event_that_cannot_be_written_takes_no_other_with_it(journal: Journal) -> None:
    futures = [
        journal.submit(ANNA, said(1)),
        journal.submit(ANNA, FactRecorded(step="1.1", name="bad", value=object())),
        journal.submit(ANNA, said(2)),
    ]
    assert futures[0].result().seq == 1
    assert futures[1].exception() is not None
    assert futures[2].result().seq == 2


# --- a full disk ---------------------------------------------------------------------------------------------------

LIMITED = """
import pathlib, resource, sys
from core.errors import JournalError
from core.events import ENGINE, StepSaid
from core.journal import Journal
journal = Journal.open(pathlib.Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
written = 0
try:
    while written < 10_000:
        journal.append(ENGINE, StepSaid(step="1.1", text=f"{written} " + "x" * 1000))
        written += 1
except JournalError as error:
    print(written, error)
"""


def test_at_the_limit_of_a_files_size_nothing_is_lost(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True)
    written, _, error = done.stdout.partition(" ")
    assert "cannot be written" in error
    assert "Nothing that was in the journal is lost" in error
    assert 0 < int(written) < 10_000
    texts = [record.event.text.split()[0] for record in read_journal(tmp_path) if isinstance(record.event, StepSaid)]
    assert texts == [str(number) for number in range(int(written))]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, check=False)
        if os.geteuid() == 0
        else None
    )
    if mounted is None or mounted.returncode != 0:
        pytest.skip("only root, and not in every container, may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


def append_until_refused(journal: Journal) -> tuple[int, str]:
    written = 0
    while True:
        try:
            journal.append(ENGINE, StepSaid(step="1.1", text="x" * 1000))
        except JournalError as error:
            return written, str(error)
        written += 1


def test_a_full_disk_is_said_and_the_reserve_ends_the_step(small_disk: Path) -> None:
    journal = Journal.open(small_disk)
    journal.require_space()
    assert (small_disk / RESERVE_FILE).stat().st_blocks * 512 >= journal_module.RESERVE_BYTES
    fill(small_disk / "ballast")
    for number in range(200):  # more than what was left in SQLite's own pages
        journal.append(ENGINE, StepSaid(step="1.1", text=f"{number} " + "x" * 1000))
    assert not (small_disk / RESERVE_FILE).exists()
    with pytest.raises(JournalError, match="disk is full"):
        journal.require_space()
    more, error = append_until_refused(journal)
    written = 200 + more
    assert "disk is full" in error
    assert sum(1 for _ in journal.read()) == written
    (small_disk / "ballast").unlink()
    journal.require_space()
    assert journal.append(ENGINE, said(1)).seq == written + 1
    journal.close()
