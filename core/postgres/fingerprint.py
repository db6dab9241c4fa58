"""The canonical form of a catalog: the schema and nothing of the cluster it happens to be in. Pure.

Two databases with the same canonical form behave the same. Object ids, sizes, internal triggers and what PostgreSQL flips
by itself when a table is rewritten are not in it; generated names are, for names are schema.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from core.errors import UsageError
from core.postgres.catalog import (
    Catalog,
    Constraint,
    EnforcementTrigger,
    Function,
    Grant,
    OtherObject,
    PublishedTable,
    Relation,
    SecurityLabel,
    Statistics,
)
from core.postgres.sql import qualified, quote_identifier

FORMAT_VERSION = 1

Canonical = Mapping[str, Mapping[str, Any]]
"""Kind and identity of an object, e.g. `column public.users.id`, → its properties, plain JSON values."""

FOREIGN_KEY_ORDER = "foreign_key_order"
"""A table's property: the foreign keys from it and to it in the order in which their triggers fire. With CASCADE and
RESTRICT side by side the order decides whether a DELETE succeeds. A dump and restore does not keep it."""

_RELATION_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "c": "composite type",
}
# Fields that are in the key already: of most, and of those that are called otherwise.
_IN_KEY = frozenset(("schema", "table", "name"))
_IN_KEY_OF: Mapping[type, frozenset[str]] = {
    Relation: _IN_KEY | {"kind"},
    Function: _IN_KEY | {"arguments"},
    Statistics: frozenset(("schema", "name")),
    PublishedTable: _IN_KEY | {"publication"},
    OtherObject: frozenset(("kind", "identity")),
}
# Flips when a partition's table is rewritten, without effect; where it matters (CHECK), the definition says it.
_HARMLESS = frozenset(("no_inherit",))
_UNORDERED = frozenset(("options", "config"))


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not the same in two canonical forms.

    Attributes:
        object: kind and identity.
        property: its name; '' when the whole object is there in one of them only.
        before: the value, or the object's properties; None when the object was added.
        after: the same; None when the object was removed.
    """

    object: str
    property: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if not self.property:
            return f"{self.object}: {'added' if self.before is None else 'removed'}"
        return f"{self.object}: {self.property}: {_shown(self.before)} -> {_shown(self.after)}"


def canonical(catalog: Catalog) -> Canonical:
    """Return the canonical form. Temporary relations, which come and go with sessions, are no part of it."""
    order = _foreign_key_order(catalog)
    found: dict[str, Mapping[str, Any]] = {}
    for key, item in objects(catalog):
        properties = _properties(item)
        if isinstance(item, Relation) and item.oid in order:
            properties[FOREIGN_KEY_ORDER] = order[item.oid]
        found[key] = properties
    return MappingProxyType(dict(sorted(found.items())))


def fingerprint(of: Canonical | Catalog) -> str:
    """Return the SHA-256 of the canonical form, in hexadecimal."""
    form = canonical(of) if isinstance(of, Catalog) else of
    return hashlib.sha256(_serialised(form).encode()).hexdigest()


def compare(
    before: Canonical | Catalog, after: Canonical | Catalog, *, ignoring: Collection[str] = ()
) -> tuple[Difference, ...]:
    """Return all differences, by object and property.

    Args:
        before: one canonical form.
        after: another.
        ignoring: names of properties that may differ, e.g. FOREIGN_KEY_ORDER of a restored dump.
    """
    one = canonical(before) if isinstance(before, Catalog) else before
    other = canonical(after) if isinstance(after, Catalog) else after
    differences: list[Difference] = []
    for key in sorted(one.keys() | other.keys()):
        old, new = one.get(key), other.get(key)
        if old is None or new is None:
            differences.append(Difference(key, "", old, new))
        elif old != new:
            differences += [
                Difference(key, name, old.get(name), new.get(name))
                for name in sorted(old.keys() | new.keys())
                if old.get(name) != new.get(name) and name not in ignoring
            ]
    return tuple(differences)


def to_json(form: Canonical) -> str:
    """Return a document that `from_json` reads: format, fingerprint and objects."""
    document = {
        "format": "pgrecast fingerprint",
        "version": FORMAT_VERSION,
        "fingerprint": fingerprint(form),
        "objects": {key: dict(properties) for key, properties in form.items()},
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Canonical:
    """Read what `to_json` wrote.

    Raises:
        UsageError: it is something else, of a version that is not known, or has been edited.
    """
    advice = "Write it again with `pgrecast fingerprint --json`."
    try:
        read: Any = json.loads(text)
    except ValueError:
        raise UsageError("This is no fingerprint: it is not JSON.", advice=advice) from None
    document = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
    if document.get("format") != "pgrecast fingerprint" or not isinstance(document.get("objects"), dict):
        raise UsageError("This is JSON, but no fingerprint.", advice=advice)
    if document.get("version") != FORMAT_VERSION:
        raise UsageError(
            f"This fingerprint is of version {document.get('version')}, and this pgrecast reads {FORMAT_VERSION}.",
            advice="Write both fingerprints with the same pgrecast.",
        )
    form = cast("Canonical", document["objects"])
    if not all(isinstance(properties, dict) for properties in form.values()) or fingerprint(form) != document.get(
        "fingerprint"
    ):
        raise UsageError("This fingerprint has been altered: its hash does not fit its objects.", advice=advice)
    return MappingProxyType(dict(form))


def _serialised(form: Canonical) -> str:
    plain = {key: dict(properties) for key, properties in form.items()}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def objects(catalog: Catalog) -> Iterator[tuple[str, Any]]:
    """Every object of the canonical form, with its key in it."""
    for relation in catalog.relations:
        if relation.persistence != "t":
            yield f"{_RELATION_KINDS[relation.kind]} {qualified(relation.schema, relation.name)}", relation
    name_of_constraint = _constraint_names(catalog)
    for constraint in catalog.constraints:
        kind = "domain constraint" if constraint.domain else "constraint"
        yield f"{kind} {qualified(constraint.schema, constraint.table)}.{name_of_constraint(constraint)}", constraint
    for kind, items in (
        ("column", catalog.columns),
        ("trigger", catalog.triggers),
        ("rule", catalog.rules),
        ("policy", catalog.policies),
    ):
        for item in items:
            yield f"{kind} {qualified(item.schema, item.table)}.{quote_identifier(item.name)}", item
    for kind, items in (("index", catalog.indexes), ("statistics", catalog.statistics)):
        for item in items:
            yield f"{kind} {qualified(item.schema, item.name)}", item
    # What belongs to an extension comes with its version; its owner is whoever installed it in that cluster.
    for function in (f for f in catalog.functions if f.extension is None):
        yield f"function {qualified(function.schema, function.name)}({function.arguments})", function
    for data_type in catalog.types:
        if not (
            data_type.kind == "b" and data_type.base_type and not data_type.array_type
        ):  # an array goes with its element
            yield f"type {qualified(data_type.schema, data_type.name)}", data_type
    for published in catalog.published_tables:
        key = f"{quote_identifier(published.publication)}: {qualified(published.schema, published.table)}"
        yield f"published table {key}", published
    for kind, items in (
        ("schema", catalog.schemas),
        ("publication", catalog.publications),
        ("event trigger", catalog.event_triggers),
        ("extension", catalog.extensions),
    ):
        for item in items:
            yield f"{kind} {quote_identifier(item.name)}", item
    for other in catalog.others:
        yield f"{other.kind} {other.identity}", other


def _constraint_names(catalog: Catalog) -> Callable[[Constraint], str]:
    """How constraints are called in keys: by name, except for what PostgreSQL makes, and names, by itself.

    A foreign key to a partitioned table has a copy for each of the partitions, on the same table as itself: those are
    called by the foreign key and the partition.
    """
    by_oid = {constraint.oid: constraint for constraint in catalog.constraints}

    def name(constraint: Constraint) -> str:
        parent = by_oid.get(constraint.parent)
        if parent is not None and parent.relation == constraint.relation and constraint.kind == "f":
            return f"{name(parent)} to {constraint.foreign_table}"
        return quote_identifier(constraint.name)

    return name


def _foreign_key_order(catalog: Catalog) -> Mapping[int, list[str]]:
    """Relation → its foreign keys, from it and to it, in the order of their triggers; where there are several."""
    touching: defaultdict[int, list[str]] = defaultdict(list)
    for key in catalog.foreign_keys():
        if not key.parent:
            name = f"{qualified(key.schema, key.table)}.{quote_identifier(key.name)}"
            for relation in {key.relation, key.foreign_relation}:
                touching[relation].append(name)
    return {relation: names for relation, names in touching.items() if len(names) > 1}


def _properties(item: Any) -> dict[str, Any]:
    kind: Any = item.__class__
    found = {name: _value(name, getattr(item, name)) for name in _property_names(kind)}
    if found.get("definition") is not None:
        found.pop("body", None)  # of a function: its definition has it
    return found


@cache
def _property_names(kind: Any) -> tuple[str, ...]:
    left_out = _HARMLESS | _IN_KEY_OF.get(kind, _IN_KEY)
    return tuple(f.name for f in fields(kind) if f.metadata.get("canonical", True) and f.name not in left_out)


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    plain = [_plain(item) for item in cast("Iterable[Any]", value)]
    return sorted(plain) if name in _UNORDERED else plain


def _plain(item: Any) -> Any:
    match item:
        case Grant():
            option = " with grant option" if item.grantable else ""
            return f"{item.privilege} to {quote_identifier(item.grantee)} by {quote_identifier(item.grantor)}{option}"
        case SecurityLabel():
            return f"{item.provider}: {item.label}"
        case EnforcementTrigger():
            return f"{item.function} on {item.table}: {item.enabled}"
        case tuple():
            return list(cast("tuple[Any, ...]", item))
        case _:
            return item


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
