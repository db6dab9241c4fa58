"""What columns' names say about the keys that they may reference."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from core.postgres.catalog import Catalog, Column, ColumnKey
from core.retype.model import Evidence
from core.retype.names import by_name, column_name

_RUN_TOGETHER = re.compile(r"(?<=[a-z])(?:id|uuid)$")
_SUFFIX = re.compile(r"(?:_(?:id|uuid|uid|guid|key|ref)|(?<=[a-z])I[Dd])$")


def speaks_of(
    catalog: Catalog, keys: Iterable[ColumnKey], referenced: Mapping[ColumnKey, ColumnKey]
) -> Callable[[Column], tuple[Evidence, ...]]:
    """What columns' names say.

    Args:
        keys: the keys that may be referenced, the likeliest first.
        referenced: for columns that have a foreign key, the column that it references.
    """
    tables: defaultdict[str, list[Column]] = defaultdict(list)
    for key in keys:
        column = catalog.column[key]
        if column.inherited == 0:
            for name in _singulars(column.table):
                tables[name].append(column)
    namesakes: defaultdict[str, list[ColumnKey]] = defaultdict(list)
    for key in sorted(referenced, key=lambda key: by_name(catalog, key)):
        namesakes[catalog.column[key].name].append(key)

    def say(column: Column) -> tuple[Evidence, ...]:
        found: list[Evidence] = []
        target = _named_table(column, tables)
        if target is not None:
            name = column_name(target)
            found.append(Evidence("name", "yes", f"its name speaks of {name}", name))
        if same := namesakes.get(column.name):
            name = column_name(catalog.column[referenced[same[0]]])
            namesake = column_name(catalog.column[same[0]])
            found.append(Evidence("name", "yes", f"{namesake}, of the same name, references {name}", name))
        if not found and _SUFFIX.search(column.name):
            found.append(Evidence("name", "nothing", "its name ends as a reference's does"))
        return tuple(found)

    return say


def names_of_references(tables: Iterable[str]) -> frozenset[str]:
    """What references to the tables may be called, less their suffix: user and users for users."""
    return frozenset(name for table in tables for name in _singulars(table))


def is_named_after(column: str, names: frozenset[str]) -> bool:
    """Whether the column's name is one of `names` with a suffix such as `_id`."""
    return any(base in names for base in _bases(column))


def _named_table(column: Column, tables: Mapping[str, list[Column]]) -> Column | None:
    bases = list(_bases(column.name))
    if column.type.endswith("[]"):
        bases += [*_bases(column.name.removesuffix("s")), _in_one_word(column.name)]
    return next((tables[base][0] for base in bases if base in tables), None)


def _bases(column: str) -> Iterable[str]:
    """What a column may reference by its name, longest first, in lower case and in one word.

    billing_user_id and billingUserId give billinguser, user; billinguserid gives only billinguser.
    """
    stem = _SUFFIX.sub("", column)
    if stem == column:
        if _RUN_TOGETHER.search(column):
            yield _in_one_word(_RUN_TOGETHER.sub("", column))
        return
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", stem)]
    for start in range(len(words)):
        yield "".join(words[start:])


def _in_one_word(name: str) -> str:
    return name.lower().replace("_", "")


def _singulars(table: str) -> tuple[str, ...]:
    """Names that a reference to the table may carry: companies gives companies, company."""
    name = _in_one_word(table)
    names = [name]
    if name.endswith("ies"):
        names.append(name[:-3] + "y")
    if name.endswith("es"):
        names.append(name[:-2])
    if name.endswith("s"):
        names.append(name[:-1])
    return tuple(names)
