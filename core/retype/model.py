"""The words of a conversion as frozen data: types, scope, findings, statements, plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Literal

from core.events import Tally
from core.postgres.catalog import Catalog, ColumnKey
from core.postgres.identity import Identity

ProofDepth = Literal["catalog", "counts", "contents"]
"""How deep a proof goes; each depth includes the one before."""


@dataclass(frozen=True, slots=True)
class TypePair:
    """From which type to which, both as `format_type` writes them (`uuid`, `character varying(36)`).

    `collation` is the new column's, None for the type's default.
    """

    source: str = "uuid"
    target: str = "character varying(36)"
    collation: str | None = None

    def reversed(self) -> TypePair:
        return TypePair(self.target, self.source)


@dataclass(frozen=True, slots=True)
class ScopeRequest:
    """What the operator asked for. Columns are written `table.column` or `schema.table.column`, quoted where needed."""

    types: TypePair = TypePair()
    roots: tuple[str, ...] = ()
    """Empty: every primary key that has a column of the source type."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    soft_references: Literal["all", "none", "ask"] | tuple[str, ...] = "none"
    """`all` for those that the evidence speaks for, or the names of those to take."""
    repair_functions: tuple[str, ...] = ()
    """Ids of the functions that get a repaired body; `all` for every one that has a repair."""


@dataclass(frozen=True, slots=True)
class ScopedColumn:
    """A column to retype and why it is in the scope."""

    key: ColumnKey
    name: str
    """`table.column` for schema public, otherwise `schema.table.column`; quoted where needed."""
    role: Literal["key", "reference", "soft", "included"]
    """`key`: referenced by a foreign key, or part of a root key; `reference`: has a foreign key to a scoped column."""
    root: str
    """Name of the root key that it belongs to ("users.id"): the key at the end of its chain of references."""
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of whether a column references a key.

    Attributes:
        says: whether that speaks for a reference (yes), against one (no), or tells `nothing`.
        text: the same in words.
        about: name of the key, empty where it is about none or several.
    """

    kind: Literal["name", "type", "use", "values"]
    says: Literal["yes", "no", "nothing"]
    text: str
    about: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class SoftReference:
    """A column outside the key graph that may hold keys: of their type, or of arrays of it or a domain over it.

    Attributes:
        evidence: all that is known of it.
        is_reference: whether that speaks for a reference on the whole.
        can_be_taken: whether this conversion can retype it; arrays and domains it cannot.
        chosen: whether it is retyped with the keys.
        if_left, if_taken: what follows from each choice.
    """

    key: ColumnKey
    name: str
    type: str
    evidence: tuple[Evidence, ...]
    is_reference: bool
    can_be_taken: bool
    chosen: bool
    if_left: str
    if_taken: str


@dataclass(frozen=True)
class Scope:
    types: TypePair
    columns: tuple[ScopedColumn, ...]
    foreign_keys: tuple[int, ...]
    """oids of the foreign keys between scoped columns, in creation order; partitions' copies left out."""
    soft_references: tuple[SoftReference, ...] = ()
    already_converted: tuple[str, ...] = ()
    """Columns that look like keys or references and have the target type already (a half-converted database)."""

    @cached_property
    def keys(self) -> frozenset[ColumnKey]:
        return frozenset(column.key for column in self.columns)

    @cached_property
    def root_of(self) -> Mapping[ColumnKey, str]:
        """The root key's name for each column."""
        return {column.key: column.root for column in self.columns}


@dataclass(frozen=True, slots=True)
class Blocker:
    """A reason why a conversion must not start.

    Attributes:
        id: its kind, and after a colon what it is about.
        query: what finds it where that cannot be said of all of its kind (`core.retype.finding_queries`).
    """

    id: str
    object: str
    reason: str
    way_out: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """What must be accepted by its id before a conversion starts."""

    id: str
    object: str
    reason: str
    consequence: str


class Phase(IntEnum):
    VERIFY = 1
    DETACH = 2
    RETYPE_KEYS = 3
    RETYPE_REFERENCES = 4
    REATTACH = 5
    PROVE = 6

    @property
    def title(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a plan, with its reason.

    Attributes:
        phase: the phase in which it runs.
        kind: what it does to what, e.g. `drop foreign key`, `retype columns`, `create view`.
        object: the object's kind and quoted name, e.g. `foreign key deals_owner_id_fkey on deals`.
        sql: the statement, without a final semicolon.
        reason: why it is in the plan.
        table: name of the table that it rewrites or scans, None where none.
        tallies: what it adds to the counts.
        bytes: bytes that it has to read or write, by the catalog's sizes; the estimate's weight.
    """

    phase: Phase
    kind: str
    object: str
    sql: str
    reason: str
    table: str | None = None
    tallies: tuple[Tally, ...] = ()
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Repair:
    """An expression or a function's body that would no longer type-check, and its rewritten form."""

    object: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The ordered statements of a conversion, and what must hold before and after it."""

    identity: Identity
    catalog: str
    """Fingerprint of the catalog that it was made from."""
    scope: Scope
    statements: tuple[Statement, ...]
    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    repairs: tuple[Repair, ...] = field(default=())
    offered: tuple[Repair, ...] = ()
    """Repairs of function bodies that are certain and were not chosen: they are no part of the plan."""
    notes: tuple[str, ...] = ()
    """What the operator should know and need not accept, in sentences."""
    goal: Catalog | None = field(default=None, repr=False)
    """Of an undo: the catalog from before the conversion, which its result is held against. None: what is permitted."""

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over identity, catalog, types and statements: what a confirmation is bound to."""
        text = json.dumps(
            [
                asdict(self.identity),
                self.catalog,
                asdict(self.scope.types),
                [(s.phase, s.kind, s.object, s.sql) for s in self.statements],
            ],
            ensure_ascii=False,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def of_phase(self, phase: Phase) -> tuple[Statement, ...]:
        return tuple(s for s in self.statements if s.phase is phase)
