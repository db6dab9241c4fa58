"""The engine killed at any moment of a conversion: the next start says what is true, and the run goes on to its end."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from core.engine.address import LOCK
from core.engine.handover import CONVERSION, Handover
from core.engine.process import engine_client
from core.engine.protocol import AnswerQuestion, RunStep, TakeOver, TickStep
from core.events import CommitSent, StepReconciled, TransactionEnded
from core.runbook.one_step import STEP
from core.runbook.questions import COMMIT, CONVERT, KEEP, LEAVE
from core.runbook.state import StepStatus
from core.runbook.way_back import Way, way_back
from core.settings import Settings
from tests.conversions import build_schema, fingerprint_of
from tests.databases import Database, Server, create_database, drop_database
from tests.faults.relay import relay_to
from tests.faults.test_engine_process import alive, process_of
from tests.toy import Follower, attached

ENDED = (StepStatus.DONE, StepStatus.FAILED)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "run"
    yield directory
    kill(directory)


@pytest.fixture
async def shop(server: Server) -> AsyncGenerator[Database]:
    database = await create_database(server)
    await build_schema(database)
    yield database
    await drop_database(database)


def kill(run: Path) -> None:
    if (run / LOCK).exists():
        pid = process_of(run)
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def handover(run: Path, database: Database) -> Handover:
    given = {"conversion": {"accept": ["all"]}, "run": {"idle": "2min"}}
    return Handover(run, Settings.model_validate(given), CONVERSION, {"production": database.spec})


async def answer_all(follower: Follower) -> None:
    """Answer each question that comes so that the conversion goes on."""
    answered: set[str] = set()
    while True:
        await follower.until(lambda f: set(f.state.questions) - answered, seconds=300)
        for question in [q for id_, q in follower.state.questions.items() if id_ not in answered]:
            choice = next(c for c in question.choices if c.name in (CONVERT, COMMIT, LEAVE, KEEP))
            answered.add(question.id)
            await follower.client.send(
                AnswerQuestion(question=question.id, choice=choice.name, phrase=choice.phrase or "", plan=question.plan)
            )


async def start_and_kill(run: Path, database: Database, moment: random.Random) -> None:
    """Start the conversion, and kill its engine when it has journaled so many events of it, or a little later."""
    client = await engine_client(handover(run, database))
    pid = process_of(run)
    async with attached(client) as anna:
        await anna.send(TakeOver())  # the client before may not be gone yet
        assert (await anna.send(RunStep(step=STEP))).accepted
        await anna.until_step(STEP, StepStatus.RUNNING)
        already = len(anna.records)
        answering = asyncio.create_task(answer_all(anna))
        records = moment.choice([1, 3, 5, 8, 14, 34, 54, 74, 94, 102, 104, 106, 107, 108, 109, 110, 111, 112, 114])
        await anna.until(
            lambda f: len(f.records) - already >= records or f.state.step(STEP).status in ENDED, seconds=60
        )
        await asyncio.sleep(moment.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        await anna.until(lambda f: f.ended)
        answering.cancel()
        await asyncio.wait({answering})


async def hear(run: Path, database: Database) -> tuple[StepStatus, str]:
    """What the next engine says became of the step, and the catalog's fingerprint at that time."""
    async with attached(await engine_client(handover(run, database))) as anna:
        await anna.until(lambda f: f.state.step(STEP).status in ENDED, seconds=60)
        assert [r.seq for r in anna.records] == list(range(1, len(anna.records) + 1))
        return anna.state.step(STEP).status, await fingerprint_of(database.spec)


async def finish(run: Path, database: Database) -> None:
    """Go on to the end."""
    async with attached(await engine_client(handover(run, database))) as anna:
        await anna.until(lambda f: f.state.step(STEP).status in ENDED, seconds=60)
        if anna.state.step(STEP).status is not StepStatus.DONE:
            await anna.send(TakeOver())
            assert (await anna.send(RunStep(step=STEP))).accepted
            answering = asyncio.create_task(answer_all(anna))
            await anna.until_step(STEP, StepStatus.RUNNING)
            await anna.until(lambda f: f.state.step(STEP).status in ENDED, seconds=60)
            answering.cancel()
            await asyncio.wait({answering})
        assert anna.state.step(STEP).status is StepStatus.DONE, anna.state.step(STEP)


async def require_nothing_left(connection: asyncpg.Connection) -> None:
    ours = await connection.fetch(
        "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert not ours
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


KILLS, CHAINS = 5, 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(CHAINS))
async def test_killed_at_any_moment_it_says_what_is_true_and_goes_on(server: Server, tmp_path: Path, seed: int) -> None:
    """Twenty moments in all: each engine that says what became of the last one's work is the next to be killed."""
    moment, left = random.Random(seed), KILLS
    while left:
        run, shop = tmp_path / f"run-{left}", await create_database(server)
        try:
            await build_schema(shop)
            left -= await kill_again_and_again(run, shop, moment, left)
        finally:
            kill(run)
            await drop_database(shop)


async def kill_again_and_again(run: Path, shop: Database, moment: random.Random, most: int) -> int:
    """Kill at most so often, until an engine had committed before it died; then go on to the end. Returns how often."""
    before = await fingerprint_of(shop.spec)
    kills, said, found = 0, StepStatus.FAILED, before
    while kills < most and said is StepStatus.FAILED:
        await start_and_kill(run, shop, moment)
        kills += 1
        said, found = await hear(run, shop)
        # Wholly old or wholly new, and as it was said.
        assert (found == before) is (said is StepStatus.FAILED)
    await finish(run, shop)
    after = await fingerprint_of(shop.spec)
    assert after != before
    assert said is StepStatus.FAILED or found == after
    connection = await shop.superuser_connect()
    try:
        await require_nothing_left(connection)
    finally:
        await connection.close()
    return kills


SLOW_COMMIT = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON plain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle();
"""


async def toy_step_killed_at_commit(run: Path, shop: Database, *, commit: bool) -> tuple[list[object], Follower]:
    """A step whose COMMIT takes two seconds, its engine killed meanwhile; what the next engine found."""
    connection = await shop.connect()
    await connection.execute(SLOW_COMMIT)
    await connection.close()
    told = Handover(run, Settings(), "tests.faults.slow_commit:RUNBOOK", {"production": shop.spec})
    client = await engine_client(told)
    pid = process_of(run)
    async with attached(client) as anna:
        assert (await anna.send(RunStep(step="1.1" if commit else "1.2"))).accepted
        wanted = "commit_sent" if commit else "transaction_opened"
        await anna.until(lambda f: wanted in f.kinds())
        await asyncio.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        await anna.until(lambda f: f.ended)
    async with attached(await engine_client(told)) as anna:
        step = "1.1" if commit else "1.2"
        await anna.until(lambda f: f.state.step(step).status in ENDED, seconds=60)
        return [r.event for r in anna.records if isinstance(r.event, TransactionEnded | StepReconciled)], anna


async def rows(shop: Database) -> int:
    connection = await shop.connect()
    try:
        return await connection.fetchval("SELECT count(*) FROM plain WHERE t = 'slow'")
    finally:
        await connection.close()


async def test_killed_while_the_server_commits_it_is_asked_until_it_knows(run: Path, shop: Database) -> None:
    found, anna = await toy_step_killed_at_commit(run, shop, commit=True)
    assert any(isinstance(r.event, CommitSent) for r in anna.records)
    assert [e.outcome for e in found if isinstance(e, TransactionEnded)] == ["committed"]
    assert [e.outcome for e in found if isinstance(e, StepReconciled)] == ["committed"]
    assert await rows(shop) == 1
    conversion = anna.state.conversions["1.1"]
    assert conversion.outcome == "committed"
    assert f"transaction {conversion.xid}, which was proved, is committed" in anna.state.step("1.1").summary
    assert "ANALYZE, which follows COMMIT, has been run." in anna.state.step("1.1").summary
    assert anna.state.facts["conversion.outcome"] == "committed"


async def test_killed_before_commit_was_sent_it_is_rolled_back(run: Path, shop: Database) -> None:
    found, anna = await toy_step_killed_at_commit(run, shop, commit=False)
    assert [e.outcome for e in found if isinstance(e, TransactionEnded)] == ["rolled_back"]
    assert [e.outcome for e in found if isinstance(e, StepReconciled)] == ["rolled_back"]
    assert await rows(shop) == 0
    assert "COMMIT had not been sent" in anna.state.step("1.2").summary


async def test_while_the_server_cannot_be_asked_it_is_undecided_and_nothing_destructive_starts(
    run: Path, shop: Database
) -> None:
    connection = await shop.connect()
    await connection.execute(SLOW_COMMIT)
    await connection.close()
    async with relay_to(shop.host, shop.port) as relay:
        spec = replace(shop.spec, host="127.0.0.1", port=relay.port)
        told = Handover(run, Settings(), "tests.faults.slow_commit:RUNBOOK", {"production": spec})
        async with attached(await engine_client(told)) as anna:
            await anna.send(RunStep(step="1.1"))
            await anna.until(lambda f: "commit_sent" in f.kinds())
            await asyncio.sleep(0.3)
            relay.closed_to_new = True
            os.kill(process_of(run), signal.SIGKILL)
            await anna.until(lambda f: f.ended)
        async with attached(await engine_client(told)) as anna:
            await anna.until_step("1.1", StepStatus.UNDECIDED)
            assert "cannot be found out yet" in anna.state.step("1.1").summary
            assert way_back(anna.state).way is Way.UNKNOWN
            for step in ("1.1", "1.2"):
                refused = await anna.send(RunStep(step=step))
                assert refused.reason == "the outcome of step 1.1 is not known yet"
            assert "has not ended" in (await anna.send(TickStep(step="1.1"))).reason
            relay.closed_to_new = False
            await anna.until_step("1.1", StepStatus.DONE)
            assert anna.state.conversions["1.1"].outcome == "committed"
    assert await rows(shop) == 1
