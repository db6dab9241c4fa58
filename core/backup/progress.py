"""How far a dump or a restore has come, and how long it will take: pure functions of what is known of its tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.events import Json

LEAST_SECONDS = 2.0
"""Before that a speed says nothing."""

# pg_dump -v and pg_restore -v, both with -j: `finished item 3372 TABLE DATA big`.
_FINISHED = re.compile(r"finished item \d+ TABLE DATA (?P<name>.+)$")


@dataclass(frozen=True)
class Table:
    """A table to be dumped or restored.

    Attributes:
        bytes: of its heap and of what is kept beside it.
        rows: as the statistics estimate them; negative where it was never analysed.
    """

    schema: str
    name: str
    bytes: int
    rows: float = -1.0

    @property
    def weight(self) -> int:
        return max(self.bytes, 8192)


@dataclass(frozen=True)
class Copying:
    """A table that is being copied now, and how far it is."""

    schema: str
    name: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Standing:
    """Where it stands.

    Attributes:
        share: of the whole, 0 to 1.
        bytes_done, bytes_total: of tables.
        speed: bytes a second; None at the beginning.
        seconds_left: None where nothing can be said.
    """

    share: float
    bytes_done: int
    bytes_total: int
    speed: float | None = None
    seconds_left: float | None = None


@dataclass
class Course:
    """What has become of the tables so far; told line by line by the program that works on them."""

    tables: Sequence[Table]
    _finished: dict[str, int] = field(default_factory=dict[str, int])
    """How often a table of that name, without its schema, was finished: that is all the program says."""
    _seen: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    """How far each table was when it was last seen to be copied: between its end and the program's word, it stays there."""

    @property
    def total(self) -> int:
        return sum(table.weight for table in self.tables)

    @property
    def tables_done(self) -> int:
        return sum(self._finished.values())

    def tell(self, line: str) -> None:
        """Take a line of what the program says."""
        if found := _FINISHED.search(line):
            self._finished[found["name"]] = self._finished.get(found["name"], 0) + 1

    def standing(self, seconds: float, copying: Sequence[Copying] = ()) -> Standing:
        """Where it stands after so many seconds."""
        total = self.total
        done = min(total, self._done(copying))
        share = done / total if total else 0.0
        if seconds < LEAST_SECONDS or not done:
            return Standing(share, done, total)
        speed = done / seconds
        return Standing(share, done, total, speed, (total - done) / speed)

    def _done(self, copying: Sequence[Copying]) -> int:
        left = dict(self._finished)
        under_way = {(copy.schema, copy.name): copy for copy in copying}
        done = 0.0
        for table in self.tables:
            key = (table.schema, table.name)
            if (copy := under_way.get(key)) is not None:
                self._seen[key] = max(self._seen.get(key, 0.0), _share(table, copy))
            elif left.get(table.name, 0):
                left[table.name] -= 1
                self._seen[key] = 1.0
            done += table.weight * self._seen.get(key, 0.0)
        return int(done)


def _share(table: Table, copy: Copying) -> float:
    part = copy.rows / table.rows if table.rows > 0 else copy.bytes / table.weight
    return min(0.99, part)


def values(standing: Standing, course: Course, copying: Sequence[Copying] = ()) -> dict[str, Json]:
    """The standing as a reading's values."""
    return {
        "percent": round(100 * standing.share, 1),
        "bytes_done": standing.bytes_done,
        "bytes_total": standing.bytes_total,
        "bytes_per_second": None if standing.speed is None else round(standing.speed),
        "seconds_left": None if standing.seconds_left is None else round(standing.seconds_left, 1),
        "tables_done": course.tables_done,
        "tables_total": len(course.tables),
        "running": [f"{copy.schema}.{copy.name}" for copy in copying],
    }
