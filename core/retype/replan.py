"""The plan made again under the locks, held against the confirmed one."""

from __future__ import annotations

from collections import Counter

from core.errors import Refused
from core.postgres.catalog import Catalog
from core.postgres.fingerprint import compare
from core.retype.model import Plan

MOST_NAMED = 5


def require_same_plan(
    confirmed: Plan, fresh: Plan, *, planned_from: Catalog | None = None, found: Catalog | None = None
) -> None:
    """Raise Refused, naming what is different, unless both plans are the same.

    Args:
        confirmed: what the operator confirmed.
        fresh: what is planned from the catalog under the locks.
        planned_from, found: the catalogs behind the two, where they are at hand.
    """
    if fresh.blockers:
        first = fresh.blockers[0]
        raise Refused(
            f"Since the plan was made something has come up that stands in its way: {first.object}: {first.reason}",
            advice=first.way_out,
        )
    if fresh.fingerprint == confirmed.fingerprint:
        return
    changes = [str(d) for d in compare(planned_from, found)] if planned_from and found else []
    changes = changes or _changed_statements(confirmed, fresh)
    raise Refused(
        f"The database has changed since the plan was confirmed: {_listed(changes)}.",
        advice="Plan again, look at what is different, and confirm the new plan.",
    )


def _changed_statements(confirmed: Plan, fresh: Plan) -> list[str]:
    """What stands in one plan only, by object."""

    # Not the bytes: sizes are not measured under the locks.
    def counted(plan: Plan) -> Counter[tuple[str, str, str]]:
        return Counter((s.kind, s.object, s.sql) for s in plan.statements)

    gone, new = counted(confirmed) - counted(fresh), counted(fresh) - counted(confirmed)
    objects = dict.fromkeys(f"{kind}: {name}" for kind, name, _ in [*gone, *new])
    return list(objects) or ["an object that the plan does not touch"]


def _listed(changes: list[str]) -> str:
    more = len(changes) - MOST_NAMED
    return "; ".join(changes[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
