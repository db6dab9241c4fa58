"""When two descriptions of an item say the same, but for the types of keys or for how a version of the server writes them.

Only for telling evidence apart, never for deciding what a conversion may change: that is compared by parse tree, elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHORT = (
    (re.compile(r"\bcharacter varying\b"), "varchar"),
    (re.compile(r"\btimestamp with time zone\b"), "timestamptz"),
    (re.compile(r"\btimestamp without time zone\b"), "timestamp"),
    (re.compile(r"\bcharacter(?=\()"), "char"),
    (re.compile(r"\bdouble precision\b"), "float8"),
)
_STRINGS = r"text|character varying(?:\(\d+\))?|varchar(?:\(\d+\))?|bpchar"
_QUALIFIER = re.compile(r"\b[a-z_][a-z0-9_]*\.(?=[a-z_])")
_MEANINGLESS = re.compile(r"[\s()]+")


@dataclass(frozen=True, slots=True, order=True)
class TypePair:
    """A difference of type that runs through the whole database: what live keys are, and what the migrations want."""

    live: str
    wanted: str

    def __str__(self) -> str:
        return f"live {short(self.live)}, migrations want {short(self.wanted)}"


@dataclass(frozen=True)
class Spelling:
    """What may differ without anything else having been done.

    Attributes:
        pairs: the types of keys.
        other_server: whether the two descriptions come from servers of different major versions.
    """

    pairs: frozenset[TypePair] = frozenset()
    other_server: bool = False

    def same(self, attribute: str, live: str | None, wanted: str | None) -> bool:
        """Whether a live value is the wanted one, the types of keys and the server's way of writing apart."""
        if live is None or wanted is None:
            return live == wanted
        if attribute == "type":
            array = live.endswith("[]") and wanted.endswith("[]")
            pair = TypePair(live[:-2], wanted[:-2]) if array else TypePair(live, wanted)
            return pair in self.pairs
        if attribute in ("kind", "columns", "foreign_table", "foreign_columns", "nullable"):
            return False
        return self._plain(live) == self._plain(wanted) if self.pairs or self.other_server else False

    def _plain(self, text: str) -> str:
        """The text without casts between strings and keys, brackets, blanks and qualifiers of columns."""
        keys = "|".join(re.escape(type_) for pair in self.pairs for type_ in (pair.live, pair.wanted))
        types = f"{_STRINGS}|{keys}" if keys else _STRINGS
        text = re.sub(rf"::(?:{types})(?:\[\])?", "", text)
        text = re.sub(rf"\b(?:{types})(?!\w)", "?", text)
        if self.other_server:
            text = _QUALIFIER.sub("", text)
        return _MEANINGLESS.sub("", text).removesuffix(";")


def short(text: str) -> str:
    """A type as people write it: varchar(36), timestamptz."""
    for long, shorter in _SHORT:
        text = long.sub(shorter, text)
    return text
