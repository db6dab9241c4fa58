"""The proof: what was promised, held against what is there.

Made on the transaction that made the changes, before it can be committed; pure but for reading the rows (`contents`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.postgres.catalog import Catalog, Relation
from core.postgres.contents import Rows, TableName
from core.postgres.fingerprint import FOREIGN_KEY_ORDER, Difference, canonical, compare
from core.retype.model import Plan, ProofDepth
from core.retype.names import table_name
from core.retype.permitted import following_views, permitted_changes

UNPROVED: Mapping[ProofDepth, str] = {
    "catalog": "Not compared: row counts and contents. That no row was lost or changed rests on PostgreSQL's ALTER TABLE.",
    "counts": "Not compared: the rows' contents. That no value was changed rests on PostgreSQL's ALTER TABLE.",
    "contents": "Not compared: the rows of tables outside the scope, which no statement of the plan touches.",
}
"""What each depth leaves unproved."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof, whether it holds or not.

    Attributes:
        lines: what was compared and found, one sentence each; differences first.
        differences: what must not be, empty when it holds.
        seconds: what phase 6 took for it.
    """

    depth: ProofDepth
    held: bool
    lines: tuple[str, ...]
    differences: tuple[Difference, ...]
    seconds: float = 0.0


def relations_to_read(plan: Plan, catalog: Catalog) -> tuple[Relation, ...]:
    """Whose rows are compared: the tables of the scope, and the materialized views that hang on it."""
    wanted = {relation for relation, _ in plan.scope.keys} | following_views(plan, catalog)
    return tuple(catalog.relation[oid] for oid in sorted(wanted) if oid in catalog.relation)


def compare_catalogs(plan: Plan, before: Catalog, after: Catalog) -> tuple[Difference, ...]:
    """Everything in the catalog that the conversion must not have changed and has, or should have changed and has not."""
    return compare(permitted_changes(plan, before, after), after)


def compare_rows(
    before: Mapping[TableName, Rows], after: Mapping[TableName, Rows], catalog: Catalog
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Compare what was read of the tables before and after.

    Returns:
        differences, and sentences on the materialized views that are fuller or otherwise filled than before: they were
        made anew from their queries, which the plan has said.
    """
    differences: list[Difference] = []
    refreshed: list[str] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        relation = catalog.relation_named.get(name)
        if relation is not None and relation.kind == "m":
            refreshed.append(
                f"Materialized view {table_name(*name)} was filled anew, and its rows are others than before."
            )
        elif old is None or new is None or old.count != new.count:
            counts = tuple(rows.count if rows else None for rows in (old, new))
            differences.append(Difference(f"table {table_name(*name)}", "row count", *counts))
        else:
            differences.append(Difference(f"table {table_name(*name)}", "contents", old.digest, new.digest))
    return tuple(differences), tuple(refreshed)


def advice_on(differences: tuple[Difference, ...]) -> str:
    """What to do when the proof has found these."""
    if all(difference.property == FOREIGN_KEY_ORDER for difference in differences):
        # See Catalog.foreign_keys. What a rollback takes back, the numbers are no part of.
        return (
            "Try again: PostgreSQL's object ids have passed to one more digit meanwhile, and foreign keys fire in the order of "
            "their ids as text. The next attempt gives all of them longer ids."
        )
    return "The proof names every difference. Report them: the plan is wrong for this database."


def make_proof(
    plan: Plan,
    depth: ProofDepth,
    before: Catalog,
    after: Catalog,
    rows_before: Mapping[TableName, Rows],
    rows_after: Mapping[TableName, Rows],
) -> Proof:
    """Compare everything that the depth asks for."""
    in_catalog = compare_catalogs(plan, before, after)
    in_rows, refreshed = compare_rows(rows_before, rows_after, after)
    differences = (*in_catalog, *in_rows)
    lines = (
        *(f"DIFFERENCE: {difference}" for difference in differences),
        *_found_in_catalog(plan, before, after, len(in_catalog)),
        *_found_in_rows(depth, rows_before, after, len(in_rows)),
        *refreshed,
        UNPROVED[depth],
    )
    return Proof(depth, not differences, lines, differences)


def _found_in_catalog(plan: Plan, before: Catalog, after: Catalog, differences: int) -> Iterator[str]:
    keys = plan.scope.keys
    there = sum(after.column[key].type == plan.scope.types.target for key in keys if key in after.column)
    yield f"{there} of {len(keys)} columns of the scope are {plan.scope.types.target} now."
    counts = [sum(1 for c in catalog.constraints if c.kind == "f" and c.parent == 0) for catalog in (before, after)]
    not_validated = sum(1 for c in after.constraints if c.kind == "f" and c.parent == 0 and not c.validated)
    kept = f", {not_validated} of them not validated" if not_validated else ""
    yield f"Foreign keys: {counts[0]} before, {counts[1]} after{kept}."
    compared = len(canonical(before))
    same = "nothing differs but the types" if plan.goal is None else "nothing differs from before the conversion"
    found = f"{differences} differences that are not allowed" if differences else same
    repairs = f" and {len(plan.repairs)} repairs that the plan shows" if plan.repairs and not differences else ""
    yield f"Catalog: {compared} objects compared, their owners, grants and comments too; {found}{repairs}."


def _found_in_rows(
    depth: ProofDepth, rows: Mapping[TableName, Rows], catalog: Catalog, differences: int
) -> Iterator[str]:
    if depth == "catalog":
        return
    tables = {name: r for name, r in rows.items() if (t := catalog.relation_named.get(name)) and t.kind != "m"}
    total = sum(r.count for r in tables.values())
    what = "counted" if depth == "counts" else "compared by the hash of their whole text"
    found = f"{differences} tables differ" if differences else "all the same"
    yield f"Rows: {total} in {len(tables)} tables {what}, before and after: {found}."
