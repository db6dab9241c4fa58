"""Obstacles in the data: values that do not fit the new type."""

from __future__ import annotations

from collections.abc import Iterator

from core.retype.activity import Activity
from core.retype.model import Blocker, PlanWarning, Scope


def blockers(scope: Scope, activity: Activity) -> Iterator[Blocker]:
    target = scope.types.target
    for misfit in activity.misfits:
        if misfit.count is None:
            continue
        examples = ", ".join(repr(example) for example in misfit.examples)
        what = (
            "are not written as a uuid is (36 characters, lower case)" if target == "uuid" else f"do not fit {target}"
        )
        yield Blocker(
            f"values:{misfit.name}",
            f"column {misfit.name}",
            f"{misfit.count} of its values {what}, for example {examples}.",
            "Correct them before, in the column and in everything that references it, or exclude the column.",
        )


def warnings(activity: Activity) -> Iterator[PlanWarning]:
    for misfit in activity.misfits:
        if misfit.count is None:
            yield PlanWarning(
                f"values:{misfit.name}",
                f"table {misfit.name}",
                f"Whether all of its values fit the new type could not be found out: {misfit.detail}.",
                "If one does not, the conversion fails there and rolls back.",
            )
