"""Functions and procedures whose bodies (BEGIN ATOMIC) or signatures PostgreSQL ties to what must be dropped."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Function, Grant
from core.postgres.sql import qualified
from core.retype.dependents.grants import PUBLIC, restore_grants
from core.retype.dependents.subject import Subject
from core.retype.model import Statement
from core.retype.names import table_name


def subject(function: Function) -> Subject:
    kind = "procedure" if function.kind == "p" else "function"
    return Subject(
        kind,
        f"{kind.upper()} {qualified(function.schema, function.name)}({function.arguments})",
        f"{table_name(function.schema, function.name)}({function.arguments})",
        Address("pg_proc", function.oid),
    )


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    about = subject(catalog.function[oid])
    yield about.dropped(f"DROP {about.sql}", "PostgreSQL ties its body or its signature to what changes")


def replace_body(function: Function, reason: str, *, is_repair: bool) -> Statement:
    """Give a function that is there the definition that `function` has."""
    return subject(function).restored("repair function" if is_repair else "replace function", _create(function), reason)


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    function = catalog.function[oid]
    about = subject(function)
    yield about.recreated(_create(function), "as it was")
    yield from about.with_owner(catalog, function.owner)
    initial = [Grant(grantee, function.owner, "EXECUTE", False) for grantee in (function.owner, PUBLIC)]
    yield from restore_grants(catalog, about, about.sql, function.owner, function.acl, initial)
    yield from about.with_comment(function.comment)
    yield from about.with_labels(function.labels)
    yield from about.with_extensions(catalog)


def _create(function: Function) -> str:
    return (function.definition or "").rstrip().removesuffix(";")
