"""A conversion as rows: six phases, counts, tables, who waits, the proof. The same rows at every width, in one column or two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

from textual.content import Content

from core.events import Json, Question, Tally
from core.runbook.conversion_state import ConversionState, PhaseState, TableState
from tui import style, summary, text
from tui.summary import Readings
from tui.text import Cell

TABLE_LOOKS = {"running": style.LIVE, "done": style.GOOD}
TABLE_ORDER = {"running": 0, "waiting": 1, "done": 2}
BAR = 8
BEFORE_COUNTS = 51
"""Cells of a phase's row before its counts."""
DISMAL = frozenset({"rolled_back", "undecided"})


def reading(conversion: ConversionState, name: str, readings: Readings) -> Mapping[str, Json]:
    """A newest reading of the conversion's step; empty when there is none or it is over."""
    return {} if conversion.ended is not None else readings.get((conversion.step, name), {})


def status_row(
    width: int, conversion: ConversionState, question: Question | None, readings: Readings, now: datetime
) -> Content:
    """What it is and how it stands: the target in words, open or ended, and for how long."""
    word = f" {conversion.target.upper()} "
    words, looks = _standing(conversion, question, readings, now)
    return text.row(
        width,
        Cell("", 1),
        Cell(f"{conversion.step} conversion of ", len(conversion.step) + 15, style.STRONG, blank=True),
        Cell(word, len(word), style.chip(conversion.target), blank=True),
        Cell("", 2),
        Cell(words, None, looks),
        Cell("", 1),
    )


def _standing(
    conversion: ConversionState, question: Question | None, readings: Readings, now: datetime
) -> tuple[str, str]:
    if conversion.outcome is not None:
        words = conversion.outcome.replace("_", " ").upper()
        took = f" after {text.duration(conversion.seconds)}" if conversion.seconds else ""
        back = conversion.rollback_seconds
        rolled = f" in {text.seconds(back)}" if back is not None else ""
        why = f": {conversion.reason}" if conversion.reason else ""
        return f"{words}{rolled}{took}{why}", style.WARN if conversion.outcome in DISMAL else style.GOOD
    if conversion.opened is None:
        return "planned, not begun", ""
    held = f"open for {text.duration(now - conversion.opened)}"
    if question is not None:
        return f"{held}, {summary.question_clock(question, now)}", style.WARN
    if conversion.commit_sent:
        return f"{held}, COMMIT sent", style.LIVE
    left = summary.seconds_left(conversion.step, readings)
    return text.sentence((held, f"about {text.duration(left)} left" if left else "")), style.LIVE


def phase_row(width: int, phase: PhaseState, now: datetime) -> Content:
    """` 2 detach              95/107 #######.   0:03  foreign keys dropped 95/107`."""
    running = phase.started is not None and phase.seconds is None
    looks = style.GOOD if phase.seconds is not None else style.LIVE if running else style.QUIET
    mark = "[x]" if phase.seconds is not None else "[>]" if running else "[ ]"
    took = text.seconds(phase.seconds) if phase.started is None or not running else text.duration(now - phase.started)
    return text.row(
        width,
        Cell("", 1),
        Cell(mark, 4, looks),
        Cell(f"{phase.number} {phase.name}", 19, style.STRONG if running else ""),
        Cell(f"{phase.done}/{phase.statements}", 9, right=True),
        Cell("", 1),
        Cell(text.bar(phase.done, 0, phase.statements, BAR), BAR, looks),
        Cell(took, 8, style.QUIET, right=True),
        Cell("", 1),
        Cell(counts(phase, width - BEFORE_COUNTS), None),
    )


def counts(phase: PhaseState, width: int) -> str:
    """The phase's counts in total, of those expected, the largest first and as many as fit: `foreign keys dropped 42/95`."""
    so_far = {tally.what: tally.count for tally in phase.tallies if not tally.root}
    expected = {tally.what: tally.count for tally in phase.expected if not tally.root}
    totals = {**so_far, **expected}
    words = [_of(what, so_far.get(what, 0), expected.get(what)) for what in sorted(totals, key=lambda w: -totals[w])]
    return text.first_that_fits([text.sentence(words[:n]) for n in range(len(words), 0, -1)], width)


def _of(what: str, count: int, expected: int | None) -> str:
    return f"{what} {count}" if expected in (None, count) else f"{what} {count}/{expected}"


def heading(width: int, words: str) -> Content:
    return text.row(width, Cell("", 1), Cell(words, None, style.HEADING))


def current_rows(width: int, conversion: ConversionState, readings: Readings) -> list[Content]:
    """What runs now, and what the server says of it."""
    progress, server = (reading(conversion, name, readings) for name in ("progress", "server"))
    running = conversion.current or {
        "before": "reading the rows, before the first change",
        "after": "reading the rows again, for the proof",
        "held": "everything is through; the transaction is open",
    }.get(str(progress.get("stage")), "")
    if not running and not server:
        return []
    index = server.get("index")
    figures = text.sentence(
        (
            f"{text.size(_number(server['growth']))} grown" if "growth" in server else "",
            f"{text.size(_number(server['wal_bytes']))} of WAL" if "wal_bytes" in server else "",
            f"waits for {server['waits_for']}" if server.get("waits_for") not in (None, "ClientRead") else "",
            f"index: {cast('dict[str, Json]', index).get('phase')}" if isinstance(index, dict) else "",
            f"not seen from outside: {server['unseen']}" if "unseen" in server else "",
        )
    )
    lines = [(running, style.LIVE), (figures, style.QUIET)]
    return [text.row(width, Cell("", 5), Cell(line, None, looks)) for line, looks in lines if line]


def waiting_rows(width: int, conversion: ConversionState, readings: Readings) -> list[Content]:
    """Who waits for the conversion, and whom it waits for; nothing when nobody does."""
    found = reading(conversion, "waiting", readings)
    blocked, waiters = (_strings(found.get(name)) for name in ("blocked_by", "waiters"))
    rows: list[Content] = []
    if blocked:
        rows.append(heading(width, f"The conversion WAITS for {text.plural(len(blocked), 'session')}"))
        rows += _told(width, blocked, style.WARN)
    if waiters:
        waits = text.plural(len(waiters), "session waits", "sessions wait")
        rows.append(heading(width, f"{waits} for the conversion"))
        rows += _told(width, waiters, "")
    return rows


def proof_rows(width: int, conversion: ConversionState) -> list[Content]:
    """The proof's sentences."""
    if conversion.proof_held is None:
        return []
    verdict = "holds" if conversion.proof_held else "does NOT hold"
    rows = [heading(width, f"The proof {verdict} ({conversion.proof_depth})")]
    looks = "" if conversion.proof_held else style.BAD
    return rows + _told(width, conversion.proof, looks)


def table_rows(width: int, conversion: ConversionState, readings: Readings) -> list[Content]:
    """The tables: those being rewritten first, then those that wait, then those that are through."""
    live = reading(conversion, "tables", readings)
    tables = sorted(conversion.tables, key=lambda table: TABLE_ORDER.get(table.status, 1))
    through = sum(table.status == "done" for table in tables)
    title = text.row(
        width,
        Cell("", 1),
        Cell(f"Tables {through}/{len(tables)}", None, style.HEADING),
        *(
            Cell(word, cells, style.QUIET, right=True)
            for word, cells in (("rows", 15), ("size", 10), ("state", 10), ("time", 9))
        ),
        Cell("", 1),
    )
    return [title, *(_table_row(width, table, live.get(table.name)) for table in tables)]


def _table_row(width: int, table: TableState, live: Json) -> Content:
    spent = table.seconds
    if table.status == "running" and isinstance(live, dict):
        spent = _number(cast("dict[str, Json]", live).get("seconds"))
    looks = TABLE_LOOKS.get(table.status, style.QUIET)
    return text.row(
        width,
        Cell("", 3),
        Cell(table.name, None, looks if table.status == "running" else ""),
        Cell(text.count(table.rows) if table.rows >= 0 else "unknown", 15, right=True),
        Cell(text.size(table.bytes), 10, right=True),
        Cell(table.status, 10, looks, right=True),
        Cell(text.seconds(spent), 9, style.QUIET, right=True),
        Cell("", 1),
    )


def count_rows(width: int, conversion: ConversionState) -> list[Content]:
    """Every count so far of what is expected, in total and by root key."""
    so_far = _counts(phase.tallies for phase in conversion.phases)
    expected = _counts(phase.expected for phase in conversion.phases)
    rows: list[Content] = []
    for what in dict.fromkeys(what for what, _ in (*expected, *so_far)):
        roots = dict.fromkeys(root for counted, root in (*expected, *so_far) if counted == what)
        for root in sorted(roots, key=lambda root: (root != "", root)):
            count, wanted = so_far.get((what, root), 0), expected.get((what, root))
            words = text.count(count) if wanted is None else f"{text.count(count)}/{text.count(wanted)}"
            looks = style.GOOD if count == wanted else ""
            rows.append(
                text.row(
                    width,
                    Cell("", 5 if root else 3),
                    Cell(root or what, None, style.QUIET if root else ""),
                    Cell(words, 15, looks, right=True),
                    Cell("", 1),
                )
            )
    return [heading(width, "Counts, in total and by root key"), *rows] if rows else []


def blocker_rows(width: int, conversion: ConversionState) -> list[Content]:
    return _findings(width, "Blockers", conversion.blockers, style.BAD)


def warning_rows(width: int, conversion: ConversionState) -> list[Content]:
    return _findings(width, "Warnings", conversion.warnings, style.WARN)


def _findings(width: int, words: str, found: tuple[str, ...], looks: str) -> list[Content]:
    return [heading(width, f"{words} {len(found)}"), *_told(width, found, looks)] if found else []


def _told(width: int, sentences: Iterable[str], looks: str) -> list[Content]:
    """Sentences, each in as many rows as it needs, the further ones indented."""
    rows: list[Content] = []
    for sentence in sentences:
        for number, line in enumerate(text.wrap(text.clean(sentence), max(10, width - 6))):
            rows.append(text.row(width, Cell("", 5 if number else 3), Cell(line, None, looks)))
    return rows


def _counts(groups: Iterable[tuple[Tally, ...]]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for tallies in groups:
        for tally in tallies:
            found[tally.what, tally.root] = found.get((tally.what, tally.root), 0) + tally.count
    return found


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _strings(value: Json) -> list[str]:
    return [str(item) for item in cast("list[Json]", value)] if isinstance(value, list) else []
