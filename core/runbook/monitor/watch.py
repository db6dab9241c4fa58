"""Step 8.1: watch production for a set time, and tell at once when something turns bad."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from core.errors import PgrecastError
from core.events import AlarmCleared, AlarmRaised, Reading
from core.runbook.conversion.planning import read_catalog, reading, show_inspection
from core.runbook.facts import DOWNTIME_SECONDS, INVESTIGATION_COUNTS, MONITORED, WATCH_FILE
from core.runbook.model import Reconciled, StepContext
from core.runbook.monitor.accept import accept
from core.runbook.monitor.foreign_keys import orphans_before, watched_keys
from core.runbook.monitor.looks import DatabaseLook, LogLook, Look, ServiceLook, bounded, log_source
from core.runbook.monitor.report import render
from core.runbook.monitor.seen import Alarm, CountsSeen, HealthSeen, LogsSeen, OrphansSeen, PlansSeen, Seen, alarms
from core.runbook.monitor.worst_queries import WorstQueries, read_worst_queries, recorded_queries
from core.runbook.state import RunState
from core.runbook.window.alerts import has_alert_command, send_alert
from core.runbook.words import limit, span

STEP: Final = "8.1"
READING: Final = "watch"
RECORD_EVERY: Final = 60.0
"""Seconds after which what was seen is recorded anew, so that a lost engine loses no more."""
MAINTENANCE_OFF: Final = "7.7"


async def watch_production(context: StepContext) -> str:
    """Watch for as long as the settings say. Ended early, what was found so far is kept.

    Raises:
        NeedsPerson: something bad was found, and nobody has accepted it.
        WrongDatabase, ConnectionFailed, QueryFailed: production could not be read to begin with, or is another database.
    """
    wanted = context.settings.monitor
    watch = Watch(context)
    looks = await _looks(context, watch)
    for name, words in watch.seen.words.items():
        if words.startswith("not ") and ": " in words:
            await context.say(f"{name}: {words}.")
    await context.say(f"Watches for {limit(wanted.duration)}, every {limit(wanted.interval)}.")
    try:
        await watch.run(looks)
    except asyncio.CancelledError:
        await watch.leave(ended="stopped by hand", now_worst=None)
        raise
    await watch.leave(ended="to its end", now_worst=await _worst_now(context))
    return await accept(context, watch.bad, f"watched for {span(watch.elapsed)}: {_summary(watch.seen)}")


def _summary(seen: Seen) -> str:
    words = seen.words
    return "; ".join(f"{name}: {words[name]}" for name in ("health", "logs", "orphans", "rows"))


@dataclass
class Watch:
    """A watch that goes on: what it has seen, and what of it is bad."""

    context: StepContext
    seen: Seen = field(default_factory=Seen)
    bad: tuple[Alarm, ...] = ()
    history: list[str] = field(default_factory=list[str])
    """When something turned bad, or was well again."""
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    _recorded: float = 0.0
    _alerting: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self.began

    async def run(self, looks: list[Look]) -> None:
        """Look once with each, then again and again until the time is over."""
        self.began = asyncio.get_running_loop().time()
        wanted = self.context.settings.monitor
        await _all_of(look.look() for look in looks)
        await self._record()
        left = wanted.duration.total_seconds() - self.elapsed
        if left > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await _all_of(_again(look, wanted.interval.total_seconds()) for look in looks)

    async def note(self, change: Callable[[Seen], Seen]) -> None:
        """Take what a look saw; raise and clear alarms, show it, and record it from time to time."""
        self.seen = change(self.seen)
        was, self.bad = self.bad, alarms(self.seen, self.context.settings.monitor)
        before, now = {alarm.name for alarm in was}, {alarm.name for alarm in self.bad}
        self._show()
        for alarm in self.bad:
            if alarm.name not in before:
                await self._raise(alarm)
        for name in sorted(before - now):
            self._remember(f"well again: {name}")
            await self.context.publish(AlarmCleared(step=self.context.step, name=name))
        if before != now or self.elapsed - self._recorded >= RECORD_EVERY:
            await self._record()

    async def leave(self, *, ended: str, now_worst: WorstQueries | None) -> None:
        """Record what was seen in the end, and leave the report.

        Args:
            ended: how the watch ended.
            now_worst: the worst queries now; None where they were not read.
        """
        await self._record()
        text = render(self.seen, self.bad, self.history, seconds=self.elapsed, ended=ended, worst=now_worst)
        await self.context.file(WATCH_FILE, text.encode())
        if self._alerting:
            await asyncio.wait(self._alerting)

    async def _raise(self, alarm: Alarm) -> None:
        self._remember(f"{alarm.name}: {alarm.what}")
        await self.context.publish(
            AlarmRaised(step=self.context.step, name=alarm.name, what=alarm.what, advice=alarm.advice)
        )
        if has_alert_command(self.context.settings):
            task = asyncio.create_task(self._alert(f"pgrecast, step {self.context.step}: {alarm.what} {alarm.advice}"))
            self._alerting.add(task)
            task.add_done_callback(self._alerting.discard)

    async def _alert(self, text: str) -> None:
        try:
            await send_alert(self.context, text)
        except PgrecastError as error:
            await self.context.say(f"Nobody was alerted: {error.what}")

    def _remember(self, what: str) -> None:
        self.history.append(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {what}")

    def _show(self) -> None:
        left = max(0.0, self.context.settings.monitor.duration.total_seconds() - self.elapsed)
        values = self.seen.reading(self.elapsed, left, self.bad)
        self.context.read(Reading(step=self.context.step, name=READING, values=values))

    async def _record(self) -> None:
        self._recorded = self.elapsed
        await self.context.fact(MONITORED, self.seen.fact(self.elapsed))


async def _again(look: Look, interval: float) -> None:
    """Look again and again, at even intervals as far as a look's own time allows."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + interval, loop.time())
        await asyncio.sleep(due - loop.time())
        await look.look()


async def _all_of(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do it side by side; the first error ends the rest, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors


async def _looks(context: StepContext, watch: Watch) -> list[Look]:
    """The looks that the settings and the host allow; why one is left out stands in what was seen."""
    settings = context.settings
    spec, _ = await context.target("production")
    catalog = await read_catalog(spec, settings.limits, show_inspection(context))
    which, keys = await watched_keys(context, catalog)
    await context.say(f"Compares the rows behind {which}: {len(keys):,}.")
    before = context.state.facts.get(INVESTIGATION_COUNTS)
    counts = cast("dict[str, int | str | None]", before) if isinstance(before, dict) else {}
    worst = recorded_queries(context)
    source = await log_source(context)
    watch.seen = Seen(
        health=HealthSeen(skipped="" if settings.service.health_url else "service.health_url is not set"),
        logs=LogsSeen(skipped=source if isinstance(source, str) else ""),
        orphans=OrphansSeen(keys=len(keys), before=orphans_before(context.state)),
        counts=CountsSeen(before=counts),
        plans=PlansSeen(skipped=worst.reason),
    )
    tables = tuple(dict.fromkeys((*counts, *settings.investigation.count_tables)))
    looks: list[Look] = [DatabaseLook(context, catalog, keys, tables, worst.queries, watch.note)]
    if not watch.seen.health.skipped:
        looks.append(ServiceLook(settings.service.health_url, watch.note))
    if not isinstance(source, str):
        since = served_since(context.state) or datetime.now(UTC)
        looks.append(LogLook(context, source, since, watch.note))
    return looks


def served_since(state: RunState) -> datetime | None:
    """When the service was seen, or said, to serve again after the conversion; None while it does not."""
    return state.fact_times.get(DOWNTIME_SECONDS) or state.step(MAINTENANCE_OFF).ended


async def _worst_now(context: StepContext) -> WorstQueries:
    try:
        spec, _ = await context.target("production")
        async with reading(spec, bounded(context)) as connection:
            return await read_worst_queries(connection)
    except PgrecastError as error:
        return WorstQueries(reason=error.what)


async def reconcile_watch(context: StepContext) -> Reconciled:
    """What an interrupted watch had seen, by what it had recorded."""
    known, at = context.state.facts.get(MONITORED), context.state.fact_times.get(MONITORED)
    started = context.state.step(context.step).started
    again = "It changes nothing; run it again to go on watching."
    if not isinstance(known, dict) or at is None or (started is not None and at < started):
        return Reconciled("failed", f"The watch was interrupted before it had recorded anything. {again}")
    words = cast("dict[str, str]", cast("dict[str, Any]", known).get("words") or {})
    seen = "; ".join(f"{name}: {told}" for name, told in words.items())
    return Reconciled("failed", f"The watch was interrupted. Until {at:%H:%M:%S} UTC it had seen: {seen}. {again}")
