"""Is what was restored what was dumped? Pure functions of the two readings.

Whatever cannot be the same after a restore, for a reason that is known, is named and does not count as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.backup.manifest import Content, SequenceFigures, TableFigures
from core.postgres.fingerprint import FOREIGN_KEY_ORDER, Canonical, Difference, compare
from core.postgres.sql import qualified

MOST_NAMED = 20

# What a dump of one database does not hold (docs, pg_dump, "Notes": its own settings are in pg_dumpall, or with --create),
# or is not restored from it.
_OUTSIDE = ("database setting ", "subscription ", "user mapping ")
# What only a superuser, or whoever has the right on the database, may create.
_PRIVILEGED = ("event trigger ", "publication ", "published table ", "default acl ", "policy ", "extension ")
_OWNERS, _GRANTS = frozenset(("owner",)), frozenset(("acl",))
NOT_NULL_NAMED, MAINTAIN = 18, 17
"""The major versions since which NOT NULL is a constraint with a name, and MAINTAIN a privilege."""


@dataclass(frozen=True)
class Circumstances:
    """How something was restored.

    Attributes:
        owners: whether with owners and privileges.
        dumped_on, restored_on: major versions of the servers.
        left_out: what the server did not let us restore, in its own words.
    """

    owners: bool
    dumped_on: int
    restored_on: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What a comparison has found.

    Attributes:
        differences: one sentence each; empty when it is the same.
        not_compared: what a restore cannot keep, or what is not told by it, one sentence each.
        tables, rows, objects: how many were compared.
    """

    differences: tuple[str, ...]
    not_compared: tuple[str, ...]
    tables: int
    rows: int
    objects: int

    @property
    def equal(self) -> bool:
        return not self.differences


def compared(
    dumped: Content, dumped_form: Canonical, restored: Content, restored_form: Canonical, how: Circumstances
) -> Comparison:
    """Compare rows, contents, sequences, large objects and catalog."""
    named = _Named(how)
    differences = [
        *_rows(dumped.tables, restored.tables, named),
        *_sequences(dumped.sequences, restored.sequences),
        *_large_objects(dumped, restored),
        *map(str, _schemas(dumped_form, restored_form, how, named)),
    ]
    return Comparison(
        differences=tuple(differences),
        not_compared=named.sentences(),
        tables=len(dumped.tables),
        rows=sum(table.rows for table in dumped.tables),
        objects=len(dumped_form),
    )


def schema_differences(one: Canonical, other: Canonical, how: Circumstances) -> tuple[Difference, ...]:
    """How two schemas differ, but for what the circumstances explain."""
    return tuple(_schemas(one, other, how, _Named(how)))


def _schemas(one: Canonical, other: Canonical, how: Circumstances, named: _Named) -> Iterator[Difference]:
    for difference in compare(_readable(one, how), _readable(other, how)):
        if not named.takes(difference):
            yield difference


class _Named:
    """Differences that have a known reason, counted by it."""

    def __init__(self, how: Circumstances) -> None:
        self._how = how
        self._counts: dict[str, int] = {}

    def count(self, reason: str) -> None:
        self._counts[reason] = self._counts.get(reason, 0) + 1

    def takes(self, difference: Difference) -> bool:
        """Whether the difference has a reason that is known; then it is counted."""
        reason = self._reason(difference)
        if reason:
            self.count(reason)
        return bool(reason)

    def sentences(self) -> tuple[str, ...]:
        how = self._how
        said = [f"{reason} ({count})" for reason, count in self._counts.items()]
        if how.dumped_on != how.restored_on:
            said.append(
                f"the texts of views and rules, which PostgreSQL {how.dumped_on} and {how.restored_on} write differently"
            )
        if not how.owners:
            said.append("owners and privileges: it was restored without them")
        if how.left_out:
            said += [f"not restored: {line}" for line in how.left_out[:MOST_NAMED]]
        return tuple(said)

    def _reason(self, difference: Difference) -> str:
        how, name, key = self._how, difference.property, difference.object
        if name == FOREIGN_KEY_ORDER:
            return "the order in which a table's foreign keys fire, which a restore does not keep"
        if key.startswith(_OUTSIDE) and difference.after is None:
            kind = next(prefix for prefix in _OUTSIDE if key.startswith(prefix)).strip()
            return f"{kind}s, which are no part of a restore"
        if key.startswith("extension ") and name == "version":
            return "versions of extensions, which are those of the server that it is restored on"
        if how.left_out and not name and difference.after is None and key.startswith(_PRIVILEGED):
            return "what this role may not create"
        return ""


def _readable(form: Canonical, how: Circumstances) -> Canonical:
    """The form without what these circumstances do not let be the same."""
    left_out = frozenset[str]() if how.owners else _OWNERS | _GRANTS
    unlike = how.dumped_on != how.restored_on
    if not left_out and not unlike:
        return form
    named_on = {how.dumped_on >= NOT_NULL_NAMED, how.restored_on >= NOT_NULL_NAMED}
    found: dict[str, Mapping[str, Any]] = {}
    for key, properties in form.items():
        if len(named_on) > 1 and key.startswith("constraint ") and properties.get("kind") == "n":
            continue
        if "owner" in left_out and key.startswith("default acl "):
            continue
        kept = {name: value for name, value in properties.items() if name not in left_out}
        if unlike and _is_query(key):
            kept.pop("definition", None)
        if unlike and "acl" in kept:
            kept["acl"] = [grant for grant in map(str, kept["acl"]) if not grant.startswith("MAINTAIN ")]
        found[key] = kept
    return found


def _is_query(key: str) -> bool:
    return key.startswith(("view ", "materialized view ", "rule "))


def _rows(dumped: Iterable[TableFigures], restored: Iterable[TableFigures], named: _Named) -> Iterator[str]:
    before = {(table.schema_, table.name): table for table in dumped}
    after = {(table.schema_, table.name): table for table in restored}
    for key in sorted(before.keys() | after.keys()):
        old, new, table = before.get(key), after.get(key), qualified(*key)
        if old is None or new is None:
            yield f"{table}: {'not dumped' if old is None else 'not restored'}"
        elif old.derived:
            if (old.rows, old.digest) != (new.rows, new.digest):
                named.count("rows of materialized views, which a restore computes anew from the tables as they are")
        elif old.rows != new.rows:
            yield f"{table}: {old.rows} rows were dumped, {new.rows} restored"
        elif None not in (old.digest, new.digest) and old.digest != new.digest:
            yield f"{table}: {old.rows} rows, of which not all have the same contents"


def _sequences(dumped: Iterable[SequenceFigures], restored: Iterable[SequenceFigures]) -> Iterator[str]:
    after = {(sequence.schema_, sequence.name): sequence.last for sequence in restored}
    for sequence in dumped:
        key = (sequence.schema_, sequence.name)
        if key not in after:
            yield f"sequence {qualified(*key)}: not restored"
            continue
        ends = [value for value in (sequence.first, sequence.last) if value is not None]
        found = after[key]
        unused_before = sequence.first is None
        fits = (
            unused_before
            if found is None
            else bool(ends) and (unused_before or min(ends) <= found) and found <= max(ends)
        )
        if not fits:
            yield f"sequence {qualified(*key)}: it was at {sequence.last}, and is at {found}"


def _large_objects(dumped: Content, restored: Content) -> Iterator[str]:
    if None not in (dumped.large_objects, restored.large_objects) and dumped.large_objects != restored.large_objects:
        yield f"large objects: {dumped.large_objects} were dumped, {restored.large_objects} restored"
