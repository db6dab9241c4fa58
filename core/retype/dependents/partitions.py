"""Indexes of partitions that are attached to a partitioned table's index.

Rebuilding the parent's index creates them anew: under generated names, without their own settings, with the parent's comment.
Their new names cannot be told beforehand, so one block finds each by its table and its parent and gives it its name back.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Constraint, Index
from core.postgres.sql import qualified, quote_identifier, quote_literal
from core.retype.blocks import arrays, do_block
from core.retype.dependents import indexes
from core.retype.dependents.subject import Subject
from core.retype.model import Phase, Scope, Statement

_WHY = "PostgreSQL creates a partition's indexes anew, from the parent's, and forgets it"


def restore(catalog: Catalog, scope: Scope) -> Iterator[Statement]:
    attached = _attached(catalog, scope)
    if not attached:
        return
    yield _rename(catalog, attached)
    for index in attached:
        yield from _settings(catalog, index)


def _attached(catalog: Catalog, scope: Scope) -> list[Index]:
    """The attached indexes that are created anew, parents before children."""
    partitioned = {relation for relation, _ in scope.keys if catalog.relation[relation].kind == "p"}
    level = [
        index
        for relation in partitioned
        for index in catalog.indexes_of.get(relation, ())
        if not index.parent and indexes.uses(catalog, index, scope.keys)
    ]
    found: list[Index] = []
    while level:
        below = [index for parent in level for index in catalog.attached_indexes.get(parent.oid, ())]
        level = sorted(below, key=lambda i: (i.schema, i.name))
        found += level
    return found


def _rename(catalog: Catalog, attached: list[Index]) -> Statement:
    # By way of names that nothing has: a generated name may be another's former one.
    passing = {index.oid: f"pgrecast_{number}" for number, index in enumerate(attached, start=1)}
    entries: list[tuple[str, ...]] = []
    for index in attached:
        parent = catalog.index[index.parent]
        entries.append(
            (
                qualified(index.schema, index.table),
                qualified(parent.schema, passing.get(parent.oid, parent.name)),
                passing[index.oid],
                qualified(index.schema, passing[index.oid]),
                index.name,
            )
        )
    body = f"""DECLARE
  entries text[] := ARRAY[
    {arrays(entries)}
  ];
  entry text[];
  found regclass;
BEGIN
  FOREACH entry SLICE 1 IN ARRAY entries LOOP
    SELECT i.indexrelid INTO STRICT found
    FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid
    WHERE i.indrelid = entry[1]::regclass AND h.inhparent = entry[2]::regclass;
    EXECUTE format('ALTER INDEX %s RENAME TO %I', found, entry[3]);
  END LOOP;
  FOREACH entry SLICE 1 IN ARRAY entries LOOP
    EXECUTE format('ALTER INDEX %s RENAME TO %I', entry[4], entry[5]);
  END LOOP;
END"""  # noqa: S608 - quoted
    return Statement(
        Phase.REATTACH,
        "index names",
        f"{len(attached)} indexes of partitions",
        do_block(body),
        "PostgreSQL creates a partition's indexes anew and gives them names of its own",
    )


def _settings(catalog: Catalog, index: Index) -> Iterator[Statement]:
    about, top = indexes.subject(index), _top(catalog, index)
    table = f"ALTER TABLE ONLY {qualified(index.schema, index.table)}"
    if index.tablespace != top.tablespace:
        space = quote_identifier(index.tablespace or "pg_default")
        yield about.restored("index setting", f"ALTER {about.sql} SET TABLESPACE {space}", _WHY)
    own, given = _options(index), _options(top)
    if changed := {name: value for name, value in own.items() if given.get(name) != value}:
        listed = ", ".join(f"{name}={quote_literal(value)}" for name, value in changed.items())
        yield about.restored("index setting", f"ALTER {about.sql} SET ({listed})", _WHY)
    if surplus := sorted(given.keys() - own.keys()):
        yield about.restored("index setting", f"ALTER {about.sql} RESET ({', '.join(surplus)})", _WHY)
    if index.clustered:
        yield about.restored("index setting", f"{table} CLUSTER ON {quote_identifier(index.name)}", _WHY)
    if index.replica_identity:
        yield about.restored(
            "index setting", f"{table} REPLICA IDENTITY USING INDEX {quote_identifier(index.name)}", _WHY
        )
    yield from _statistics(about, index, top)
    yield from _comment(about, index.comment, top.comment)
    constraint, above = catalog.constraint.get(index.constraint), catalog.constraint.get(top.constraint)
    if constraint is not None:
        yield from _comment(_subject(constraint), constraint.comment, above.comment if above else None)


def _top(catalog: Catalog, index: Index) -> Index:
    """The partitioned table's own index, whose settings all the new ones below it get."""
    while index.parent:
        index = catalog.index[index.parent]
    return index


def _statistics(about: Subject, index: Index, top: Index) -> Iterator[Statement]:
    own, given = dict(index.statistics_targets), dict(top.statistics_targets)
    for column in sorted(own.keys() | given.keys()):
        sql = f"ALTER {about.sql} ALTER COLUMN {column} SET STATISTICS {own.get(column, -1)}"
        yield about.restored("index setting", sql, _WHY)


def _options(index: Index) -> dict[str, str]:
    return {name: value for name, _, value in (option.partition("=") for option in index.options)}


def _comment(about: Subject, comment: str | None, given: str | None) -> Iterator[Statement]:
    """The comment that it had, or none where it gets one."""
    if comment is not None:
        yield from about.with_comment(comment)
    elif given is not None:
        yield about.restored("comment", f"COMMENT ON {about.sql} IS NULL", _WHY)


def _subject(constraint: Constraint) -> Subject:
    name = quote_identifier(constraint.name)
    where = f"{name} ON {qualified(constraint.schema, constraint.table)}"
    return Subject("constraint", f"CONSTRAINT {where}", where, Address("pg_constraint", constraint.oid))
