"""What has changed in a database since a backup of it: by counts, by the write-ahead log, and by the schema."""

from __future__ import annotations

from dataclasses import dataclass

from core.backup.content import QUERIES, read_content
from core.backup.manifest import Manifest
from core.backup.verify import frozen
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.sql import qualified

MOST_NAMED = 20


@dataclass(frozen=True)
class Changes:
    """What a restore of the backup would lose, as far as figures tell; a row that was changed in place changes no count.

    Attributes:
        tables: those whose number of rows is another: name, rows then, rows now.
        used: sequences that have given values since.
        schema: whether the catalog is another.
        wal_bytes: of write-ahead log since, of the whole cluster; None where it cannot be told.
    """

    tables: tuple[tuple[str, int, int], ...]
    used: tuple[str, ...]
    schema: bool
    wal_bytes: int | None

    @property
    def none_seen(self) -> bool:
        return not (self.tables or self.used or self.schema)

    @property
    def lines(self) -> tuple[str, ...]:
        """What to say of it, one sentence each."""
        said = [f"{name}: {then:,} rows in the backup, {now:,} now" for name, then, now in self.tables[:MOST_NAMED]]
        if len(self.tables) > MOST_NAMED:
            said.append(f"and {len(self.tables) - MOST_NAMED} more tables")
        if self.used:
            said.append(f"sequences that have gone on: {', '.join(self.used[:MOST_NAMED])}")
        if self.schema:
            said.append("the schema is another than in the backup")
        if self.none_seen:
            said.append(
                "as many rows in every table as in the backup, the same schema; rows changed in place are not seen"
            )
        if self.wal_bytes is not None:
            said.append(f"{self.wal_bytes / 1e6:,.1f} MB of write-ahead log since, of the whole cluster")
        return tuple(said)


async def changes_since(spec: ConnectionSpec, manifest: Manifest) -> Changes | None:
    """Compare a database as it is now with what was dumped; None where nobody recorded what was dumped.

    Raises:
        ConnectionFailed, QueryFailed, BackupError: it could not be read.
    """
    then = manifest.content
    if then is None:
        return None
    async with frozen(spec) as connection:
        reading = await read_content(connection, depth="counts")
        wal = await connection.fetchval(QUERIES["wal_since"], manifest.lsn) if manifest.lsn else None
    now = reading.content
    before = {(table.schema_, table.name): table.rows for table in then.tables}
    after = {(table.schema_, table.name): table.rows for table in now.tables}
    last = {(sequence.schema_, sequence.name): sequence.last for sequence in then.sequences}
    return Changes(
        tables=tuple(
            (qualified(*key), before.get(key, 0), after.get(key, 0))
            for key in sorted(before.keys() | after.keys())
            if before.get(key, 0) != after.get(key, 0)
        ),
        used=tuple(
            qualified(s.schema_, s.name) for s in now.sequences if s.last != last.get((s.schema_, s.name), s.last)
        ),
        schema=now.fingerprint != then.fingerprint,
        wal_bytes=int(wal) if wal is not None and int(wal) >= 0 else None,
    )
