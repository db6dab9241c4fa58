"""A database's catalog as frozen, plain data: what the rest of the program decides on.

Nothing here touches a server; `core.postgres.inspect` fills it. Two kinds of field exist. *Canonical* fields are what a
person would call the schema: they go into the fingerprint and are compared by the proof. *Local* fields (object ids,
sizes, estimates) belong to one cluster at one moment and are left out of it; they are declared with `local()`.

Names of catalogs, columns and one-letter codes are PostgreSQL's own (docs, part VII, "System Catalogs").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

Item = TypeVar("Item")

ColumnKey = tuple[int, int]
"""(oid of the relation, attnum): a column within one database."""


def local(default: Any = 0) -> Any:
    """Declare a field that is true of this cluster only and so is no part of the canonical form."""
    return field(default=default, metadata={"canonical": False}, compare=False)


class Address(NamedTuple):
    """An object as `pg_depend` names it.

    Attributes:
        catalog: the system catalog, e.g. `pg_class`, `pg_constraint`, `pg_rewrite`.
        oid: the object's id in it.
        sub: the column number for a column of a relation, otherwise 0.
    """

    catalog: str
    oid: int
    sub: int = 0


@dataclass(frozen=True, slots=True)
class Dependency:
    """A row of `pg_depend`; `kind` is its `deptype` (n, a, i, P, S, e, x)."""

    dependent: Address
    referenced: Address
    kind: str


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One privilege of one grantee, as `aclexplode` gives it; `grantee` is `PUBLIC` for everyone."""

    grantee: str
    grantor: str
    privilege: str
    grantable: bool


@dataclass(frozen=True, slots=True, order=True)
class SecurityLabel:
    provider: str
    label: str


@dataclass(frozen=True, slots=True)
class Column:
    relation: int = local()
    attnum: int = local()
    type_oid: int = local()
    schema: str = ""
    table: str = ""
    name: str = ""
    position: int = 0
    """Its place among the columns that are not dropped, from 1."""
    type: str = ""
    """`format_type`, e.g. `uuid`, `character varying(36)`, schema-qualified for types outside pg_catalog."""
    not_null: bool = False
    default: str | None = None
    """`pg_get_expr` of its default or of its generation expression."""
    generated: str = ""
    """'' no, s stored, v virtual."""
    identity: str = ""
    """'' no, a always, d by default."""
    collation: str | None = None
    """Qualified name when it is not the type's own default."""
    storage: str = ""
    """attstorage when it is not the type's own default, else ''."""
    compression: str = ""
    statistics_target: int = -1
    options: tuple[str, ...] = ()
    inherited: int = 0
    """attinhcount: how many parents it comes from."""
    is_local: bool = True
    acl: tuple[Grant, ...] = ()
    comment: str | None = None
    labels: tuple[SecurityLabel, ...] = ()

    @property
    def key(self) -> ColumnKey:
        return (self.relation, self.attnum)


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, partitioned table, view, materialized view, foreign table, sequence or composite type."""

    oid: int = local()
    row_type: int = local()
    """oid of its row type (pg_type), 0 for none."""
    parents: tuple[int, ...] = local(())
    of_type: int = local()
    bytes: int = local()
    """Table, toast and indexes, in bytes (main forks); 0 where not measured."""
    heap_bytes: int = local()
    estimated_rows: float = local(-1.0)
    """reltuples; -1 when never analysed."""
    schema: str = ""
    name: str = ""
    kind: str = ""
    """relkind: r table, p partitioned, v view, m materialized view, f foreign table, S sequence, c composite type."""
    owner: str = ""
    persistence: str = "p"
    access_method: str | None = None
    tablespace: str | None = None
    options: tuple[str, ...] = ()
    row_security: bool = False
    force_row_security: bool = False
    replica_identity: str = ""
    populated: bool = True
    definition: str | None = None
    """`pg_get_viewdef` of a view or materialized view."""
    inherits: tuple[str, ...] = ()
    is_partition: bool = False
    partition_bound: str | None = None
    partition_key: str | None = None
    partition_key_columns: tuple[str, ...] = ()
    """Columns used in the partition key, in expressions too."""
    typed_as: str | None = None
    foreign_server: str | None = None
    sequence: str | None = None
    """Of a sequence: its type, bounds, increment, cache, cycle as text; its last value is data and no part of it."""
    owned_by: str | None = None
    extension: str | None = None
    acl: tuple[Grant, ...] = ()
    comment: str | None = None
    labels: tuple[SecurityLabel, ...] = ()


@dataclass(frozen=True, slots=True)
class EnforcementTrigger:
    """An internal trigger behind a foreign key whose state is not the ordinary `O` (pg_trigger.tgenabled)."""

    table: str
    function: str
    enabled: str


@dataclass(frozen=True, slots=True)
class Constraint:
    oid: int = local()
    relation: int = local()
    domain: int = local()
    """Of a domain's constraint the domain, whose schema and name then stand for the table's; else 0."""
    parent: int = local()
    """conparentid: 0 unless it is the partition's copy of a parent's constraint."""
    columns: tuple[int, ...] = local(())
    """conkey, in order."""
    foreign_relation: int = local()
    foreign_columns: tuple[int, ...] = local(())
    """confkey, paired with `columns`."""
    index: int = local()
    schema: str = ""
    table: str = ""
    name: str = ""
    kind: str = ""
    """contype: p primary, u unique, f foreign, c check, x exclusion, n not null, t constraint trigger."""
    definition: str = ""
    """`pg_get_constraintdef`."""
    foreign_table: str | None = None
    deferrable: bool = False
    deferred: bool = False
    validated: bool = True
    no_inherit: bool = False
    is_local: bool = True
    inherited: int = 0
    enforcement: tuple[EnforcementTrigger, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    oid: int = local()
    relation: int = local()
    parent: int = local()
    """The partitioned index that it is attached to, 0 for none."""
    columns: tuple[int, ...] = local(())
    """indkey: attnums in order, 0 for an expression."""
    constraint: int = local()
    """The constraint (p, u, x) it belongs to, 0 for none."""
    bytes: int = local()
    schema: str = ""
    table: str = ""
    name: str = ""
    definition: str = ""
    """`pg_get_indexdef`."""
    unique: bool = False
    primary: bool = False
    valid: bool = True
    clustered: bool = False
    replica_identity: bool = False
    options: tuple[str, ...] = ()
    tablespace: str | None = None
    attached_to: str | None = None
    statistics_targets: tuple[tuple[int, int], ...] = ()
    """(column of the index, target) where one was set."""
    owner: str = ""
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    oid: int = local()
    relation: int = local()
    function: int = local()
    parent: int = local()
    columns: tuple[int, ...] = local(())
    """tgattr: the columns of UPDATE OF."""
    schema: str = ""
    table: str = ""
    name: str = ""
    definition: str = ""
    """`pg_get_triggerdef`."""
    enabled: str = "O"
    is_constraint: bool = False
    has_condition: bool = False
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rewrite rule other than a view's own `_RETURN`."""

    oid: int = local()
    relation: int = local()
    schema: str = ""
    table: str = ""
    name: str = ""
    definition: str = ""
    enabled: str = "O"
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    oid: int = local()
    relation: int = local()
    schema: str = ""
    table: str = ""
    name: str = ""
    command: str = "*"
    """polcmd: r SELECT, a INSERT, w UPDATE, d DELETE, * ALL."""
    permissive: bool = True
    roles: tuple[str, ...] = ()
    using: str | None = None
    check: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    oid: int = local()
    argument_types: tuple[int, ...] = local(())
    """oids of the input arguments' types."""
    all_argument_types: tuple[int, ...] = local(())
    """oids of every argument's type, OUT and TABLE columns included."""
    return_type: int = local()
    schema: str = ""
    name: str = ""
    arguments: str = ""
    """`pg_get_function_identity_arguments`."""
    kind: str = "f"
    """prokind: f function, p procedure, a aggregate, w window."""
    language: str = ""
    definition: str | None = None
    """`pg_get_functiondef`; None for an aggregate, and for what belongs to an extension."""
    body: str = ""
    """prosrc; of an aggregate what it is made of."""
    is_sql_body: bool = False
    """True for BEGIN ATOMIC / RETURN bodies, whose dependencies PostgreSQL tracks."""
    returns: str = ""
    is_trigger: bool = False
    config: tuple[str, ...] = ()
    extension: str | None = None
    owner: str = ""
    acl: tuple[Grant, ...] = ()
    comment: str | None = None
    labels: tuple[SecurityLabel, ...] = ()


@dataclass(frozen=True, slots=True)
class DataType:
    """An enum, domain, composite, range or base type that is not built in, and not a table's row type."""

    oid: int = local()
    base_type: int = local()
    """Of a domain: its base type; of an array: its element; of a range: its subtype; else 0."""
    relation: int = local()
    """Of a composite type: its pg_class entry."""
    array_type: int = local()
    schema: str = ""
    name: str = ""
    kind: str = ""
    """typtype: e enum, d domain, c composite, r range, m multirange, b base."""
    definition: str = ""
    """Labels of an enum; base type, collation, default, NOT NULL of a domain; subtype of a range; attributes else."""
    extension: str | None = None
    owner: str = ""
    acl: tuple[Grant, ...] = ()
    comment: str | None = None
    labels: tuple[SecurityLabel, ...] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """An extended statistics object (CREATE STATISTICS)."""

    oid: int = local()
    relation: int = local()
    columns: tuple[int, ...] = local(())
    schema: str = ""
    name: str = ""
    table: str = ""
    definition: str = ""
    target: int = -1
    owner: str = ""
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    oid: int = local()
    name: str = ""
    owner: str = ""
    all_tables: bool = False
    definition: str = ""
    """The operations it publishes, `via_partition_root` and other settings."""
    schemas: tuple[str, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A row of `pg_publication_rel`."""

    oid: int = local()
    publication_oid: int = local()
    relation: int = local()
    columns: tuple[int, ...] = local(())
    """prattrs, empty for all."""
    publication: str = ""
    schema: str = ""
    table: str = ""
    column_names: tuple[str, ...] = ()
    row_filter: str | None = None


@dataclass(frozen=True, slots=True)
class EventTrigger:
    oid: int = local()
    name: str = ""
    event: str = ""
    tags: tuple[str, ...] = ()
    function: str = ""
    enabled: str = "O"
    owner: str = ""
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    oid: int = local()
    name: str = ""
    version: str = ""
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    oid: int = local()
    name: str = ""
    owner: str = ""
    acl: tuple[Grant, ...] = ()
    comment: str | None = None
    labels: tuple[SecurityLabel, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherObject:
    """Any other object outside extensions and the system's own, kept for comparison only.

    Casts, operators, operator classes and families, collations, conversions, languages, foreign-data wrappers, servers,
    user mappings, text search objects, access methods, transforms, subscriptions, default privileges, database settings.
    """

    oid: int = local()
    catalog: str = local("")
    kind: str = ""
    """`pg_identify_object(...).type`."""
    identity: str = ""
    definition: str = ""
    owner: str | None = None
    acl: tuple[Grant, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server and the database as the session sees them; none of it is part of the canonical form."""

    version_num: int
    """e.g. 150018 (`server_version_num`)."""
    version: str
    database: str
    database_oid: int
    system_identifier: str | None
    """Of the cluster (`pg_control_system`), None where this role may not read it."""
    address: str
    started_at: str
    """`pg_postmaster_start_time`, ISO 8601."""
    in_recovery: bool
    role: str
    is_superuser: bool
    can_create_database: bool
    can_create_role: bool
    bypasses_row_security: bool
    encoding: str
    collation: str
    database_bytes: int
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Settings that matter to a conversion: lock and statement time-outs, max_locks_per_transaction, wal_level …"""


@dataclass(frozen=True)
class Catalog:
    """Everything that was read of one database, under one snapshot."""

    server: ServerFacts
    schemas: tuple[Schema, ...] = ()
    relations: tuple[Relation, ...] = ()
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    rules: tuple[Rule, ...] = ()
    policies: tuple[Policy, ...] = ()
    functions: tuple[Function, ...] = ()
    types: tuple[DataType, ...] = ()
    statistics: tuple[Statistics, ...] = ()
    publications: tuple[Publication, ...] = ()
    published_tables: tuple[PublishedTable, ...] = ()
    event_triggers: tuple[EventTrigger, ...] = ()
    extensions: tuple[Extension, ...] = ()
    others: tuple[OtherObject, ...] = ()
    dependencies: tuple[Dependency, ...] = ()

    @cached_property
    def relation(self) -> Mapping[int, Relation]:
        """Relations by oid."""
        return {r.oid: r for r in self.relations}

    @cached_property
    def relation_named(self) -> Mapping[tuple[str, str], Relation]:
        """Relations by (schema, name)."""
        return {(r.schema, r.name): r for r in self.relations}

    @cached_property
    def column(self) -> Mapping[ColumnKey, Column]:
        """Columns by (relation oid, attnum)."""
        return {c.key: c for c in self.columns}

    @cached_property
    def columns_of(self) -> Mapping[int, tuple[Column, ...]]:
        """Columns by relation oid, in attnum order."""
        found: defaultdict[int, list[Column]] = defaultdict(list)
        for column in self.columns:
            found[column.relation].append(column)
        return {oid: tuple(sorted(columns, key=lambda c: c.attnum)) for oid, columns in found.items()}

    @cached_property
    def dependents_of(self) -> Mapping[Address, tuple[Dependency, ...]]:
        """Dependencies by what they reference."""
        found: defaultdict[Address, list[Dependency]] = defaultdict(list)
        for dependency in self.dependencies:
            found[dependency.referenced].append(dependency)
        return {address: tuple(group) for address, group in found.items()}

    @cached_property
    def references_of(self) -> Mapping[Address, tuple[Dependency, ...]]:
        """Dependencies by who has them."""
        found: defaultdict[Address, list[Dependency]] = defaultdict(list)
        for dependency in self.dependencies:
            found[dependency.dependent].append(dependency)
        return {address: tuple(group) for address, group in found.items()}

    @cached_property
    def constraint(self) -> Mapping[int, Constraint]:
        """Constraints by oid."""
        return {c.oid: c for c in self.constraints}

    @cached_property
    def constraints_of(self) -> Mapping[int, tuple[Constraint, ...]]:
        """Constraints by the relation that they are on, by name."""
        return _grouped(sorted(self.constraints, key=lambda c: c.name), lambda c: c.relation)

    @cached_property
    def copies_of_constraint(self) -> Mapping[int, tuple[Constraint, ...]]:
        """Partitions' copies of constraints by the constraint one level up, in the order of their creation."""
        return _grouped(sorted(self.constraints, key=lambda c: c.oid), lambda c: c.parent)

    @cached_property
    def children_of(self) -> Mapping[int, tuple[Relation, ...]]:
        """Partitions and inheriting tables by the table one level up, by name."""
        found: defaultdict[int, list[Relation]] = defaultdict(list)
        for relation in sorted(self.relations, key=lambda r: (r.schema, r.name)):
            for parent in relation.parents:
                found[parent].append(relation)
        return {parent: tuple(children) for parent, children in found.items()}

    @cached_property
    def index(self) -> Mapping[int, Index]:
        """Indexes by oid."""
        return {i.oid: i for i in self.indexes}

    @cached_property
    def indexes_of(self) -> Mapping[int, tuple[Index, ...]]:
        """Indexes by the relation that they are on, by name."""
        return _grouped(sorted(self.indexes, key=lambda i: i.name), lambda i: i.relation)

    @cached_property
    def attached_indexes(self) -> Mapping[int, tuple[Index, ...]]:
        """Partitions' indexes by the partitioned index one level up, by name."""
        return _grouped(sorted(self.indexes, key=lambda i: (i.schema, i.name)), lambda i: i.parent)

    @cached_property
    def trigger(self) -> Mapping[int, Trigger]:
        """Triggers by oid."""
        return {t.oid: t for t in self.triggers}

    @cached_property
    def rule(self) -> Mapping[int, Rule]:
        """Rules by oid."""
        return {r.oid: r for r in self.rules}

    @cached_property
    def policy(self) -> Mapping[int, Policy]:
        """Policies by oid."""
        return {p.oid: p for p in self.policies}

    @cached_property
    def function(self) -> Mapping[int, Function]:
        """Functions, procedures and aggregates by oid."""
        return {f.oid: f for f in self.functions}

    @cached_property
    def extended_statistics(self) -> Mapping[int, Statistics]:
        """Extended statistics objects by oid."""
        return {s.oid: s for s in self.statistics}

    @cached_property
    def published_table(self) -> Mapping[int, PublishedTable]:
        """Publications' tables by the oid of their entry."""
        return {p.oid: p for p in self.published_tables}

    def foreign_keys(self) -> Iterator[Constraint]:
        """Foreign keys, in the order in which their triggers fire, which is the order to create them in.

        Triggers fire by name, and a foreign key's are named after their oids, in digits (`RI_ConstraintTrigger_a_16411`):
        it is the order of creation, except that 99990 comes after 100010.
        """
        return iter(sorted((c for c in self.constraints if c.kind == "f"), key=lambda c: str(c.oid)))


def _grouped(items: Iterable[Item], key: Callable[[Item], int]) -> Mapping[int, tuple[Item, ...]]:
    found: defaultdict[int, list[Item]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return {one: tuple(group) for one, group in found.items()}
