"""The types that a key can be converted between, and what a conversion between two of them needs."""

from __future__ import annotations

import re
from typing import Final

from core.errors import UsageError
from core.postgres.sql import qualified
from core.retype.model import TypePair
from core.retype.names import split_name

# What people write, as `format_type` writes it (docs, 8. Data Types, table of aliases).
_ALIASES: Final = {
    "uuid": "uuid",
    "text": "text",
    "varchar": "character varying",
    "character varying": "character varying",
    "int2": "smallint",
    "smallint": "smallint",
    "int": "integer",
    "int4": "integer",
    "integer": "integer",
    "int8": "bigint",
    "bigint": "bigint",
}
_INTEGER_BITS: Final = {"smallint": 15, "integer": 31, "bigint": 63}
_UUID_LENGTH: Final = 36
_LONGEST_VARCHAR: Final = 10_485_760  # MaxAttrSize in PostgreSQL's htup_details.h

_SUPPORTED = "uuid, varchar(n), varchar, text, smallint, integer and bigint"


def parse_type(text: str) -> str:
    """The type that a person wrote (`varchar(36)`, `UUID`, `int8`), as `format_type` writes it.

    Raises:
        UsageError: it is none of the supported types.
    """
    match = re.fullmatch(r"\s*([A-Za-z0-9]+(?:\s+[A-Za-z]+)*)\s*(?:\(\s*(\d+)\s*\))?\s*", text)
    name = _ALIASES.get(" ".join(match[1].lower().split())) if match else None
    length = match[2] if match else None
    if name is None or (length is not None and name != "character varying"):
        raise UsageError(f"{text!r} is not a type that keys can be converted from or to.", advice=f"Use {_SUPPORTED}.")
    if length is None:
        return name
    if not 0 < int(length) <= _LONGEST_VARCHAR:
        raise UsageError(f"{text!r}: the length must be between 1 and {_LONGEST_VARCHAR}.")
    return f"{name}({int(length)})"


def parse_type_pair(source: str, target: str, collation: str | None = None) -> TypePair:
    """The conversion that a person asked for.

    Args:
        source: the keys' type now.
        target: their type afterwards.
        collation: the new columns' collation, None for the type's default: a name of pg_catalog's as it stands (`C`,
            `en_US.utf8`), or in double quotes, with a schema where needed (`public."german"`).

    Raises:
        UsageError: a type is unknown, or there is no conversion between the two.
    """
    pair = TypePair(parse_type(source), parse_type(target), _collation(collation) if collation else None)
    if pair.source == pair.target and collation is None:
        raise UsageError(f"Keys of type {pair.source} already have that type.")
    if not _convertible(pair):
        raise UsageError(
            f"There is no conversion of keys from {pair.source} to {pair.target}.",
            advice="uuid converts to varchar and text and back, varchar and text into each other, integers into each other.",
        )
    width = varchar_length(pair.target)
    if pair.source == "uuid" and width is not None and width < _UUID_LENGTH:
        raise UsageError(f"A uuid has {_UUID_LENGTH} characters and does not fit into {pair.target}.")
    if collation is not None and not is_string(pair.target):
        raise UsageError(f"A collation makes no sense for {pair.target}.")
    return pair


def _collation(text: str) -> str:
    """The collation's name, qualified and quoted where needed, as the catalog has it."""
    if '"' not in text:
        return qualified("pg_catalog", text.strip())
    *schema, name = split_name(text)
    return qualified(schema[0] if schema else "pg_catalog", name)


def _convertible(pair: TypePair) -> bool:
    if pair.source in _INTEGER_BITS or pair.target in _INTEGER_BITS:
        return pair.source in _INTEGER_BITS and pair.target in _INTEGER_BITS
    return True


def aliases(type_text: str) -> frozenset[str]:
    """What a type may be called, in lower case and without a length."""
    name = type_text.partition("(")[0]
    return frozenset({name, *(alias for alias, full in _ALIASES.items() if full == name)})


def is_string(type_text: str) -> bool:
    return type_text == "text" or type_text.startswith("character varying")


def is_integer(type_text: str) -> bool:
    return type_text in _INTEGER_BITS


def integer_range(type_text: str) -> tuple[int, int] | None:
    """The smallest and the largest value of an integer type, None for every other type."""
    bits = _INTEGER_BITS.get(type_text)
    return None if bits is None else (-(2**bits), 2**bits - 1)


def varchar_length(type_text: str) -> int | None:
    """The n of `character varying(n)`, None for every other type."""
    match = re.fullmatch(r"character varying\((\d+)\)", type_text)
    return int(match[1]) if match else None


def needs_using(pair: TypePair) -> bool:
    """Whether the conversion needs a USING clause because no assignment cast exists (docs, ALTER TABLE).

    Only a string has to be told that it becomes a uuid. Without USING the rewrite is faster, it raises on a string that is
    too long instead of cutting it off, and it works on generated columns and foreign tables too.
    """
    return is_string(pair.source) and pair.target == "uuid"


def comparable(one: str, other: str) -> bool:
    """Whether a foreign key can join columns of these two types (an equality operator over both exists)."""
    if one == other or (is_string(one) and is_string(other)):
        return True
    return is_integer(one) and is_integer(other)
