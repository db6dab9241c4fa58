"""Why a conversion must not start (blockers), and what must be accepted by name before it does (warnings).

Pure: everything is decided from the catalog, the scope and the facts of `core.retype.activity`. Each finding has an id that
stays the same as long as its cause does, so that a warning can be accepted by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from core.postgres.catalog import Catalog
from core.retype.activity import Activity
from core.retype.closure import Closure, close_over
from core.retype.model import Blocker, PlanWarning, Scope
from core.retype.obstacles import columns, expressions, functions, indexes, parts, rights, surroundings, values
from core.retype.obstacles import scope as scope_itself


class Findings(NamedTuple):
    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    notes: tuple[str, ...] = ()
    """What there is to know, and need not be accepted."""


def find_blockers(catalog: Catalog, scope: Scope, activity: Activity) -> Findings:
    """Everything that stands in the way of converting `scope`, each once, in order of id."""
    closure = close_over(catalog, scope)
    blockers = [
        *closure.blockers,
        *scope_itself.blockers(catalog, scope),
        *columns.blockers(catalog, scope),
        *indexes.blockers(catalog, scope),
        *parts.blockers(catalog, closure),
        *rights.blockers(catalog, scope, closure, activity),
        *surroundings.blockers(catalog, scope, closure, activity),
        *values.blockers(catalog, scope, activity),
    ]
    warnings = [
        *scope_itself.warnings(catalog, scope),
        *columns.warnings(catalog, scope),
        *expressions.warnings(catalog, scope, closure),
        *functions.warnings(catalog, scope, closure),
        *parts.warnings(catalog, closure),
        *surroundings.warnings(catalog, scope, closure, activity),
        *values.warnings(activity),
    ]
    return _each_once(blockers, warnings, values.notes(catalog, activity))


def find_blockers_of_undo(catalog: Catalog, scope: Scope, closure: Closure, activity: Activity) -> Findings:
    """The same for an undo: what hangs on the columns is put back as it was before, so that its text is no obstacle.

    Args:
        catalog: as it is, converted.
        scope: of the way back.
        closure: what is taken off and put back on it.
    """
    blockers = [
        *closure.blockers,
        *columns.blockers(catalog, scope),
        *indexes.invalid(catalog, scope),
        *parts.blockers(catalog, closure),
        *rights.blockers(catalog, scope, closure, activity),
        *surroundings.blockers(catalog, scope, closure, activity),
        *values.blockers(catalog, scope, activity),
    ]
    warnings = [
        *parts.warnings(catalog, closure),
        *surroundings.warnings(catalog, scope, closure, activity),
        *values.warnings(activity),
    ]
    return _each_once(blockers, warnings, values.notes(catalog, activity))


def _each_once(blockers: Iterable[Blocker], warnings: Iterable[PlanWarning], notes: Iterable[str]) -> Findings:
    return Findings(
        tuple({blocker.id: blocker for blocker in sorted(blockers, key=lambda b: b.id)}.values()),
        tuple({warning.id: warning for warning in sorted(warnings, key=lambda w: w.id)}.values()),
        tuple(notes),
    )
