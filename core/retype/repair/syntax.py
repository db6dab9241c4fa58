"""A text of SQL and its parse tree side by side, so that casts can be put into the text and nothing else moves.

The grammar is PostgreSQL's own (libpg_query). A tree tells where an expression begins or where its operator stands, but not
where it ends; so an insertion is tried, parsed, and taken only if the new tree is the old one with that cast in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

from pglast.parser import ParseError, parse_sql_json, scan

from core.retype.equivalence import POSITIONS

Tree = dict[str, Any]
Path = tuple[str | int, ...]
"""The way from the root of a tree to an expression in it."""

MOST_TOKENS_AFTER = 60
_OPENING, _CLOSING = {"ASCII_40", "ASCII_91"}, {"ASCII_41", "ASCII_93"}  # ( [ and ) ]
_PARENTHESIS = "ASCII_40"


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace the characters from `start` to before `end` by `text`."""

    start: int
    end: int
    text: str


def edited(text: str, edits: tuple[Edit, ...]) -> str:
    """The text with the edits made, no two of which overlap."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class Node(NamedTuple):
    """An expression or a clause: its place, its kind as the grammar calls it, its fields."""

    path: Path
    kind: str
    fields: Tree


class Token(NamedTuple):
    start: int
    end: int
    """Of the character after it."""
    name: str


class Parsed:
    """A statement, or several, and the parse tree.

    Raises:
        pglast.parser.ParseError: the grammar does not know the text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree: Any = json.loads(parse_sql_json(text))["stmts"]

    def nodes(self) -> Iterator[Node]:
        """Every node, each before those in it."""
        return _nodes(self.tree, ())

    def at(self, path: Path) -> Any:
        return _at(self.tree, path)

    def locations(self, path: Path) -> set[int]:
        """Where the expression and all within it begin, or their operators stand, as indexes of characters."""
        return {self._index(location) for location in _locations(self.at(path))}

    def location(self, fields: Tree) -> int | None:
        location = fields.get("location", -1)
        return self._index(location) if location >= 0 else None

    def begins_at(self, path: Path) -> int | None:
        """Where the server says that the expression is: at its leftmost part (`exprLocation`)."""
        return min(self.locations(path), default=None)

    def cast(self, path: Path, type_text: str) -> tuple[Edit, ...] | None:
        """The insertions that put a cast around the expression and leave all else as it is; None if there are none."""
        for start, end in self._extents(path):
            edits = (Edit(start, start, "("), Edit(end, end, f")::{type_text}"))
            try:
                tree = Parsed(edited(self.text, edits)).tree
            except ParseError:
                continue
            if self._is_cast_at(without_places(tree), path):
                return edits
        return None

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        return tuple(Token(token.start, token.end + 1, token.name) for token in scan(self.text))

    @cached_property
    def bare(self) -> Any:
        """The tree without places."""
        return without_places(self.tree)

    @cached_property
    def _characters(self) -> list[int] | None:
        """For each byte of the text the character that it belongs to; None where they are the same."""
        if self.text.isascii():
            return None
        return [i for i, character in enumerate(self.text) for _ in character.encode()] + [len(self.text)]

    def _index(self, location: int) -> int:
        return location if self._characters is None else self._characters[location]

    def _extents(self, path: Path) -> Iterator[tuple[int, int]]:
        """Where the expression may begin and end, the likeliest first."""
        locations = self.locations(path)
        if not locations:
            return
        first, last = self._token(min(locations)), self._token(max(locations))
        while first >= 0:
            depth = 0
            for i in range(first, min(len(self.tokens), last + MOST_TOKENS_AFTER)):
                depth += (self.tokens[i].name in _OPENING) - (self.tokens[i].name in _CLOSING)
                if depth < 0:
                    break
                if depth == 0 and i >= last:
                    yield self.tokens[first].start, self.tokens[i].end
            first -= 1
            if self.tokens[first].name != _PARENTHESIS:
                return

    def _token(self, index: int) -> int:
        return next(i for i, token in enumerate(self.tokens) if token.end > index)

    def _is_cast_at(self, tree: Any, path: Path) -> bool:
        try:
            found = _at(tree, path)
        except (KeyError, IndexError, TypeError):
            return False
        if not isinstance(found, dict) or set(cast("Tree", found)) != {"TypeCast"}:
            return False
        return bool(_replaced(tree, path, found["TypeCast"]["arg"]) == self.bare)


def _nodes(tree: Any, path: Path) -> Iterator[Node]:
    if isinstance(tree, list):
        for i, item in enumerate(cast("list[Any]", tree)):
            yield from _nodes(item, (*path, i))
    elif isinstance(tree, dict):
        for key, value in cast("Tree", tree).items():
            if key[:1].isupper() and isinstance(value, dict):
                yield Node(path, key, cast("Tree", value))
            yield from _nodes(value, (*path, key))


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def _replaced(tree: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = _replaced(tree[path[0]], path[1:], value)
    return copy


def _locations(tree: Any) -> Iterator[int]:
    if isinstance(tree, list):
        for item in cast("list[Any]", tree):
            yield from _locations(item)
    elif isinstance(tree, dict):
        for key, value in cast("Tree", tree).items():
            if key == "location":
                if value >= 0:
                    yield value
            else:
                yield from _locations(value)


def without_places(tree: Any) -> Any:
    """The tree without what tells where in the text its parts stand."""
    if isinstance(tree, list):
        return [without_places(item) for item in cast("list[Any]", tree)]
    if isinstance(tree, dict):
        return {key: without_places(value) for key, value in cast("Tree", tree).items() if key not in POSITIONS}
    return tree
