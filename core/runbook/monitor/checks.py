"""Steps 8.7 and 8.8: foreign key violations and the numbers of rows, by what was watched and by a look of now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, cast

from core.errors import HostingError
from core.events import Reading
from core.retype.orphans import count_orphans
from core.runbook.conversion.planning import read_catalog, reading, show_inspection
from core.runbook.facts import INVESTIGATION_COUNTS, MONITOR_COUNTS, MONITOR_VIOLATIONS, MONITORED
from core.runbook.investigation.findings import find_table
from core.runbook.investigation.row_counts import count_rows
from core.runbook.model import StepContext
from core.runbook.monitor.accept import accept
from core.runbook.monitor.foreign_keys import orphans_before, watched_keys
from core.runbook.monitor.log_lines import Patterns, Position, Sorted, told
from core.runbook.monitor.looks import LOG_LIMIT, MOST_SAID, bounded, log_source
from core.runbook.monitor.seen import CountsSeen, LogsSeen, OrphansSeen, Seen, alarms
from core.runbook.monitor.watch import served_since
from core.runbook.words import counted

PAGES: Final = 50
"""Readings of the log, each of up to LOG_LIMIT lines."""


async def check_violations(context: StepContext) -> str:
    """Search the logs since the service serves again, and compare the rows behind every recreated foreign key.

    Raises:
        NeedsPerson: violations were found, and nobody has accepted them.
        ConnectionFailed, QueryFailed, WrongDatabase: production could not be read.
    """
    logs = await _search_logs(context)
    orphans = await _search_orphans(context)
    in_logs = None if logs.skipped else logs.violations
    await context.fact(MONITOR_VIOLATIONS, {"logs": in_logs, "orphans": orphans.count})
    seen = Seen(logs=logs, orphans=orphans)
    watched = _watched(context, "violations")
    before = f"; the watch had seen {watched}" if watched is not None else "; nothing was watched before"
    rest = ", not all of them could be read" if logs.cut or logs.unread else ""
    log_words = (
        f"logs {logs}" if logs.skipped else f"{logs.violations:,} in {counted(logs.lines, 'line')} of the logs{rest}"
    )
    summary = f"violations: {log_words}{before}; rows that reference nothing: {orphans}"
    return await accept(context, alarms(seen, context.settings.monitor), summary)


async def _search_logs(context: StepContext) -> LogsSeen:
    source, since, seen = await log_source(context), served_since(context.state), LogsSeen()
    if isinstance(source, str):
        return LogsSeen(skipped=source)
    if since is None:
        return LogsSeen(skipped="the service does not serve again yet, as far as the run knows")
    position, patterns = Position(since), Patterns(context.settings.monitor)
    for page in range(1, PAGES + 1):
        asked = datetime.now(UTC)
        try:
            lines = await source.read(position.since)
        except HostingError as error:
            return seen.missed(error.what) if seen.lines else LogsSeen(skipped=error.what)
        full = len(lines) >= LOG_LIMIT
        new, position = position.take(lines, asked, full=full)
        found = patterns.sort(new)
        for line in found.violations[: max(0, MOST_SAID - seen.violations)]:
            await context.say(f"Violation in the log: {told(line)}")
        cut = full and (not new or page == PAGES)
        # Errors of other sorts are step 8.1's.
        seen = seen.read(Sorted(found.lines, found.violations, found.violations), cut=cut)
        if not full or not new:
            break
    return seen


async def _search_orphans(context: StepContext) -> OrphansSeen:
    spec, _ = await context.target("production")
    catalog = await read_catalog(spec, context.settings.limits, show_inspection(context))
    which, keys = await watched_keys(context, catalog)
    await context.say(f"Compares the rows behind {which}: {len(keys):,}.")
    limits = bounded(context)
    seen = OrphansSeen(keys=len(keys), before=orphans_before(context.state))
    async with reading(spec, limits) as connection:
        for done, (name, key) in enumerate(keys.items()):
            context.read(
                Reading(step=context.step, name="keys", values={"key": name, "done": done, "total": len(keys)})
            )
            seen = seen.found(name, await count_orphans(connection, catalog, key, seconds=limits.read.total_seconds()))
    for name, orphans in {**seen.bad, **seen.unknown}.items():
        found = orphans.detail if orphans.count is None else f"{orphans.count:,}, e.g. {', '.join(orphans.examples)}"
        await context.say(f"Rows that reference nothing behind {name}: {found}")
    return seen


async def verify_counts(context: StepContext) -> str:
    """Count the rows again, and hold them against what the investigation counted.

    Raises:
        NeedsPerson: there are fewer, and nobody has accepted that.
        ConnectionFailed, QueryFailed, WrongDatabase: production could not be read.
    """
    before = context.state.facts.get(INVESTIGATION_COUNTS)
    seen = CountsSeen(before=cast("dict[str, int | str | None]", before) if isinstance(before, dict) else {})
    spec, _ = await context.target("production")
    catalog = await read_catalog(spec, context.settings.limits, show_inspection(context))
    async with reading(spec, bounded(context)) as connection:
        for table in dict.fromkeys((*seen.before, *context.settings.investigation.count_tables)):
            seen = seen.counted(table, await count_rows(connection, find_table(catalog, table)))
    await context.fact(MONITOR_COUNTS, dict(seen.now))
    watched = cast("dict[str, Any] | None", _watched(context, "counts"))
    then = "; as the watch counted: " + ", ".join(f"{t} {rows}" for t, rows in watched.items()) if watched else ""
    return await accept(context, alarms(Seen(counts=seen), context.settings.monitor), f"{seen}{then}")


def _watched(context: StepContext, name: str) -> Any:
    found = context.state.facts.get(MONITORED)
    return cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
