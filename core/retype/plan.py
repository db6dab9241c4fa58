"""The plan of a conversion: its statements in six phases, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from core.events import Tally
from core.postgres.catalog import Catalog, Column, Index
from core.postgres.fingerprint import fingerprint
from core.postgres.identity import Identity
from core.postgres.sql import qualified
from core.retype.blockers import Findings
from core.retype.blocks import do_block, rows
from core.retype.closure import Closure, close_over
from core.retype.dependents import (
    columns,
    constraints,
    foreign_keys,
    functions,
    generated,
    indexes,
    partitions,
    sequences,
    statistics,
    views,
)
from core.retype.model import Phase, Plan, Repair, Scope, Statement
from core.retype.notes import find_notes
from core.retype.repair.definitions import detached, with_repairs
from core.retype.spelling import as_read_back
from core.retype.tables import tables_to_lock


def make_plan(
    catalog: Catalog, scope: Scope, findings: Findings, identity: Identity, repairs: tuple[Repair, ...] = ()
) -> Plan:
    """The plan of converting `scope`; with blockers among the findings it is to be read, not to be run.

    Args:
        repairs: definitions that are put back otherwise than they were (`core.retype.repair`).
    """
    closure = close_over(catalog, scope, detached(catalog, repairs))
    known = {repair.object for repair in repairs}
    repairs = (*(repair for repair in _repairs(catalog, closure) if repair.object not in known), *repairs)
    wanted = sequences.with_following_sequences(with_repairs(catalog, repairs), scope)
    wanted = columns.with_converted_defaults(wanted, scope)
    statements = statements_towards(wanted, catalog, scope, closure, repairs) if scope.columns else ()
    rewritten = sum(statement.bytes for statement in statements if statement.kind == "retype columns")
    return Plan(
        identity=identity,
        catalog=fingerprint(catalog),
        scope=scope,
        statements=statements,
        blockers=findings.blockers,
        warnings=findings.warnings,
        repairs=repairs,
        notes=(*find_notes(catalog, scope, rewritten), *findings.notes),
    )


def statements_towards(
    wanted: Catalog, catalog: Catalog, scope: Scope, closure: Closure, repairs: tuple[Repair, ...] = ()
) -> tuple[Statement, ...]:
    """The statements of all phases that lead from a catalog to another one.

    Args:
        wanted: the catalog as it is to be, of the same objects, but for the types of the scope's columns: those are the
            scope's to say.
        catalog: the catalog as it is.
        closure: what is taken off and put back.
        repairs: why texts of `wanted` are others, to be said where they are put back.
    """
    return in_phases(_statements(wanted, catalog, scope, closure, repairs))


def in_phases(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    return tuple(sorted(statements, key=lambda statement: statement.phase))


def _statements(
    wanted: Catalog, catalog: Catalog, scope: Scope, closure: Closure, repairs: tuple[Repair, ...]
) -> Iterator[Statement]:
    yield _lock(catalog, scope, closure)
    yield _types_are(catalog, scope, scope.types.source, Phase.VERIFY)
    if scope.foreign_keys:
        yield _foreign_keys_are(catalog, scope, Phase.VERIFY)

    for part in reversed(closure.parts):
        yield from part.take_off(catalog)
    yield from foreign_keys.take_off(catalog, scope)

    yield from columns.retype(catalog, wanted, scope)

    yield from columns.restore(catalog, wanted, scope)
    yield from sequences.restore(catalog, wanted, scope)
    for index in _kept_indexes(wanted, scope, closure):
        yield from indexes.forgotten(wanted, index)
    yield from foreign_keys.put_back(wanted, scope)
    # Before what is put back: a constraint that is validated, a materialized view that is filled may call them.
    yield from _replaced_functions(wanted, catalog, closure, repairs)
    yield from _put_back(wanted, closure, repairs)
    # After what is put back: a repaired constraint, statistics object or partitioned index is among it.
    yield from partitions.restore(wanted, scope)
    yield from statistics.restore(wanted, scope)
    yield from constraints.restore(wanted, scope)
    yield from _fill(wanted, closure)

    yield _types_are(catalog, scope, scope.types.target, Phase.PROVE)
    if scope.foreign_keys:
        yield _foreign_keys_are(wanted, scope, Phase.PROVE)


def _replaced_functions(
    wanted: Catalog, catalog: Catalog, closure: Closure, repairs: tuple[Repair, ...]
) -> Iterator[Statement]:
    """Functions that get another body in place: they keep their owners, privileges and comments."""
    reasons = {repair.object: f"repaired: {repair.reason}" for repair in repairs}
    made_anew = {part.address.oid for part in closure.of_kind("function")}
    for new, old in zip(wanted.functions, catalog.functions, strict=True):
        if new.definition != old.definition and old.oid not in made_anew:
            name = functions.subject(old).object
            yield functions.replace_body(
                new, reasons.get(name, "the body that it had before"), is_repair=name in reasons
            )


def _put_back(catalog: Catalog, closure: Closure, repairs: tuple[Repair, ...]) -> Iterator[Statement]:
    reasons = {repair.object: f"repaired: {repair.reason}" for repair in repairs}
    for part in closure.parts:
        for text in part.put_back(catalog):
            statement = replace(text, sql=as_read_back(text.sql))
            is_repaired = statement.object in reasons and statement.kind.startswith("create ")
            yield replace(statement, reason=reasons[statement.object]) if is_repaired else statement


def _lock(catalog: Catalog, scope: Scope, closure: Closure) -> Statement:
    relations = (catalog.relation[oid] for oid in tables_to_lock(catalog, scope, closure))
    tables = sorted(qualified(r.schema, r.name) for r in relations)
    return Statement(
        Phase.VERIFY,
        "lock tables",
        f"{len(tables)} tables",
        f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE",
        "nobody reads or writes them until COMMIT or ROLLBACK; all at once, sorted, so that nothing can deadlock half way",
        tallies=(Tally(what="tables locked", count=len(tables)),),
    )


def _types_are(catalog: Catalog, scope: Scope, type_text: str, phase: Phase) -> Statement:
    expected = rows([(qualified(c.schema, c.table), c.name, type_text) for c in _columns(catalog, scope)])
    what = "columns proved" if phase is Phase.PROVE else "columns verified"
    body = f"""DECLARE
  wrong text;
BEGIN
  SELECT string_agg(format('%s.%I is %s', e.tab, e.col, coalesce(format_type(a.atttypid, a.atttypmod), 'missing')), ', ')
  INTO wrong
  FROM (VALUES
    {expected}
  ) AS e (tab, col, typ)
  LEFT JOIN pg_attribute a ON a.attrelid = e.tab::regclass AND a.attname = e.col AND NOT a.attisdropped
  WHERE format_type(a.atttypid, a.atttypmod) IS DISTINCT FROM e.typ;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'pgrecast: not of the type expected: %', wrong;
  END IF;
END"""  # noqa: S608 - quoted
    count = len(scope.columns)
    reason = f"every column of the scope is {type_text}"
    return Statement(
        phase, "check types", f"{count} columns", do_block(body), reason, tallies=(Tally(what=what, count=count),)
    )


def _foreign_keys_are(catalog: Catalog, scope: Scope, phase: Phase) -> Statement:
    keys = [catalog.constraint[oid] for oid in scope.foreign_keys]
    columns = rows([(qualified(c.schema, c.table), c.name) for c in _columns(catalog, scope)])
    expected = rows([(qualified(k.schema, k.table), k.name, k.definition, k.validated) for k in keys])
    body = f"""DECLARE
  wrong text;
BEGIN
  WITH scope (relation, attnum) AS (
    SELECT a.attrelid, a.attnum
    FROM (VALUES
    {columns}
    ) AS s (tab, col)
    JOIN pg_attribute a ON a.attrelid = s.tab::regclass AND a.attname = s.col AND NOT a.attisdropped
  ), found AS (
    SELECT c.oid, c.conrelid, c.conname::text AS name, pg_get_constraintdef(c.oid) AS definition, c.convalidated AS validated
    FROM pg_constraint c
    WHERE c.contype = 'f' AND c.conparentid = 0 AND EXISTS (
      SELECT FROM scope s WHERE (s.relation = c.conrelid AND s.attnum = ANY (c.conkey))
                             OR (s.relation = c.confrelid AND s.attnum = ANY (c.confkey)))
  ), expected (relation, name, definition, validated) AS (
    SELECT e.tab::regclass::oid, e.name, e.definition, e.validated
    FROM (VALUES
    {expected}
    ) AS e (tab, name, definition, validated)
  )
  SELECT string_agg(format('%I on %s', coalesce(f.name, e.name), coalesce(f.conrelid, e.relation)::regclass), ', ')
  INTO wrong
  FROM found f FULL JOIN expected e ON e.relation = f.conrelid AND e.name = f.name
  WHERE f.definition IS DISTINCT FROM e.definition OR f.validated IS DISTINCT FROM e.validated;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'pgrecast: foreign keys missing, unknown, or not as planned: %', wrong;
  END IF;
END"""  # noqa: S608 - quoted
    count = len(keys)
    what = "foreign keys proved" if phase is Phase.PROVE else "foreign keys verified"
    return Statement(
        phase,
        "check foreign keys",
        f"{count} foreign keys",
        do_block(body),
        "these are all the foreign keys of the scope's columns, with these definitions, validated where they are",
        tallies=(Tally(what=what, count=count),),
    )


def _repairs(catalog: Catalog, closure: Closure) -> Iterator[Repair]:
    for part in closure.of_kind("generated column"):
        repair = generated.repair(catalog, part.address.oid)
        if repair is not None:
            yield repair


def _columns(catalog: Catalog, scope: Scope) -> list[Column]:
    return [catalog.column[column.key] for column in scope.columns]


def _kept_indexes(catalog: Catalog, scope: Scope, closure: Closure) -> list[Index]:
    keys, made_anew = scope.keys, {part.address.oid for part in closure.of_kind("index")}
    return sorted(
        (
            index
            for index in catalog.indexes
            if index.oid not in made_anew and not index.parent and indexes.uses(catalog, index, keys)
        ),
        key=lambda index: (index.schema, index.name),
    )


def _fill(catalog: Catalog, closure: Closure) -> Iterator[Statement]:
    """Refresh what held rows, when everything that their queries look at is back, with policies applied as ever."""
    refreshes = [statement for part in closure.of_kind("view") for statement in views.fill(catalog, part.address.oid)]
    if refreshes:
        reason = "a materialized view's query runs as its owner, whose rows policies may choose"
        yield Statement(Phase.REATTACH, "setting", "row_security", "SET LOCAL row_security = on", reason)
        yield from refreshes
        reason = "from here on a policy that would hide a row is an error again"
        yield Statement(Phase.REATTACH, "setting", "row_security", "SET LOCAL row_security = off", reason)
