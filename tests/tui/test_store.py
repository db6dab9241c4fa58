"""What the console keeps: bounded, reconnecting, and never twice the same."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from core import events as e
from core.engine.protocol import Client, RunStep
from core.errors import EngineError
from tests.tui import scenario
from tests.tui.scripted import Clock, ScriptedClient
from tests.tui.stage import stage
from tui.store import TASK_LINES, Store


def record(seq: int, event: e.Event, clock: Clock) -> e.Record:
    return e.Record(seq=seq, at=clock(), actor=e.ENGINE, event=event)


def test_memory_does_not_grow_with_events(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = 500
    monkeypatch.setattr("tui.store.LOG_LINES", lines)
    clock = Clock()
    store = Store(ScriptedClient(clock), role="operator", name="me", now=clock)

    def say(first: int, last: int) -> None:
        for seq in range(first, last):
            store.take(record(seq, e.StepSaid(step="2.2", text=f"line {seq} " + "x" * 100), clock))

    say(1, 2 * lines)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    say(2 * lines, 10 * lines)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(store.log) == lines
    assert len(store.tails[2]) == TASK_LINES
    # The ring is refilled with lines of this trace, which are counted; what was there before is not given back in it.
    assert after - before < lines * 1500


def test_a_record_that_is_known_changes_nothing() -> None:
    clock = Clock()
    store = Store(ScriptedClient(clock), role="operator", name="me", now=clock)
    store.take(record(1, e.StepStarted(step="2.2"), clock))
    store.take(record(1, e.StepStarted(step="2.2"), clock))
    assert len(store.log) == 1


async def test_a_lost_engine_is_said_and_found_again_with_nothing_lost() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    async with stage(client) as on:
        client.lose()
        while on.app.store.attached:
            await on.pilot.pause(0.01)
        await on.settle()
        assert "ENGINE LOST at 01:00:00" in on.text()
        assert on.app.store.lost is not None
        assert on.app.store.lost.reason
        assert "Trying again" in on.text() or "trying again" in on.text()
        await on.press("2", "space")
        assert client.sent == []
        # On a slow machine another attempt may have failed meanwhile, and said so.
        assert any("not connected" in told for told in on.told())
        client.reachable = True
        client.say(e.StepTicked(step="1.1"))
        while not on.app.store.attached:
            await on.pilot.pause(0.05)
        await on.settle()
        assert "ENGINE LOST" not in on.text()
        assert client.attached_with is not None
        assert client.attached_with.since > 0
        assert on.app.store.state.last == len(client.records)
        assert [entry.seq for entry in on.app.store.log] == list(range(1, len(client.records) + 1))


async def test_an_engine_that_cannot_be_reached_at_first() -> None:
    client = scenario.new_client()
    client.reachable = False
    async with stage(client) as on:
        await on.pilot.pause(0.1)
        await on.settle()
        assert "ENGINE LOST" in on.text()
        await on.pilot.press("d")
        await on.pilot.pause()
    assert on.app.return_value == "detached"


async def test_a_new_client_is_made_when_the_engine_was_lost() -> None:
    clock = Clock()
    first, second = ScriptedClient(clock), ScriptedClient(clock)
    attempts = 0

    async def reconnect() -> Client:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise EngineError("It does not start.")
        return second

    store = Store(first, role="operator", name="me", reconnect=reconnect, now=clock)
    following = asyncio.create_task(store.follow())
    while not store.attached:
        await asyncio.sleep(0.01)
    first.lose()
    while second.attached_with is None:
        await asyncio.sleep(0.05)
    assert attempts == 2
    following.cancel()


async def test_a_command_to_an_engine_that_is_gone_is_answered() -> None:
    clock = Clock()
    client = ScriptedClient(clock)
    store = Store(client, role="operator", name="me", now=clock)
    assert not (await store.send(RunStep(step="1.1"))).accepted
    store.attached = True
    client.reachable = False
    reply = await store.send(RunStep(step="1.1"))
    assert not reply.accepted
    assert "gone" in reply.reason


async def test_many_events_leave_the_keys_working() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    async with stage(client) as on:
        for number in range(5000):
            client.say(e.StepSaid(step="2.2", text=f"line {number}"))
        await on.press("l")
        assert on.app.screen.__class__.__name__ == "LogScreen"
        assert "line 4999" in on.text()
        await on.press("k")
        assert on.lines()[-7].strip() == "line 4998"
