"""Privileges, put back as they were: by whom, to whom, with which grant options, down to single columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from core.postgres.catalog import Catalog, Column, Grant
from core.postgres.sql import quote_identifier
from core.retype.dependents.subject import Subject
from core.retype.model import Statement

PUBLIC = "PUBLIC"
_REASON = "privileges go with the object when it is dropped"
_NONE = "a new object may get privileges by default that the old one did not have"


def restore_grants(
    catalog: Catalog,
    subject: Subject,
    target: str,
    owner: str,
    grants: tuple[Grant, ...],
    initial: Iterable[Grant],
    columns: Iterable[Column] = (),
) -> Iterator[Statement]:
    """Statements that give a new object the privileges of the old one.

    Args:
        target: what GRANT calls the object, e.g. `TABLE public.totals`.
        grants: its privileges as `aclexplode` gives them.
        initial: the privileges of such an object when nobody has granted or revoked anything (`acldefault`).
        columns: its columns, for privileges on single ones.
    """
    given_by_default = default_grantees(catalog)
    if frozenset(grants) != frozenset(initial) or given_by_default:
        holders = [*sorted({owner, *(g.grantee for g in grants), *given_by_default} - {PUBLIC}), PUBLIC]
        names = ", ".join(_role(holder) for holder in holders)
        yield subject.restored("revoke", f"REVOKE ALL ON {target} FROM {names}", _NONE)
        yield from _replay(subject, target, owner, grants, column=None)
    for column in columns:
        yield from _replay(subject, target, owner, column.acl, column=column.name)


def default_grantees(catalog: Catalog) -> frozenset[str]:
    """Everyone whom ALTER DEFAULT PRIVILEGES of anyone mentions; what a new object gets is granted to some of them."""
    return frozenset(g.grantee for other in catalog.others if other.catalog == "pg_default_acl" for g in other.acl)


def _replay(
    subject: Subject, target: str, owner: str, grants: tuple[Grant, ...], column: str | None
) -> Iterator[Statement]:
    """GRANTs in an order in which each grantor holds what it grants."""
    place = "" if column is None else f" ({quote_identifier(column)})"
    for grantor, batch in _in_order(owner, grants):
        by_grantee: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
        for grant in batch:
            by_grantee[grant.grantee, grant.grantable].append(grant.privilege)
        if grantor != owner:
            yield subject.restored(
                "role", f"SET LOCAL ROLE {quote_identifier(grantor)}", "only a grantor can grant in its own name"
            )
        for (grantee, grantable), privileges in sorted(by_grantee.items()):
            listed = ", ".join(f"{privilege}{place}" for privilege in sorted(privileges))
            option = " WITH GRANT OPTION" if grantable else ""
            yield subject.restored("grant", f"GRANT {listed} ON {target} TO {_role(grantee)}{option}", _REASON)
        if grantor != owner:
            yield subject.restored("role", "RESET ROLE", "back to the role of the conversion")


def _in_order(owner: str, grants: tuple[Grant, ...]) -> Iterator[tuple[str, list[Grant]]]:
    """Batches of grants by one grantor, the owner's first, then those of grantors who hold their grant option by then."""
    waiting = sorted(grants)
    able: set[tuple[str, str]] = set()
    while waiting:
        ready = [g for g in waiting if g.grantor == owner or (g.grantor, g.privilege) in able]
        if not ready:  # a grantor that holds it through another role or a grant on the whole table: it is able already
            ready = waiting
        grantor = owner if any(g.grantor == owner for g in ready) else ready[0].grantor
        batch = [g for g in ready if g.grantor == grantor]
        yield grantor, batch
        able.update((g.grantee, g.privilege) for g in batch if g.grantable)
        waiting = [g for g in waiting if g not in batch]


def _role(name: str) -> str:
    return PUBLIC if name == PUBLIC else quote_identifier(name)
