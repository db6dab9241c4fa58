"""Which tables a conversion touches."""

from __future__ import annotations

from core.postgres.catalog import Catalog
from core.retype.closure import Closure
from core.retype.dependents import columns, defaults, foreign_keys
from core.retype.model import Scope
from core.retype.parts import Part

LOCKABLE = "rp"  # relkinds that LOCK TABLE takes and that a conversion alters


def tables_altered(catalog: Catalog, scope: Scope, closure: Closure) -> frozenset[int]:
    """oids of the tables that an ALTER, CREATE or DROP names, and their copies in partitions and inheriting tables."""
    altered = {relation for relation, _ in scope.keys}
    altered |= {key.relation for key in foreign_keys.recreated(catalog, scope)}
    return frozenset(altered | {oid for part in closure.parts if (oid := table_of(catalog, part)) is not None})


def tables_touched(catalog: Catalog, scope: Scope, closure: Closure) -> frozenset[int]:
    """The same, and the tables that only foreign keys reference: all that the conversion locks."""
    referenced = {key.foreign_relation for key in foreign_keys.recreated(catalog, scope)}
    return tables_altered(catalog, scope, closure) | referenced


def tables_to_lock(catalog: Catalog, scope: Scope, closure: Closure) -> frozenset[int]:
    """The same, less those that are locked with a table that they are partitions of or inherit from."""
    touched = tables_touched(catalog, scope, closure)
    roots = {table.oid for table, _ in columns.altered(catalog, scope)}
    copies = {relation for relation, _ in scope.keys} - roots
    return frozenset(
        oid for oid in touched - copies if oid in catalog.relation and catalog.relation[oid].kind in LOCKABLE
    )


def table_of(catalog: Catalog, part: Part) -> int | None:
    """The table that the object belongs to, None for one that belongs to none."""
    oid = part.address.oid
    match part.kind:
        case "policy":
            return catalog.policy[oid].relation
        case "trigger":
            return catalog.trigger[oid].relation
        case "rule":
            return catalog.rule[oid].relation
        case "index":
            return catalog.index[oid].relation
        case "constraint":
            return catalog.constraint[oid].relation
        case "publication entry":
            return catalog.published_table[oid].relation
        case "statistics object":
            return catalog.extended_statistics[oid].relation
        case "default" | "generated column":
            owner = defaults.owner_of_default(catalog, oid)
            return owner.relation if owner else None
        case _:
            return None
