"""The engine's socket: who may come in and say what, replay without gap, and clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.engine import mailbox, server
from core.engine.address import NOTE, SOCKET, SocketPlace, find_socket
from core.engine.client import SocketClient
from core.engine.engine import Engine
from core.engine.hub import STOPPED_READING
from core.engine.protocol import PROTOCOL, AbortStep, AddNote, AnswerQuestion, RunStep, StopEngine, TakeOver, TickStep
from core.engine.server import Server
from core.errors import EngineError
from core.events import ENGINE, AnswerRefused, ClientDetached, CommandRefused, Reading, StepSaid
from core.journal import read_journal
from core.runbook.state import StepStatus
from core.settings import Settings
from tests.toy import PHRASE, TOY, Follower, ToyTargets, attached


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@asynccontextmanager
async def serving(run: Path) -> AsyncGenerator[Engine]:
    """An engine and its socket, on this loop."""
    engine = Engine(run, Settings(), TOY, ToyTargets())
    await engine.start()
    place = SocketPlace(run)
    listening = Server(engine, place.path)
    await listening.start()
    place.announce()
    try:
        yield engine
    finally:
        place.remove()
        await engine.stop("the test is over")
        await listening.stop()


@dataclass
class Raw:
    """A connection without a client in it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes | dict[str, Any]) -> None:
        self.writer.write(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")
        await self.writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next frame; None at the end."""
        async with asyncio.timeout(10):
            line = await self.reader.readline()
        return json.loads(line) if line else None

    async def reply(self) -> dict[str, Any] | None:
        """The next reply, over whatever else comes."""
        while (frame := await self.receive()) is not None and frame["frame"] != "reply":
            pass
        return frame


@asynccontextmanager
async def raw(run: Path, *, limit: int = 1 << 24) -> AsyncGenerator[Raw]:
    reader, writer = await asyncio.open_unix_connection(find_socket(run), limit=limit)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


ATTACH = {"command": "attach", "protocol": PROTOCOL, "role": "operator", "name": "raw"}


async def publish(engine: Engine, count: int, *, step: str = "1.1") -> None:
    await asyncio.gather(
        *(engine.hub.publish(ENGINE, StepSaid(step=step, text=f"line {number}")) for number in range(count))
    )


async def test_the_socket_is_the_owners_and_the_kernel_tells_who_comes(run: Path) -> None:
    async with serving(run):
        assert stat.S_IMODE((run / SOCKET).stat().st_mode) == 0o600
        assert stat.S_IMODE((run / NOTE).stat().st_mode) == 0o600
        async with attached(SocketClient(run)) as anna:
            await anna.until(lambda f: f.state.operator)
            assert anna.state.clients[0].actor.uid == os.getuid()
    assert not (run / SOCKET).exists()
    assert not (run / NOTE).exists()


async def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    run = tmp_path / ("deep-" * 30)
    async with serving(run):
        path = find_socket(run)
        assert path.parent != run
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        async with attached(SocketClient(run)) as anna:
            await anna.until(lambda f: f.state.operator)
    assert not path.parent.exists()


async def test_what_a_killed_engine_left_is_cleaned_up(tmp_path: Path) -> None:
    run = tmp_path / ("deep-" * 30)
    run.mkdir()
    left = SocketPlace(run)
    left.path.touch()
    left.announce()
    async with serving(run):
        assert not left.path.parent.exists()
        async with attached(SocketClient(run)) as anna:
            await anna.until(lambda f: f.state.operator)


async def test_a_step_by_socket(run: Path) -> None:
    async with serving(run), attached(SocketClient(run)) as anna:
        assert (await anna.send(RunStep(step="2.1"))).accepted
        await anna.until_step("2.1", StepStatus.DONE)
        await anna.until(lambda f: f.readings)
        refused = await anna.send(RunStep(step="9.9"))
        assert (refused.accepted, refused.reason) == (False, "there is no step 9.9")


async def test_replay_and_live_have_no_gap_and_no_duplicate(run: Path) -> None:
    async with serving(run) as engine:
        await publish(engine, 1300)
        writing = asyncio.create_task(publish(engine, 1500))
        followers: list[Follower] = []

        async def come(number: int) -> None:
            await asyncio.sleep(number * 0.01)
            async with attached(SocketClient(run), role="watcher", name=f"w{number}", since=number * 150) as follower:
                followers.append(follower)
                await writing
                last = engine.hub.state.last
                await follower.until(lambda f: f.state.last >= last)

        await asyncio.gather(*(come(number) for number in range(8)))
        by_seq = {record.seq: record for record in read_journal(run)}
        for number, follower in enumerate(sorted(followers, key=lambda f: f.records[0].seq)):
            sequence = [record.seq for record in follower.records]
            assert sequence == list(range(number * 150 + 1, sequence[-1] + 1))
            assert all(by_seq[record.seq] == record for record in follower.records)


async def test_a_watcher_straight_on_the_socket_can_do_nothing(run: Path) -> None:
    async with serving(run) as engine, attached(SocketClient(run)) as anna, raw(run) as ben:
        await ben.send({**ATTACH, "role": "watcher", "name": "ben"})
        await anna.send(RunStep(step="3.1"))
        await anna.until_step("3.1", StepStatus.ASKING)
        (question,) = anna.state.questions
        commands = [
            RunStep(step="2.1"),
            AbortStep(step="3.1"),
            TickStep(step="1.1"),
            AddNote(task=1, text="x"),
            TakeOver(),
            StopEngine(),
            AnswerQuestion(question=question, choice="go", phrase=PHRASE),
        ]
        for command in commands:
            await ben.send(command.model_dump())
            reply = await ben.reply()
            assert reply is not None
            assert not reply["accepted"]
        refused = [r for r in read_journal(run) if isinstance(r.event, CommandRefused | AnswerRefused)]
        assert [r.actor.name for r in refused] == ["ben"] * len(commands)
        assert {r.actor.role for r in refused} == {"watcher"}
        assert engine.hub.state.step("3.1").status is StepStatus.ASKING


async def test_a_client_cannot_claim_another_role_than_it_has(run: Path) -> None:
    async with serving(run), attached(SocketClient(run)), raw(run) as ben:
        await ben.send({**ATTACH, "role": "operator", "name": "ben"})
        welcome = await ben.receive()
        assert welcome is not None
        assert welcome["actor"]["role"] == "watcher"
        await ben.send({"command": "run_step", "step": "2.1", "actor": {"role": "operator"}})
        reply = await ben.reply()
        assert reply is not None
        assert "not a command" in reply["reason"]


async def test_take_over_by_socket_tells_both(run: Path) -> None:
    async with serving(run), attached(SocketClient(run)) as anna, attached(SocketClient(run), name="ben") as ben:
        assert (await ben.send(TakeOver())).accepted
        for follower in (anna, ben):
            await follower.until(lambda f: f.kinds().count("operator_changed") == 2)
            assert {c.actor.name: c.actor.role for c in follower.state.clients} == {
                "anna": "watcher",
                "ben": "operator",
            }
        assert not (await anna.send(RunStep(step="2.1"))).accepted
        assert (await ben.send(RunStep(step="2.1"))).accepted


# --- what is not the protocol --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\x00\xff\xfe garbage\n", "the line is not JSON"),
        (b"\n", "the line is not JSON"),
        (b"[1, 2]\n", "the line is not a JSON object"),
        (b"[" * 5000 + b"\n", "the line is not JSON"),
        (
            b'{"command": "attach", "protocol": 99, "moon": "full"}\n',
            f"this engine speaks protocol {PROTOCOL}, the client 99",
        ),
        (b'{"command": "attach", "protocol": "x"}\n', "the client another one"),
        (b'{"command": "attach"}\n', "not a command of this protocol"),
        (b'{"command": "attach", "name": "x", "role": "engine"}\n', "not a command of this protocol"),
        (b'{"command": "dance"}\n', "not a command of this protocol"),
        (b'{"command": "run_step", "step": "2.1"}\n', "the first command must be attach"),
    ],
)
async def test_who_does_not_begin_right_is_told_and_sent_away(run: Path, line: bytes, reason: str) -> None:
    async with serving(run) as engine, raw(run) as stranger:
        await stranger.send(line)
        reply = await stranger.receive()
        assert reply is not None
        assert not reply["accepted"]
        assert reason in reply["reason"]
        assert await stranger.receive() is None
        assert not engine.hub.sessions


async def test_a_line_that_is_none_is_refused_and_the_next_one_counts(run: Path) -> None:
    async with serving(run), raw(run) as client:
        await client.send(ATTACH)
        for line in (b"garbage\n", b'{"command": "dance"}\n', json.dumps(ATTACH).encode() + b"\n"):
            await client.send(line)
            reply = await client.reply()
            assert reply is not None
            assert not reply["accepted"]
        await client.send({"command": "tick_step", "step": "1.1"})
        assert await client.reply() == {"frame": "reply", "accepted": True, "reason": ""}


async def test_a_secret_in_a_wrong_line_is_not_repeated(run: Path) -> None:
    async with serving(run), raw(run) as client:
        await client.send(ATTACH)
        await client.send({"command": "run_step", "step": {"hunter2": 1}, "password": "hunter2"})
        reply = await client.reply()
        assert reply is not None
        assert "hunter2" not in json.dumps(reply)


async def test_half_a_line_is_nothing(run: Path) -> None:
    async with serving(run) as engine:
        async with raw(run) as client:
            await client.send(ATTACH)
            await client.receive()
            await client.send(b'{"command": "run_step", "step": "2.1"}')
        async with attached(SocketClient(run), name="ben") as ben:
            await ben.until(lambda f: "client_detached" in f.kinds())
            assert engine.hub.state.step("2.1").status is StepStatus.TODO


async def test_a_line_in_pieces_is_a_line(run: Path) -> None:
    async with serving(run), raw(run) as client:
        await client.send(ATTACH)
        for piece in (b'{"command": "ti', b'ck_step", "st', b'ep": "1.1"}', b"\n"):
            await client.send(piece)
            await asyncio.sleep(0.01)
        assert await client.reply() == {"frame": "reply", "accepted": True, "reason": ""}


@pytest.mark.parametrize("attach_first", [True, False])
async def test_an_oversized_line_ends_the_connection(
    run: Path, monkeypatch: pytest.MonkeyPatch, *, attach_first: bool
) -> None:
    monkeypatch.setattr(server, "LONGEST_LINE", 1000)
    async with serving(run) as engine, raw(run) as client:
        if attach_first:
            await client.send(ATTACH)
        await client.send(b'{"command": "add_note", "task": 1, "text": "' + b"x" * 100_000)
        reply = await client.reply()
        assert reply is not None
        assert "longer than" in reply["reason"]
        assert await client.receive() is None
        assert not engine.hub.sessions


async def test_who_says_nothing_is_sent_away(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ATTACH_WITHIN", 0.1)
    async with serving(run), raw(run) as client:
        assert await client.receive() is None


async def test_too_many_are_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CLIENTS", 1)
    async with serving(run), attached(SocketClient(run)):
        with pytest.raises(EngineError, match="1 clients are attached already"):
            await SocketClient(run).attach(role="watcher", name="ben")


# --- who does not read ---------------------------------------------------------------------------------------------


async def test_who_stops_reading_is_dropped_and_holds_nothing_up(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "LIMIT", 500)
    async with serving(run) as engine, attached(SocketClient(run)) as anna, raw(run, limit=1000) as sleeper:
        await sleeper.send({**ATTACH, "role": "watcher", "name": "sleeper"})
        await anna.until(lambda f: len(f.state.clients) == 2)
        # Until the kernel's buffers and the mailbox are full.
        for _ in range(200):
            await asyncio.gather(
                *(engine.hub.publish(ENGINE, StepSaid(step="1.1", text="x" * 1000)) for _ in range(100))
            )
            if len(engine.hub.sessions) == 1:
                break
        await anna.until(lambda f: "client_detached" in f.kinds())
        left = [r for r in anna.records if isinstance(r.event, ClientDetached)]
        assert [(r.actor.name, r.event.reason) for r in left if isinstance(r.event, ClientDetached)] == [
            ("sleeper", STOPPED_READING)
        ]
        assert (await anna.send(RunStep(step="2.1"))).accepted
        await anna.until_step("2.1", StepStatus.DONE)
        assert [r.seq for r in anna.records] == list(range(1, len(anna.records) + 1))


async def test_of_readings_the_newest_wins(run: Path) -> None:
    async with serving(run) as engine, attached(SocketClient(run)) as anna:
        await anna.until(lambda f: f.state.operator)
        for number in range(5000):
            engine.hub.show(Reading(step="7.3", name="rows", values={"n": number}))
            engine.hub.show(Reading(step="7.3", name="bytes", values={"n": -number}))
        await anna.until(lambda f: len(f.readings) >= 2 and f.readings[-1].values["n"] in (4999, -4999))
        assert len(anna.readings) < 50
        newest = {reading.name: reading.values["n"] for reading in anna.readings}
        assert newest == {"rows": 4999, "bytes": -4999}
        assert all("reading" not in kind for kind in anna.kinds())


async def test_a_client_that_vanishes_leaves_the_run_alone(run: Path) -> None:
    async with serving(run):
        async with raw(run) as client:
            await client.send(ATTACH)
            await client.send({"command": "run_step", "step": "2.4"})
            assert await client.reply() is not None
            client.writer.transport.abort()
        async with attached(SocketClient(run), name="ben") as ben:
            await ben.until(lambda f: f.kinds().count("client_detached") == 1)
            assert ben.state.step("2.4").status is StepStatus.RUNNING
            took = await ben.send(TakeOver())
            assert took.accepted or "is the operator already" in took.reason  # he came after its end was noticed
            assert (await ben.send(AbortStep(step="2.4"))).accepted


# --- the client's end ----------------------------------------------------------------------------------------------


async def test_without_an_engine_the_client_says_so(run: Path) -> None:
    with pytest.raises(EngineError, match="No engine serves"):
        await SocketClient(run).attach(role="operator", name="anna")
    run.mkdir()
    (run / NOTE).write_text(json.dumps({"socket": str(run / SOCKET)}))
    with pytest.raises(EngineError, match="does not answer"):
        await SocketClient(run).attach(role="operator", name="anna")


async def test_when_the_engine_ends_the_frames_end_and_the_client_attaches_again(run: Path) -> None:
    client = SocketClient(run)
    follower = Follower(client)
    async with serving(run):
        await client.attach(role="operator", name="anna")
        following = asyncio.create_task(follower.follow())
        await follower.until(lambda f: f.state.operator)
    await asyncio.wait_for(following, 10)
    assert follower.kinds()[-1] == "engine_stopped"
    with pytest.raises(EngineError, match="ended"):
        await client.send(RunStep(step="2.1"))
    async with serving(run):
        await client.attach(role="operator", name="anna", since=follower.state.last)
        following = asyncio.create_task(follower.follow())
        await follower.until(lambda f: f.kinds().count("engine_started") == 2)
        assert (await client.send(RunStep(step="2.1"))).accepted
        await follower.until_step("2.1", StepStatus.DONE)
        await client.detach()
        await asyncio.wait_for(following, 10)
    assert [r.seq for r in follower.records] == list(range(1, len(follower.records) + 1))


async def test_replies_find_their_commands(run: Path) -> None:
    async with serving(run), attached(SocketClient(run)) as anna:
        sent = [
            AddNote(task=1, text=f"note {number}") if number % 2 else RunStep(step=f"9.{number}")
            for number in range(40)
        ]
        impatient = asyncio.create_task(anna.send(AddNote(task=1, text="given up")))
        await asyncio.sleep(0)
        impatient.cancel()
        replies = await asyncio.gather(*(anna.send(command) for command in sent))
        assert [r.reason for r in replies] == [
            "" if isinstance(command, AddNote) else f"there is no step {command.step}" for command in sent
        ]


async def test_an_engine_of_another_version_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(run):
        monkeypatch.setattr(server, "PROTOCOL", PROTOCOL + 1)
        with pytest.raises(EngineError, match="use the same version"):
            await SocketClient(run).attach(role="operator", name="anna")
