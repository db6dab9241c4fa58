"""Which columns change type: the closure over the key graph.

An edge of the key graph joins two columns that must have the same type: the two ends of a foreign key, pair by pair, and a
column with its copies in partitions and inheriting tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

from core.errors import UsageError
from core.postgres.catalog import Catalog, ColumnKey, Constraint
from core.retype.model import Scope, ScopedColumn, ScopeRequest, SoftReference
from core.retype.names import by_name, column_name, find_column, table_name
from core.retype.soft_references.find import Clues, described, find_soft_references
from core.retype.soft_references.names import is_named_after, names_of_references

NO_CLUES: Final = Clues()
Role = Literal["key", "reference", "soft", "included"]
T = TypeVar("T")


@dataclass(frozen=True)
class KeyGraph:
    """The edges between columns of one type.

    Attributes:
        references: from a column to the columns that its foreign keys reference, in the keys' creation order.
        copies: from a column to its copies one level down, in partitions and inheriting tables.
        originals: the same edges, upwards.
    """

    references: Mapping[ColumnKey, tuple[tuple[ColumnKey, Constraint], ...]]
    referencing: Mapping[ColumnKey, tuple[tuple[ColumnKey, Constraint], ...]]
    copies: Mapping[ColumnKey, tuple[ColumnKey, ...]]
    originals: Mapping[ColumnKey, tuple[ColumnKey, ...]]

    def neighbours(self, key: ColumnKey) -> Iterable[tuple[ColumnKey, Constraint | None]]:
        yield from self.references.get(key, ())
        yield from self.referencing.get(key, ())
        for other in (*self.copies.get(key, ()), *self.originals.get(key, ())):
            yield other, None


def key_graph(catalog: Catalog, type_text: str) -> KeyGraph:
    """The key graph of the columns whose type is `type_text` (as `format_type` writes it)."""
    typed = {c.key for c in catalog.columns if c.type == type_text}
    references: defaultdict[ColumnKey, list[tuple[ColumnKey, Constraint]]] = defaultdict(list)
    referencing: defaultdict[ColumnKey, list[tuple[ColumnKey, Constraint]]] = defaultdict(list)
    for foreign_key in catalog.foreign_keys():
        for here, there in column_pairs(foreign_key):
            if here in typed and there in typed and here != there:
                references[here].append((there, foreign_key))
                referencing[there].append((here, foreign_key))
    copies: defaultdict[ColumnKey, list[ColumnKey]] = defaultdict(list)
    originals: defaultdict[ColumnKey, list[ColumnKey]] = defaultdict(list)
    named = {(c.relation, c.name): c.key for c in catalog.columns if c.key in typed}
    for column in catalog.columns:
        if column.key not in typed or column.inherited == 0:
            continue
        for parent in catalog.relation[column.relation].parents:
            original = named.get((parent, column.name))
            if original is not None:
                copies[original].append(column.key)
                originals[column.key].append(original)
    return KeyGraph(_frozen(references), _frozen(referencing), _frozen(copies), _frozen(originals))


def _frozen(edges: Mapping[ColumnKey, list[T]]) -> Mapping[ColumnKey, tuple[T, ...]]:
    return {key: tuple(others) for key, others in edges.items()}


def column_pairs(foreign_key: Constraint) -> tuple[tuple[ColumnKey, ColumnKey], ...]:
    """The columns that a foreign key joins: (referencing, referenced)."""
    return tuple(
        ((foreign_key.relation, here), (foreign_key.foreign_relation, there))
        for here, there in zip(foreign_key.columns, foreign_key.foreign_columns, strict=True)
    )


@dataclass(frozen=True)
class Joined:
    """What the key graph joins to the columns that were asked for.

    Attributes:
        referenced: for columns within that have a foreign key, the column that it references.
        converted: primary keys that have the new type already.
    """

    graph: KeyGraph
    roots: set[ColumnKey]
    included: set[ColumnKey]
    excluded: set[ColumnKey]
    inside: frozenset[ColumnKey]
    referenced: Mapping[ColumnKey, ColumnKey]
    converted: tuple[ColumnKey, ...]


def join(catalog: Catalog, request: ScopeRequest) -> Joined:
    """The columns that the key graph joins to the roots, less what was excluded; soft references are not among them.

    Raises:
        UsageError: a name in the request is not a column's, is ambiguous, or is a column of another type.
    """
    source = request.types.source
    graph = key_graph(catalog, source)
    excluded = {find_column(catalog, name).key for name in request.exclude}
    included = [_of_type(catalog, name, source) for name in request.include]
    roots = [_of_type(catalog, name, source) for name in request.roots] or _primary_keys(catalog, source)
    inside = _closure(graph, [*roots, *included], excluded)
    referenced = {
        key: next(there for there, _ in graph.references[key] if there in inside)
        for key in inside
        if any(there in inside for there, _ in graph.references.get(key, ()))
    }
    converted = tuple(_primary_keys(catalog, request.types.target))
    return Joined(graph, set(roots), set(included), excluded, frozenset(inside), referenced, converted)


def decide_scope(catalog: Catalog, request: ScopeRequest, clues: Clues = NO_CLUES) -> Scope:
    """The columns to retype: everything that the key graph joins to the roots, less what was excluded.

    Args:
        clues: what else is known of columns outside the key graph; without it only names speak.

    Nothing is refused here: what makes the scope impossible (a foreign key of which one end was excluded, say) is for
    `core.retype.blockers` to find.

    Raises:
        UsageError: a name in the request is not a column's, is ambiguous, or is a column of another type.
    """
    joined = join(catalog, request)
    graph, excluded = joined.graph, joined.excluded
    found = find_soft_references(catalog, request.types, joined.inside, joined.referenced, joined.converted, clues)
    candidates = [
        described(catalog, request.types, one, clues, joined.inside) for one in found if one.column.key not in excluded
    ]
    soft = _chosen(catalog, request, candidates)
    inside = _closure(graph, [*joined.inside, *soft], excluded)

    columns = [
        _describe(catalog, graph, inside, key, roots=joined.roots, included=joined.included, soft=soft)
        for key in sorted(inside, key=lambda key: by_name(catalog, key))
    ]
    return Scope(
        types=request.types,
        columns=tuple(columns),
        foreign_keys=tuple(
            fk.oid
            for fk in catalog.foreign_keys()
            if fk.parent == 0 and any(here in inside or there in inside for here, there in column_pairs(fk))
        ),
        soft_references=tuple(replace(one, chosen=one.key in inside) for one in candidates),
        already_converted=_already_converted(catalog, request.types.target),
    )


def _chosen(catalog: Catalog, request: ScopeRequest, candidates: Iterable[SoftReference]) -> set[ColumnKey]:
    match request.soft_references:
        case "all":
            return {one.key for one in candidates if one.is_reference and one.can_be_taken}
        case "none" | "ask":
            return set()
        case names:
            return {_of_type(catalog, name, request.types.source) for name in names}


def _closure(graph: KeyGraph, start: Iterable[ColumnKey], excluded: set[ColumnKey]) -> set[ColumnKey]:
    waiting = [key for key in start if key not in excluded]
    inside = set(waiting)
    while waiting:
        for other, _ in graph.neighbours(waiting.pop()):
            if other not in inside and other not in excluded:
                inside.add(other)
                waiting.append(other)
    return inside


def _of_type(catalog: Catalog, name: str, type_text: str) -> ColumnKey:
    column = find_column(catalog, name)
    if column.type != type_text:
        raise UsageError(
            f"{column_name(column)} is of type {column.type}, not {type_text}.",
            advice="Name columns of the type that is to be converted, or give --from.",
        )
    return column.key


def _primary_keys(catalog: Catalog, type_text: str) -> list[ColumnKey]:
    return [
        (constraint.relation, attnum)
        for constraint in catalog.constraints
        if constraint.kind == "p"
        for attnum in constraint.columns
        if catalog.column[constraint.relation, attnum].type == type_text
    ]


def _describe(
    catalog: Catalog,
    graph: KeyGraph,
    inside: set[ColumnKey],
    key: ColumnKey,
    *,
    roots: set[ColumnKey],
    included: set[ColumnKey],
    soft: set[ColumnKey],
) -> ScopedColumn:
    column = catalog.column[key]

    def named(other: ColumnKey) -> str:
        return column_name(catalog.column[other])

    root = named(_chain_end(catalog, graph, inside, key))
    own = _own_role(catalog, graph, inside, key, roots)
    if own is not None:
        return ScopedColumn(key, column_name(column), own[0], root, own[1])
    if key in soft:
        return ScopedColumn(key, column_name(column), "soft", root, "references without a foreign key")
    if key in included:
        return ScopedColumn(key, column_name(column), "included", root, "included by name")
    # It is here because PostgreSQL changes it together with a column that it is the copy of, or that is a copy of it.
    family = _family(graph, inside, key)
    roles = [
        role
        for other in sorted(family, key=lambda other: by_name(catalog, other))
        if (role := _own_role(catalog, graph, inside, other, roots)) is not None
    ]
    role = roles[0][0] if roles else "soft" if family & soft else "included"
    originals = [other for other in graph.originals.get(key, ()) if other in inside]
    if originals:
        reason = f"copy of {named(originals[0])} in a partition or inheriting table"
    else:
        reason = f"original of {named(next(c for c in graph.copies[key] if c in inside))}"
    return ScopedColumn(key, column_name(column), role, root, reason)


def _own_role(
    catalog: Catalog, graph: KeyGraph, inside: set[ColumnKey], key: ColumnKey, roots: set[ColumnKey]
) -> tuple[Role, str] | None:
    """The column's role by what itself is joined to, with the reason; None if only its copies or originals are."""
    column = catalog.column[key]
    if key in roots:
        primary = _is_primary(catalog, key)
        return "key", f"primary key of {table_name(column.schema, column.table)}" if primary else "named as a root"
    for here, fk in graph.referencing.get(key, ()):
        if here in inside:
            return "key", f"referenced by {column_name(catalog.column[here])} ({fk.name})"
    for there, fk in graph.references.get(key, ()):
        if there in inside:
            return "reference", f"references {column_name(catalog.column[there])} ({fk.name})"
    return None


def _family(graph: KeyGraph, inside: set[ColumnKey], key: ColumnKey) -> set[ColumnKey]:
    waiting, family = [key], {key}
    while waiting:
        one = waiting.pop()
        for other in (*graph.copies.get(one, ()), *graph.originals.get(one, ())):
            if other in inside and other not in family:
                family.add(other)
                waiting.append(other)
    return family


def _is_primary(catalog: Catalog, key: ColumnKey) -> bool:
    return any(c.kind == "p" and key[1] in c.columns for c in catalog.constraints_of.get(key[0], ()))


def _chain_end(catalog: Catalog, graph: KeyGraph, inside: set[ColumnKey], key: ColumnKey) -> ColumnKey:
    """The key at the end of the column's chain of references; of a cycle, the member that comes first by name."""
    path: list[ColumnKey] = []
    while key not in path:
        path.append(key)
        upwards = [other for other in graph.originals.get(key, ()) if other in inside]
        onwards = upwards or [other for other, _ in graph.references.get(key, ()) if other in inside]
        if not onwards:
            return key
        key = onwards[0]
    return min(path[path.index(key) :], key=lambda key: by_name(catalog, key))


def _already_converted(catalog: Catalog, target: str) -> tuple[str, ...]:
    """Columns of the target type that are part of a primary or foreign key, or are named like a reference."""
    joined = {
        (constraint.relation, attnum)
        for constraint in catalog.constraints
        if constraint.kind in "pf"
        for attnum in constraint.columns
    }
    names = names_of_references(r.name for r in catalog.relations if r.kind in "rp")
    found = [
        column
        for column in catalog.columns
        if column.type == target
        and catalog.relation[column.relation].kind in "rp"
        and (column.key in joined or is_named_after(column.name, names))
    ]
    return tuple(column_name(c) for c in sorted(found, key=lambda c: by_name(catalog, c.key)))
