"""Columns that reference a key without a foreign key: what their names say."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from core.postgres.catalog import Catalog, Column, ColumnKey
from core.retype.names import by_name, column_name

_SUFFIX = re.compile(r"(?:_(?:id|uuid|uid|guid|key|ref)|(?<=[a-z])I[Dd])$")


def find_soft_references(
    catalog: Catalog,
    type_text: str,
    keys: Iterable[ColumnKey],
    referenced: Mapping[ColumnKey, ColumnKey],
    converted: Iterable[ColumnKey],
) -> tuple[tuple[ColumnKey, tuple[str, ...]], ...]:
    """Columns of tables, of the keys' type, outside `keys`, whose names speak for a reference.

    Args:
        type_text: the keys' type, as `format_type` writes it.
        keys: the columns that are in the scope already.
        referenced: for those of them that have a foreign key, the column that it references.
        converted: primary keys that have the new type already.

    Returns:
        Each column with its evidence, in order of schema, table and place.
    """
    inside = set(keys)
    tables: defaultdict[str, list[Column]] = defaultdict(list)
    for key in sorted({*inside, *converted} - referenced.keys(), key=lambda key: by_name(catalog, key)):
        column = catalog.column[key]
        if column.inherited == 0:
            for name in _singulars(column.table):
                tables[name].append(column)
    namesakes: defaultdict[str, list[ColumnKey]] = defaultdict(list)
    for key in sorted(referenced, key=lambda key: by_name(catalog, key)):
        namesakes[catalog.column[key].name].append(key)

    found: list[tuple[ColumnKey, tuple[str, ...]]] = []
    for column in catalog.columns:
        if column.type != type_text or column.key in inside or column.inherited > 0:
            continue
        if catalog.relation[column.relation].kind not in "rp":
            continue
        evidence: list[str] = []
        target = _named_table(column.name, tables)
        if target is not None:
            evidence.append(f"its name speaks of {column_name(target)}")
        if same := namesakes.get(column.name):
            namesake, key = same[0], referenced[same[0]]
            evidence.append(
                f"{column_name(catalog.column[namesake])}, of the same name, references {column_name(catalog.column[key])}"
            )
        if not evidence and _SUFFIX.search(column.name):
            evidence.append("its name ends as a reference's does")
        if evidence:
            found.append((column.key, tuple(evidence)))
    return tuple(sorted(found, key=lambda item: by_name(catalog, item[0])))


def names_of_references(tables: Iterable[str]) -> frozenset[str]:
    """What references to the tables may be called, less their suffix: user and users for users."""
    return frozenset(name for table in tables for name in _singulars(table))


def is_named_after(column: str, names: frozenset[str]) -> bool:
    """Whether the column's name is one of `names` with a suffix such as `_id`."""
    return any(base in names for base in _bases(column))


def _named_table(column: str, tables: Mapping[str, list[Column]]) -> Column | None:
    for base in _bases(column):
        if base in tables:
            return tables[base][0]
    return None


def _bases(column: str) -> Iterable[str]:
    """What a column may reference by its name, longest first: billing_user_id gives billing_user, user."""
    stem = _SUFFIX.sub("", column)
    if stem == column:
        return
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", stem)]
    for start in range(len(words)):
        yield "_".join(words[start:])


def _singulars(table: str) -> tuple[str, ...]:
    """Names that a reference to the table may carry: companies gives companies, company."""
    name = table.lower()
    names = [name]
    if name.endswith("ies"):
        names.append(name[:-3] + "y")
    if name.endswith("es"):
        names.append(name[:-2])
    if name.endswith("s"):
        names.append(name[:-1])
    return tuple(names)
