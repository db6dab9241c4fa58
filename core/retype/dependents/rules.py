"""Rewrite rules other than a view's own: on tables that name a converted column, and on views that are recreated."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Rule
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents.subject import Subject
from core.retype.dependents.triggers import STATES
from core.retype.model import Statement
from core.retype.names import table_name


def subject(rule: Rule) -> Subject:
    name = quote_identifier(rule.name)
    return Subject(
        "rule",
        f"RULE {name} ON {qualified(rule.schema, rule.table)}",
        f"{name} on {table_name(rule.schema, rule.table)}",
        Address("pg_rewrite", rule.oid),
    )


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    about = subject(catalog.rule[oid])
    yield about.dropped(f"DROP {about.sql}", "PostgreSQL does not change the type of a column that a rule uses")


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    rule = catalog.rule[oid]
    about = subject(rule)
    yield about.recreated(rule.definition.rstrip().removesuffix(";"), "as it was")
    if rule.enabled != "O":
        table = qualified(rule.schema, rule.table)
        sql = f"ALTER TABLE {table} {STATES[rule.enabled]} RULE {quote_identifier(rule.name)}"
        yield about.restored("rule state", sql)
    yield from about.with_comment(rule.comment)
