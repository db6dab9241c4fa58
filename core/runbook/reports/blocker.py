"""What development was blocked by, and whether the run's facts say that it is not any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.runbook.facts import MIGRATED_PRODUCTION
from core.runbook.model import GateReport
from core.runbook.reports.accomplished import PRODUCTION, Standing, converted, head, migrated, standing, type_change
from core.runbook.state import RunState
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Blocker:
    """The blocker.

    Attributes:
        name: what it is.
        resolved: whether production has a committed, proved conversion, and migrations up to the head after it; where no
            Alembic project tells of these, the deploy.
        why: what says so, or what is missing, in a sentence without its stop.
        opens: id of the step that resolves it.
    """

    name: str
    resolved: bool
    why: str
    opens: str


def blocker(state: RunState, settings: Settings) -> Blocker:
    """The blocker as the facts have it; a tick counts only where there is no fact."""
    source, target = type_change(settings)
    name = settings.documents.blocker or f"Database schema mismatch ({source} vs {target})"
    if converted(state) is None:
        last = state.committed.get(PRODUCTION)
        why = "the conversion of production is undone" if last and last.undoes else "production is not converted"
        return Blocker(name, resolved=False, why=why, opens="7.3")
    if migrated(state) is not None:
        why = f"production is converted, proved, and at {head(state) or 'its head revision'}"
        return Blocker(name, resolved=True, why=why, opens="7.5")
    deploy, by = standing(state, ("7.5",))
    if deploy is not Standing.OPEN and MIGRATED_PRODUCTION not in state.facts:
        told = (
            f"is ticked by {' and '.join(by)}, unverified"
            if by
            else "is done; at which revision it is, no project tells"
        )
        return Blocker(name, resolved=True, why=f"production is converted and proved; the deploy {told}", opens="7.5")
    return Blocker(name, resolved=False, why="production is not migrated to the head", opens="7.5")


def unblocked(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """A gate that is open once the blocker is resolved."""
    del now
    found = blocker(state, settings)
    value = f"{'resolved' if found.resolved else 'blocked'}: {found.why}"
    return GateReport(
        "blocker",
        "an aligned schema",
        open=found.resolved,
        value=value,
        opens=found.opens,
        overridable=not found.resolved,
    )
