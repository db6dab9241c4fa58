"""Foreign keys: dropped before the types change, added again in the order in which they were created.

That order is part of what a schema does: their triggers fire by name, which is by oid, and with CASCADE beside RESTRICT
another order lets a DELETE through that used to fail. Keys of one table that follow each other share one ALTER TABLE.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby

from core.events import Tally
from core.postgres.catalog import Address, Catalog, Constraint
from core.postgres.sql import qualified, quote_identifier, quote_literal
from core.retype.blocks import do_block
from core.retype.dependents.subject import Subject
from core.retype.model import Phase, Scope, Statement
from core.retype.names import table_name


def subject(foreign_key: Constraint) -> Subject:
    name = quote_identifier(foreign_key.name)
    return Subject(
        "foreign key",
        f"CONSTRAINT {name} ON {qualified(foreign_key.schema, foreign_key.table)}",
        f"{name} on {table_name(foreign_key.schema, foreign_key.table)}",
        Address("pg_constraint", foreign_key.oid),
    )


def recreated(catalog: Catalog, scope: Scope) -> tuple[Constraint, ...]:
    """The scope's foreign keys, and all that are tied to them by tables, in the order in which their triggers fire.

    Of keys side by side on a table either all are created anew or none. One that kept its id would change its place among
    those that get new ones: ids are compared as text, and neither 24600 nor 99990 comes before 100010.
    """
    keys = [key for key in catalog.foreign_keys() if key.parent == 0]
    touching: defaultdict[int, list[Constraint]] = defaultdict(list)
    for key in keys:
        for table in {key.relation, key.foreign_relation}:
            touching[table].append(key)
    found = set(scope.foreign_keys)
    waiting = [key for key in keys if key.oid in found]
    while waiting:
        key = waiting.pop()
        for other in (*touching.pop(key.relation, ()), *touching.pop(key.foreign_relation, ())):
            if other.oid not in found:
                found.add(other.oid)
                waiting.append(other)
    return tuple(key for key in keys if key.oid in found)


def take_off(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    """One ALTER TABLE for each table that has such foreign keys; partitions' copies go with their parents'."""
    keys = sorted(recreated(catalog, scope), key=lambda k: (k.schema, k.table, k.name))
    for (schema, table), group in groupby(keys, key=lambda k: (k.schema, k.table)):
        dropped = list(group)
        actions = ", ".join(f"DROP CONSTRAINT {quote_identifier(key.name)}" for key in dropped)
        yield Statement(
            Phase.DETACH,
            "drop foreign key",
            _objects(dropped),
            f"ALTER TABLE {qualified(schema, table)} {actions}",
            _why_dropped(scope, dropped),
            tallies=_tallies(catalog, scope, "foreign keys dropped", dropped),
        )


def put_back(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    again = recreated(catalog, scope)
    keys = [one for key in again for one in _with_own_copies(catalog, key)]
    for _, group in groupby(keys, key=lambda key: key.relation):
        added = list(group)
        table = added[0]
        actions = ", ".join(f"ADD CONSTRAINT {quote_identifier(key.name)} {key.definition}" for key in added)
        yield Statement(
            Phase.REATTACH,
            "create foreign key",
            _objects(added),
            f"ALTER TABLE {qualified(table.schema, table.table)} {actions}",
            "in the order of creation, which is the order in which their triggers fire",
            table_name(table.schema, table.table),
            tallies=_tallies(catalog, scope, "foreign keys recreated", [key for key in added if key.parent == 0]),
            bytes=sum(_bytes_compared(catalog, key) for key in added if key.validated),
        )
    for key in again:
        for one in (key, *copies(catalog, key.oid)):
            yield from subject(one).with_comment(one.comment)
            yield from _enforcement(one)


def _why_dropped(scope: Scope, keys: list[Constraint]) -> str:
    reason = "both ends of a foreign key must have the same type at all times"
    followers = [quote_identifier(key.name) for key in keys if key.oid not in scope.foreign_keys]
    if not followers:
        return reason
    return f"{reason}; {', '.join(followers)} to keep their places beside these, since the order of ids decides whose trigger fires first"


def _with_own_copies(catalog: Catalog, foreign_key: Constraint) -> list[Constraint]:
    """The key, after those of its partitions' copies that have names of their own: the parent's adopts them.

    Adding only the parent's would create them under the parent's name.
    """
    named = [
        copy
        for copy in copies(catalog, foreign_key.oid)
        if copy.relation != foreign_key.relation and copy.name != foreign_key.name
    ]
    return [*reversed(named), foreign_key]


def copies(catalog: Catalog, oid: int) -> list[Constraint]:
    """The copies that hang on a partitioned table's foreign key, level by level."""
    found: list[Constraint] = []
    level = list(catalog.copies_of_constraint.get(oid, ()))
    while level:
        found += level
        level = [copy for one in level for copy in catalog.copies_of_constraint.get(one.oid, ())]
    return found


def _enforcement(key: Constraint) -> Iterator[Statement]:
    """Switch the key's triggers back to the states they had; their names contain an oid and are new."""
    for state in key.enforcement:
        action = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[state.enabled]
        block = do_block(f"""DECLARE
  fired regclass;
  name name;
BEGIN
  SELECT t.tgrelid::regclass, t.tgname INTO STRICT fired, name
  FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint JOIN pg_proc p ON p.oid = t.tgfoid
  WHERE c.contype = 'f' AND c.conname = {quote_literal(key.name)}
    AND c.conrelid = {quote_literal(qualified(key.schema, key.table))}::regclass
    AND t.tgrelid = {quote_literal(state.table)}::regclass AND p.proname = {quote_literal(state.function)};
  EXECUTE format('ALTER TABLE ONLY %s {action} TRIGGER %I', fired, name);
END""")  # noqa: S608 - quoted
        yield subject(key).restored("trigger state", block, "its enforcement was not in the ordinary state")


def _bytes_compared(catalog: Catalog, key: Constraint) -> int:
    tables = {key.relation, key.foreign_relation} & catalog.relation.keys()
    return sum(catalog.relation[table].heap_bytes for table in tables)


def _objects(keys: list[Constraint]) -> str:
    if len(keys) == 1:
        return subject(keys[0]).object
    names = ", ".join(quote_identifier(key.name) for key in keys)
    return f"foreign keys {names} on {table_name(keys[0].schema, keys[0].table)}"


def _tallies(catalog: Catalog, scope: Scope, what: str, keys: Iterable[Constraint]) -> tuple[Tally, ...]:
    """The total, and the count for each root key that the keys lead to (a composite one may lead to several)."""
    root_of = scope.root_of
    total = 0
    by_root: dict[str, int] = {}
    for key in keys:
        total += 1
        ends = [(key.foreign_relation, attnum) for attnum in key.foreign_columns]
        for root in {root_of[end] for end in ends if end in root_of}:
            by_root[root] = by_root.get(root, 0) + 1
    counts = [Tally(what=what, root=root, count=count) for root, count in sorted(by_root.items())]
    return (Tally(what=what, count=total), *counts) if total else ()
