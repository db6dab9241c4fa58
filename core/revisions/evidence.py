"""What a live schema says about each revision: a pure comparison of it with what the revisions changed.

Every attribute of every item has a history of its own: its value before the first revision that touched it, and after each.
The live value tells between which two of them the database is; what a later revision has overwritten says nothing about
an earlier one. Values that recur (made, dropped, made again) are decided by what the other items say.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from core.revisions.replay import Replay
from core.revisions.schema import Attributes, Item, Schema
from core.revisions.spelling import Spelling, TypePair, short

EXISTS = ""
"""The name of the attribute that every item has."""
PASSES = 6
UNNAMED = ("constraint", "index", "function")
"""Kinds whose names PostgreSQL, or a person, may have chosen otherwise."""

Finding = Literal["have", "key type", "missing", "different"]


class Status(StrEnum):
    APPLIED = "APPLIED"
    BUT_KEY_TYPES = "APPLIED BUT FOR KEY TYPES"
    PARTIAL = "PARTIAL"
    ABSENT = "ABSENT"
    NO_EVIDENCE = "NO EVIDENCE"
    UNKNOWN = "UNKNOWN"

    @property
    def is_applied(self) -> bool:
        return self in (Status.APPLIED, Status.BUT_KEY_TYPES)


@dataclass(frozen=True, slots=True)
class RevisionEvidence:
    """What the live schema says about a revision.

    Attributes:
        doc: the first line of its docstring.
        found, of: how many of the items that it changed are as it left them, of how many that can tell.
        key_types: how many of the found differ in the type of keys.
        differences: what is missing or different, one sentence each.
        weak: whether it rests on indexes alone, while the revision has changed data too.
        note: what else should be known, or "".
    """

    revision: str
    doc: str
    status: Status
    found: int = 0
    of: int = 0
    key_types: int = 0
    differences: tuple[str, ...] = ()
    weak: bool = False
    note: str = ""

    def __str__(self) -> str:
        """One line, such as `f867c7e3d51c PARTIAL 4/5 (document_questions.document_id: live uuid, …)`."""
        name = Status.APPLIED if self.status is Status.BUT_KEY_TYPES else self.status
        counted = f" {self.found}/{self.of}" if self.of else ""
        remarks = [f"but for key types {self.key_types}"] if self.key_types else []
        if self.status is Status.PARTIAL:
            remarks += self.differences[:3]
            if len(self.differences) > 3:
                remarks.append(f"and {len(self.differences) - 3} more")
        if self.note:
            remarks.append(self.note)
        return f"{self.revision} {name}{counted}" + (f" ({'; '.join(remarks)})" if remarks else "")


@dataclass(frozen=True)
class Evidence:
    """What the live schema says about all of them.

    Attributes:
        revisions: in the history's order.
        live: the live schema, items under the names that the history has for them.
        renamed: what such an item is called in the live schema.
        spelling: what may differ, the types of keys above all.
    """

    revisions: tuple[RevisionEvidence, ...]
    live: Schema
    renamed: Mapping[Item, str]
    spelling: Spelling

    def of(self, revision: str) -> RevisionEvidence:
        return next(evidence for evidence in self.revisions if evidence.revision == revision)


@dataclass(slots=True)
class _Timeline:
    """An attribute's values: before the history, and after each revision (by place) that changed it."""

    first: str | None
    touches: list[tuple[int, str | None]]

    def value(self, position: int) -> str | None:
        return self.touches[position - 1][1] if position else self.first

    @property
    def values(self) -> set[str | None]:
        return {self.first, *(value for _, value in self.touches)}


_Timelines = dict[Item, dict[str, _Timeline]]


def weigh(replay: Replay, live: Schema, live_major: int, converted: Iterable[TypePair] = ()) -> Evidence:
    """Compare a live schema with a replayed history.

    Args:
        live: as `schema_of` gave it.
        live_major: major version of the live server.
        converted: types that a conversion has just exchanged, and may have left or taken along in single columns.
    """
    timelines = _timelines(replay)
    pairs = key_type_pairs(timelines, live)
    for pair in converted:
        pairs |= {pair, TypePair(pair.wanted, pair.live)}
    spelling = Spelling(pairs, other_server=live_major != replay.server_major)
    live, renamed = _under_known_names(timelines, live, spelling)
    weighing = _Weighing(replay, timelines, live, spelling)
    revisions = weighing.revisions(frozenset(), frozenset())
    for _ in range(PASSES):
        applied, absent = _known(replay, revisions)
        again = weighing.revisions(applied, absent)
        if again == revisions:
            break
        revisions = again
    return Evidence(revisions, live, renamed, spelling)


def key_type_pairs(timelines: Mapping[Item, Mapping[str, _Timeline]], live: Schema) -> frozenset[TypePair]:
    """The differences of type that run through the whole database.

    A live type stands in for a wanted one when more primary-key columns differ so than there are of either type that are
    as they are wanted. A few tables that somebody made by hand with other keys than the rest do not reach that.
    """
    votes: Counter[tuple[str, str]] = Counter()
    for item, attributes in live.items():
        if item.kind != "constraint" or attributes.get("kind") != "p":
            continue
        for name in json.loads(attributes["columns"]):
            column = Item("column", item.schema, item.name, name)
            timeline = timelines.get(column, {}).get("type")
            found = live.get(column, {}).get("type")
            if timeline is not None and found is not None:
                wanted = found if found in timeline.values else timeline.touches[-1][1]
                votes[found, wanted or found] += 1
    return frozenset(
        TypePair(found, wanted)
        for (found, wanted), count in votes.items()
        if wanted != found and count > votes[found, found] and count > votes[wanted, wanted]
    )


def _timelines(replay: Replay) -> _Timelines:
    timelines: _Timelines = {}

    def touch(item: Item, name: str, place: int, before: str | None, after: str | None) -> None:
        of_item = timelines.setdefault(item, {})
        of_item.setdefault(name, _Timeline(before, [])).touches.append((place, after))

    for place, replayed in enumerate(replay.revisions):
        for change in replayed.changes:
            if change.before is None or change.after is None:
                touch(change.item, EXISTS, place, _exists(change.before), _exists(change.after))
            before, after = change.before or {}, change.after or {}
            for name in sorted(before.keys() | after.keys()):
                touch(change.item, name, place, before.get(name), after.get(name))
    return timelines


def _exists(attributes: Attributes | None) -> str | None:
    return None if attributes is None else "yes"


def _under_known_names(timelines: _Timelines, live: Schema, spelling: Spelling) -> tuple[Schema, Mapping[Item, str]]:
    """Give constraints, indexes and functions that only their name tells from the history's the names of the history."""
    unknown: defaultdict[tuple[str, str, str], list[Item]] = defaultdict(list)
    for item in live:
        if item.kind in UNNAMED and item not in timelines:
            unknown[_place(item)].append(item)
    named = dict(live)
    renamed: dict[Item, str] = {}
    for item, attributes in timelines.items():
        if item.kind not in UNNAMED or item in live:
            continue
        for candidate in unknown[_place(item)]:
            if _same_attributes(attributes, live[candidate], spelling):
                unknown[_place(item)].remove(candidate)
                named[item] = named.pop(candidate)
                renamed[item] = candidate.part or candidate.name
                break
    return named, renamed


def _place(item: Item) -> tuple[str, str, str]:
    return (item.kind, item.schema, item.name.partition("(")[0])


def _same_attributes(history: Mapping[str, _Timeline], live: Attributes, spelling: Spelling) -> bool:
    names = history.keys() - {EXISTS}
    return live.keys() <= names and all(
        any(value == live.get(name) or spelling.same(name, live.get(name), value) for value in history[name].values)
        for name in names
    )


def _known(replay: Replay, revisions: Iterable[RevisionEvidence]) -> tuple[frozenset[str], frozenset[str]]:
    """Which revisions have run for certain, and which have not, so that recurring values can be decided."""
    status = {evidence.revision: evidence.status for evidence in revisions}
    ancestors = replay.graph.ancestors
    applied = {revision for revision, found in status.items() if found.is_applied}
    absent = {revision for revision, found in status.items() if found is Status.ABSENT}
    silent = {revision for revision, found in status.items() if found is Status.NO_EVIDENCE}
    return (
        frozenset(applied | {other for revision in applied for other in ancestors[revision] & silent}),
        frozenset(absent | {revision for revision in silent if ancestors[revision] & absent}),
    )


class _Weighing:
    def __init__(self, replay: Replay, timelines: _Timelines, live: Schema, spelling: Spelling) -> None:
        self._replay = replay
        self._timelines = timelines
        self._live = live
        self._spelling = spelling

    def revisions(self, applied: frozenset[str], absent: frozenset[str]) -> tuple[RevisionEvidence, ...]:
        """The evidence for each revision, given what is known for certain."""
        names = [replayed.revision for replayed in self._replay.revisions]
        ran = [name in applied for name in names]
        did_not = [name in absent for name in names]
        found: list[dict[Item, list[tuple[Finding, str]]]] = [{} for _ in names]
        for item, attributes in self._timelines.items():
            for name, timeline in self._with_unwanted(item, attributes).items():
                for place, finding, text in self._findings(item, name, timeline, ran, did_not):
                    found[place].setdefault(item, []).append((finding, text))
        return tuple(self._evidence(place, items) for place, items in enumerate(found))

    def _with_unwanted(self, item: Item, attributes: Mapping[str, _Timeline]) -> Mapping[str, _Timeline]:
        """With what the live item has and no revision has given it, which counts for whoever makes the item."""
        made = attributes.get(EXISTS)
        extra = [name for name in self._live.get(item, {}) if name not in attributes]
        if made is None or not extra:
            return attributes
        never = _Timeline(None, [(place, None) for place, value in made.touches if value])
        return {**attributes, **dict.fromkeys(extra, never)}

    def _findings(
        self, item: Item, name: str, timeline: _Timeline, ran: list[bool], did_not: list[bool]
    ) -> Iterable[tuple[int, Finding, str]]:
        attributes = self._live.get(item)
        value = _exists(attributes) if name == EXISTS else (attributes or {}).get(name)
        touches = timeline.touches
        every = range(len(touches) + 1)
        low = max((i for i, (place, _) in enumerate(touches, 1) if ran[place]), default=0)
        high = min((i - 1 for i, (place, _) in enumerate(touches, 1) if did_not[place]), default=len(touches))
        present: Finding = "have"
        positions = [i for i in every if timeline.value(i) == value]
        if not positions:
            present = "key type"
            positions = [i for i in every if self._spelling.same(name, value, timeline.value(i))]
        if not positions:
            blamed = max(min(high, len(touches)), 1)
            yield touches[blamed - 1][0], "different", _different(item, name, value, timeline.value(blamed))
            return
        positions = [i for i in positions if low <= i <= high] or positions
        if (earliest := positions[0]) > 0:
            yield touches[earliest - 1][0], present, ""
        for place, wanted in touches[positions[-1] :]:
            yield place, "missing", _different(item, name, value, wanted)

    def _evidence(self, place: int, items: Mapping[Item, list[tuple[Finding, str]]]) -> RevisionEvidence:
        replayed = self._replay.revisions[place]
        doc = self._replay.graph.by_id[replayed.revision].doc
        if replayed.failures and (replayed.how == "stamped" or not items):
            note = f"it cannot be run on a scratch database: {replayed.failures[0].message}"
            return RevisionEvidence(replayed.revision, doc, Status.UNKNOWN, note=note)
        # Comments get lost in dumps and say little; they count where a revision does nothing else.
        telling = {item: findings for item, findings in items.items() if item.kind != "comment"} or items
        kinds: dict[Item, Finding] = {item: _of_item(findings) for item, findings in telling.items()}
        of = len(kinds)
        key_types = sum(kind == "key type" for kind in kinds.values())
        found = key_types + sum(kind == "have" for kind in kinds.values())
        note = f"{len(replayed.failures)} of its operations fail on a scratch database" if replayed.failures else ""
        return RevisionEvidence(
            revision=replayed.revision,
            doc=doc,
            status=_status(found, of, key_types, kinds.values()),
            found=found,
            of=of,
            key_types=key_types,
            differences=tuple(_sentences(telling, kinds)),
            weak=bool(kinds) and all(item.kind == "index" for item in kinds) and _changes_data(replayed.statements),
            note=note,
        )


def _of_item(findings: Iterable[tuple[Finding, str]]) -> Finding:
    kinds = {kind for kind, _ in findings}
    if "different" in kinds or ("missing" in kinds and len(kinds) > 1):
        return "different"
    if "missing" in kinds:
        return "missing"
    return "key type" if "key type" in kinds else "have"


def _status(found: int, of: int, key_types: int, kinds: Iterable[Finding]) -> Status:
    if of == 0:
        return Status.NO_EVIDENCE
    if found == of:
        return Status.BUT_KEY_TYPES if key_types else Status.APPLIED
    return Status.ABSENT if all(kind == "missing" for kind in kinds) else Status.PARTIAL


def _changes_data(statements: Iterable[str]) -> bool:
    return any(text.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE", "MERGE", "WITH")) for text in statements)


def _sentences(items: Mapping[Item, list[tuple[Finding, str]]], kinds: Mapping[Item, Finding]) -> Iterable[str]:
    """What is missing or different; nothing about the parts of what is missing as a whole."""
    missing = {item.owner for item, kind in kinds.items() if kind == "missing" and not item.part}
    for item, kind in sorted(kinds.items()):
        if kind in ("missing", "different") and not (item.part and item.owner in missing):
            texts = dict.fromkeys(text for finding, text in items[item] if finding in ("missing", "different"))
            yield next(iter(texts)) if kind == "missing" else "; ".join(texts)


def _different(item: Item, name: str, live: str | None, wanted: str | None) -> str:
    if name == EXISTS:
        return f"{item} is still there" if live else f"{item} is missing"
    where = str(item).removeprefix("column ")
    if name == "type":
        return f"{where}: live {_shown(live)}, migration wants {_shown(wanted)}"
    return f"{where}: {name.replace('_', ' ')}: live {_shown(live)}, migration wants {_shown(wanted)}"


def _shown(value: str | None) -> str:
    if value is None:
        return "none"
    text = " ".join(short(value).split())
    return text if len(text) <= 120 else text[:117] + "..."
