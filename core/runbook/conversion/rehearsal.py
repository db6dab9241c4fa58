"""What a rehearsal tells of the conversion that it stands for: pure functions of the two plans."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from core.retype.estimate import Timings, key
from core.retype.model import Phase, Plan

CHANGING = (Phase.DETACH, Phase.RETYPE_KEYS, Phase.RETYPE_REFERENCES, Phase.REATTACH)
"""Phases whose statements are compared; the others count and check, and name how many there are."""


class Rehearsal(BaseModel):
    """What a proved rehearsal leaves for the conversion; kept as evidence, as JSON.

    Attributes:
        statements: SQL by the statement's key (`core.retype.estimate.key`).
        timings: what each took.
    """

    model_config = ConfigDict(frozen=True)

    statements: Mapping[str, str]
    timings: Timings


def statements_of(plan: Plan) -> dict[str, str]:
    return {key(statement): statement.sql for statement in plan.statements}


def not_rehearsed(plan: Plan, rehearsed: Mapping[str, str]) -> tuple[str, ...]:
    """The statements of a plan that a rehearsal did not have, or had otherwise; by their keys."""
    missing: list[str] = []
    for statement in plan.statements:
        if statement.phase not in CHANGING:
            continue
        sql = rehearsed.get(key(statement))
        if sql is None:
            missing.append(key(statement))
        elif sql != statement.sql:
            missing.append(f"{key(statement)} (rehearsed with another text)")
    return tuple(missing)
