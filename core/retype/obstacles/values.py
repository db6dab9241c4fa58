"""Obstacles in the data: values that do not fit the new type, rows that a foreign key would not take back."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Catalog
from core.postgres.sql import qualified, quote_identifier
from core.retype.activity import Activity
from core.retype.dependents import foreign_keys
from core.retype.misfits import Misfit
from core.retype.model import Blocker, PlanWarning, Scope
from core.retype.orphans import Orphans, query_for_orphans


def blockers(catalog: Catalog, scope: Scope, activity: Activity) -> Iterator[Blocker]:
    for misfit in activity.misfits:
        if misfit.count is not None:
            yield Blocker(
                f"values:{misfit.name}",
                f"column {misfit.name}",
                f"{misfit.count} of its values {_why(scope.types.target, misfit)}",
                "Correct them before, in the column and in everything that references it, or exclude the column.",
                misfit.query,
            )
    for orphans in activity.orphans:
        key = catalog.constraint.get(orphans.foreign_key)  # it may have gone since they were counted
        if key is not None and key.validated and orphans.count:
            yield Blocker(
                f"orphans:{qualified(key.schema, key.table)}.{quote_identifier(key.name)}",
                foreign_keys.subject(key).object,
                f"It is valid by the catalog, but it was switched off, and {_counted(orphans)}. Added again it would be "
                "validated, and fail.",
                "Correct or delete those rows before, or drop the key and add it again NOT VALID.",
                query_for_orphans(catalog, key),
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


def notes(catalog: Catalog, activity: Activity) -> Iterator[str]:
    """Of foreign keys that stay as they are: NOT VALID, with the rows that break them."""
    for orphans in activity.orphans:
        key = catalog.constraint.get(orphans.foreign_key)
        if key is not None and not key.validated:
            yield f"{foreign_keys.subject(key).object} is NOT VALID and stays so; {_counted(orphans)}."


def _why(target: str, misfit: Misfit) -> str:
    examples = ", ".join(repr(example) for example in misfit.examples)
    if target != "uuid":
        return f"do not fit {target}, for example {examples}."
    reason = f"are not written as a uuid is (36 characters, lower case), for example {examples}."
    if misfit.respelt:
        reason += f" {misfit.respelt} of them are uuids in another spelling, and would be changed."
    if misfit.merging:
        reason += f" {misfit.merging} uuids stand there in more than one spelling, and would become the same."
    return reason


def _counted(orphans: Orphans) -> str:
    if orphans.count is None:
        return f"its rows without a counterpart are not counted: {orphans.detail}"
    if not orphans.count:
        return "every row has its counterpart"
    examples = ", ".join(repr(example) for example in orphans.examples)
    return f"{orphans.count:,} rows reference nothing, for example {examples}"
