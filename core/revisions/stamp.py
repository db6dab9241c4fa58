"""Setting what the version table says: under lock, from the value that was shown to the value that was decided."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import asyncpg

from core.errors import OutcomeUnknown, PgrecastError, Refused, UsageError
from core.postgres.connect import identify
from core.postgres.connection_errors import lost
from core.postgres.identity import Identity
from core.postgres.sql import quote_identifier
from core.revisions.graph import Graph, VersionTable
from core.revisions.locate import Location, Verdict
from core.revisions.version_table import Claim, quoted, read_claim

LOCK_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Stamped:
    """What was written; `old` written again undoes it."""

    table: VersionTable
    old: Claim
    new: Claim

    def __str__(self) -> str:
        return f"{quoted(self.table)}: {self.old} -> {self.new}"


def require_proof(location: Location, rows: Collection[str], override: str | None = None) -> None:
    """Refuse to stamp what the schema does not prove.

    Args:
        location: as `locate` found it, of this very database.
        rows: the revisions that are to be stamped.
        override: the reason why somebody wants them all the same, typed by that person; None where nobody does.

    Raises:
        Refused: they are not what was proved, and no reason was given.
    """
    if location.rows is not None and set(rows) == set(location.rows):
        return
    if override and override.strip():
        return
    wanted = Claim(tuple(sorted(rows)))
    if location.verdict is Verdict.AMBIGUOUS:
        questions = "; ".join(f"{Claim(c.rows)}: {c.question}" for c in location.candidates)
        raise Refused(
            f"Nothing proves that the schema is at {wanted}: it does not decide by itself.",
            advice=f"Answer what it asks, and give the reason with the override. {questions}.",
        )
    raise Refused(
        f"The schema is at {Claim(location.rows)}, not at {wanted}.",
        advice="Stamp what was found, or give a reason with the override.",
    )


async def stamp(
    connection: asyncpg.Connection,
    identity: Identity,
    table: VersionTable,
    *,
    old: Claim,
    new: Claim,
    graph: Graph | None = None,
) -> Stamped:
    """Write the version table in one transaction, its old value compared under an exclusive lock.

    To undo: the same with `old` and `new` exchanged; `Claim(None)` as `new` drops the table again.

    Args:
        connection: may write, and is not in a transaction.
        identity: of the database that this is about.
        table: where Alembic keeps its revisions.
        old: what it held when it was shown; anything else is refused. Revisions unknown to the history are welcome.
        new: what it is to hold.
        graph: to refuse revisions that it does not have, or that follow each other; None for an old value put back.

    Raises:
        WrongDatabase: the connection is to another database.
        UsageError: `new` is nothing that Alembic would write.
        Refused: the table says something else by now, is locked, or may not be written.
        OutcomeUnknown: the connection was lost.
        PgrecastError: the server refused in another way. Nothing has been changed then.
    """
    if graph is not None and new.rows is not None:
        _require_sound(graph, new.rows)
    identity.require(await identify(connection))
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            found = await read_claim(connection, table)
            if found.rows is not None:
                await connection.execute(f"LOCK TABLE {quoted(table)} IN ACCESS EXCLUSIVE MODE")
                found = await read_claim(connection, table)
            if found != old:
                raise Refused(
                    f"The version table says {found} by now; it said {old} when this was decided.",
                    advice="Somebody has stamped or migrated meanwhile: locate the schema again.",
                )
            await _write(connection, table, old, new)
    except asyncpg.LockNotAvailableError:
        raise Refused(
            f"The version table is in use: no lock on {quoted(table)} within {LOCK_TIMEOUT_MS // 1000} s.",
            advice="Another migration or stamp is under way; let it end, then try again.",
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise Refused(
            f"This role may not write {quoted(table)}: {error}.", advice="Log in as the table's owner."
        ) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise OutcomeUnknown(
                f"The connection was lost while {quoted(table)} was written.",
                state=f"It says either {old} or {new}; nothing else has been changed.",
                advice="Read it, and stamp again if need be.",
            ) from error
        raise PgrecastError(
            f"{quoted(table)} could not be written: {error}.", advice="See the server's message; nothing was stamped."
        ) from error
    return Stamped(table, old, new)


def _require_sound(graph: Graph, rows: Collection[str]) -> None:
    unknown = [row for row in rows if row not in graph.by_id]
    if unknown:
        raise UsageError(f"{', '.join(unknown)} is no revision of this history.", advice="Correct its name.")
    if set(rows) != set(graph.heads_of(graph.closure(rows))):
        raise UsageError(
            f"Of {', '.join(rows)} some come before others: Alembic would not understand that.",
            advice=f"Stamp {', '.join(graph.heads_of(graph.closure(rows)))} alone.",
        )


async def _write(connection: asyncpg.Connection, table: VersionTable, old: Claim, new: Claim) -> None:
    if new.rows is None:
        if old.rows is not None:
            await connection.execute(f"DROP TABLE {quoted(table)}")
        return
    if old.rows is None:
        # As Alembic makes it (MigrationContext, "alembic_version"), wide enough for long names of one's own.
        width = max([32, *(len(row) for row in new.rows)])
        await connection.execute(
            f"CREATE TABLE {quoted(table)} (version_num varchar({width}) NOT NULL,"
            f" CONSTRAINT {quote_identifier(table.name + '_pkc')} PRIMARY KEY (version_num))"
        )
    await connection.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608 - quoted
    await connection.executemany(
        f"INSERT INTO {quoted(table)} (version_num) VALUES ($1)",  # noqa: S608 - quoted
        [(row,) for row in new.rows],
    )
