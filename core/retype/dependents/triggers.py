"""Triggers that name a converted column in UPDATE OF or WHEN, and those of views that are recreated."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Trigger
from core.postgres.sql import qualified, quote_identifier, quote_literal
from core.retype.dependents.subject import Subject
from core.retype.model import Statement
from core.retype.names import table_name

STATES = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def subject(trigger: Trigger) -> Subject:
    name = quote_identifier(trigger.name)
    return Subject(
        "trigger",
        f"TRIGGER {name} ON {qualified(trigger.schema, trigger.table)}",
        f"{name} on {table_name(trigger.schema, trigger.table)}",
        Address("pg_trigger", trigger.oid),
    )


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    about = subject(catalog.trigger[oid])
    yield about.dropped(f"DROP {about.sql}", "PostgreSQL does not change the type of a column that a trigger names")


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    trigger = catalog.trigger[oid]
    about = subject(trigger)
    yield about.recreated(trigger.definition, "as it was")
    yield from about.with_comment(trigger.comment)
    yield from about.with_extensions(catalog)
    for constraint in catalog.constraints_of.get(trigger.relation, ()):
        own = constraint.kind == "t" and constraint.name == trigger.name
        if own and constraint.comment is not None:
            where = f"CONSTRAINT {quote_identifier(constraint.name)} ON {qualified(trigger.schema, trigger.table)}"
            yield about.restored("comment", f"COMMENT ON {where} IS {quote_literal(constraint.comment)}")
    family = _with_clones(catalog, trigger)
    # A new trigger is enabled everywhere; ONLY keeps each partition's state its own, parents first.
    for one in family:
        if one.enabled != "O":
            sql = f"ALTER TABLE ONLY {qualified(one.schema, one.table)} {STATES[one.enabled]} TRIGGER {quote_identifier(one.name)}"
            yield subject(one).restored("trigger state", sql)
    for clone in family[1:]:
        yield from subject(clone).with_comment(clone.comment)


def _with_clones(catalog: Catalog, trigger: Trigger) -> list[Trigger]:
    """The trigger and its clones on partitions, level by level."""
    family, parents = [trigger], {trigger.oid}
    while parents:
        level = sorted((t for t in catalog.triggers if t.parent in parents), key=lambda t: (t.schema, t.table, t.name))
        family += level
        parents = {t.oid for t in level}
    return family
