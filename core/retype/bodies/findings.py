"""What an operator is told of function bodies: warnings to accept, repairs to choose, notes; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.errors import UsageError
from core.postgres.catalog import Catalog
from core.postgres.sql import quote_identifier
from core.retype.activity import Activity
from core.retype.bodies.uses import Urgency, Use, id_of, use_of
from core.retype.bodies.verdict import Remark, Verdict
from core.retype.dependents import functions
from core.retype.findings import listed
from core.retype.model import Blocker, PlanWarning, Repair

PREFIX = "function:"
"""How the ids of warnings about functions begin."""
ALL, NONE, ASK = "all", "none", "ask"
MOST_REMARKS = 8
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict with what it is to be told with.

    Attributes:
        id: how a warning about the function is accepted, and its repair chosen.
        object: its kind and name, as the plan has them.
        schema, owner: of the function.
    """

    id: str
    object: str
    schema: str
    owner: str
    verdict: Verdict
    use: Use


def found_of(catalog: Catalog, verdicts: Sequence[Verdict]) -> tuple[Found, ...]:
    """The worst first: what breaks writes, what views and policies use, the rest; and what fails before what cannot be checked."""
    found = [
        Found(
            id_of(verdict.function),
            functions.subject(verdict.function).object,
            verdict.function.schema,
            verdict.function.owner,
            verdict,
            use_of(catalog, verdict.function),
        )
        for verdict in verdicts
    ]
    return tuple(sorted(found, key=_rank))


def _rank(one: Found) -> tuple[bool, Urgency, str]:
    return not one.verdict.of_kind("fails", "callers"), one.use.urgency, one.id


def repairs_chosen(found: Sequence[Found], choice: Sequence[str]) -> tuple[Repair, ...]:
    """
    Args:
        choice: ids, with or without their prefix; `all` for every one, `none` for none.
    """
    wanted = {name.removeprefix(PREFIX) for name in choice}
    return tuple(
        one.verdict.repair
        for one in found
        if one.verdict.repair is not None and (ALL in wanted or one.id.removeprefix(PREFIX) in wanted)
    )


def id_of_repair(found: Sequence[Found], repair: Repair) -> str:
    """How the repair is chosen by itself."""
    return next(one.id for one in found if one.verdict.repair == repair)


def require_offered(found: Sequence[Found], choice: Sequence[str]) -> None:
    """Raise UsageError if a chosen repair is not offered."""
    offered = {one.id.removeprefix(PREFIX) for one in found if one.verdict.repair is not None}
    unknown = [name for name in choice if name.removeprefix(PREFIX) not in {ALL, NONE, ASK, *offered}]
    if unknown:
        raise UsageError(
            f"There is no repair of {', '.join(unknown)}.",
            advice=f"Choose from {', '.join(sorted(offered))}, or say all or none."
            if offered
            else "No function has a repair that is certain; leave the choice out.",
        )


def warnings(found: Sequence[Found], chosen: Sequence[Repair]) -> Iterator[PlanWarning]:
    """What is left of the findings when the chosen repairs are made."""
    repaired = {repair.object for repair in chosen}
    for one in found:
        failing = () if one.object in repaired else one.verdict.of_kind("fails", "callers")
        unchecked = one.verdict.of_kind("unchecked")
        if failing or unchecked:
            yield PlanWarning(one.id, one.object, _reason(failing, unchecked), _consequence(one, bool(failing)))


def _reason(failing: Sequence[Remark], unchecked: Sequence[Remark]) -> str:
    parts: list[str] = []
    if failing:
        parts.append(f"It works now and fails after the conversion: {_remarks(failing)}.")
    if unchecked:
        parts.append(f"It is not checkable: {_remarks(unchecked)}.")
    return " ".join(parts)


def _remarks(remarks: Sequence[Remark]) -> str:
    texts = list(dict.fromkeys(_remark(remark) for remark in remarks))
    more = len(texts) - MOST_REMARKS
    return "; ".join(texts[:MOST_REMARKS]) + (f"; and {more} more" if more > 0 else "")


def _remark(remark: Remark) -> str:
    place = f"line {remark.line}: " if remark.line else ""
    where = f" (on {remark.context})" if remark.context else ""
    return f"{place}“{remark.sql}”: {remark.message}{where}" if remark.sql else f"{place}{remark.message}{where}"


def _consequence(one: Found, is_failing: bool) -> str:
    if not is_failing:
        return f"If a statement there compares a converted column with its former type: {one.use.sentence}"
    if one.verdict.repair is not None:
        return f"{one.use.sentence} A repair is offered: --repair-functions '{one.id}'."
    return (
        f"{one.use.sentence} No repair is offered: {one.verdict.why_not}; change it with the conversion, or before it."
    )


def offered(found: Sequence[Found], chosen: Sequence[Repair]) -> tuple[Repair, ...]:
    """Repairs that are certain and were not chosen."""
    return tuple(
        one.verdict.repair for one in found if one.verdict.repair is not None and one.verdict.repair not in chosen
    )


def notes(found: Sequence[Found]) -> Iterator[str]:
    """What need not be accepted."""
    failing = [
        f"{one.object} (line {remark.line}: {remark.message})"
        for one in found
        for remark in one.verdict.of_kind("failing already")[:1]
    ]
    if failing:
        yield (
            f"{len(failing)} functions have statements that fail to type-check already, which the conversion does not change: "
            f"{listed(failing, MOST_NAMED)}."
        )


def blockers(
    catalog: Catalog, found: Sequence[Found], chosen: Sequence[Repair], activity: Activity
) -> Iterator[Blocker]:
    """Rights that CREATE OR REPLACE needs (PostgreSQL documentation, CREATE FUNCTION): the owner's, and CREATE on the schema."""
    if catalog.server.is_superuser:
        return
    repaired = {repair.object for repair in chosen}
    role = quote_identifier(catalog.server.role)
    for one in found:
        if one.object not in repaired:
            continue
        name = one.id.removeprefix(PREFIX)
        if one.owner not in activity.acts_as:
            yield Blocker(
                f"not-owner:{name}",
                one.object,
                f"It belongs to {quote_identifier(one.owner)}, and {role} has not that role's rights, which its repair needs.",
                f"Leave its repair out, or GRANT {quote_identifier(one.owner)} TO {role}.",
            )
        elif not _may_create(catalog, one.schema, activity):
            schema = quote_identifier(one.schema)
            yield Blocker(
                f"no-create:{schema}:{role}",
                f"schema {schema}",
                f"{role} may not create in it, which replacing {one.object} needs.",
                f"Leave its repair out, or GRANT CREATE ON SCHEMA {schema} TO {role}.",
            )


def _may_create(catalog: Catalog, schema: str, activity: Activity) -> bool:
    found = next((s for s in catalog.schemas if s.name == schema), None)
    if found is None or found.owner in activity.acts_as:
        return True
    return any(g.privilege == "CREATE" and g.grantee in {"PUBLIC", *activity.acts_as} for g in found.acl)
