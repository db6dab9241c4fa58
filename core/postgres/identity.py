"""Which database is this? The identity that every step re-checks before it touches anything."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import WrongDatabase


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one database from every other.

    Attributes:
        cluster: the cluster's system identifier (`pg_control_system`), or, where a role may not read that, the server's
            address and start time.
        database_oid: the database's oid in `pg_database`.
        database: its name.
    """

    cluster: str
    database_oid: int
    database: str

    def __str__(self) -> str:
        return f"{self.database} (oid {self.database_oid}) in cluster {self.cluster}"

    def require(self, found: Identity) -> None:
        """Raise WrongDatabase unless `found` is this very database."""
        if found != self:
            raise WrongDatabase(
                f"Connected to {found}, but this run was opened on {self}.",
                state="Nothing has been changed, in either database.",
                advice="Check the connection's host, port and database name; if the database was restored or moved, "
                "open a new run on it.",
            )
