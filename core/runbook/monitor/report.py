"""The report of a watch, in Markdown: a pure function of what was seen."""

from __future__ import annotations

from collections.abc import Sequence

from core.runbook.markdown import bullets, code, table
from core.runbook.monitor.seen import Alarm, Seen
from core.runbook.monitor.worst_queries import WorstQueries
from core.runbook.words import span


def render(
    seen: Seen, bad: Sequence[Alarm], history: Sequence[str], *, seconds: float, ended: str, worst: WorstQueries | None
) -> str:
    """
    Args:
        bad: what is bad in the end.
        history: when something turned bad, and when it was well again.
        seconds: how long was watched.
        ended: how the watch ended.
        worst: the worst queries at the end; None where they were not read.
    """
    parts = [
        "# Watch over production",
        f"Watched for {span(seconds)}, {ended}.",
        table(("", ""), ((name, code(words)) for name, words in seen.words.items())),
        "## Bad in the end",
        bullets(f"{code(alarm.what)} {code(alarm.advice)}" for alarm in bad) or "Nothing.",
        "## What turned bad, and when",
        bullets(map(code, history)) or "Nothing.",
        "## Rows that reference nothing",
        bullets(
            f"{code(key)}: {'not known, ' + code(orphans.detail) if orphans.count is None else f'{orphans.count:,}'}"
            + (f", e.g. {code(', '.join(orphans.examples))}" if orphans.examples else "")
            for key, orphans in {**seen.orphans.bad, **seen.orphans.unknown}.items()
        )
        or "None.",
        "## Violations in the logs",
        bullets(map(code, seen.logs.violation_examples)) or "None.",
        "## Errors in the logs",
        bullets(map(code, seen.logs.examples)) or "None.",
        "## Plans of the worst queries, against those from before",
        table(
            ("query", "plan", ""),
            ((code(c.query), c.verdict, code(c.words) if c.words else "") for c in seen.plans.changes.values()),
        )
        if seen.plans.changes
        else code(str(seen.plans)),
        "## Worst queries now",
        _worst(worst),
    ]
    return "\n\n".join(parts) + "\n"


def _worst(found: WorstQueries | None) -> str:
    if found is None:
        return "Not read."
    if found.reason:
        return f"Not read: {code(found.reason)}."
    return table(
        ("query", "calls", "mean", "total"),
        ((code(q.name), f"{q.calls:,}", f"{q.mean_ms:,.2f} ms", span(q.total_ms / 1000)) for q in found.queries),
    )
