"""A conversion whose connection or server goes away at the worst moments."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import ConversionFailed, OutcomeUnknown, Refused
from core.events import CommitSent, TransactionEnded, TransactionOpened
from core.postgres.embedded import EmbeddedServer
from core.retype import transaction
from core.retype.model import Phase
from core.retype.outcome import resolve_outcome
from tests.conftest import EMBEDDED_SETTINGS
from tests.conversions import (
    Recorder,
    build_schema,
    conversion_of,
    fingerprint_of,
    make_plan_of,
    with_statement,
)
from tests.databases import Database, Server, create_database
from tests.faults.relay import Cut, Relay, relay_to


@pytest.fixture
async def relay(database: Database) -> AsyncGenerator[Relay, None]:
    await build_schema(database)
    async with relay_to(database.host, database.port) as relay:
        yield relay


@pytest.mark.parametrize(
    ("how", "outcome"), [("before", "rolled_back"), ("after", "committed"), ("swallow", "committed")]
)
async def test_a_connection_cut_at_commit_is_resolved(
    database: Database, relay: Relay, tmp_path: Path, how: Cut, outcome: str
) -> None:
    before = await fingerprint_of(database.spec)
    recorder = Recorder()
    planned = await make_plan_of(database.spec)
    spec = replace(database.spec, host="127.0.0.1", port=relay.port)
    conversion, log = conversion_of(spec, planned, recorder, tmp_path / "log.sql", commit_timeout=1, resolve_within=20)
    with log:
        async with conversion:
            await conversion.lock()
            await conversion.run()
            await conversion.prove()
            relay.cut_at(b"COMMIT", how)
            if outcome == "committed":
                await conversion.commit()
            else:
                with pytest.raises(ConversionFailed, match="before the server had committed"):
                    await conversion.commit()
    assert relay.triggered.is_set()
    (ended,) = recorder.of(TransactionEnded)
    assert ended.outcome == outcome
    assert (await fingerprint_of(database.spec) == before) is (outcome == "rolled_back")


async def test_an_outcome_that_cannot_be_found_out_is_said_to_be_unknown(
    database: Database, relay: Relay, tmp_path: Path
) -> None:
    recorder = Recorder()
    planned = await make_plan_of(database.spec)
    spec = replace(database.spec, host="127.0.0.1", port=relay.port)
    conversion, log = conversion_of(spec, planned, recorder, tmp_path / "log.sql", resolve_within=1)
    with log:
        async with conversion:
            await conversion.lock()
            await conversion.run()
            await conversion.prove()
            relay.cut_at(b"COMMIT", "after")
            relay.closed_to_new = True
            with pytest.raises(OutcomeUnknown) as unknown:
                await conversion.commit()
    (opened,), (ended,) = recorder.of(TransactionOpened), recorder.of(TransactionEnded)
    assert ended.outcome == "undecided"
    assert f"pg_xact_status('{opened.xid}')" in unknown.value.advice
    # Later, when the network is back:
    relay.closed_to_new = False
    assert await resolve_outcome(spec, opened.xid, identity=planned.identity) == "committed"


async def test_a_connection_cut_in_mid_statement_rolls_back(database: Database, relay: Relay, tmp_path: Path) -> None:
    before = await fingerprint_of(database.spec)
    recorder = Recorder()
    planned = await make_plan_of(database.spec)
    plan = with_statement(planned.plan, Phase.REATTACH, "SELECT pg_sleep(60)")
    spec = replace(database.spec, host="127.0.0.1", port=relay.port)
    conversion, log = conversion_of(spec, planned, recorder, tmp_path / "log.sql", plan=plan)
    with log:
        async with conversion:
            await conversion.lock()
            running = asyncio.create_task(conversion.run())
            await until(
                lambda: (now := conversion.progress.current) is not None and "sleep" in plan.statements[now].sql
            )
            relay.cut()
            with pytest.raises(ConversionFailed, match="connection to the server was lost") as failed:
                await running
    # The backend still slept when its client had gone: it was looked for and ended.
    assert "everything is as it was" in failed.value.state
    assert recorder.of(CommitSent) == []
    assert await fingerprint_of(database.spec) == before


@pytest.fixture
async def own_server() -> AsyncGenerator[Server, None]:
    """A server to kill."""
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-tests-"))
    settings = {**EMBEDDED_SETTINGS, "max_prepared_transactions": "5"}
    embedded = await EmbeddedServer.start(directory, settings=settings)
    try:
        yield Server.from_embedded(embedded)
    finally:
        await embedded.stop("immediate")
        shutil.rmtree(directory)


@pytest.mark.parametrize("phase", [Phase.DETACH, Phase.RETYPE_KEYS, Phase.REATTACH])
async def test_a_server_killed_in_mid_conversion(
    own_server: Server, tmp_path: Path, phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "VERIFY_WITHIN", 1.0)  # it stays down
    database = await create_database(own_server)
    await build_schema(database)
    before = await fingerprint_of(database.spec)
    recorder = Recorder()
    planned = await make_plan_of(database.spec)
    plan = with_statement(planned.plan, phase, "SELECT pg_sleep(60)")
    conversion, log = conversion_of(database.spec, planned, recorder, tmp_path / "log.sql", plan=plan)
    assert own_server.embedded is not None
    with log:
        async with conversion:
            await conversion.lock()
            running = asyncio.create_task(conversion.run())
            await until(
                lambda: (now := conversion.progress.current) is not None and "sleep" in plan.statements[now].sql
            )
            await own_server.embedded.stop("immediate")
            with pytest.raises(ConversionFailed, match="connection to the server was lost") as failed:
                await running
    assert "COMMIT was never sent" in failed.value.state
    (ended,) = recorder.of(TransactionEnded)
    assert ended.outcome == "rolled_back"
    again = await EmbeddedServer.start(own_server.embedded.directory, settings=EMBEDDED_SETTINGS)
    try:
        assert await fingerprint_of(replace(database.spec, port=again.port)) == before
    finally:
        await again.stop("immediate")


async def test_a_prepared_transaction_in_the_way_is_named(own_server: Server, tmp_path: Path) -> None:
    database = await create_database(own_server)
    await build_schema(database)
    planned = await make_plan_of(database.spec)
    connection = await database.connect()
    await connection.execute("BEGIN; DELETE FROM visits; PREPARE TRANSACTION 'forgotten'")
    conversion, log = conversion_of(database.spec, planned, Recorder(), tmp_path / "log.sql")
    with log:
        async with conversion:
            with pytest.raises(Refused, match=rf"prepared transaction 'forgotten' of {database.owner}"):
                await conversion.lock()
    await connection.execute("ROLLBACK PREPARED 'forgotten'")
    await connection.close()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
