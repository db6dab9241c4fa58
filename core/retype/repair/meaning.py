"""Whether an object that type-checks again still calls what it called.

A function that is there for both types is chosen by the argument's: `f(id)` may call another `f` after the conversion, without
a word. PostgreSQL records in pg_depend which functions and operators of the user's an object uses; its own are not recorded,
and none of them means something else for the text of a uuid.
"""

from __future__ import annotations

from core.postgres.catalog import Address, Catalog
from core.postgres.sql import qualified
from core.retype.model import Blocker
from core.retype.repair.definitions import addresses


def calls_others(before: Catalog, after: Catalog, objects: frozenset[str]) -> tuple[Blocker, ...]:
    """Of the objects those that use other functions or operators than before.

    Args:
        before: the database.
        after: its converted clone.
        objects: their kinds and names, as the plan has them.
    """
    was, now = _calls(before, objects), _calls(after, objects)
    return tuple(
        _blocker(name, was[name], now[name]) for name in sorted(was.keys() & now.keys()) if was[name] != now[name]
    )


def _blocker(name: str, was: frozenset[str], now: frozenset[str]) -> Blocker:
    return Blocker(
        f"other-meaning:{name}",
        name,
        f"After the conversion it would use {_listed(now - was)} where it uses {_listed(was - now)} now, because the types of "
        "the arguments choose between them.",
        "Cast the argument in its definition before the conversion, so that it says which of them is meant.",
    )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _calls(catalog: Catalog, objects: frozenset[str]) -> dict[str, frozenset[str]]:
    names = {Address("pg_proc", f.oid): f"{qualified(f.schema, f.name)}({f.arguments})" for f in catalog.functions} | {
        Address("pg_operator", o.oid): f"operator {o.identity}" for o in catalog.others if o.catalog == "pg_operator"
    }
    found: dict[str, frozenset[str]] = {}
    for name, address in addresses(catalog):
        if name in objects:
            own = [address, *(d.dependent for d in catalog.dependents_of.get(address, ()) if d.kind == "i")]
            referenced = {d.referenced for one in own for d in catalog.references_of.get(one, ())}
            found[name] = frozenset(names[one] for one in referenced if one in names)
    return found
