"""An object as the statements about it name it, and what can be said of any kind of object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.events import Tally
from core.postgres.catalog import Address, Catalog, SecurityLabel
from core.postgres.sql import quote_identifier, quote_literal
from core.retype.model import Phase, Statement

KEPT_AS_IT_WAS = "DROP forgets it and CREATE does not give it back"


@dataclass(frozen=True)
class Subject:
    """An object that statements are about.

    Attributes:
        kind: what it is, e.g. `materialized view`.
        sql: how COMMENT ON names it, e.g. `MATERIALIZED VIEW public.totals`.
        name: how the plan names it, e.g. `public.totals`.
        address: where the catalog has it.
    """

    kind: str
    sql: str
    name: str
    address: Address

    @property
    def object(self) -> str:
        return f"{self.kind} {self.name}"

    def dropped(self, sql: str, reason: str) -> Statement:
        tally = Tally(what=f"{plural(self.kind)} dropped", count=1)
        return Statement(Phase.DETACH, f"drop {self.kind}", self.object, sql, reason, tallies=(tally,))

    def recreated(self, sql: str, reason: str, *, bytes_scanned: int = 0, table: str | None = None) -> Statement:
        tally = Tally(what=f"{plural(self.kind)} recreated", count=1)
        return Statement(
            Phase.REATTACH,
            f"create {self.kind}",
            self.object,
            sql,
            reason,
            table,
            tallies=(tally,),
            bytes=bytes_scanned,
        )

    def restored(self, kind: str, sql: str, reason: str = KEPT_AS_IT_WAS) -> Statement:
        """A statement of phase 5 that gives the object back a property."""
        return Statement(Phase.REATTACH, kind, self.object, sql, reason)

    def with_comment(self, comment: str | None) -> Iterator[Statement]:
        if comment is not None:
            yield self.restored("comment", f"COMMENT ON {self.sql} IS {quote_literal(comment)}")

    def with_labels(self, labels: tuple[SecurityLabel, ...]) -> Iterator[Statement]:
        for label in labels:
            yield self.restored(
                "security label",
                f"SECURITY LABEL FOR {quote_identifier(label.provider)} ON {self.sql} IS {quote_literal(label.label)}",
            )

    def with_owner(self, catalog: Catalog, owner: str) -> Iterator[Statement]:
        if owner != catalog.server.role:
            yield self.restored("owner", f"ALTER {self.sql} OWNER TO {quote_identifier(owner)}")

    def with_extensions(self, catalog: Catalog) -> Iterator[Statement]:
        """`DEPENDS ON EXTENSION`, which is a row of pg_depend with deptype x."""
        names = {e.oid: e.name for e in catalog.extensions}
        for dependency in catalog.references_of.get(self.address, ()):
            if dependency.kind == "x" and dependency.referenced.oid in names:
                extension = quote_identifier(names[dependency.referenced.oid])
                yield self.restored("extension", f"ALTER {self.sql} DEPENDS ON EXTENSION {extension}")


_PLURALS = {
    "index": "indexes",
    "policy": "policies",
    "statistics object": "statistics objects",
    "publication entry": "publication entries",
}


def plural(kind: str) -> str:
    return _PLURALS.get(kind, f"{kind}s")
