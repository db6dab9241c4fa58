"""Plans of queries, before the conversion and now: pure functions of what EXPLAIN says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

from core.events import Json

COSTLIER = 10.0
"""By how much a plan's estimated cost may grow before that counts as worse."""
COSTLIER_SCAN = 2.0
"""The same where a table is read from one end to the other that was not before: for a small one that is no loss."""
LONGEST = 100
"""Characters of a query by which it is named."""

Verdict = Literal["same", "changed", "worse", "fails", "unknown"]


@dataclass(frozen=True, slots=True)
class Explained:
    """What EXPLAIN said of a query.

    Attributes:
        plan: the plan's node as `EXPLAIN (FORMAT JSON)` gives it; None when there is none.
        error: why not.
        passing: whether that may be otherwise in a moment: it took too long, or waited for a lock.
    """

    plan: Mapping[str, Any] | None
    error: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query of the application's.

    Attributes:
        text: as pg_stat_statements keeps it, its constants left out.
        calls, total_ms: since the statistics were reset.
    """

    text: str
    calls: int
    total_ms: float
    explained: Explained

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.calls if self.calls else 0.0

    @property
    def name(self) -> str:
        """Its text in one line, cut."""
        line = " ".join(self.text.split())
        return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"

    @property
    def document(self) -> Json:
        return {
            "query": self.text,
            "calls": self.calls,
            "total_ms": round(self.total_ms, 3),
            "plan": self.explained.plan,
            "error": self.explained.error,
        }

    @classmethod
    def of_document(cls, found: Mapping[str, Any]) -> Self:
        """The reverse of `document`; raises KeyError, TypeError or ValueError for anything else."""
        plan = found["plan"]
        explained = Explained(cast("Mapping[str, Any]", plan) if isinstance(plan, dict) else None, str(found["error"]))
        return cls(str(found["query"]), int(found["calls"]), float(found["total_ms"]), explained)


@dataclass(frozen=True, slots=True)
class PlanChange:
    """How a query's plan compares with the one from before.

    Attributes:
        words: what has changed, in a sentence; empty when nothing has.
    """

    query: str
    verdict: Verdict
    words: str = ""


def compare(before: Query, now: Explained) -> PlanChange:
    """The verdict on one query. What could not be explained before tells nothing now."""
    if before.explained.plan is None:
        return PlanChange(before.name, "unknown", f"could not be explained before: {before.explained.error}")
    if now.plan is None and now.passing:
        return PlanChange(before.name, "unknown", f"cannot be explained at the moment: {now.error}")
    if now.plan is None:
        return PlanChange(before.name, "fails", f"fails now: {now.error}")
    was, shape = lines(before.explained.plan), lines(now.plan)
    cost, is_now = _cost(before.explained.plan), _cost(now.plan)
    scanned = sorted(_scanned(now.plan) - _scanned(before.explained.plan))
    costs = f"its estimated cost was {cost:,.0f}, and is {is_now:,.0f}"
    if scanned and is_now > COSTLIER_SCAN * cost:
        return PlanChange(before.name, "worse", f"reads the whole of {', '.join(scanned)} now; {costs}")
    if is_now > COSTLIER * cost:
        return PlanChange(before.name, "worse", costs)
    if was != shape:
        return PlanChange(before.name, "changed", "has another plan, which is not worse by its estimate")
    return PlanChange(before.name, "same")


def lines(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """The plan as text, a node a line, without its figures: `  Index Scan using users_pkey on users`."""
    return tuple(f"{'  ' * depth}{_node(node)}" for depth, node in _nodes(plan))


def _node(node: Mapping[str, Any]) -> str:
    index = f" using {node['Index Name']}" if "Index Name" in node else ""
    table = f" on {node['Relation Name']}" if "Relation Name" in node else ""
    return f"{node.get('Node Type', '?')}{index}{table}"


def _nodes(plan: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    yield depth, plan
    for child in cast("list[Mapping[str, Any]]", plan.get("Plans", [])):
        yield from _nodes(child, depth + 1)


def _scanned(plan: Mapping[str, Any]) -> set[str]:
    """Tables that are read from one end to the other."""
    return {
        str(node["Relation Name"])
        for _, node in _nodes(plan)
        if str(node.get("Node Type")).endswith("Seq Scan") and "Relation Name" in node
    }


def _cost(plan: Mapping[str, Any]) -> float:
    return float(plan.get("Total Cost", 0.0))
