"""Which columns may hold keys without a foreign key, what speaks for it, and what follows from each choice; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from core.postgres.catalog import Address, Catalog, Column, ColumnKey
from core.postgres.sql import qualified, quote_identifier
from core.retype.findings import listed, size
from core.retype.model import Evidence, SoftReference, TypePair
from core.retype.names import by_name, column_name, table_name
from core.retype.soft_references.comparisons import Comparison
from core.retype.soft_references.names import speaks_of
from core.retype.soft_references.samples import Sample
from core.retype.types import comparable, is_integer, varchar_length

_MOST_NAMED: Final = 3
_UUID_LENGTH: Final = 36


@dataclass(frozen=True)
class Clues:
    """What was read beforehand of columns outside the key graph.

    Attributes:
        comparisons: what stored texts set the columns beside.
        samples: of their values; a column that is not in it was not looked at.
    """

    comparisons: tuple[Comparison, ...] = ()
    samples: Mapping[ColumnKey, Sample] = field(default_factory=dict[ColumnKey, Sample])


class Found(NamedTuple):
    """A column outside the key graph, and what is known of it."""

    column: Column
    evidence: tuple[Evidence, ...]

    @property
    def is_reference(self) -> bool:
        """Stored texts and values speak louder than names; of a type alone nothing follows."""
        says = {(evidence.kind, evidence.says) for evidence in self.evidence}
        if ("use", "yes") in says or ("values", "yes") in says:
            return True
        return ("name", "yes") in says and ("values", "no") not in says


def outside_columns(catalog: Catalog, type_text: str, inside: Iterable[ColumnKey]) -> Iterator[Column]:
    """Columns of tables, outside `inside`, of the type, of arrays of it, and of domains over it."""
    kept = frozenset(inside)
    wrappings = _domains(catalog, type_text)
    for column in catalog.columns:
        if column.key in kept or column.inherited > 0 or catalog.relation[column.relation].kind not in "rp":
            continue
        if column.type in {type_text, f"{type_text}[]"} or column.type_oid in wrappings:
            yield column


def keys_of(
    catalog: Catalog, inside: Iterable[ColumnKey], referenced: Mapping[ColumnKey, ColumnKey]
) -> list[ColumnKey]:
    """The keys among the columns, those first that reference no other; of a table that only joins others, none."""
    primary = {
        (constraint.relation, constraint.columns[0])
        for constraint in catalog.constraints
        if constraint.kind == "p" and len(constraint.columns) == 1
    }
    found = [key for key in inside if catalog.column[key].inherited == 0 and (key not in referenced or key in primary)]
    return sorted(found, key=lambda key: (key in referenced, by_name(catalog, key)))


def find_soft_references(
    catalog: Catalog,
    types: TypePair,
    inside: frozenset[ColumnKey],
    referenced: Mapping[ColumnKey, ColumnKey],
    converted: Sequence[ColumnKey],
    clues: Clues,
) -> tuple[Found, ...]:
    """Columns outside the key graph that may hold keys, with all that is known of each.

    Args:
        inside: the columns that are in the scope already.
        referenced: for those of them that have a foreign key, the column that it references.
        converted: primary keys that have the new type already.

    Returns:
        in order of schema, table and place.
    """
    say = speaks_of(catalog, keys_of(catalog, {*inside, *converted}, referenced), referenced)
    others = frozenset((*inside, *converted))
    uses: defaultdict[ColumnKey, list[Comparison]] = defaultdict(list)
    for comparison in clues.comparisons:
        if comparison.other in others:
            uses[comparison.one].append(comparison)
    found: list[Found] = []
    for column in outside_columns(catalog, types.source, inside):
        evidence = [*say(column), *_used(catalog, uses[column.key])]
        if not evidence and not type_tells(types.source):
            continue
        evidence.insert(0, Evidence("type", "nothing", _typed(column, types.source)))
        sample = clues.samples.get(column.key)
        if sample is not None:
            evidence.append(_valued(sample))
        found.append(Found(column, tuple(evidence)))
    return tuple(sorted(found, key=lambda one: by_name(catalog, one.column.key)))


def type_tells(type_text: str) -> bool:
    """Whether values of the type are ids, which do not occur in two places by chance: not so of numbers and texts."""
    return type_text == "uuid" or varchar_length(type_text) == _UUID_LENGTH


def described(
    catalog: Catalog, types: TypePair, found: Found, clues: Clues, inside: frozenset[ColumnKey]
) -> SoftReference:
    """The column with what follows from each choice; it is not chosen yet.

    Args:
        inside: the scope's columns, without those that are soft references.
    """
    column = found.column
    beside = [c for c in clues.comparisons if c.one == column.key]
    can_be_taken = column.type == types.source
    return SoftReference(
        key=column.key,
        name=column_name(column),
        type=column.type,
        evidence=found.evidence,
        is_reference=found.is_reference,
        can_be_taken=can_be_taken,
        chosen=False,
        if_left=_if_left(catalog, types, column, [c for c in beside if c.other in inside]),
        if_taken=_if_taken(catalog, types, column, [c for c in beside if c.other not in inside], inside)
        if can_be_taken
        else _by_hand(types, column),
    )


def _domains(catalog: Catalog, type_text: str) -> frozenset[int]:
    """Domains over the type, also over one another, and their arrays."""
    found = {t.oid for t in catalog.types if t.kind == "d" and f"{t.definition} ".startswith(f"{type_text} ")}
    while more := {t.oid for t in catalog.types if t.kind == "d" and t.base_type in found} - found:
        found |= more
    return frozenset(found | {t.array_type for t in catalog.types if t.oid in found} - {0})


def _typed(column: Column, type_text: str) -> str:
    if column.type == type_text:
        return f"it is of the keys' type, {type_text}"
    return f"it is {column.type}, which holds {type_text}"


def _used(catalog: Catalog, uses: list[Comparison]) -> Iterator[Evidence]:
    by_other: defaultdict[ColumnKey, list[str]] = defaultdict(list)
    for use in uses:
        by_other[use.other].append(use.where)
    for other, places in sorted(by_other.items(), key=lambda item: by_name(catalog, item[0])):
        name = column_name(catalog.column[other])
        verb = "sets" if len(places) == 1 else "set"
        yield Evidence("use", "yes", f"{listed(sorted(places), _MOST_NAMED)} {verb} it beside {name}", name)


def _valued(sample: Sample) -> Evidence:
    if not sample.values:
        return Evidence("values", "nothing", str(sample))
    name = sample.by_key[0][0] if sample.by_key else ""
    if 2 * sample.found >= sample.values:
        return Evidence("values", "yes", str(sample), name)
    # Where a key could not be looked at, that none was found proves nothing.
    says = "nothing" if sample.found or sample.detail else "no"
    return Evidence("values", says, str(sample), name)


def _if_left(catalog: Catalog, types: TypePair, column: Column, beside: list[Comparison]) -> str:
    if is_integer(types.source):
        return f"It stays {column.type}, and takes no values beyond it, which {types.target} keys may have."
    kept = f"It stays {column.type}"
    if comparable(types.source, types.target):
        return f"{kept}, and goes on comparing with the keys."
    keys = sorted({column_name(catalog.column[c.other]) for c in beside})
    if not keys:
        return f"{kept}; no stored text compares it with a key, but a query of the application that does will fail."
    places = sorted({c.where for c in beside})
    need = "needs" if len(places) == 1 else "need"
    return (
        f"{kept}, and no longer compares with {listed(keys, _MOST_NAMED)} ({types.target}): {listed(places, _MOST_NAMED)} "
        f"{need} a cast, shown as a repair where it is certain; queries of the application need one too."
    )


def _if_taken(
    catalog: Catalog, types: TypePair, column: Column, beside: list[Comparison], inside: frozenset[ColumnKey]
) -> str:
    table, relation = table_name(column.schema, column.table), catalog.relation[column.relation]
    parts = [f"It becomes {types.target} with the keys."]
    if not any(relation == column.relation for relation, _ in inside):
        large = f" ({size(relation.bytes)} with its indexes)" if relation.bytes else ""
        parts.append(f"{table}{large} is locked and rewritten only for it.")
    hanging = sum(
        d.dependent.catalog in {"pg_rewrite", "pg_policy", "pg_trigger", "pg_proc"}
        for d in catalog.dependents_of.get(Address("pg_class", *column.key), ())
    )
    if hanging:
        is_one = hanging == 1
        parts.append(
            f"{hanging} {'view, policy, trigger or function' if is_one else 'views, policies, triggers or functions'} that "
            f"{'uses it is' if is_one else 'use it are'} taken off and put back."
        )
    if beside and not comparable(types.source, types.target):
        others = sorted({column_name(catalog.column[c.other]) for c in beside})
        parts.append(f"It no longer compares with {listed(others, _MOST_NAMED)}, unless that is taken too.")
    parts.append(f"Clients bind it as {types.target}.")
    return " ".join(parts)


def _by_hand(types: TypePair, column: Column) -> str:
    if not column.type.endswith("[]"):
        return f"This conversion does not retype domains: the column keeps {column.type}, or is changed by hand afterwards."
    table = qualified(column.schema, column.table)
    return (
        f"This conversion does not retype arrays. By hand afterwards, what uses it dropped meanwhile: ALTER TABLE {table} ALTER COLUMN "
        f"{quote_identifier(column.name)} TYPE {types.target}[]"
    )
