"""A schema as evidence: what revisions make, by name, with the attributes that tell one state of it from another.

Left out on purpose: what differs between a scratch database and a live one without any revision having changed it (owners,
privileges, sizes, the order of columns, settings of storage), and what belongs to an extension.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from core.postgres.catalog import Catalog, Column, Constraint, Index, Relation
from core.revisions.graph import VersionTable

TABLES = "rpf"
"""relkinds that have columns of their own."""

_LITERAL = re.compile(r"E?'((?:[^']|'')*)'")


class Item(NamedTuple):
    """Something that a revision can make.

    Attributes:
        kind: table, column, constraint, index, view, materialized view, sequence, function, trigger, rule, policy,
            row security, enum, enum value, domain, composite type, range, statistics, schema, extension, event trigger, publication or comment.
        schema: "" for what is in none.
        name: its own, or its table's (for an enum's value, its type's).
        part: its own name within the table or type; "" for what stands alone.
    """

    kind: str
    schema: str
    name: str
    part: str = ""

    def __str__(self) -> str:
        schema = "" if self.schema in ("", "public") else f"{self.schema}."
        return f"{self.kind} {schema}{self.name}" + (f".{self.part}" if self.part else "")

    @property
    def owner(self) -> tuple[str, str]:
        """(schema, name) of the table, view or type that it belongs to or is."""
        return (self.schema, self.name)


Attributes = Mapping[str, str]
Schema = Mapping[Item, Attributes]


def schema_of(catalog: Catalog, version_table: VersionTable) -> Schema:
    """Take from a catalog what revisions make. Alembic's own table is left out, in whatever schema it is."""
    reader = _Reader(catalog, version_table)
    items: dict[Item, Attributes] = {}
    for part in (
        reader.relations(),
        reader.columns(),
        reader.constraints(),
        reader.indexes(),
        reader.on_tables(),
        reader.functions(),
        reader.types(),
        reader.others(),
        reader.comments(),
    ):
        items.update(part)
    return items


class _Reader:
    def __init__(self, catalog: Catalog, version_table: VersionTable) -> None:
        self._catalog = catalog
        self._relations = {
            relation.oid: relation
            for relation in catalog.relations
            if relation.extension is None and relation.persistence != "t" and relation.name != version_table.name
        }
        self._tables = {oid: relation for oid, relation in self._relations.items() if relation.kind in TABLES}

    def relations(self) -> Iterable[tuple[Item, Attributes]]:
        for relation in self._relations.values():
            if (item := _relation_item(relation)) is not None:
                yield (
                    item,
                    _present(
                        definition=relation.definition,
                        persistence=relation.persistence if relation.kind == "r" else None,
                        partition_key=relation.partition_key,
                        partition_of=_listed(relation.inherits),
                        partition_bound=relation.partition_bound,
                        sequence=relation.sequence,
                    ),
                )

            # On its own: it often comes by hand, with policies, after the revision that made the table.
            for name, is_set in (("enabled", relation.row_security), ("forced", relation.force_row_security)):
                if is_set:
                    yield Item("row security", relation.schema, relation.name, name), {}

    def columns(self) -> Iterable[tuple[Item, Attributes]]:
        for column in self._catalog.columns:
            if column.relation in self._tables:
                yield Item("column", column.schema, column.table, column.name), _column(column)

    def constraints(self) -> Iterable[tuple[Item, Attributes]]:
        for constraint in self._catalog.constraints:
            # NOT NULL is an attribute of the column on every version; a partition's copy comes with its parent's.
            if constraint.relation in self._tables and constraint.kind in "pufcx" and not constraint.parent:
                item = Item("constraint", constraint.schema, constraint.table, constraint.name)
                yield item, self._constraint(constraint)

    def _constraint(self, constraint: Constraint) -> Attributes:
        if constraint.kind != "f":
            return _present(
                kind=constraint.kind,
                definition=constraint.definition,
                columns=self._names(constraint.relation, constraint.columns),
            )
        target = self._catalog.relation.get(constraint.foreign_relation)
        return _present(
            kind="f",
            definition=constraint.definition,
            columns=self._names(constraint.relation, constraint.columns),
            foreign_table=json.dumps([target.schema, target.name]) if target else None,
            foreign_columns=self._names(constraint.foreign_relation, constraint.foreign_columns),
        )

    def _names(self, relation: int, attnums: Iterable[int]) -> str:
        columns = self._catalog.column
        return json.dumps([columns[key].name for attnum in attnums if (key := (relation, attnum)) in columns])

    def indexes(self) -> Iterable[tuple[Item, Attributes]]:
        for index in self._catalog.indexes:
            is_on_table = index.relation in self._relations
            if is_on_table and not index.constraint and not index.parent:
                yield (
                    Item("index", index.schema, index.table, index.name),
                    _present(definition=_nameless(index), valid=_yes(index.valid)),
                )

    def on_tables(self) -> Iterable[tuple[Item, Attributes]]:
        for trigger in self._catalog.triggers:
            if trigger.relation in self._relations and not trigger.parent:
                yield (
                    Item("trigger", trigger.schema, trigger.table, trigger.name),
                    _present(definition=trigger.definition, enabled=trigger.enabled),
                )
        for rule in self._catalog.rules:
            if rule.relation in self._relations:
                item = Item("rule", rule.schema, rule.table, rule.name)
                yield item, _present(definition=rule.definition, enabled=rule.enabled)
        for policy in self._catalog.policies:
            if policy.relation in self._relations:
                yield (
                    Item("policy", policy.schema, policy.table, policy.name),
                    _present(
                        command=policy.command,
                        permissive=_yes(policy.permissive),
                        roles=_listed(policy.roles),
                        using=policy.using,
                        check=policy.check,
                    ),
                )

    def functions(self) -> Iterable[tuple[Item, Attributes]]:
        for function in self._catalog.functions:
            if function.extension is None:
                yield (
                    Item("function", function.schema, f"{function.name}({function.arguments})"),
                    _present(definition=function.definition or function.body, returns=function.returns),
                )

    def types(self) -> Iterable[tuple[Item, Attributes]]:
        names = {"e": "enum", "d": "domain", "c": "composite type", "r": "range"}
        for type_ in self._catalog.types:
            if type_.extension is not None or type_.kind not in names:
                continue
            item = Item(names[type_.kind], type_.schema, type_.name)
            if type_.kind != "e":
                yield item, _present(definition=type_.definition)
                continue
            yield item, {}
            for label in _labels(type_.definition):
                yield Item("enum value", type_.schema, type_.name, label), {}
        for constraint in self._catalog.constraints:
            if constraint.domain and constraint.kind == "c":
                item = Item("constraint", constraint.schema, constraint.table, constraint.name)
                yield item, _present(kind="c", definition=constraint.definition)

    def others(self) -> Iterable[tuple[Item, Attributes]]:
        catalog = self._catalog
        for schema in catalog.schemas:
            if schema.name != "public":
                yield Item("schema", "", schema.name), {}
        for extension in catalog.extensions:
            if extension.name != "plpgsql":
                yield Item("extension", "", extension.name), {}
        for statistics in catalog.statistics:
            yield Item("statistics", statistics.schema, statistics.name), _present(definition=statistics.definition)
        for trigger in catalog.event_triggers:
            attributes = _present(event=trigger.event, tags=_listed(trigger.tags), function=trigger.function)
            yield Item("event trigger", "", trigger.name), attributes
        for publication in catalog.publications:
            yield Item("publication", "", publication.name), _present(definition=publication.definition)

    def comments(self) -> Iterable[tuple[Item, Attributes]]:
        for relation in self._relations.values():
            if relation.comment and (item := _relation_item(relation)) is not None:
                yield Item("comment", relation.schema, relation.name), {"text": relation.comment, "on": item.kind}
        for column in self._catalog.columns:
            if column.comment and column.relation in self._relations:
                yield Item("comment", column.schema, column.table, column.name), {"text": column.comment}


def _relation_item(relation: Relation) -> Item | None:
    kinds = {"v": "view", "m": "materialized view", **dict.fromkeys(TABLES, "table")}
    if relation.kind == "S" and relation.owned_by is None:
        return Item("sequence", relation.schema, relation.name)
    kind = kinds.get(relation.kind)
    return None if kind is None else Item(kind, relation.schema, relation.name)


def _column(column: Column) -> Attributes:
    return _present(
        type=column.type,
        nullable="no" if column.not_null else "yes",
        default=column.default,
        generated=column.generated,
        identity=column.identity,
        collation=column.collation,
    )


def _nameless(index: Index) -> str:
    """The definition without the index's own name, by which it is known anyway."""
    head, separator, rest = index.definition.partition(" ON ")
    if not separator:
        return index.definition
    return ("CREATE UNIQUE INDEX" if head.startswith("CREATE UNIQUE") else "CREATE INDEX") + separator + rest


def _labels(definition: str) -> list[str]:
    """The labels of an enum, out of a list of SQL literals."""
    labels = [label.replace("''", "'") for label in _LITERAL.findall(definition)]
    return [label.replace("\\\\", "\\") for label in labels] if "E'" in definition else labels


def _present(**attributes: str | None) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value}


def _yes(value: bool) -> str | None:
    return "yes" if value else None


def _listed(values: Iterable[str]) -> str | None:
    return ", ".join(values) or None
