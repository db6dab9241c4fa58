"""From the rows of the named queries to a Catalog. Pure: no server is asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import repeat
from typing import Any, TypeVar

import asyncpg

from core.postgres.catalog import (
    Address,
    Catalog,
    Column,
    Constraint,
    DataType,
    Dependency,
    EnforcementTrigger,
    EventTrigger,
    Extension,
    Function,
    Grant,
    Index,
    OtherObject,
    Policy,
    Publication,
    PublishedTable,
    Relation,
    Rule,
    Schema,
    SecurityLabel,
    ServerFacts,
    Statistics,
    Trigger,
)

Row = asyncpg.Record
Rows = Sequence[Row]
"""Of one query; the columns of a row are named as the fields of the dataclass that they are for."""

Item = TypeVar("Item")
Convert = Mapping[str, Callable[[Any], Any]]
Derive = Mapping[str, Callable[[Row], Any]]

# What completes everything else.
ABOUT = ("catalogs", "extensions", "members", "grants", "comments", "labels", "enforcement")
SERVER = ("server", "identity", "settings", "system_identifier")


class ObjectVanished(Exception):
    """A definition is missing: the functions that give them see what was dropped after the snapshot was taken."""


class Assembly:
    """Takes the rows of one query after the other, in any order, and makes objects of them as soon as it can.

    Args:
        names: of the queries that will come; `sizes` need not be among them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        sized = (*ABOUT, "indexes", "sizes") if "sizes" in names else (*ABOUT, "indexes")
        self._needs = {
            name: sized if name in ("relations", "indexes") else ABOUT for name in names if name not in ABOUT
        }
        self._rows: dict[str, Rows] = {}
        self._waiting: list[str] = []
        self._parts: dict[str, tuple[Any, ...]] = {}
        self._catalogs: dict[int, str] = {}
        self._members: dict[Address, str] = {}
        self._grants: defaultdict[str | None, tuple[Grant, ...]] = defaultdict(tuple)
        self._comments: dict[Address, str] = {}
        self._labels: dict[Address, tuple[SecurityLabel, ...]] = {}
        self._enforcement: dict[int, tuple[EnforcementTrigger, ...]] = {}

    def add(self, name: str, rows: Rows) -> None:
        """Take the rows of a query.

        Raises:
            ObjectVanished: an object of the snapshot was gone when its definition was asked for.
        """
        self._rows[name] = rows
        if name in SERVER:
            return
        if name not in ABOUT:
            self._waiting.append(name)
        elif self._rows.keys() >= set(ABOUT):
            self._learn()
        ready = [name for name in self._waiting if self._rows.keys() >= set(self._needs[name])]
        self._waiting = [name for name in self._waiting if name not in ready]
        for name in ready:
            self._make(name)

    def catalog(self) -> Catalog:
        """Return the catalog, once every query has been added."""
        return Catalog(server=self._server(), **self._parts)

    def _learn(self) -> None:
        rows = self._rows
        self._catalogs = {row["oid"]: row["relname"] for row in rows["catalogs"]}
        self._parts["extensions"] = _made(Extension, rows["extensions"])
        self._members = {self._address(row): row["extname"] for row in rows["members"]}
        self._comments = {self._address(row): row["description"] for row in rows["comments"]}
        for address, labels in _grouped(rows["labels"], self._address).items():
            self._labels[address] = tuple(SecurityLabel(row["provider"], row["label"]) for row in labels)
        for acl, grants in _grouped(rows["grants"], lambda row: row["acl"]).items():
            made = (Grant(row["grantee"], row["grantor"], row["privilege"], row["grantable"]) for row in grants)
            self._grants[acl] = tuple(sorted(made))
        for oid, triggers in _grouped(rows["enforcement"], lambda row: row["constraint"]).items():
            made = (EnforcementTrigger(row["table"], row["function"], row["enabled"]) for row in triggers)
            self._enforcement[oid] = tuple(made)

    def _make(self, name: str) -> None:
        if name != "sizes":
            self._parts[name] = self._objects(name, self._rows[name])
            if name != "indexes":  # the sizes of tables are made of them
                self._rows[name] = ()

    def _objects(self, name: str, rows: Rows) -> tuple[Any, ...]:
        privileges: Convert = {"acl": self._grants.__getitem__}
        match name:
            case "relations":
                return self._relations(rows)
            case "indexes":
                return self._indexes(rows)
            case "dependencies":
                return _dependencies(rows, self._catalogs)
            case "schemas":
                return _made(Schema, rows, privileges, self._about("pg_namespace"))
            case "columns":
                about = self._about("pg_class", lambda row: Address("pg_class", row["relation"], row["attnum"]))
                return _made(Column, rows, {**privileges, "options": tuple}, about)
            case "constraints":
                about = self._about("pg_constraint")
                if self._enforcement:
                    about["enforcement"] = lambda row: self._enforcement.get(row["oid"], ())
                return _defined(_made(Constraint, rows, {"columns": tuple, "foreign_columns": tuple}, about))
            case "triggers":
                return _defined(_made(Trigger, rows, {"columns": tuple}, self._about("pg_trigger")))
            case "rules":
                return _defined(_made(Rule, rows, {}, self._about("pg_rewrite")))
            case "policies":
                return _made(Policy, rows, {"roles": tuple}, self._about("pg_policy"))
            case "functions":
                arrays = dict.fromkeys(("argument_types", "all_argument_types", "config"), tuple)
                functions = _made(Function, rows, {**privileges, **arrays}, self._about("pg_proc"))
                _defined(f for f in functions if f.kind != "a" and f.extension is None)
                return functions
            case "types":
                return _made(DataType, rows, privileges, self._about("pg_type"))
            case "statistics":
                return _defined(_made(Statistics, rows, {"columns": tuple}, self._about("pg_statistic_ext")))
            case "publications":
                return _made(Publication, rows, {"schemas": tuple}, self._about("pg_publication"))
            case "published_tables":
                return _made(PublishedTable, rows, {"columns": tuple, "column_names": tuple})
            case "event_triggers":
                return _made(EventTrigger, rows, {"tags": tuple}, self._about("pg_event_trigger"))
            case "others":
                comment: Derive = {"comment": lambda row: self._comments.get(Address(row["catalog"], row["oid"]))}
                return _made(OtherObject, rows, privileges, comment)
            case _:
                raise KeyError(name)

    def _relations(self, rows: Rows) -> tuple[Relation, ...]:
        arrays = dict.fromkeys(("parents", "options", "inherits", "partition_key_columns"), tuple)
        about = self._about("pg_class")
        if sizes := self._rows.get("sizes"):
            own = {row["oid"]: row["own_bytes"] for row in sizes}
            total = Counter({row["oid"]: row["own_bytes"] + row["toast_bytes"] for row in sizes})
            for index in self._rows["indexes"]:
                total[index["relation"]] += own.get(index["oid"], 0)
            about["heap_bytes"] = lambda row: own.get(row["oid"], 0)
            about["bytes"] = lambda row: total[row["oid"]]
        relations = _made(Relation, rows, {"acl": self._grants.__getitem__, **arrays}, about)
        _defined(r for r in relations if r.kind in "vm" and r.persistence != "t")
        return relations

    def _indexes(self, rows: Rows) -> tuple[Index, ...]:
        convert: Convert = {"columns": tuple, "options": tuple, "statistics_targets": _pairs}
        about = self._about("pg_class")
        if sizes := self._rows.get("sizes"):
            own = {row["oid"]: row["own_bytes"] for row in sizes}
            about["bytes"] = lambda row: own.get(row["oid"], 0)
        return _defined(_made(Index, rows, convert, about))

    def _server(self) -> ServerFacts:
        (identity,) = self._rows["identity"]
        (server,) = self._rows["server"]
        identifiers = self._rows.get("system_identifier", ())
        return ServerFacts(
            **server,
            system_identifier=str(identifiers[0]["system_identifier"]) if identifiers else None,
            address=identity["address"],
            started_at=identity["started_at"],
            settings={row["name"]: row["value"] for row in self._rows["settings"]},
        )

    def _about(self, catalog: str, column: Callable[[Row], Address] | None = None) -> dict[str, Callable[[Row], Any]]:
        """What queries of their own tell about a catalog's objects, or their columns, where they tell anything."""

        def own(row: Row) -> Address:
            return Address(catalog, row["oid"])

        def lookup(found: Mapping[Address, Any], default: Any) -> Callable[[Row], Any]:
            address = column or own
            return lambda row: found.get(address(row), default)

        sources: dict[str, tuple[Mapping[Address, Any], Any]] = {
            "comment": (self._comments, None),
            "labels": (self._labels, ()),
            "extension": (self._members, None),
        }
        return {
            field: lookup(found, default)
            for field, (found, default) in sources.items()
            if any(known.catalog == catalog and (known.sub != 0) == (column is not None) for known in found)
        }

    def _address(self, row: Row) -> Address:
        return Address(self._catalogs[row["classoid"]], row["objoid"], row["objsubid"])


def _made(
    make: type[Item], rows: Rows, convert: Convert | None = None, derive: Derive | None = None
) -> tuple[Item, ...]:
    """Make an object of each row.

    There may be tens of thousands, so the rows are turned into columns, which are converted and put in the order of the
    fields without a step of Python for each value.

    Args:
        make: the dataclass; a field that has no column takes its default.
        rows: of the query.
        convert: column → what makes the field's value of the column's.
        derive: field → what makes its value of the row.
    """
    if not rows:
        return ()
    values: dict[str, Iterable[Any]] = dict(zip(rows[0].keys(), zip(*rows, strict=True), strict=True))
    values |= {name: map(function, values[name]) for name, function in (convert or {}).items() if name in values}
    values |= {name: map(function, rows) for name, function in (derive or {}).items()}
    in_order = [values.get(f.name, repeat(f.default)) for f in fields(make)]  # pyright: ignore[reportArgumentType]
    return tuple(map(make, *in_order))


def _pairs(lists: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((first, second) for first, second in lists)


def _dependencies(rows: Rows, catalogs: Mapping[int, str]) -> tuple[Dependency, ...]:
    """Of rows that stand for many each: arrays are decoded far faster than rows are."""

    def addresses(catalog: int, oids: Iterable[int], subs: Iterable[int]) -> Iterable[Address]:
        return map(Address._make, zip(repeat(catalogs[catalog]), oids, subs))

    made: list[Dependency] = []
    for row in rows:
        dependent = addresses(row["classid"], row["dependents"], row["dependent_subs"])
        referenced = addresses(row["refclassid"], row["referenced"], row["referenced_subs"])
        made += map(Dependency, dependent, referenced, repeat(row["kind"]))
    return tuple(made)


def _grouped(rows: Rows, key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _defined(items: Iterable[Any]) -> tuple[Any, ...]:
    """The items, once it is certain that each has its definition."""
    kept = tuple(items)
    for item in kept:
        if item.definition is None:
            raise ObjectVanished(f"{item.schema}.{item.name}")
    return kept
