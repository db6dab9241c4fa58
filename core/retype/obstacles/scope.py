"""Obstacles in the scope itself: nothing to convert, half of a foreign key, traces of an earlier attempt."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.postgres.catalog import Catalog, ColumnKey, Constraint
from core.postgres.sql import qualified, quote_identifier
from core.retype.findings import full_name, listed
from core.retype.model import Blocker, PlanWarning, Scope
from core.retype.names import column_name, table_name
from core.retype.scope import column_pairs
from core.retype.types import comparable

# What people call the second column when they convert by hand: id_new, id_uuid, old_id …
_SHADOW = re.compile(
    r"(?:^(?:new|old|tmp|temp)_(?P<after>.+)|(?P<before>.+)_(?:new|old|tmp|temp|uuid|varchar|text|bak|backup))$"
)
OWN_PREFIX = "pgrecast_"


def blockers(catalog: Catalog, scope: Scope) -> Iterator[Blocker]:
    if not scope.columns:
        yield _nothing(catalog, scope)
    for constraint in catalog.foreign_keys():
        if constraint.parent == 0:
            yield from _halves(catalog, scope, constraint)
    for kind, schema, name in _own_leftovers(catalog):
        full = qualified(schema, name)
        yield Blocker(
            f"leftover:{full}",
            f"{kind} {table_name(schema, name)}",
            "It carries a name that only a conversion uses while it runs: something is left of an earlier attempt.",
            f"Look at what it is, then rename or drop it (DROP {kind.upper()} {full}).",
        )


def warnings(catalog: Catalog, scope: Scope) -> Iterator[PlanWarning]:
    converted = set(scope.already_converted)
    for reference in scope.soft_references:
        named = [evidence.about for evidence in reference.evidence if evidence.about in converted]
        if named and reference.can_be_taken and not reference.chosen:
            yield PlanWarning(
                f"half-converted:{full_name(catalog.column[reference.key])}",
                f"column {reference.name}",
                f"It is {scope.types.source}, while {named[0]}, which it references to all appearances, is {scope.types.target} already: "
                "the database looks half converted, and no foreign key joins the two.",
                "It keeps its type, and comparing the two goes on failing; --soft-references all takes it along.",
            )
        if reference.is_reference and not reference.can_be_taken and not comparable(*_pair(scope)):
            yield PlanWarning(
                f"wrapped:{full_name(catalog.column[reference.key])}",
                f"column {reference.name}",
                f"It is {reference.type} and holds keys: {'; '.join(e.text for e in reference.evidence if e.says == 'yes')}. "
                f"{reference.if_taken}.",
                reference.if_left,
            )
    yield from _shadows(catalog, scope)


def _pair(scope: Scope) -> tuple[str, str]:
    return scope.types.source, scope.types.target


def _nothing(catalog: Catalog, scope: Scope) -> Blocker:
    source, target = scope.types.source, scope.types.target
    tables = sum(r.kind in "rp" for r in catalog.relations)
    typed = sum(c.type == source for c in catalog.columns if catalog.relation[c.relation].kind in "rp")
    reason = (
        f"There is nothing to convert: of {tables} tables none has a primary key column of type {source}, and "
        f"{typed} of their other columns have that type."
    )
    if scope.already_converted:
        names = scope.already_converted
        reason += f" {len(names)} keys and references are {target} already ({listed(names, 3)})."
    return Blocker(
        "nothing-to-convert",
        f"database {catalog.server.database}",
        reason,
        "Check that this is the right database, give the keys' type with --from, or name columns with --root.",
    )


def _halves(catalog: Catalog, scope: Scope, constraint: Constraint) -> Iterator[Blocker]:
    """A foreign key of which one end changes and the other, which could not be compared with it any more, does not."""
    keys = scope.keys
    for ends in column_pairs(constraint):
        inside = [end for end in ends if end in keys]
        outside = [end for end in ends if end not in keys]
        if len(inside) != 1 or comparable(_type(catalog, outside[0]), scope.types.target):
            continue
        column, other = catalog.column[inside[0]], catalog.column[outside[0]]
        same = other.type == scope.types.source
        why = "was excluded" if same else f"is of type {other.type}, which is not converted"
        yield Blocker(
            f"foreign-key-half:{qualified(constraint.schema, constraint.table)}.{quote_identifier(constraint.name)}",
            f"foreign key {quote_identifier(constraint.name)} on {table_name(constraint.schema, constraint.table)}",
            f"It joins {column_name(column)}, which is to be converted, and {column_name(other)}, which {why}; "
            "a foreign key's two ends must be of the same type.",
            f"Take {column_name(other)} into the scope, or exclude {column_name(column)} too."
            if same
            else f"Exclude {column_name(column)}, or change {column_name(other)} to {scope.types.source} first.",
        )


def _type(catalog: Catalog, key: ColumnKey) -> str:
    return catalog.column[key].type


def _own_leftovers(catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    for relation in catalog.relations:
        if relation.name.startswith(OWN_PREFIX) and relation.kind in "rvmS" and relation.persistence != "t":
            kind = {"r": "table", "v": "view", "m": "materialized view", "S": "sequence"}[relation.kind]
            yield kind, relation.schema, relation.name
    for index in catalog.indexes:
        if index.name.startswith(OWN_PREFIX):
            yield "index", index.schema, index.name


def _shadows(catalog: Catalog, scope: Scope) -> Iterator[PlanWarning]:
    """A second column beside a converted one, of either type and named after it."""
    for scoped in scope.columns:
        column = catalog.column[scoped.key]
        for other in catalog.columns_of[column.relation]:
            match = _SHADOW.match(other.name)
            if match is None or other.inherited or (match["after"] or match["before"]) != column.name:
                continue
            if other.type in {scope.types.source, scope.types.target}:
                yield PlanWarning(
                    f"leftover:{full_name(other)}",
                    f"column {column_name(other)}",
                    f"It stands beside {column_name(column)}, is named after it and is {other.type}: it looks like what is "
                    "left of an earlier attempt to convert by hand.",
                    "It is left as it is, and nothing keeps it equal to the converted column.",
                )
