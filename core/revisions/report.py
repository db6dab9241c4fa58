"""A survey in words for a report, and as plain data for a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from core.revisions.evidence import Status
from core.revisions.locate import Location, Verdict
from core.revisions.obstacles import DROP_IF_EMPTY, Obstacle
from core.revisions.survey import Survey

MOST_ITEMS = 40


def report_lines(survey: Survey) -> tuple[str, ...]:
    """The survey as lines of plain text: the answer first, then the reasons."""
    return tuple(_lines(survey))


def answer(location: Location) -> str:
    """The answer in one sentence."""
    claimed = f"the version table says {location.claim}"
    match location.verdict:
        case Verdict.AGREES:
            return f"The schema is at {_at(location.rows)}, as the version table says."
        case Verdict.PROVED:
            return f"The schema is at {_at(location.rows)}; {claimed}."
        case Verdict.AMBIGUOUS:
            return f"The schema does not decide by itself where it is; {claimed}. Answer which of these holds."


def document(survey: Survey) -> dict[str, Any]:
    """The survey as plain data that JSON can hold."""
    location = survey.location
    return {
        "answer": answer(location),
        "verdict": location.verdict.value,
        "claimed": None if location.claim.rows is None else list(location.claim.rows),
        "unknown": list(location.unknown),
        "revisions": None if location.rows is None else list(location.rows),
        "candidates": [
            {"revisions": list(c.rows), "if": c.question, "claimed": c.claimed} for c in location.candidates
        ],
        "evidence": [
            {
                "revision": found.revision,
                "doc": found.doc,
                "status": found.status.value,
                "found": found.found,
                "of": found.of,
                "key_types": found.key_types,
                "differences": list(found.differences),
                "note": found.note,
            }
            for found in location.evidence
        ],
        "pending": list(location.pending),
        "key_types": [{"live": pair.live, "wanted": pair.wanted} for pair in location.key_types],
        "unmade": [str(item) for item in location.unmade],
        "early": [{"object": str(item), "revision": revision} for item, revision in location.early],
        "obstacles": [
            {
                "revision": o.revision,
                "kind": o.kind,
                "object": str(o.item),
                "sentence": o.sentence,
                "same": o.same,
                "holds_rows": o.item in survey.holding_rows if o.kind == "exists" else None,
                "referenced_by": list(o.referenced_by),
                "choices": list(o.choices),
            }
            for o in location.obstacles
        ],
        "type_differences": [
            {"column": f"{d.schema}.{d.table}.{d.column}", "live": d.live, "wanted": d.wanted}
            for d in location.type_differences
        ],
        "notes": list(location.notes),
        "replay": {
            "from_cache": survey.replay.from_cache,
            "server_major": survey.replay.server_major,
            "alembic": survey.replay.graph.alembic,
            "sqlalchemy": survey.replay.graph.sqlalchemy,
        },
    }


def _at(rows: tuple[str, ...] | None) -> str:
    return ", ".join(rows or ()) or "the beginning of the history, none of which has run"


def _lines(survey: Survey) -> Iterator[str]:
    location = survey.location
    yield answer(location)
    for candidate in location.candidates:
        mark = " (as the version table says)" if candidate.claimed else ""
        yield f"  {_at(candidate.rows)}{mark} if {candidate.question}"
    for pair in location.key_types:
        columns = sum((d.live, d.wanted) == (pair.live, pair.wanted) for d in location.type_differences)
        if columns:
            yield f"Key types: {pair} ({columns} columns)."
    yield from location.notes
    yield ""
    yield "Evidence, revision by revision:"
    for found in location.evidence:
        mark = " <- claimed" if found.revision in (location.claim.rows or ()) else ""
        mark += " <- here" if location.rows and found.revision in location.rows else ""
        yield f"  {found}{mark}"
    out_of_order = [e.revision for e in location.evidence if e.revision in location.pending and e.status.is_applied]
    if out_of_order:
        yield f"There although what they follow is not: {', '.join(out_of_order)}."
    if location.pending:
        yield ""
        yield f"Still to be run: {', '.join(location.pending)}."
        yield from _obstacles(survey)
    if location.early:
        yield ""
        yield "There already, although the revision that makes it has not run:"
        yield from (f"  {item} ({revision})" for item, revision in location.early)
    if location.unmade:
        yield ""
        yield "What no revision makes:"
        tables_first = sorted(location.unmade, key=lambda item: item.kind != "table")
        yield from (f"  {item}" for item in tables_first[:MOST_ITEMS])
        if len(location.unmade) > MOST_ITEMS:
            yield f"  and {len(location.unmade) - MOST_ITEMS} more"
    partial = [e for e in location.evidence if e.status is Status.PARTIAL and len(e.differences) > 3]
    for found in partial:
        yield ""
        yield f"{found.revision}, what is missing or different:"
        yield from (f"  {difference}" for difference in found.differences)


def _obstacles(survey: Survey) -> Iterator[str]:
    """One line each; of a revision's foreign keys that cannot be, one for all."""
    keys = Counter(o.revision for o in survey.location.obstacles if o.kind == "types")
    for obstacle in survey.location.obstacles:
        said = _obstacle(survey, obstacle)
        if obstacle.kind == "types":
            if not (count := keys.pop(obstacle.revision, 0)):
                continue
            said += f" The same of {count - 1} more." if count > 1 else ""
        yield f"  {obstacle.revision} will fail: {said}"


def _obstacle(survey: Survey, obstacle: Obstacle) -> str:
    said, choices = obstacle.sentence, obstacle.choices
    if obstacle.kind == "exists" and obstacle.item.kind == "table":
        holds_rows = obstacle.item in survey.holding_rows
        said += "; it holds rows" if holds_rows else "; it holds no rows"
        choices = tuple(choice for choice in choices if not (holds_rows and choice == DROP_IF_EMPTY))
    if obstacle.referenced_by:
        said += f"; referenced by {', '.join(obstacle.referenced_by)}"
    return f"{said}. {'; or '.join(choices).capitalize()}."
