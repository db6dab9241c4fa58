"""The course of a conversion: what has run and for how long, told as events, in the log, and as progress."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from core.events import Event, PhaseFinished, PhaseStarted, StatementFinished, StatementStarted, Tally
from core.retype.estimate import Estimate, Timing, Timings, key
from core.retype.model import Phase, Plan, ProofDepth
from core.retype.progress import Progress, Stage
from core.retype.statement_log import StatementLog


class Course:
    """Keeps the clock of a conversion.

    Attributes:
        doing: what happens now, in words, for an error that may come.
        finished: seconds of the statements that are through, by their place in the plan.
        phases: the phases that are through.
        reading: seconds spent on reading rows for the proof.
    """

    def __init__(
        self, estimate: Estimate, *, step: str, publish: Callable[[Event], Awaitable[None]], log: StatementLog
    ) -> None:
        self.doing = "opening the transaction"
        self.finished: dict[int, float] = {}
        self.phases: set[Phase] = set()
        self.reading = 0.0
        self._estimate = estimate
        self._step = step
        self._publish = publish
        self._log = log
        self._stage: Stage = "before"
        self._since = asyncio.get_running_loop().time()
        self._current: int | None = None

    @property
    def plan(self) -> Plan:
        return self._estimate.plan

    @property
    def progress(self) -> Progress:
        elapsed = asyncio.get_running_loop().time() - self._since
        return Progress(self._estimate, dict(self.finished), self._current, elapsed, self._stage)

    def timings(self, depth: ProofDepth, *, rollback: float | None) -> Timings:
        """What it took, for the next estimate."""
        statements = self.plan.statements
        return Timings(
            statements={
                key(statements[i]): Timing(seconds=seconds, bytes=statements[i].bytes)
                for i, seconds in self.finished.items()
            },
            proof={depth: self.reading} if Phase.PROVE in self.phases else {},
            rollback=rollback,
        )

    def enter(self, stage: Stage, doing: str) -> None:
        self._stage, self.doing = stage, doing
        self._since = asyncio.get_running_loop().time()

    @asynccontextmanager
    async def phase(self, phase: Phase) -> AsyncGenerator[None, None]:
        """A phase, told when it begins and, with what it counted, when it is through."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._log.note(f"phase {phase.value}: {phase.title}")
        await self._publish(PhaseStarted(step=self._step, phase=phase))
        yield
        tallies = total_of(t for s in self.plan.of_phase(phase) for t in s.tallies)
        seconds = loop.time() - began
        self.phases.add(phase)
        counted = "".join(f", {t.count} {t.what}{f' of {t.root}' if t.root else ''}" for t in tallies)
        self._log.note(f"phase {phase.value} took {seconds:.3f} s{counted}")
        self._log.sync()
        await self._publish(PhaseFinished(step=self._step, phase=phase, seconds=seconds, tallies=tallies))

    @asynccontextmanager
    async def statement(self, number: int) -> AsyncGenerator[None, None]:
        """A statement of the plan, by its place from 0; events count from 1."""
        loop = asyncio.get_running_loop()
        statement = self.plan.statements[number]
        named = {"step": self._step, "phase": statement.phase, "number": number + 1, "object": statement.object,
                 "table": statement.table}  # fmt: skip
        self.doing = f"{statement.kind}: {statement.object}"
        self._log.statement(statement.sql)
        await self._publish(StatementStarted.model_validate(named))
        self._current, self._since = number, loop.time()
        yield
        seconds = loop.time() - self._since
        self._current, self.finished[number] = None, seconds
        self._log.note(f"{seconds:.3f} s")
        await self._publish(
            StatementFinished.model_validate({**named, "seconds": seconds, "tallies": statement.tallies})
        )


def total_of(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    """Counts added up by what is counted and for which root, in the order of their first appearance."""
    counts: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        counts[tally.what, tally.root] += tally.count
    return tuple(Tally(what=what, root=root, count=count) for (what, root), count in counts.items())
