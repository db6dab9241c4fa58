"""What an investigation found, and its report: pure functions of the catalog, the plan and a few reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.errors import UsageError
from core.events import Json
from core.postgres.catalog import Catalog, Constraint, Relation
from core.retype.estimate import Estimate
from core.retype.finding_queries import query_that_finds
from core.retype.model import Blocker, Plan, SoftReference
from core.retype.names import find_column, readings_of, table_name
from core.runbook import facts
from core.runbook.machine.preflight import Check
from core.runbook.markdown import bullets, code, table
from core.runbook.words import counted, size, span


@dataclass(frozen=True)
class Findings:
    """What was found out about a database.

    Attributes:
        at: when, UTC.
        where: connection in words, without secrets.
        revisions: what alembic_version holds; None when there is no such table.
        indicators: indicator tables by name, and whether each exists.
        key_column, key_type: the column that tells whether a conversion is needed, and its type; None when it is absent.
        counts: rows by table; None when there is no such table, a text when they could not be counted.
        orphans: rows that reference nothing, by foreign key that does not keep them out.
        machine: what this machine is like, and its connection.
    """

    at: datetime
    where: str
    catalog: Catalog
    plan: Plan
    estimate: Estimate
    revisions: tuple[str, ...] | None
    indicators: Mapping[str, bool]
    key_column: str
    key_type: str | None
    counts: Mapping[str, int | str | None]
    machine: tuple[Check, ...] = ()
    orphans: Mapping[str, int] = field(default_factory=dict[str, int])


def find_table(catalog: Catalog, text: str) -> Relation | None:
    """The table of that name, `table` or `schema.table`; without a schema that of public, or the only one.

    Raises:
        UsageError: it is not a table's name, or several schemas have such a table.
    """
    readings = readings_of(text)
    length = len(readings[0])
    if length > 2:
        raise UsageError(f"{text!r} is not a table's name.", advice="Write table or schema.table.")
    tables = [r for r in catalog.relations if r.kind in "rpf"]
    found: list[Relation] = []
    for reading in readings:
        found = found or [r for r in tables if (r.schema, r.name)[-length:] == reading]
    if len(found) > 1:
        found = [r for r in found if r.schema == "public"] or found
    if len(found) > 1:
        names = ", ".join(sorted(table_name(r.schema, r.name) for r in found))
        raise UsageError(f"There are several tables {text}.", advice=f"Name the schema too: {names}.")
    return found[0] if found else None


def key_name(key: Constraint) -> str:
    """What a foreign key is called, e.g. `deals_owner_id_fkey on deals`."""
    return f"{key.name} on {table_name(key.schema, key.table)}"


def key_type(catalog: Catalog, name: str) -> str | None:
    """The type of a column, as `format_type` writes it; None when there is no such column."""
    try:
        return find_column(catalog, name).type
    except UsageError:
        return None


def key_types(catalog: Catalog) -> dict[str, int]:
    """How many columns of primary keys there are of each type, the most frequent first."""
    columns = {(c.relation, attnum) for c in catalog.constraints if c.kind == "p" for attnum in c.columns}
    return dict(Counter(catalog.column[key].type for key in sorted(columns)).most_common())


def keys_by_root(plan: Plan) -> dict[str, dict[str, int]]:
    """The columns to retype by root key: how many of each role."""
    found: dict[str, Counter[str]] = {}
    for column in plan.scope.columns:
        found.setdefault(column.root, Counter())[column.role] += 1
    return {root: dict(found[root]) for root in sorted(found)}


def totals(findings: Findings) -> dict[str, int]:
    """The figures that tell how large the matter is."""
    catalog, plan = findings.catalog, findings.plan
    return {
        "database_bytes": catalog.server.database_bytes,
        "tables": sum(r.kind in "rp" for r in catalog.relations),
        "foreign_keys": sum(c.parent == 0 for c in catalog.foreign_keys()),
        "columns": len(plan.scope.columns),
        "statements": len(plan.statements),
        "blockers": len(plan.blockers),
        "warnings": len(plan.warnings),
    }


def facts_of(findings: Findings) -> dict[str, Json]:
    """What the run remembers of it."""
    return {
        facts.INVESTIGATION_REVISION: None if findings.revisions is None else list(findings.revisions),
        facts.INVESTIGATION_INDICATORS: dict(findings.indicators),
        facts.INVESTIGATION_KEY_TYPE: findings.key_type,
        facts.INVESTIGATION_COUNTS: dict(findings.counts),
        facts.INVESTIGATION_ORPHANS: dict(findings.orphans),
        facts.INVESTIGATION_KEYS: keys_by_root(findings.plan),
        facts.INVESTIGATION_TOTALS: totals(findings),
        facts.INVESTIGATION_SECONDS: round(findings.estimate.seconds, 1),
        facts.INVESTIGATION_FINGERPRINT: findings.plan.catalog,
    }


def conclusion(findings: Findings) -> str:
    """Whether a conversion is needed and can start, in a sentence."""
    types = findings.plan.scope.types
    columns = len(findings.plan.scope.columns)
    if not columns:
        return f"No conversion is needed: no key has the type {types.source}."
    need = f"A conversion from {types.source} to {types.target} is needed: {counted(columns, 'column')}"
    if findings.plan.blockers:
        return f"{need}. It cannot start yet: {counted(len(findings.plan.blockers), 'blocker')}."
    return f"{need}, about {span(findings.estimate.seconds)} ({findings.estimate.basis})."


def render(findings: Findings) -> str:
    """The investigation report, in Markdown, by the questions of the action plan."""
    plan, server = findings.plan, findings.catalog.server
    figures = totals(findings)
    parts = [
        "# Investigation report",
        bullets(
            (
                f"Made: {findings.at:%Y-%m-%d %H:%M:%S} UTC",
                f"Database: {code(findings.where)}",
                f"Identity: {code(str(plan.identity))}",
                f"Server: PostgreSQL {code(server.version)}",
                f"Role: {code(server.role)}{' (superuser)' if server.is_superuser else ''}",
                f"Catalog's fingerprint: {code(plan.catalog)}",
            )
        ),
        f"**{conclusion(findings)}**",
        "## Key questions",
        "### What is the current alembic_version?",
        _revisions(findings),
        "### Which indicator tables exist?",
        table(
            ("table", "exists"),
            ((code(name), "yes" if there else "no") for name, there in findings.indicators.items()),
        )
        if findings.indicators
        else "None is configured.",
        f"### What is the type of {code(findings.key_column)}?",
        code(findings.key_type) if findings.key_type else "There is no such column.",
        "### How many rows?",
        table(("table", "rows"), ((code(name), _rows(rows)) for name, rows in findings.counts.items()))
        if findings.counts
        else "No tables are configured.",
        "### How long will the conversion take?",
        f"About {span(findings.estimate.seconds)}, {findings.estimate.basis}. {findings.estimate.disk}"
        if plan.statements
        else "There is nothing to convert.",
        "## Size",
        bullets(
            (
                f"Database: {size(figures['database_bytes'])}",
                f"Tables: {figures['tables']:,}",
                f"Foreign keys: {figures['foreign_keys']:,}",
                f"Columns to retype: {figures['columns']:,}",
                f"Statements of the conversion: {figures['statements']:,}",
            )
        ),
        "## Primary keys by type",
        table(("type", "columns"), ((code(name), f"{count:,}") for name, count in key_types(findings.catalog).items())),
        "## Keys and the columns that belong to them",
        _keys(plan),
        "## What else the conversion touches",
        _dependents(plan),
        "## Soft references: columns of the key's type without a foreign key",
        bullets(_soft_reference(soft) for soft in plan.scope.soft_references) or "None.",
        "## Columns that have the new type already",
        bullets(code(name) for name in plan.scope.already_converted) or "None.",
        "## This machine",
        table(
            ("", "", "warning"),
            ((code(c.name), code(c.value), code(c.warning) if c.warning else "") for c in findings.machine),
        )
        if findings.machine
        else "Not looked at.",
        "## Blockers",
        bullets(_blocker(blocker) for blocker in plan.blockers) or "None.",
        "## Warnings, to be accepted by their id",
        bullets(f"{code(w.id)}: {code(w.reason)} {code(w.consequence)}" for w in plan.warnings) or "None.",
    ]
    return "\n\n".join(parts) + "\n"


def _blocker(blocker: Blocker) -> str:
    query = " ".join(query_that_finds(blocker).split())
    return f"{code(blocker.object)}: {code(blocker.reason)} Way out: {code(blocker.way_out)} Found by: {code(query)}"


def _soft_reference(soft: SoftReference) -> str:
    parts = [f"{code(soft.name)}: {'; '.join(code(str(evidence)) for evidence in soft.evidence)}."]
    if soft.is_reference:
        parts += [f"**It seems to reference a key.** Left: {code(soft.if_left)} Retyped: {code(soft.if_taken)}"]
    return " ".join(parts)


def _revisions(findings: Findings) -> str:
    if findings.revisions is None:
        return "There is no table alembic_version."
    if not findings.revisions:
        return "The table alembic_version is empty."
    claimed = ", ".join(code(revision) for revision in findings.revisions)
    return f"It claims {claimed}. Whether the schema is really there, the indicator tables tell."


def _rows(rows: int | str | None) -> str:
    match rows:
        case None:
            return "no such table"
        case str():
            return code(rows)
        case int():
            return f"{rows:,}"


def _keys(plan: Plan) -> str:
    roots = keys_by_root(plan)
    if not roots:
        return "None."
    roles = ("key", "reference", "soft", "included")
    return table(
        ("root key", "keys", "references", "soft", "included"),
        ((code(root), *(str(by_role.get(role, 0)) for role in roles)) for root, by_role in roots.items()),
    )


def _dependents(plan: Plan) -> str:
    """The plan's statements by kind."""
    kinds = Counter(statement.kind for statement in plan.statements)
    return bullets(f"{kind}: {count:,}" for kind, count in sorted(kinds.items())) or "Nothing."
