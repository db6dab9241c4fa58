"""What the pending revisions will run into, predicted from the replay and the live schema: a pure simulation.

The live schema is taken through the changes of each pending revision in order. What one of them makes and is there already,
what it alters or drops and is not there, and the foreign keys that it adds over columns that cannot be compared, stop it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from core.postgres.sql import qualified
from core.revisions.replay import Change, Replay, ReplayedRevision
from core.revisions.schema import Attributes, Item, Schema
from core.revisions.spelling import Spelling, short

RELATIONS = ("table", "view", "materialized view", "sequence")
"""Kinds that share one set of names in a schema (pg_class)."""

DROP_IF_EMPTY = "drop it, if it holds nothing"
RENAME_ASIDE = "rename it aside, its indexes too"
MARK_AS_APPLIED = "mark the revision as applied instead of running it"
MAKE_IT = "make it by hand first"
CONVERT_FIRST = "convert the keys first"

_STRINGS = ("character varying", "character", "text", "name", "bpchar")
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something on which a pending revision will fail.

    Attributes:
        kind: exists (it makes what is there), missing (it needs what is not there), types (a foreign key over types that
            cannot be compared).
        sentence: the same in words.
        same: of what exists: whether it is exactly what the revision would make.
        referenced_by: of a table that exists: tables with foreign keys to it.
        choices: the ways out.
    """

    revision: str
    kind: Literal["exists", "missing", "types"]
    item: Item
    sentence: str
    same: bool = False
    referenced_by: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


def predict(replay: Replay, live: Schema, applied: frozenset[str], spelling: Spelling) -> tuple[Obstacle, ...]:
    """Predict on what the revisions that are not among `applied` will fail, in the order in which they run.

    A prediction: code that looks before it acts, and everything that is about rows, is not simulated.

    Args:
        live: with the history's names for its items (`Evidence.live`).
        applied: revisions that count as run, with all their ancestors.
        spelling: what may differ between what exists and what would be made.
    """
    simulation = _Simulation(live, spelling)
    found: list[Obstacle] = []
    for replayed in replay.revisions:
        if replayed.revision not in applied:
            found += simulation.run(replayed)
    return tuple(found)


class _Simulation:
    def __init__(self, live: Schema, spelling: Spelling) -> None:
        self._schema: dict[Item, Attributes] = dict(live)
        self._spelling = spelling
        self._dropped: set[Item] = set()

    def run(self, replayed: ReplayedRevision) -> Iterator[Obstacle]:
        """Take the schema through one revision, as if whatever stood in its way had been cleared away."""
        statements = " ".join(replayed.statements).lower()
        made = {change.item.owner for change in replayed.changes if change.before is None and not change.item.part}
        self._dropped = {change.item for change in replayed.changes if change.after is None}
        removed = {item.owner for item in self._dropped if not item.part}
        for change in sorted(replayed.changes, key=lambda change: (bool(change.item.part), change.item)):
            item = change.item
            is_of_new, is_of_old = bool(item.part) and item.owner in made, bool(item.part) and item.owner in removed
            if item.kind == "comment":
                continue
            if change.before is not None:
                if item not in self._schema and not is_of_old:
                    yield from self._missing(replayed, change, statements)
            elif not _is_guarded(item, statements):
                # The parts of what is made as a whole exist, or not, with it; but the names of indexes are the schema's.
                if not is_of_new:
                    yield from self._exists(replayed, item, change.after or {})
                if item.kind == "index":
                    yield from self._name_taken(replayed, item)
        self._apply(replayed.changes, made)
        for change in replayed.changes:
            if change.before is None and change.item.kind == "constraint":
                yield from self._types(replayed, change.item, change.after or {})

    def _apply(self, changes: Iterable[Change], made: set[tuple[str, str]]) -> None:
        for item in [item for item in self._schema if item.owner in made and item.kind != "schema"]:
            del self._schema[item]
        for change in changes:
            if change.after is None:
                self._schema.pop(change.item, None)
            else:
                old = self._schema.get(change.item, {})
                kept = {name: value for name, value in old.items() if name not in (change.before or {})}
                self._schema[change.item] = {**kept, **change.after}

    def _exists(self, replayed: ReplayedRevision, item: Item, wanted: Attributes) -> Iterator[Obstacle]:
        taken = next((i for i in _homonyms(item) if i in self._schema and i not in self._dropped), None)
        if taken is None:
            return
        parts = [change for change in replayed.changes if change.item.part and change.item.owner == item.owner]
        same = taken == item and self._is_same(item, wanted) and (bool(item.part) or self._are_same(item, parts))
        shape = "exactly as the revision would make it" if same else "and is not what the revision would make"
        references = self._referenced_by(item) if item.kind == "table" else ()
        choices = (DROP_IF_EMPTY, RENAME_ASIDE) if item.kind == "table" else (f"drop the {item.kind}",)
        yield Obstacle(
            replayed.revision,
            "exists",
            taken,
            f"{item} exists already, {shape}",
            same=same,
            referenced_by=references,
            choices=(*choices, MARK_AS_APPLIED) if same else choices,
        )

    def _name_taken(self, replayed: ReplayedRevision, item: Item) -> Iterator[Obstacle]:
        """An index whose name an index of another table has."""
        for other in self._schema:
            has_name = other.kind == "index" and (other.schema, other.part) == (item.schema, item.part)
            if has_name and other.owner != item.owner and other not in self._dropped:
                yield Obstacle(
                    replayed.revision,
                    "exists",
                    other,
                    f"an index {item.part} exists already, on {other.name}",
                    choices=("rename that index", "drop that index"),
                )

    def _missing(self, replayed: ReplayedRevision, change: Change, statements: str) -> Iterator[Obstacle]:
        item = change.item
        named = re.search(rf"\b{re.escape((item.part or item.name).partition('(')[0].lower())}\b", statements)
        if not named or "if exists" in statements or (change.after is not None and item.kind != "column"):
            return  # a side effect of something else, or looked for first
        verb = "dropped" if change.after is None else "altered"
        yield Obstacle(
            replayed.revision,
            "missing",
            item,
            f"{item} is to be {verb}, and it is not there",
            choices=(MAKE_IT, MARK_AS_APPLIED),
        )

    def _types(self, replayed: ReplayedRevision, item: Item, key: Attributes) -> Iterator[Obstacle]:
        if key.get("kind") != "f" or "foreign_table" not in key:
            return
        schema, table = json.loads(key["foreign_table"])
        pairs = zip(json.loads(key["columns"]), json.loads(key["foreign_columns"]), strict=True)
        for here, there in pairs:
            own = self._schema.get(Item("column", item.schema, item.name, here), {}).get("type")
            other = self._schema.get(Item("column", schema, table, there), {}).get("type")
            if own and other and not comparable(own, other):
                yield Obstacle(
                    replayed.revision,
                    "types",
                    item,
                    f'foreign key constraint "{item.part}" cannot be implemented: {item.name}.{here} is {short(own)}, '
                    f"{table}.{there} is {short(other)}",
                    choices=(CONVERT_FIRST,),
                )

    def _is_same(self, item: Item, wanted: Attributes) -> bool:
        live = self._schema.get(item)
        return live is not None and all(
            live.get(name) == wanted.get(name) or self._spelling.same(name, live.get(name), wanted.get(name))
            for name in live.keys() | wanted.keys()
        )

    def _are_same(self, item: Item, parts: Iterable[Change]) -> bool:
        wanted = {change.item: change.after or {} for change in parts if change.item.kind != "comment"}
        live = {other for other in self._schema if other.part and other.owner == item.owner and other.kind != "comment"}
        return live == wanted.keys() and all(self._is_same(part, attributes) for part, attributes in wanted.items())

    def _referenced_by(self, item: Item) -> tuple[str, ...]:
        target = json.dumps([item.schema, item.name])
        found = {
            qualified(other.schema, other.name)
            for other, attributes in self._schema.items()
            if other.kind == "constraint" and attributes.get("foreign_table") == target and other.owner != item.owner
        }
        return tuple(sorted(found))


def comparable(one: str, other: str) -> bool:
    """Whether a foreign key can join columns of these types, as far as one can tell from their names."""
    return _family(one) == _family(other)


def _family(type_: str) -> str:
    base = type_.partition("(")[0].strip()
    if type_.endswith("[]"):
        return type_
    return "string" if base in _STRINGS else "number" if base in _NUMBERS else base


def _homonyms(item: Item) -> Iterator[Item]:
    """The items that would stand in the way of one of this name."""
    yield item
    if item.kind in RELATIONS and not item.part:
        for kind in RELATIONS:
            if kind != item.kind:
                yield Item(kind, item.schema, item.name)


def _is_guarded(item: Item, statements: str) -> bool:
    """Whether the revision says IF NOT EXISTS, or OR REPLACE, where it makes the item."""
    name = re.escape((item.part or item.name).partition("(")[0].lower())
    guard = r"(?:if\s+not\s+exists|or\s+replace\s+(?:\w+\s+)*)"
    return re.search(rf'{guard}\s*(?:"?\w+"?\.)?"?{name}\b', statements) is not None
