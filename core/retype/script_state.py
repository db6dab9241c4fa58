"""What the six-phase script checks of the schema by itself, with nobody but psql at hand.

Phase 1 holds the database against the catalog that the script was written from, relation by relation, by a hash: a script puts
views, policies and grants back as they were written down, and must not undo what somebody has changed since. Phase 6 holds
it against what phase 1 has found: whatever is no type and no text that a type changes must be as it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from core.postgres.catalog import Catalog, Column, Grant, Relation
from core.postgres.sql import qualified
from core.retype.blocks import do_block, rows
from core.retype.closure import close_over
from core.retype.model import Plan
from core.retype.repair.definitions import detached
from core.retype.tables import tables_touched
from core.retype.transaction import QUERIES

_GRANTS: Final = re.compile(r"\{grants of (.+)\}")
_KINDS: Final = "rpvmf"


class _Line(NamedTuple):
    item: str
    exact: str
    spelling: str


def remember_state(plan: Plan, catalog: Catalog) -> Iterator[str]:
    """Statements for phase 1: compare with the catalog that the plan was made from, and keep for phase 6 what is found."""
    expected = dict(_expected(plan, catalog))
    functions = [name for name in expected if name.startswith("function ")]
    relations = [name for name in expected if name not in functions]
    query = QUERIES["script_state"]
    query = query.replace("{relations}", rows([(name,) for name in relations]))
    query = query.replace("{functions}", rows([_function(name, catalog) for name in functions] or [("", "", "", "")]))
    grants = QUERIES["script_grants"]
    query = _GRANTS.sub(lambda match: grants.replace("{acl}", match[1]), query)
    yield f"CREATE TEMPORARY VIEW pgrecast_state AS\n{query}"
    yield "CREATE TEMPORARY TABLE pgrecast_before ON COMMIT DROP AS SELECT * FROM pg_temp.pgrecast_state"
    values = rows([(name, _hash(lines)) for name, lines in expected.items()])
    yield do_block(f"""DECLARE
  wrong text;
BEGIN
  SELECT string_agg(e.rel, ', ') INTO wrong
  FROM (VALUES
    {values}
  ) AS e (rel, hash)
  LEFT JOIN (
    SELECT rel, md5(convert_to(string_agg(line, E'\\n' ORDER BY convert_to(line, 'UTF8')), 'UTF8')) AS hash
    FROM (SELECT rel, concat_ws(E'\\x1f', item, exact, spelling) AS line FROM pg_temp.pgrecast_before) AS l
    GROUP BY rel
  ) f USING (rel)
  WHERE f.hash IS DISTINCT FROM e.hash;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'pgrecast: not as it was when this script was written: %', wrong
      USING HINT = 'Something has been changed since, or this is another database. Have the script written again.';
  END IF;
END""")  # noqa: S608 - quoted


def compare_state() -> Iterator[str]:
    """Statements for phase 6: whatever is no type and no text that a type changes must be as phase 1 found it."""
    yield do_block("""DECLARE
  wrong text;
BEGIN
  SELECT string_agg(concat_ws(' ', coalesce(a.item, b.item), 'of', coalesce(a.rel, b.rel)), ', ') INTO wrong
  FROM pg_temp.pgrecast_before b
  FULL JOIN pg_temp.pgrecast_state a USING (rel, item)
  WHERE a.exact IS DISTINCT FROM b.exact;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'pgrecast: not as before: %', wrong;
  END IF;
END""")
    yield "DROP VIEW pg_temp.pgrecast_state"


def _expected(plan: Plan, catalog: Catalog) -> Iterator[tuple[str, list[_Line]]]:
    """By relation, and by function that the plan puts back: what the catalog has of it."""
    closure = close_over(catalog, plan.scope, detached(catalog, plan.repairs))
    oids = tables_touched(catalog, plan.scope, closure) | {p.address.oid for p in closure.of_kind("view")}
    relations = [catalog.relation[oid] for oid in oids if oid in catalog.relation]
    for relation in sorted(relations, key=lambda r: (r.schema, r.name)):
        if relation.kind in _KINDS:
            yield qualified(relation.schema, relation.name), list(_of_relation(catalog, relation))
    for part in closure.of_kind("function"):
        function = catalog.function[part.address.oid]
        name = f"function {qualified(function.schema, function.name)}({function.arguments})"
        exact = _joined(function.owner, function.comment, _grants(function.acl))
        yield name, [_Line("function", exact, function.definition or "")]


def _function(label: str, catalog: Catalog) -> tuple[str, ...]:
    function = next(f for f in catalog.functions if label == f"function {qualified(f.schema, f.name)}({f.arguments})")
    return (label, function.schema, function.name, function.arguments)


def _of_relation(catalog: Catalog, relation: Relation) -> Iterator[_Line]:
    oid = relation.oid
    options = [] if relation.kind == "f" else [o for o in relation.options if not o.startswith("toast.")]
    yield _Line(
        "relation",
        _joined(
            relation.kind,
            relation.owner,
            relation.row_security,
            relation.force_row_security,
            ",".join(options) if options else None,
            relation.comment,
            _grants(relation.acl),
        ),
        relation.definition or "",
    )
    yield from map(_of_column, catalog.columns_of.get(oid, ()))
    for key in catalog.constraints_of.get(oid, ()):
        if key.kind != "f" or not key.parent:
            exact = _joined(key.kind, key.validated, key.deferrable, key.deferred, key.comment)
            yield _Line(f"constraint {key.name}", exact, key.definition)
    for index in catalog.indexes_of.get(oid, ()):
        options = ",".join(index.options) if index.options else None
        exact = _joined(index.unique, index.valid, index.clustered, index.replica_identity, options, index.comment)
        yield _Line(f"index {index.name}", exact, index.definition)
    for trigger in catalog.triggers:
        if trigger.relation == oid:
            yield _Line(f"trigger {trigger.name}", _joined(trigger.enabled, trigger.comment), trigger.definition)
    for rule in catalog.rules:
        if rule.relation == oid:
            yield _Line(f"rule {rule.name}", _joined(rule.enabled, rule.comment), rule.definition)
    for policy in catalog.policies:
        if policy.relation == oid:
            roles = ",".join(sorted(policy.roles, key=str.encode))
            exact = _joined(policy.command, policy.permissive, roles, policy.comment)
            yield _Line(f"policy {policy.name}", exact, _joined(policy.using, policy.check))
    for statistics in catalog.statistics:
        if statistics.relation == oid:
            exact = _joined(statistics.owner, statistics.target, statistics.comment)
            yield _Line(f"statistics object {statistics.name}", exact, statistics.definition)


def _of_column(column: Column) -> _Line:
    return _Line(
        f"column {column.name}",
        _joined(
            column.position,
            column.not_null,
            column.generated,
            column.identity,
            column.statistics_target,
            ",".join(column.options) if column.options else None,
            column.comment,
            _grants(column.acl),
        ),
        _joined(column.type, column.default),
    )


def _joined(*values: object) -> str:
    """As `concat_ws('|', …)` does it: what is not there is left out."""
    return "|".join(_text(value) for value in values if value is not None)


def _text(value: object) -> str:
    return ("t" if value else "f") if isinstance(value, bool) else str(value)


def _grants(acl: Iterable[Grant]) -> str | None:
    lines = [":".join((g.grantee, g.grantor, g.privilege, _text(g.grantable))) for g in acl]
    return ",".join(sorted(lines, key=str.encode)) or None


def _hash(lines: list[_Line]) -> str:
    text = "\n".join(sorted(("\x1f".join(line) for line in lines), key=str.encode))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
