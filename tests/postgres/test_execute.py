"""A conversion on the real server: the way through, and every way in which it can end early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.errors import ConversionFailed, JournalError, NeedsPerson, ProofFailed, Refused, WrongDatabase
from core.events import (
    CommitSent,
    Event,
    PhaseFinished,
    PhaseStarted,
    ProofMade,
    StatementFinished,
    StatementStarted,
    StepSaid,
    TransactionEnded,
    TransactionOpened,
)
from core.postgres.inspect import inspect_within
from core.retype.execute import Conversion
from core.retype.model import Blocker, Phase, Plan
from core.retype.outcome import resolve_outcome
from core.runbook.conversion.planning import Planned
from tests.conversions import (
    Recorder,
    build_schema,
    conversion_of,
    convert,
    fingerprint_of,
    make_plan_of,
    with_statement,
)
from tests.databases import Database, run_sync


@pytest.fixture
def filled(database: Database) -> Database:
    run_sync(build_schema(database))
    return database


@pytest.fixture
async def other(filled: Database) -> AsyncGenerator[asyncpg.Connection, None]:
    """Another session of the owner's."""
    connection = await filled.connect()
    yield connection
    await connection.close()


class World:
    """A conversion about to begin, and what it has told."""

    def __init__(self, database: Database, planned: Planned, log: Path) -> None:
        self.database = database
        self.planned = planned
        self.recorder = Recorder()
        self.log = log

    def conversion(self, plan: Plan | None = None, **options: Any) -> Conversion:
        return conversion_of(self.database.spec, self.planned, self.recorder, self.log, plan=plan, **options)[0]

    def with_statement(self, phase: Phase, sql: str, *, at_the_end: bool = False) -> Plan:
        return with_statement(self.planned.plan, phase, sql, at_the_end=at_the_end)

    @property
    def ended(self) -> TransactionEnded:
        (ended,) = self.recorder.of(TransactionEnded)
        return ended


@pytest.fixture
async def world(filled: Database, tmp_path: Path) -> World:
    return World(filled, await make_plan_of(filled.spec), tmp_path / "statements.log")


async def through(conversion: Conversion) -> None:
    await conversion.lock()
    await conversion.run()
    await conversion.prove()


async def test_commit_changes_the_types_and_nothing_else(filled: Database, tmp_path: Path) -> None:
    recorder, proof = await convert(filled.spec, tmp_path / "log.sql")
    assert proof.held, proof.lines
    connection = await filled.connect()
    try:
        types = await connection.fetch(
            "SELECT DISTINCT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attname IN"
            " ('id', 'user', 'order_id', 'seller', 'manager', 'actor') AND attrelid >= 16384"
        )
        assert {row["type"] for row in types} == {"character varying(36)"}
        # ANALYZE has run: the new columns have statistics.
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_stats WHERE tablename = 'users' AND attname = 'id'") == 1
        )
    finally:
        await connection.close()
    kinds = [event.kind for event in recorder.events]
    assert kinds[0] == "transaction_opened"
    assert kinds[-3:] == ["commit_sent", "transaction_ended", "step_said"]
    assert (
        [e.phase for e in recorder.of(PhaseStarted)] == [e.phase for e in recorder.of(PhaseFinished)] == [*range(1, 7)]
    )
    started, finished = recorder.of(StatementStarted), recorder.of(StatementFinished)
    assert sorted(e.number for e in started) == sorted(e.number for e in finished) == [*range(1, len(started) + 1)]
    counts = {t.what: t.count for e in recorder.of(PhaseFinished) for t in e.tallies if not t.root}
    assert counts["foreign keys dropped"] == counts["foreign keys recreated"] == 6
    (opened,), (ended,), (sent,) = (
        recorder.of(TransactionOpened),
        recorder.of(TransactionEnded),
        recorder.of(CommitSent),
    )
    assert (ended.outcome, sent.xid) == ("committed", opened.xid)
    assert await resolve_outcome(filled.spec, opened.xid) == "committed"
    text = (tmp_path / "log.sql").read_text()
    assert "ALTER TABLE" in text
    assert "COMMIT;" in text


@pytest.mark.parametrize("depth", ["catalog", "counts", "contents"])
async def test_rollback_leaves_no_difference(filled: Database, tmp_path: Path, depth: str) -> None:
    before = await fingerprint_of(filled.spec)
    recorder, proof = await convert(filled.spec, tmp_path / "log.sql", commit=False, proof=depth)
    assert (proof.held, proof.depth) == (True, depth)
    assert await fingerprint_of(filled.spec) == before
    (ended,) = recorder.of(TransactionEnded)
    assert ended.outcome == "rolled_back"
    assert recorder.of(CommitSent) == []


async def test_a_failure_in_the_middle_rolls_back_and_says_what_failed(world: World) -> None:
    before = await fingerprint_of(world.database.spec)
    plan = world.with_statement(
        Phase.REATTACH, "DO $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = 'why', HINT = 'how'; END $$"
    )
    async with world.conversion(plan) as conversion:
        await conversion.lock()
        with pytest.raises(ConversionFailed) as failed:
            await conversion.run()
    text = str(failed.value)
    assert all(part in text for part in ("an extra statement", "no", "P0001", "DETAIL: why", "HINT: how"))
    assert "everything is as it was" in failed.value.state
    assert world.ended.outcome == "rolled_back"
    assert await fingerprint_of(world.database.spec) == before
    assert "ROLLBACK;" in world.log.read_text()


async def test_notices_stand_in_the_log(world: World) -> None:
    plan = world.with_statement(Phase.DETACH, "DO $$ BEGIN RAISE NOTICE 'look here'; END $$")
    async with world.conversion(plan) as conversion:
        await conversion.lock()
        await conversion.run()
    assert "NOTICE: look here" in world.log.read_text()
    assert world.ended.reason == "nobody decided"


async def test_a_lock_in_the_way_is_named(world: World, other: asyncpg.Connection) -> None:
    await other.execute("SET application_name = 'billing'; BEGIN; SELECT FROM users LIMIT 1")
    async with world.conversion() as conversion:
        with pytest.raises(Refused, match="billing"):
            await conversion.lock()
    assert world.ended.outcome == "rolled_back"
    assert world.recorder.last_reading("locking")["attempt"] == 2


async def test_the_lock_is_taken_when_the_other_has_gone(world: World, other: asyncpg.Connection) -> None:
    await other.execute("BEGIN; SELECT FROM users LIMIT 1")
    async with world.conversion(lock_attempts=100) as conversion:
        locking = asyncio.create_task(conversion.lock())
        await asyncio.sleep(0.3)
        await other.execute("COMMIT")
        await locking
        await conversion.rollback()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("CREATE TABLE newcomer (id uuid PRIMARY KEY)", "newcomer"),
        ("COMMENT ON TABLE plain IS 'changed'", "plain"),
        ("ALTER TABLE lines DROP CONSTRAINT lines_seller", "lines_seller"),
    ],
)
async def test_a_database_that_has_changed_is_refused(
    world: World, other: asyncpg.Connection, change: str, named: str
) -> None:
    await other.execute(change)
    async with world.conversion() as conversion:
        with pytest.raises(Refused, match=named):
            await conversion.lock()
    assert world.ended.outcome == "rolled_back"


async def test_the_wrong_database_is_refused_before_anything_begins(world: World) -> None:
    plan = replace(world.planned.plan, identity=replace(world.planned.identity, cluster="another"))
    with pytest.raises(WrongDatabase):
        await world.conversion(plan).open()
    assert world.recorder.events == []


async def test_a_plan_with_a_blocker_is_refused(world: World) -> None:
    plan = replace(world.planned.plan, blockers=(Blocker("b", "table t", "it is in the way", "Move it."),))
    with pytest.raises(Refused, match="in the way"):
        await world.conversion(plan).open()
    assert world.recorder.events == []


async def test_only_one_conversion_at_a_time(world: World) -> None:
    async with world.conversion() as first:
        with pytest.raises(Refused, match="Another conversion"):
            async with world.conversion():
                pass
        await first.rollback()
    assert len(world.recorder.of(TransactionOpened)) == 1


async def test_a_cancelled_task_leaves_nothing(world: World) -> None:
    before = await fingerprint_of(world.database.spec)
    plan = world.with_statement(Phase.REATTACH, "SELECT pg_sleep(60)")
    async with world.conversion(plan) as conversion:
        await conversion.lock()
        running = asyncio.create_task(conversion.run())
        await until(lambda: conversion.progress.current is not None and asks(conversion) == "SELECT pg_sleep(60)")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert conversion.outcome == "rolled_back"
    assert world.ended.outcome == "rolled_back"
    assert await fingerprint_of(world.database.spec) == before


async def test_abort_in_mid_statement_says_how_long_it_took(world: World) -> None:
    plan = world.with_statement(Phase.RETYPE_REFERENCES, "SELECT pg_sleep(60)")
    async with world.conversion(plan) as conversion:
        await conversion.lock()
        running = asyncio.create_task(conversion.run())
        await until(lambda: asks(conversion) == "SELECT pg_sleep(60)")
        seconds = await conversion.abort("the operator stopped it")
        assert 0 < seconds < 30
        with pytest.raises(ConversionFailed, match="the operator stopped it, while test: an extra statement"):
            await running
        assert not running.cancelled()
    assert world.ended.reason.startswith("the operator stopped it")


async def test_abort_while_held(world: World) -> None:
    async with world.conversion() as conversion:
        await through(conversion)
        holding = asyncio.create_task(conversion.hold())
        await until(lambda: any(r.name == "hold" for r in world.recorder.readings))
        await conversion.abort("enough")
        with pytest.raises(ConversionFailed, match="enough"):
            await holding
    assert (world.ended.outcome, world.ended.reason) == ("rolled_back", "enough")


async def test_the_windows_end_cancels_what_runs(world: World) -> None:
    plan = world.with_statement(Phase.REATTACH, "SELECT pg_sleep(60)")
    async with world.conversion(plan, deadline=datetime.now(UTC) + timedelta(seconds=3)) as conversion:
        await conversion.lock()
        with pytest.raises(ConversionFailed, match=r"window ended|statement timeout"):
            await conversion.run()
    assert world.ended.outcome == "rolled_back"


async def test_a_window_that_is_over_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="window is over"):
        await world.conversion(deadline=datetime.now(UTC) - timedelta(seconds=1)).open()


async def test_time_outs_of_the_role_do_not_hold(world: World) -> None:
    superuser = await world.database.superuser_connect()
    for setting in ("statement_timeout = '300ms'", "idle_in_transaction_session_timeout = '300ms'"):
        await superuser.execute(f"ALTER ROLE {world.database.owner} SET {setting}")
    await superuser.close()
    plan = world.with_statement(Phase.REATTACH, "SELECT pg_sleep(0.6)")
    async with world.conversion(plan) as conversion:
        await conversion.lock()
        await conversion.run()
        await asyncio.sleep(0.6)
        await conversion.prove()
        await conversion.commit()
    assert world.ended.outcome == "committed"


async def test_a_killed_backend_rolls_back(world: World, other: asyncpg.Connection) -> None:
    before = await fingerprint_of(world.database.spec)
    plan = world.with_statement(Phase.REATTACH, "SELECT pg_sleep(60)")
    async with world.conversion(plan) as conversion:
        await conversion.lock()
        running = asyncio.create_task(conversion.run())
        await until(lambda: asks(conversion) == "SELECT pg_sleep(60)")
        (opened,) = world.recorder.of(TransactionOpened)
        await other.fetchval("SELECT pg_terminate_backend($1)", opened.backend_pid)
        with pytest.raises(ConversionFailed, match="connection to the server was lost") as failed:
            await running
    assert "everything is as it was" in failed.value.state
    assert await fingerprint_of(world.database.spec) == before


async def test_a_connection_lost_while_held_is_noticed(world: World, other: asyncpg.Connection) -> None:
    async with world.conversion() as conversion:
        await through(conversion)
        holding = asyncio.create_task(conversion.hold())
        await until(lambda: any(r.name == "hold" for r in world.recorder.readings))
        (opened,) = world.recorder.of(TransactionOpened)
        await other.fetchval("SELECT pg_terminate_backend($1)", opened.backend_pid)
        with pytest.raises(ConversionFailed, match="lost"):
            await holding
    assert world.ended.outcome == "rolled_back"


async def test_a_hold_can_be_left_for_either_end(world: World) -> None:
    async with world.conversion() as conversion:
        await through(conversion)
        holding = asyncio.create_task(conversion.hold())
        await until(lambda: any(r.name == "hold" for r in world.recorder.readings))
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        assert conversion.outcome is None
        await conversion.commit()
    assert world.ended.outcome == "committed"


async def test_who_waits_for_the_conversion_is_shown(world: World, other: asyncpg.Connection) -> None:
    await other.execute("SET application_name = 'shop'")
    async with world.conversion() as conversion:
        await through(conversion)
        waiting = asyncio.create_task(other.fetch("SELECT FROM users"))
        holding = asyncio.create_task(conversion.hold())
        await until(
            lambda: any(r.name == "hold" and "shop" in str(r.values["waiters"]) for r in world.recorder.readings)
        )
        assert "shop" in str(world.recorder.last_reading("waiting")["waiters"])
        holding.cancel()
        await asyncio.wait([holding])
        await conversion.rollback()
        await waiting


async def test_commit_is_finished_although_the_task_is_cancelled(world: World) -> None:
    async def publish(event: Event) -> None:
        world.recorder.events.append(event)
        if isinstance(event, CommitSent):
            committing.cancel()

    world.recorder.publish = publish  # type: ignore[method-assign]
    async with world.conversion() as conversion:
        await through(conversion)
        committing = asyncio.create_task(conversion.commit())
        with pytest.raises(asyncio.CancelledError):
            await committing
        assert conversion.outcome == "committed"
    assert world.ended.outcome == "committed"
    assert "ANALYZE" in world.recorder.of(StepSaid)[-1].text


async def test_who_aborts_too_late_aborts_nothing(world: World) -> None:
    aborting: list[asyncio.Task[float]] = []

    async def publish(event: Event) -> None:
        world.recorder.events.append(event)
        if isinstance(event, CommitSent):
            aborting.append(asyncio.create_task(conversion.abort("too late")))
            await asyncio.sleep(0.05)

    world.recorder.publish = publish  # type: ignore[method-assign]
    async with world.conversion() as conversion:
        await through(conversion)
        holding = asyncio.create_task(conversion.hold())
        await conversion.commit()
        await asyncio.gather(*aborting)
        await holding
    assert world.ended.outcome == "committed"


async def test_a_refused_commit_is_a_rollback(world: World) -> None:
    plan = world.with_statement(
        Phase.REATTACH,
        "INSERT INTO public.lines (order_id, line) VALUES ('00000000-0000-0000-0000-000000000000', 1)",
        at_the_end=True,  # the key is deferred: it is checked at COMMIT
    )
    async with world.conversion(plan, proof="catalog") as conversion:
        await through(conversion)
        with pytest.raises(ConversionFailed, match=r"refused to commit.*23503"):
            await conversion.commit()
    assert world.ended.outcome == "rolled_back"


async def test_nothing_is_committed_that_is_not_proved(world: World) -> None:
    async with world.conversion() as conversion:
        await conversion.lock()
        with pytest.raises(RuntimeError):
            await conversion.commit()
        await conversion.run(until=Phase.DETACH)
        with pytest.raises(RuntimeError):
            await conversion.prove()
    assert world.ended.outcome == "rolled_back"


async def test_a_proof_that_fails_rolls_back(world: World) -> None:
    before = await fingerprint_of(world.database.spec)
    plan = world.with_statement(Phase.REATTACH, 'DROP TABLE "Audit".log', at_the_end=True)
    async with world.conversion(plan) as conversion:
        with pytest.raises((ProofFailed, ConversionFailed)) as failed:
            await through(conversion)
    assert "log" in str(failed.value)
    assert world.ended.outcome == "rolled_back"
    assert await fingerprint_of(world.database.spec) == before


async def test_a_pause_after_detaching(world: World) -> None:
    async with world.conversion() as conversion:
        await conversion.lock()
        await conversion.run(until=Phase.DETACH)
        assert [e.phase for e in world.recorder.of(PhaseFinished)] == [1, 2]
        await conversion.run()
        proof = await conversion.prove()
        assert proof.held
        await conversion.rollback()


async def test_a_journal_that_cannot_be_written_ends_it(world: World) -> None:
    async def publish(event: Event) -> None:
        if isinstance(event, PhaseStarted | TransactionEnded) and (
            isinstance(event, TransactionEnded) or event.phase == Phase.RETYPE_KEYS
        ):
            raise JournalError("The disk is full.")
        world.recorder.events.append(event)

    world.recorder.publish = publish  # type: ignore[method-assign]
    async with world.conversion() as conversion:
        await conversion.lock()
        with pytest.raises(JournalError, match="disk is full") as failed:
            await conversion.run()
        assert "everything is as it was" in failed.value.state
        (opened,) = world.recorder.of(TransactionOpened)
        assert await resolve_outcome(world.database.spec, opened.xid) == "rolled_back"


async def test_what_cannot_be_analysed_needs_a_person(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.retype import execute

    def tables(*_: object) -> tuple[str, ...]:
        return ("public.users", "public.missing")

    monkeypatch.setattr(execute, "tables_to_analyze", tables)
    async with world.conversion() as conversion:
        await through(conversion)
        with pytest.raises(NeedsPerson, match=r"public\.missing"):
            await conversion.commit()
    assert world.ended.outcome == "committed"


async def test_progress_is_read_all_along(world: World) -> None:
    plan = world.with_statement(Phase.RETYPE_REFERENCES, "SELECT pg_sleep(1.2)")
    async with world.conversion(plan) as conversion:
        await through(conversion)
        await conversion.rollback()
    during = [r.values for r in world.recorder.readings if r.name == "progress" and r.values["phase"] == 4]
    assert during
    assert during[-1]["object"] == "an extra statement"
    assert during[-1]["bytes_total"] > during[-1]["bytes_done"] > 0
    assert world.recorder.last_reading("server")["wal_bytes"] > 0
    assert set(world.recorder.last_reading("tables")) == {"users", '"Order"', "lines", '"Audit".log', "visits"}
    assert set(conversion.timings.statements)
    assert conversion.timings.proof["contents"] > 0


async def test_proof_lines_say_what_was_compared(world: World) -> None:
    async with world.conversion() as conversion:
        await through(conversion)
        await conversion.rollback()
    (made,) = world.recorder.of(ProofMade)
    text = "\n".join(made.lines)
    assert "Foreign keys: 6 before, 6 after, 1 of them not validated." in text
    assert "Rows: 249 in 5 tables" in text
    assert "Not compared" in text


async def test_catalog_within_sees_the_transaction(world: World) -> None:
    """What `inspect_within` is used for here: reading what only this transaction has changed."""
    async with world.conversion() as conversion:
        await conversion.lock()
        await conversion.run()
        catalog = await inspect_within(conversion._connection)  # pyright: ignore[reportPrivateUsage]
        users = catalog.relation_named["public", "users"]
        assert catalog.column[users.oid, 1].type == "character varying(36)"


def asks(conversion: Conversion) -> str:
    current = conversion.progress.current
    return "" if current is None else conversion.plan.statements[current].sql


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
