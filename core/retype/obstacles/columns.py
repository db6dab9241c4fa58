"""Obstacles in the columns and tables to convert: what PostgreSQL refuses to alter, and what it would alter badly."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Catalog, Column, Constraint, Relation
from core.postgres.sql import qualified, quote_identifier, quote_literal
from core.retype.dependents import constraints
from core.retype.dependents.columns import literal_default
from core.retype.equivalence import is_canonical_uuid
from core.retype.findings import full_name
from core.retype.model import Blocker, PlanWarning, Scope
from core.retype.names import column_name, table_name
from core.retype.types import needs_using

NOT_NULL_CONSTRAINTS_SINCE = 180000


def blockers(catalog: Catalog, scope: Scope) -> Iterator[Blocker]:
    for scoped in scope.columns:
        column = catalog.column[scoped.key]
        relation = catalog.relation[column.relation]
        name, thing = full_name(column), f"column {column_name(column)}"
        if column.name in relation.partition_key_columns:
            yield Blocker(
                f"partition-key:{name}",
                thing,
                f"It is part of the partition key of {table_name(relation.schema, relation.name)} "
                f"({relation.partition_key}), and PostgreSQL does not change the type of such a column.",
                f"Exclude it, or rebuild the table: create it anew, partitioned by the new type, and copy its rows. {_exclude(column)}",
            )
        if column.inherited > 1:
            yield Blocker(
                f"two-parents:{name}",
                thing,
                f"It is inherited from {column.inherited} tables ({', '.join(relation.inherits)}), and PostgreSQL changes "
                "the type of an inherited column only through all of its parents at once, which it cannot.",
                f"End one inheritance before (ALTER TABLE {qualified(relation.schema, relation.name)} NO INHERIT …) and take it "
                "up again afterwards.",
            )
        if column.generated and needs_using(scope.types):
            yield Blocker(
                f"generated-key:{name}",
                thing,
                f"It is generated, and a change from {scope.types.source} to {scope.types.target} needs a USING clause, "
                "which PostgreSQL does not allow on a generated column.",
                f"Drop the column before and add it again with the new type. {_exclude(column)}",
            )
        literal = (
            literal_default(column.default) if column.default is not None and scope.types.target == "uuid" else None
        )
        if literal is not None and not is_canonical_uuid(literal):
            yield Blocker(
                f"default:{name}",
                thing,
                f"Its default is {quote_literal(literal)}, which is not written as a uuid is: rows that leave the column out "
                "would fail, or get another id than before.",
                f"Drop the default before (ALTER TABLE {qualified(column.schema, column.table)} ALTER COLUMN "
                f"{quote_identifier(column.name)} DROP DEFAULT), or give it another.",
            )
        yield from _family(catalog, scope, column)
    for relation in _relations(catalog, scope):
        yield from _table(scope, relation)
    for own, above in _renamed_not_null(catalog, scope):
        if own.is_local:
            yield Blocker(
                f"not-null-name:{qualified(own.schema, own.table)}.{quote_identifier(own.name)}",
                constraints.subject(own).object,
                f"PostgreSQL {catalog.server.version_num // 10000} cannot rebuild it beside the one that it inherits under another "
                f"name, {quote_identifier(above.name)} on {table_name(above.schema, above.table)}.",
                f"Give it the parent's name: ALTER TABLE {qualified(own.schema, own.table)} NO INHERIT …, RENAME CONSTRAINT "
                f"{quote_identifier(own.name)} TO {quote_identifier(above.name)}, INHERIT ….",
            )


def warnings(catalog: Catalog, scope: Scope) -> Iterator[PlanWarning]:
    for own, above in _renamed_not_null(catalog, scope):
        if not own.is_local:
            yield PlanWarning(
                f"not-null-name:{qualified(own.schema, own.table)}.{quote_identifier(own.name)}",
                constraints.subject(own).object,
                "PostgreSQL rebuilds a partition's NOT NULL from its parent's and does not allow it to be renamed.",
                f"Its name becomes {quote_identifier(above.name)}; what it does stays the same.",
            )
    if scope.types.collation is not None:
        yield PlanWarning(
            f"collation:{scope.types.collation}",
            f"collation {scope.types.collation}",
            f"The new columns get another collation than the database's own ({catalog.server.collation}).",
            "Keys sort by it, text functions over them follow it, and comparing them with a column of a third collation fails "
            "(could not determine which collation to use).",
        )
    for relation in _relations(catalog, scope):
        if relation.kind == "f" and not needs_using(scope.types):
            yield PlanWarning(
                f"foreign-table:{qualified(relation.schema, relation.name)}",
                f"foreign table {table_name(relation.schema, relation.name)}",
                f"Its definition changes to {scope.types.target}, but the column on server {relation.foreign_server} stays "
                f"{scope.types.source}.",
                "Reading goes on; comparisons are not sent to that server any more, or fail there, until it is converted too.",
            )


def _renamed_not_null(catalog: Catalog, scope: Scope) -> Iterator[tuple[Constraint, Constraint]]:
    """Inherited NOT NULL constraints of converted columns under names of their own, each with the one it comes from."""
    if catalog.server.version_num < NOT_NULL_CONSTRAINTS_SINCE:
        return
    for scoped in scope.columns:
        relation, attnum = scoped.key
        for constraint in catalog.constraints_of.get(relation, ()):
            if constraint.kind != "n" or attnum not in constraint.columns:
                continue
            above = constraints.not_null_above(catalog, constraint)
            if above.name != constraint.name:
                yield constraint, above


def _relations(catalog: Catalog, scope: Scope) -> list[Relation]:
    oids = {relation for relation, _ in scope.keys}
    return sorted((catalog.relation[oid] for oid in oids), key=lambda r: (r.schema, r.name))


def _family(catalog: Catalog, scope: Scope, column: Column) -> Iterator[Blocker]:
    """Copies and originals change together; one of them outside the scope was excluded."""
    relation = catalog.relation[column.relation]
    for child in catalog.children_of.get(relation.oid, ()):
        for copy in catalog.columns_of.get(child.oid, ()):
            if copy.name == column.name and copy.key not in scope.keys:
                yield _torn(scope, column, copy)
    if column.inherited:
        for parent in relation.parents:
            for original in catalog.columns_of.get(parent, ()):
                if original.name == column.name and original.key not in scope.keys:
                    yield _torn(scope, column, original)


def _torn(scope: Scope, column: Column, other: Column) -> Blocker:
    return Blocker(
        f"inherited-column:{full_name(other)}",
        f"column {column_name(other)}",
        f"It is the same column as {column_name(column)}, inherited, and would become {scope.types.target} with it, but it is "
        "not in the scope.",
        f"Exclude {column_name(column)} too, or do not exclude {column_name(other)}.",
    )


def _table(scope: Scope, relation: Relation) -> Iterator[Blocker]:
    full, thing = qualified(relation.schema, relation.name), f"table {table_name(relation.schema, relation.name)}"
    if relation.of_type:
        yield Blocker(
            f"typed-table:{full}",
            thing,
            f"It is a table of type {relation.typed_as}, and PostgreSQL changes its columns only together with that type.",
            f"Make it an ordinary table before: ALTER TABLE {full} NOT OF.",
        )
    if relation.extension is not None:
        yield Blocker(
            f"extension-member:{full}",
            thing,
            f"It belongs to the extension {quote_identifier(relation.extension)}, whose own code and updates expect the type "
            "that it has.",
            f"Exclude its columns (--exclude), or take it out of the extension: ALTER EXTENSION "
            f"{quote_identifier(relation.extension)} DROP TABLE {full}.",
        )
    if relation.persistence == "t":
        yield Blocker(
            f"temporary:{full}",
            thing,
            "It is a temporary table of some session, which no other session can alter.",
            "End that session, or exclude the column.",
        )
    if relation.kind == "f" and needs_using(scope.types):
        yield Blocker(
            f"foreign-table:{full}",
            f"foreign table {table_name(relation.schema, relation.name)}",
            f"A change from {scope.types.source} to {scope.types.target} needs a USING clause, which PostgreSQL does not allow "
            "where a foreign table is involved.",
            "Detach or drop the foreign table before, and attach it again with the new type.",
        )


def _exclude(column: Column) -> str:
    return f"To leave it as it is: --exclude '{column_name(column)}'."
