"""A small builder of catalogs by hand, for tests that need no server."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from core.postgres.catalog import (
    Address,
    Catalog,
    Column,
    Constraint,
    Dependency,
    Function,
    Policy,
    Relation,
    Rule,
    ServerFacts,
    Trigger,
)

SERVER = ServerFacts(
    version_num=150018,
    version="PostgreSQL 15.18",
    database="app",
    database_oid=5,
    system_identifier="7300000000000000001",
    address="local",
    started_at="2025-01-01T00:00:00+00:00",
    in_recovery=False,
    role="owner",
    is_superuser=False,
    can_create_database=False,
    can_create_role=False,
    bypasses_row_security=False,
    encoding="UTF8",
    collation="C.UTF-8",
    database_bytes=8_000_000,
    settings={"max_locks_per_transaction": "64", "max_connections": "100", "max_prepared_transactions": "0"},
)


class CatalogBuilder:
    """Builds a catalog table by table; objects get oids in the order in which they are added."""

    def __init__(self, server: ServerFacts = SERVER) -> None:
        self._oids = count(16384)
        self._server = server
        self.relations: list[Relation] = []
        self.columns: list[Column] = []
        self.constraints: list[Constraint] = []
        self.policies: list[Policy] = []
        self.functions: list[Function] = []
        self.triggers: list[Trigger] = []
        self.rules: list[Rule] = []
        self.dependencies: list[Dependency] = []

    def oid(self) -> int:
        return next(self._oids)

    def table(
        self,
        name: str,
        *columns: str,
        primary: tuple[str, ...] = ("id",),
        schema: str = "public",
        kind: str = "r",
        parents: tuple[str, ...] = (),
        owner: str = "owner",
        partition_key: tuple[str, ...] = (),
    ) -> Relation:
        """Add a table; a column is written `name type`. `parents` are names within the same schema."""
        above = [self.find(schema, parent) for parent in parents]
        relation = Relation(
            oid=self.oid(),
            row_type=self.oid(),
            parents=tuple(r.oid for r in above),
            schema=schema,
            name=name,
            kind=kind,
            owner=owner,
            inherits=tuple(f"{r.schema}.{r.name}" for r in above),
            partition_key_columns=partition_key,
            bytes=16_384,
            heap_bytes=8_192,
        )
        self.relations.append(relation)
        for position, text in enumerate(columns, start=1):
            column, _, type_text = text.partition(" ")
            self.columns.append(
                Column(
                    relation=relation.oid,
                    attnum=position,
                    schema=schema,
                    table=name,
                    name=column,
                    position=position,
                    type=type_text,
                    inherited=sum(any(c.name == column for c in self.columns_of(r)) for r in above),
                    is_local=not above,
                )
            )
        present = tuple(column for column in primary if any(c.name == column for c in self.columns_of(relation)))
        if present and kind in "rp":
            self.constraint(relation, f"{name}_pkey", "p", present)
        return relation

    def columns_of(self, relation: Relation) -> list[Column]:
        return [c for c in self.columns if c.relation == relation.oid]

    def find(self, schema: str, name: str) -> Relation:
        return next(r for r in self.relations if (r.schema, r.name) == (schema, name))

    def attnums(self, relation: Relation, names: tuple[str, ...]) -> tuple[int, ...]:
        by_name = {c.name: c.attnum for c in self.columns_of(relation)}
        return tuple(by_name[name] for name in names)

    def constraint(self, relation: Relation, name: str, kind: str, columns: tuple[str, ...]) -> Constraint:
        constraint = Constraint(
            oid=self.oid(),
            relation=relation.oid,
            columns=self.attnums(relation, columns),
            schema=relation.schema,
            table=relation.name,
            name=name,
            kind=kind,
            definition=f"PRIMARY KEY ({', '.join(columns)})",
        )
        self.constraints.append(constraint)
        self.depends(Address("pg_constraint", constraint.oid), relation, columns, "a")
        return constraint

    def foreign_key(
        self,
        table: Relation,
        columns: str,
        target: Relation,
        target_columns: str = "id",
        *,
        name: str = "",
        parent: int = 0,
    ) -> Constraint:
        """Add a foreign key; several columns are separated by spaces."""
        here, there = tuple(columns.split()), tuple(target_columns.split())
        constraint = Constraint(
            oid=self.oid(),
            relation=table.oid,
            parent=parent,
            columns=self.attnums(table, here),
            foreign_relation=target.oid,
            foreign_columns=self.attnums(target, there),
            schema=table.schema,
            table=table.name,
            name=name or f"{table.name}_{'_'.join(here)}_fkey",
            kind="f",
            definition=f"FOREIGN KEY ({', '.join(here)}) REFERENCES {target.schema}.{target.name}({', '.join(there)})",
            foreign_table=f"{target.schema}.{target.name}",
        )
        self.constraints.append(constraint)
        address = Address("pg_constraint", constraint.oid)
        self.depends(address, table, here, "a")
        self.depends(address, target, there, "n")
        return constraint

    def depends(self, dependent: Address, relation: Relation, columns: tuple[str, ...], kind: str) -> None:
        for attnum in self.attnums(relation, columns):
            self.dependencies.append(Dependency(dependent, Address("pg_class", relation.oid, attnum), kind))

    def change(self, relation: Relation, column: str, **changes: object) -> None:
        """Replace fields of a column."""
        at = next(i for i, c in enumerate(self.columns) if (c.relation, c.name) == (relation.oid, column))
        self.columns[at] = replace(self.columns[at], **changes)  # type: ignore[arg-type]

    def define(self, view: Relation, sql: str) -> None:
        """Give a view its query."""
        self.relations[self.relations.index(view)] = replace(view, definition=sql)

    def build(self) -> Catalog:
        return Catalog(
            server=self._server,
            relations=tuple(self.relations),
            columns=tuple(self.columns),
            constraints=tuple(self.constraints),
            policies=tuple(self.policies),
            functions=tuple(self.functions),
            triggers=tuple(self.triggers),
            rules=tuple(self.rules),
            dependencies=tuple(self.dependencies),
        )
