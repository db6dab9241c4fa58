"""The way back: the plan that undoes a committed conversion, exactly.

A conversion the other way would leave the casts that the way there has brought into views, checks and defaults. An undo takes
every definition from the catalog as it was before, and its proof is that nothing at all differs from that catalog.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from core.postgres.catalog import Address, Catalog
from core.postgres.fingerprint import fingerprint, objects
from core.postgres.identity import Identity
from core.retype.activity import Activity
from core.retype.blockers import find_blockers_of_undo
from core.retype.closure import close_over
from core.retype.model import Plan, Scope
from core.retype.notes import find_notes
from core.retype.plan import statements_towards
from core.retype.scope import column_pairs

# What PostgreSQL rebuilds from the definition that it has now, by the system catalog that it is in.
_REBUILT: Final = {"indexes": "pg_class", "constraints": "pg_constraint", "statistics": "pg_statistic_ext"}
_WITH_EXPRESSIONS: Final = "cx"  # contype


def reverse_plan(before: Catalog, after: Catalog, scope: Scope, identity: Identity, activity: Activity) -> Plan:
    """The plan that leads from `after` back to `before`; with blockers it is to be read, not to be run.

    Args:
        before: the catalog that the conversion was planned from.
        after: the same database's once it was converted and nothing else has changed.
        scope: the conversion's.
        activity: what else goes on, read for the way back (`reverse_scope`).
    """
    wanted, back = as_it_was(before, after), reverse_scope(after, scope)
    closure = close_over(after, back, _otherwise_before(wanted, after))
    findings = find_blockers_of_undo(after, back, closure, activity)
    statements = statements_towards(wanted, after, back, closure)
    rewritten = sum(statement.bytes for statement in statements if statement.kind == "retype columns")
    return Plan(
        identity=identity,
        catalog=fingerprint(after),
        scope=back,
        statements=statements,
        blockers=findings.blockers,
        warnings=findings.warnings,
        notes=(*find_notes(after, back, rewritten), *findings.notes),
        goal=before,
    )


def reverse_scope(after: Catalog, scope: Scope) -> Scope:
    """The same columns the other way. Tables keep their oids and columns their numbers, foreign keys do not."""
    types, keys = scope.types.reversed(), scope.keys
    reason = f"it was {types.target} before the conversion"
    return Scope(
        types=types,
        columns=tuple(replace(column, reason=reason) for column in scope.columns),
        foreign_keys=tuple(
            key.oid
            for key in after.foreign_keys()
            if key.parent == 0 and any(here in keys or there in keys for here, there in column_pairs(key))
        ),
    )


def as_it_was(before: Catalog, after: Catalog) -> Catalog:
    """`after`'s objects with all that `before` says of them; what is true of one moment only (oids, sizes) is `after`'s."""
    known = dict(objects(before))
    twins = {id(item): known[key] for key, item in objects(after) if key in known}
    lists = (field.name for field in fields(Catalog) if field.name not in {"server", "dependencies"})
    return replace(
        after, **{name: tuple(_put_into(item, twins.get(id(item))) for item in getattr(after, name)) for name in lists}
    )


def _put_into(item: Any, twin: Any) -> Any:
    if twin is None:
        return item
    own = {f.name: getattr(item, f.name) for f in fields(item) if not f.metadata.get("canonical", True)}
    return replace(twin, **own)


def _otherwise_before(wanted: Catalog, after: Catalog) -> frozenset[Address]:
    """Objects that PostgreSQL would rebuild from what the conversion made of them, and that were written otherwise before."""
    return frozenset(
        Address(catalog, new.oid)
        for name, catalog in _REBUILT.items()
        for old, new in zip(getattr(wanted, name), getattr(after, name), strict=True)
        if old.definition != new.definition and (name != "constraints" or new.kind in _WITH_EXPRESSIONS)
    )
