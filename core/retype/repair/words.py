"""The names that the server has for the types of a conversion when it complains, and what to cast to what."""

from __future__ import annotations

from dataclasses import dataclass

from core.postgres.catalog import Catalog
from core.postgres.sql import qualified
from core.retype.model import TypePair
from core.retype.types import is_integer, is_string

ARRAY = "[]"
_UUID = 2950  # oid of uuid, the same everywhere (src/include/catalog/pg_type.dat)
_INTEGERS = ("smallint", "integer", "bigint")


@dataclass(frozen=True, slots=True)
class Words:
    """The types of a conversion, as `format_type` writes them.

    Attributes:
        narrow: the type, with the domains over it, whose values all are values of `common` too: this side is cast.
        common: what it is cast to.
        branch: what it is cast to as a branch of CASE, UNION and their like, whose type is seen from outside: what it was.
        loose: the same for elements of an array, where PostgreSQL wants the very type of the other side.
        new: what a converted column, or a result that followed it, may be called.
        former: what an argument of a function is cast to that took the type before; the likeliest first. Empty where that
            would fail for values that the new type can have and a function is expected to take.
    """

    narrow: frozenset[str]
    common: str
    branch: str
    loose: str
    new: frozenset[str]
    former: tuple[str, ...]

    def is_narrow(self, type_text: str | None) -> bool:
        return type_text is not None and type_text.removesuffix(ARRAY) in self.narrow

    def is_new(self, type_text: str) -> bool:
        return type_text.removesuffix(ARRAY) in self.new

    def ways_to_common(self, type_text: str) -> tuple[str, ...]:
        """What a value of the narrow type, or an array of such, may be cast to, the plainest first."""
        if not type_text.endswith(ARRAY):
            return (self.common,)
        return tuple(dict.fromkeys((self.common + ARRAY, self.loose + ARRAY)))

    def ways_as_branch(self, type_text: str) -> tuple[str, ...]:
        if not type_text.endswith(ARRAY):
            return (self.branch,)
        return tuple(dict.fromkeys((self.branch.partition("(")[0] + ARRAY, self.loose + ARRAY)))


def words_of(types: TypePair, domains: frozenset[str] = frozenset()) -> Words:
    """
    Args:
        domains: names of the domains over the narrow type.
    """
    if is_integer(types.source) and is_integer(types.target):
        small, large = sorted((types.source, types.target), key=_INTEGERS.index)
        return Words(frozenset({small}) | domains, large, large, large, frozenset({types.target}), ())
    string = types.source if is_string(types.source) else types.target
    bare = string.partition("(")[0]
    if types.target == "uuid":
        former = tuple(dict.fromkeys((bare, "text")))
        return Words(frozenset({"uuid"}) | domains, "text", string, bare, frozenset({"uuid"}), former)
    new = frozenset({bare, "text"})
    if types.source == "uuid":
        return Words(frozenset({"uuid"}) | domains, "text", "text", bare, new, ("uuid",))
    return Words(frozenset(), "text", "text", bare, new, ())


def narrow_type(types: TypePair) -> str:
    """Of the two, the one whose values all are values of the other; the source where both are strings."""
    if is_integer(types.source) and is_integer(types.target):
        return min(types.source, types.target, key=_INTEGERS.index)
    return types.target if types.target == "uuid" else types.source


def domains_over(catalog: Catalog, type_text: str) -> frozenset[str]:
    """Names of the domains over a type, and of the domains over these, as `format_type` writes them."""
    bases = {c.type_oid for c in catalog.columns if c.type == type_text}
    if type_text == "uuid":
        bases.add(_UUID)
    found: dict[int, str] = {}
    while True:
        more = {
            t.oid: qualified(t.schema, t.name)
            for t in catalog.types
            if t.kind == "d" and t.base_type in bases | found.keys() and t.oid not in found
        }
        if not more:
            return frozenset(found.values())
        found |= more
