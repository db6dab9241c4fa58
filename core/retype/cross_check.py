"""Whether an enumeration is complete: the live catalog held against the list of foreign keys and the six-phase script.

It shares nothing with the code that wrote the two but the catalog: both are read back from their text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pglast.parser import ParseError

from core.postgres.catalog import Catalog, Constraint
from core.postgres.sql import quote_identifier
from core.retype.audit.changes import AddedForeignKey, Change, DroppedConstraint, Retyped, changes_of
from core.retype.findings import listed
from core.retype.foreign_key_list import KEPT, from_csv
from core.retype.foreign_key_text import definition_in_full, definition_of
from core.retype.model import Scope
from core.retype.names import table_name
from core.retype.psql_script import read_psql_script
from core.retype.scope import column_pairs

_Name = tuple[str, str, str]
"""Schema, table and name of a constraint."""


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """What was compared, one sentence each, and what is missing or different; without faults it is complete."""

    lines: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not self.faults


def cross_check(catalog: Catalog, scope: Scope, csv_text: str, script_text: str) -> CrossCheck:
    """Hold every foreign key of the catalog that touches the scope against the list and the script.

    Args:
        catalog: as the database is now.
        scope: the columns to retype; only their places are used.
        csv_text: the list of all foreign keys.
        script_text: the six-phase script.
    """
    keys = [key for key in catalog.foreign_keys() if key.parent == 0]
    touching = [key for key in keys if any(set(ends) & scope.keys for ends in column_pairs(key))]
    listed_faults = _against_list(catalog, touching, csv_text)
    try:
        changes = [change for s in read_psql_script(script_text).statements for change in changes_of(s.text)]
    except ParseError as error:
        return CrossCheck((), (*listed_faults, f"the script cannot be read: {error}"))
    added = [change for change in changes if isinstance(change, AddedForeignKey)]
    dropped_faults = _dropped(touching, changes, added)
    added_faults = _added(catalog, touching, added)
    order_faults = _in_order(touching, added)
    retyped_faults = _retyped(catalog, scope, changes)
    count, columns = len(touching), len(_own_columns(catalog, scope))
    lines = (
        f"The catalog has {len(keys)} foreign keys; {count} of them join columns to retype.",
        f"{_of(count, listed_faults)} are in the list, each with its definition.",
        f"{_of(count, dropped_faults)} are dropped by the script, each once.",
        f"{_of(count, added_faults)} are created again by the script, each once, with the same definition.",
        "They are created in the order in which they were created."
        if not order_faults
        else "They are created in another order than they were.",
        f"{_of(columns, retyped_faults)} columns are retyped by the script, each once, to {scope.types.target}.",
    )
    return CrossCheck(lines, (*listed_faults, *dropped_faults, *added_faults, *order_faults, *retyped_faults))


def _of(count: int, faults: list[str]) -> str:
    return f"{max(0, count - len(faults))} of {count}"


def _against_list(catalog: Catalog, touching: list[Constraint], csv_text: str) -> list[str]:
    rows = {(row.schema, row.table, row.name): row for row in from_csv(csv_text)}
    known = {_name(key) for key in catalog.foreign_keys()}
    faults: list[str] = []
    for key in touching:
        row = rows.get(_name(key))
        if row is None:
            faults.append(f"{_said(key)} is not in the list")
        elif row.definition != key.definition or row.validated != ("yes" if key.validated else "no"):
            faults.append(f"{_said(key)} has another definition in the list: {row.definition}")
        elif row.conversion == KEPT:
            faults.append(f"{_said(key)} is to be kept by the list, and joins a column to retype")
    faults += [f"the list has {row.name} on {row.table}, which the catalog has not" for row in rows.values()
               if (row.schema, row.table, row.name) not in known]  # fmt: skip
    return faults


def _dropped(touching: list[Constraint], changes: Iterable[Change], added: list[AddedForeignKey]) -> list[str]:
    times = Counter(
        (change.table.schema, change.table.name, change.name)
        for change in changes
        if isinstance(change, DroppedConstraint)
    )
    again = {_added_name(change) for change in added}
    faults = [f"{_said(key)} is dropped {times[_name(key)]} times by the script" for key in touching
              if times[_name(key)] != 1]  # fmt: skip
    lost = sorted(name for name in times.keys() - again if name not in {_name(key) for key in touching})
    return [*faults, *(f"{name} on {table} is dropped by the script and not created again" for _, table, name in lost)]


def _added(catalog: Catalog, touching: list[Constraint], added: list[AddedForeignKey]) -> list[str]:
    faults: list[str] = []
    for key in touching:
        found = [change for change in added if _added_name(change) == _name(key)]
        if len(found) != 1:
            faults.append(f"{_said(key)} is created {len(found)} times by the script")
            continue
        said = definition_in_full(catalog, found[0].table.schema, found[0].definition)
        if said != definition_of(catalog, key):
            faults.append(f"{_said(key)} is created by the script with another definition")
    return faults


def _in_order(touching: list[Constraint], added: list[AddedForeignKey]) -> list[str]:
    wanted = [_name(key) for key in touching]
    made = [name for change in added if (name := _added_name(change)) in set(wanted)]
    if made == wanted or set(made) != set(wanted):
        return []
    first = next(one for one, other in zip(made, wanted, strict=False) if one != other)
    return [f"{first[2]} on {first[1]} is created in another place of the order than it was"]


def _retyped(catalog: Catalog, scope: Scope, changes: Iterable[Change]) -> list[str]:
    found = [change for change in changes if isinstance(change, Retyped)]
    times = Counter((change.table.schema, change.table.name, change.column) for change in found)
    others = {(c.table.schema, c.table.name, c.column): c.type for c in found if c.type != scope.types.target}
    faults: list[str] = []
    for place in _own_columns(catalog, scope):
        name = f"{table_name(place[0], place[1])}.{quote_identifier(place[2])}"
        if times[place] != 1:
            faults.append(f"{name} is retyped {times[place]} times by the script")
        elif place in others:
            faults.append(f"{name} becomes {others[place]} by the script")
    return faults


def _own_columns(catalog: Catalog, scope: Scope) -> list[_Name]:
    """The columns that must be named: copies in partitions and inheriting tables follow them."""
    columns = (catalog.column[column.key] for column in scope.columns)
    return [(c.schema, c.table, c.name) for c in columns if c.inherited == 0]


def _name(key: Constraint) -> _Name:
    return (key.schema, key.table, key.name)


def _added_name(change: AddedForeignKey) -> _Name:
    return (change.table.schema, change.table.name, change.name)


def _said(key: Constraint) -> str:
    return f"foreign key {quote_identifier(key.name)} on {table_name(key.schema, key.table)}"


def summary(check: CrossCheck) -> str:
    """In one sentence."""
    if check.complete:
        return "the list and the script are complete"
    return f"not complete: {listed(list(check.faults), 5)}"
