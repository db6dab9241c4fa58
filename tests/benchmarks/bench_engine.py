"""What it costs to be watched: a step's own time with ten watchers against none, at 1,000 events a second and flat out.

The engine is a process of its own, the watchers share another; rounds are interleaved, medians of the rounds compared.

    python tests/benchmarks/bench_engine.py [--rounds 3] [--watchers 10] [--events 3000]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from core.engine.client import SocketClient
from core.engine.handover import Handover
from core.engine.process import engine_client
from core.engine.protocol import RunStep, StopEngine
from core.events import ENGINE, StepFinished, StepSaid
from core.journal import Journal
from core.runbook.model import Runbook, Step, StepContext, StepKind, Task
from core.runbook.state import RunState, StepStatus, fold
from core.settings import Settings

RATE = 1000
"""Events a second of the paced step."""


async def paced(context: StepContext) -> str:
    """Publish at the rate; returns the median milliseconds until an event was on disk and told."""
    count = int(context.state.facts["events"])
    loop = asyncio.get_running_loop()
    began = loop.time()
    took: list[float] = []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
        before = loop.time()
        await context.say(f"statement {number} of some table or other")
        took.append((loop.time() - before) * 1000)
    return f"{statistics.median(took)} {loop.time() - began}"


async def flat_out(context: StepContext) -> str:
    """Publish one after the other, as fast as the disk goes; returns the milliseconds for each."""
    count = int(context.state.facts["events"])
    began = time.perf_counter()
    for number in range(count):
        await context.say(f"statement {number} of some table or other")
    seconds = time.perf_counter() - began
    return f"{seconds / count * 1000} {seconds}"


async def prepare(context: StepContext) -> str:
    await context.fact("events", int(context.run_directory.name.partition("-")[2]))
    return "prepared"


RUNBOOK = Runbook(
    "bench",
    (
        Task(
            1,
            "Bench",
            "",
            "",
            (
                Step("1.1", "Prepare", StepKind.AUTOMATIC, action=prepare),
                Step("1.2", "Paced", StepKind.AUTOMATIC, action=paced),
                Step("1.3", "Flat out", StepKind.AUTOMATIC, action=flat_out),
            ),
        ),
    ),
)


async def watch(run: Path, count: int) -> None:
    """Attach that many watchers, each of which folds what it gets, and say when they are there."""

    async def one(number: int) -> None:
        client = SocketClient(run)
        await client.attach(role="watcher", name=f"watcher {number}", since=1 << 62)
        state = RunState()
        if number == count - 1:
            print("attached", flush=True)
        async for frame in client.frames():
            if frame.frame == "record":
                state = fold(state, frame.record)

    await asyncio.gather(*(one(number) for number in range(count)))


async def step_time(client: SocketClient, step: str) -> tuple[float, float]:
    """Run the step; the two figures that it returns."""
    state = RunState()
    reply = await client.send(RunStep(step=step))
    assert reply.accepted, reply.reason
    async for frame in client.frames():
        if frame.frame == "record":
            state = fold(state, frame.record)
            if isinstance(frame.record.event, StepFinished) and frame.record.event.step == step:
                break
    assert state.step(step).status is StepStatus.DONE
    first, second = state.step(step).summary.split()
    return float(first), float(second)


async def measure(events: int, watchers: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="pgrecast-bench-") as directory:
        run = Path(directory) / f"run-{events}"
        client = await engine_client(Handover(run, Settings(), "tests.benchmarks.bench_engine:RUNBOOK"))
        await client.attach(role="operator", name="bench")
        await client.send(RunStep(step="1.1"))
        await asyncio.sleep(0.5)
        figures: dict[tuple[str, bool], list[float]] = {}
        for _ in range(rounds):
            for watched in (False, True):
                others = start_watchers(run, watchers) if watched else None
                for step in ("1.2", "1.3"):
                    figure, _ = await step_time(client, step)
                    figures.setdefault((step, watched), []).append(figure)
                if others is not None:
                    others.terminate()
                    others.wait()
        await client.send(StopEngine())
        await client.detach()
        await asyncio.sleep(0.5)
    for step, what in (("1.2", f"at {RATE} events/s"), ("1.3", "flat out")):
        alone, seen = (statistics.median(figures[step, watched]) for watched in (False, True))
        print(
            f"{what}: {alone:.2f} ms an event alone, {seen:.2f} ms with {watchers} watchers, ratio {seen / alone:.2f}"
        )


def start_watchers(run: Path, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "--watch", str(run), "--watchers", str(count)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "attached"
    return process


def bench_journal(events: int) -> None:
    with tempfile.TemporaryDirectory(prefix="pgrecast-bench-") as directory:
        journal = Journal.open(Path(directory))
        began = time.perf_counter()
        for number in range(events):
            journal.append(ENGINE, StepSaid(step="1.1", text=f"line {number}"))
        one_by_one = events / (time.perf_counter() - began)
        began = time.perf_counter()
        futures = [journal.submit(ENGINE, StepSaid(step="1.1", text=f"line {number}")) for number in range(events * 5)]
        futures[-1].result()
        together = events * 5 / (time.perf_counter() - began)
        began = time.perf_counter()
        read = sum(1 for _ in journal.read()) / (time.perf_counter() - began)
        journal.close()
    print(f"journal: {one_by_one:.0f} events/s one by one, {together:.0f} together, {read:.0f} read")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--watchers", type=int, default=10)
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--watch", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.watch is not None:
        asyncio.run(watch(given.watch, given.watchers))
        return
    bench_journal(given.events)
    asyncio.run(measure(given.events, given.watchers, given.rounds))


if __name__ == "__main__":
    main()
