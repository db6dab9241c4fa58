"""Row security policies, of the scope's tables and of others whose conditions look at them."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Policy
from core.postgres.sql import qualified, quote_identifier
from core.retype.dependents.subject import Subject
from core.retype.model import Statement
from core.retype.names import table_name

_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}


def subject(policy: Policy) -> Subject:
    name = quote_identifier(policy.name)
    return Subject(
        "policy",
        f"POLICY {name} ON {qualified(policy.schema, policy.table)}",
        f"{name} on {table_name(policy.schema, policy.table)}",
        Address("pg_policy", policy.oid),
    )


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    about = subject(catalog.policy[oid])
    yield about.dropped(f"DROP {about.sql}", "PostgreSQL does not change the type of a column that a policy uses")


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    policy = catalog.policy[oid]
    about = subject(policy)
    roles = ", ".join("PUBLIC" if role == "PUBLIC" else quote_identifier(role) for role in policy.roles) or "PUBLIC"
    parts = [
        f"CREATE {about.sql}",
        f"AS {'PERMISSIVE' if policy.permissive else 'RESTRICTIVE'}",
        f"FOR {_COMMANDS[policy.command]}",
        f"TO {roles}",
    ]
    if policy.using is not None:
        parts.append(f"USING ({policy.using})")
    if policy.check is not None:
        parts.append(f"WITH CHECK ({policy.check})")
    yield about.recreated(" ".join(parts), "as it was")
    yield from about.with_comment(policy.comment)
