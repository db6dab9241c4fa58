"""A history of revisions as plain data: who comes after whom, and what an `alembic_version` table means in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision, as its file declares it.

    Attributes:
        id: its identifier.
        down: the revisions that it follows, several for a merge, none for a base.
        depends_on: further revisions that must have run before it.
        labels: its branch's labels.
        doc: the first line of its docstring.
        path: its file.
    """

    id: str
    down: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    doc: str = ""
    path: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        return self.down + self.depends_on

    @property
    def is_merge(self) -> bool:
        return len(self.down) > 1


@dataclass(frozen=True, slots=True)
class VersionTable:
    """Where Alembic keeps the revisions that a database is at; the schema is None for the first of the search path."""

    name: str = "alembic_version"
    schema: str | None = None


@dataclass(frozen=True)
class Graph:
    """A whole history.

    Attributes:
        revisions: each after all that it needs.
        alembic, sqlalchemy: the versions of the application's libraries.
        version_table: what env.py says, or Alembic's default.
        environment_file: the path of env.py.
        untold: why env.py did not say how it configures Alembic, or "".
    """

    revisions: tuple[Revision, ...]
    alembic: str = ""
    sqlalchemy: str = ""
    version_table: VersionTable = VersionTable()
    environment_file: str = ""
    untold: str = ""

    @cached_property
    def by_id(self) -> Mapping[str, Revision]:
        return {revision.id: revision for revision in self.revisions}

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The place of each revision in `revisions`."""
        return {revision.id: place for place, revision in enumerate(self.revisions)}

    @cached_property
    def ancestors(self) -> Mapping[str, frozenset[str]]:
        """Of each revision all that must have run before it."""
        found: dict[str, frozenset[str]] = {}
        for revision in self.revisions:
            found[revision.id] = frozenset(revision.needs).union(*(found[needed] for needed in revision.needs))
        return found

    @cached_property
    def heads(self) -> tuple[str, ...]:
        return self.heads_of(self.by_id)

    def closure(self, revisions: Iterable[str]) -> frozenset[str]:
        """These revisions and all that they need; what the history does not know is left out."""
        known = [revision for revision in revisions if revision in self.by_id]
        return frozenset(known).union(*(self.ancestors[revision] for revision in known))

    def heads_of(self, revisions: Collection[str]) -> tuple[str, ...]:
        """Those that none of the others follows, in order: the rows of `alembic_version` when exactly these have run.

        A revision that another only depends on keeps no row of its own either (Alembic documentation, "Branch
        Dependencies").
        """
        within = set(revisions)
        needed = {other for revision in within for other in self.by_id[revision].needs}
        return tuple(revision.id for revision in self.revisions if revision.id in within - needed)

    def pending(self, rows: Iterable[str], targets: Iterable[str] | None = None) -> tuple[Revision, ...]:
        """What is still to be run, in order, from what the version table holds to the targets (default: every head)."""
        done = self.closure(rows)
        wanted = self.closure(self.heads if targets is None else targets)
        return tuple(revision for revision in self.revisions if revision.id in wanted - done)


def in_order(revisions: Iterable[Revision]) -> tuple[Revision, ...]:
    """Sort revisions so that each comes after all that it needs; among those that could come next, as they were given.

    Raises:
        ValueError: one needs a revision that is not there, or two need each other.
    """
    waiting = {revision.id: revision for revision in revisions}
    for revision in waiting.values():
        if missing := [needed for needed in revision.needs if needed not in waiting]:
            raise ValueError(f"revision {revision.id} follows {', '.join(missing)}, which is not there")
    sorted_: dict[str, Revision] = {}
    while waiting:
        ready = [r for r in waiting.values() if all(needed in sorted_ for needed in r.needs)]
        if not ready:
            raise ValueError(f"revisions follow each other in a circle: {', '.join(sorted(waiting))}")
        for revision in ready:
            sorted_[revision.id] = waiting.pop(revision.id)
    return tuple(sorted_.values())
