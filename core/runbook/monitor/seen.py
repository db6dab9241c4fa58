"""What a watch has seen so far, what of it is bad, and how it is told: plain frozen data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from core.events import Json
from core.hosting.health import Health
from core.retype.orphans import Orphans
from core.runbook.monitor.log_lines import Sorted, told
from core.runbook.monitor.plans import PlanChange
from core.runbook.words import age, counted
from core.settings.monitor import MonitorSettings

LATENCIES: Final = 240
"""Health probes whose latency is kept for the screen."""
EXAMPLES: Final = 50
"""Log lines that are kept as examples, of each sort."""

LOGS_ADVICE: Final = (
    "Look at the lines in this step's log, and at what they name. If the application no longer fits the database, stop it as in "
    "step 7.2, correct it, and deploy again."
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something bad. `name` stays the same while it lasts."""

    name: str
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """Health probes. `skipped` says why there are none."""

    skipped: str = ""
    asked: int = 0
    failed: int = 0
    in_a_row: int = 0
    """Failed at the end, one after another."""
    words: str = ""
    latencies: tuple[float | None, ...] = ()
    """Seconds of the last probes; None for one that failed."""

    def probed(self, health: Health) -> HealthSeen:
        latency = health.seconds if health.serves else None
        return replace(
            self,
            asked=self.asked + 1,
            failed=self.failed + (not health.serves),
            in_a_row=0 if health.serves else self.in_a_row + 1,
            words=health.words,
            latencies=(*self.latencies, latency)[-LATENCIES:],
        )

    def __str__(self) -> str:
        if self.skipped:
            return f"not asked: {self.skipped}"
        latest = self.latencies[-1] if self.latencies else None
        took = f" in {latest * 1000:.0f} ms" if latest is not None else ""
        return f"{self.words or 'not asked yet'}{took}; {self.asked:,} asked, {self.failed:,} failed"


@dataclass(frozen=True, slots=True)
class LogsSeen:
    """Lines of the service's log. `skipped` says why there are none; `unread` what kept the last reading from succeeding."""

    skipped: str = ""
    unread: str = ""
    failures: int = 0
    """Readings that failed at the end, one after another."""
    lines: int = 0
    errors: int = 0
    violations: int = 0
    cut: int = 0
    """Readings that were as long as one may be and led no further: there may have been more lines."""
    examples: tuple[str, ...] = ()
    violation_examples: tuple[str, ...] = ()

    def missed(self, why: str) -> LogsSeen:
        return replace(self, unread=why, failures=self.failures + 1)

    def read(self, found: Sorted, *, cut: bool = False) -> LogsSeen:
        return replace(
            self,
            unread="",
            failures=0,
            lines=self.lines + found.lines,
            errors=self.errors + len(found.errors),
            violations=self.violations + len(found.violations),
            cut=self.cut + cut,
            examples=(*self.examples, *map(told, found.errors))[:EXAMPLES],
            violation_examples=(*self.violation_examples, *map(told, found.violations))[:EXAMPLES],
        )

    def __str__(self) -> str:
        if self.skipped:
            return f"not read: {self.skipped}"
        unread = f"; NOT READ at present: {self.unread}" if self.unread else ""
        cut = f"; {counted(self.cut, 'reading')} at the limit, there may be more" if self.cut else ""
        return (
            f"{counted(self.violations, 'violation')}, {counted(self.errors, 'error')} in {counted(self.lines, 'line')}"
            f"{cut}{unread}"
        )


@dataclass(frozen=True, slots=True)
class LockWait:
    pid: int
    who: str
    seconds: float
    blocked_by: tuple[int, ...]

    def __str__(self) -> str:
        holders = ", ".join(map(str, self.blocked_by)) or "unknown"
        return f"process {self.pid} ({self.who}) waits for {age(timedelta(seconds=self.seconds))} for {holders}"


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """Sessions on the database and their waits. `unread` says what kept the last look from succeeding."""

    looked: int = 0
    unread: str = ""
    failures: int = 0
    """Looks that failed at the end, one after another."""
    sessions: int = 0
    active: int = 0
    idle_in_transaction: int = 0
    waits: tuple[LockWait, ...] = ()

    def unreachable(self, why: str) -> DatabaseSeen:
        return replace(self, unread=why, failures=self.failures + 1)

    def __str__(self) -> str:
        if self.unread:
            return f"NOT READ at present: {self.unread}"
        if not self.looked:
            return "not looked at yet"
        idle = f", {self.idle_in_transaction:,} idle in a transaction" if self.idle_in_transaction else ""
        return (
            f"{counted(self.sessions, 'session')}, {self.active:,} active{idle}, {len(self.waits):,} waiting for locks"
        )


@dataclass(frozen=True, slots=True)
class OrphansSeen:
    """Rows that reference nothing, by foreign key; a key that was not looked at yet is absent.

    Attributes:
        before: how many there were before the conversion, behind keys that do not keep them out.
    """

    keys: int = 0
    before: Mapping[str, int] = field(default_factory=dict[str, int])
    by_key: Mapping[str, Orphans] = field(default_factory=dict[str, Orphans])

    def found(self, key: str, orphans: Orphans) -> OrphansSeen:
        return replace(self, by_key={**self.by_key, key: orphans})

    def _new(self, key: str) -> int:
        return max(0, (self.by_key[key].count or 0) - self.before.get(key, 0))

    @property
    def bad(self) -> dict[str, Orphans]:
        """Keys behind which there are more than before."""
        return {key: orphans for key, orphans in self.by_key.items() if self._new(key)}

    @property
    def count(self) -> int:
        """Rows beyond those known before."""
        return sum(map(self._new, self.by_key))

    @property
    def known(self) -> int:
        """Rows that were so before."""
        return sum(orphans.count or 0 for orphans in self.by_key.values()) - self.count

    @property
    def checked(self) -> int:
        """Keys whose rows were all compared."""
        return sum(orphans.count is not None for orphans in self.by_key.values())

    @property
    def unknown(self) -> dict[str, Orphans]:
        return {key: orphans for key, orphans in self.by_key.items() if orphans.count is None}

    def __str__(self) -> str:
        unknown = f", {len(self.unknown):,} not compared" if self.unknown else ""
        known = f"; {self.known:,} known from before" if self.known else ""
        return f"{self.count:,} behind {self.checked:,} of {counted(self.keys, 'foreign key')}{unknown}{known}"


@dataclass(frozen=True, slots=True)
class CountsSeen:
    """Rows by table, before the conversion and now."""

    before: Mapping[str, int | str | None] = field(default_factory=dict[str, "int | str | None"])
    now: Mapping[str, int | str | None] = field(default_factory=dict[str, "int | str | None"])

    def counted(self, table: str, rows: int | str | None) -> CountsSeen:
        return replace(self, now={**self.now, table: rows})

    @property
    def fewer(self) -> dict[str, tuple[int, int]]:
        """Tables that have fewer rows than before, or are gone: the two numbers."""
        found: dict[str, tuple[int, int]] = {}
        for table, rows in self.now.items():
            before, after = self.before.get(table), 0 if rows is None else rows
            if isinstance(before, int) and isinstance(after, int) and after < before:
                found[table] = before, after
        return found

    def _words(self, table: str) -> str:
        before, after = self.before.get(table), self.now.get(table)
        if not isinstance(after, int):
            return f"{table} {'is not there' if after is None else after}"
        if not isinstance(before, int):
            return f"{table} {after:,} (not counted before)"
        return f"{table} {after:,} ({after - before:+,})" if after != before else f"{table} {after:,} (as before)"

    def __str__(self) -> str:
        return ", ".join(map(self._words, self.now)) or "not counted yet"


@dataclass(frozen=True, slots=True)
class PlansSeen:
    """The worst queries' plans against those from before. `skipped` says why they are not compared."""

    skipped: str = ""
    changes: Mapping[str, PlanChange] = field(default_factory=dict[str, PlanChange])

    def compared(self, change: PlanChange) -> PlansSeen:
        return replace(self, changes={**self.changes, change.query: change})

    @property
    def bad(self) -> tuple[PlanChange, ...]:
        return tuple(change for change in self.changes.values() if change.verdict in ("worse", "fails"))

    def __str__(self) -> str:
        if self.skipped:
            return f"not compared: {self.skipped}"
        verdicts = [change.verdict for change in self.changes.values()]
        told_ = (f"{verdicts.count(v):,} {w}" for v, w in _VERDICTS.items() if v in verdicts)
        return ", ".join(told_) or "not compared yet"


_VERDICTS: Final = {
    "same": "as before",
    "changed": "with another plan",
    "worse": "WORSE",
    "fails": "FAILING",
    "unknown": "not comparable",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it."""

    health: HealthSeen = HealthSeen()
    logs: LogsSeen = LogsSeen()
    database: DatabaseSeen = DatabaseSeen()
    orphans: OrphansSeen = OrphansSeen()
    counts: CountsSeen = CountsSeen()
    plans: PlansSeen = PlansSeen()

    def with_(self, **parts: Any) -> Seen:
        """The same with other parts."""
        return replace(self, **parts)

    @property
    def words(self) -> dict[str, str]:
        """Each part in words, by its name."""
        return {
            "health": str(self.health),
            "logs": str(self.logs),
            "orphans": str(self.orphans),
            "rows": str(self.counts),
            "sessions": str(self.database),
            "plans": str(self.plans),
        }

    def fact(self, seconds: float) -> Json:
        """What the run remembers of it.

        Args:
            seconds: since the watch began.
        """
        return {
            "seconds": round(seconds, 1),
            "probes": self.health.asked,
            "failed": self.health.failed,
            "lines": self.logs.lines,
            "errors": self.logs.errors,
            "violations": self.logs.violations,
            "orphans": self.orphans.count,
            "keys": self.orphans.keys,
            "keys_checked": self.orphans.checked,
            "counts": dict(self.counts.now),
            "words": self.words,
        }

    def reading(self, elapsed: float, left: float, bad: tuple[Alarm, ...]) -> dict[str, Json]:
        """What the live view shows, times in seconds."""
        return {
            "elapsed": elapsed,
            "left": left,
            "latencies": list(self.health.latencies),
            "words": self.words,
            "bad": [alarm.name for alarm in bad],
        }


def alarms(seen: Seen, settings: MonitorSettings) -> tuple[Alarm, ...]:
    """What of it is bad, each with what to do. The names are those of `Seen.words`, and for the logs also `violations` and `errors`."""
    return tuple(_alarms(seen, settings))


def _alarms(seen: Seen, settings: MonitorSettings) -> Iterator[Alarm]:
    health, logs, database = seen.health, seen.logs, seen.database
    if health.in_a_row >= settings.failures:
        yield Alarm(
            "health",
            f"The service {health.words}, {health.in_a_row} times in a row.",
            "Look at its logs and its environment at the host, and restart it; if it does not come back, deploy the version before.",
        )
    if logs.violations:
        what = f"{counted(logs.violations, 'violation')} in the service's logs: {logs.violation_examples[0]}"
        yield Alarm("violations", what, LOGS_ADVICE)
    if logs.errors > logs.violations:
        number = counted(logs.errors - logs.violations, "error")
        other = next((line for line in logs.examples if line not in logs.violation_examples), logs.examples[0])
        yield Alarm("errors", f"{number} in the service's logs: {other}", LOGS_ADVICE)
    if logs.failures >= settings.failures:
        yield Alarm(
            "logs",
            f"The service's logs could not be read {logs.failures} times in a row: {logs.unread}",
            "Look at them at the host itself until they can be read again; what was written meanwhile is read then.",
        )
    if seen.orphans.bad:
        key, orphans = next(iter(seen.orphans.bad.items()))
        examples = ", ".join(orphans.examples)
        yield Alarm(
            "orphans",
            f"{counted(seen.orphans.count, 'row')} referencing nothing and not known before: {key} ({examples}).",
            "The foreign key should have kept them out: look whether it is enforced, and who writes those rows; compare with the backup.",
        )
    if seen.counts.fewer:
        fewer = "; ".join(f"{table} had {was:,}, has {now:,}" for table, (was, now) in seen.counts.fewer.items())
        yield Alarm(
            "rows",
            f"Fewer rows than before the conversion: {fewer}.",
            "Find out whether people have deleted them; if nobody has, compare with the backup before anything else is written.",
        )
    long = [wait for wait in database.waits if wait.seconds >= settings.lock_wait.total_seconds()]
    if database.failures >= settings.failures:
        yield Alarm(
            "sessions",
            f"The database could not be read {database.failures} times in a row: {database.unread}",
            "Look whether the server answers and takes this role's connections.",
        )
    elif long:
        yield Alarm(
            "sessions",
            f"{counted(len(long), 'session')} wait for locks for long: {long[0]}.",
            "Look what the holder does; end it with SELECT pg_terminate_backend(pid) if it hangs.",
        )
    if seen.plans.bad:
        change = seen.plans.bad[0]
        yield Alarm(
            "plans",
            f"{counted(len(seen.plans.bad), 'query', 'queries')} worse than before: {change.query}: {change.words}.",
            "A cast to the old type keeps an index from being used, or fails: correct the query, or run ANALYZE on its tables.",
        )
