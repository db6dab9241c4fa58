"""The fence around a database: what an owner can set to keep others out, and what takes exactly that back.

An owner keeps everyone out but itself: who logs in as the owner is never refused by a privilege (PostgreSQL documentation,
5.8 "Privileges"; table "Keeping others out" of what was tried). Its sessions can be ended and, where wanted, new ones be
made READ ONLY by default. `ALLOW_CONNECTIONS false` and `CONNECTION LIMIT 0` are not used: they keep this console's own
further sessions out as well, which a conversion needs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import asyncpg

from core.errors import ConnectionFailed, PgrecastError, QueryFailed, Refused
from core.postgres.connect import ConnectionSpec, connect
from core.postgres.connection_errors import lost
from core.postgres.sql import load_queries, quote_identifier, quote_literal

_QUERIES: Final = load_queries(Path(__file__).parent / "queries")


@dataclass(frozen=True, slots=True)
class Grant:
    """The privilege to connect. `role` is empty for PUBLIC; `grantor` is empty where the owner has granted it."""

    role: str
    grantable: bool = False
    grantor: str = ""


@dataclass(frozen=True, slots=True)
class Fence:
    """A fence as it is to be raised, or was.

    Attributes:
        statements: what raises it.
        lifts: what takes that back, each by itself and as often as one likes.
        left: who may connect in spite of it, in words.
        acl: the database's privileges before, as the catalog has them; empty for the default.
    """

    database: str
    statements: tuple[str, ...]
    lifts: tuple[str, ...]
    left: tuple[str, ...] = ()
    acl: str = ""

    @classmethod
    def of_fact(cls, value: Mapping[str, Any]) -> Self:
        lists = {name: tuple(map(str, value[name])) for name in ("statements", "lifts", "left")}
        return cls(database=str(value["database"]), acl=str(value["acl"]), **lists)

    @property
    def fact(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "statements": list(self.statements),
            "lifts": list(self.lifts),
            "left": list(self.left),
            "acl": self.acl,
        }

    def over(self, before: Fence | None) -> Fence:
        """This one on top of another that may still be up: what leads back is what led back from that one, too."""
        if before is None:
            return self
        # Later statements win: what was there first is restored last.
        lifts = tuple(dict.fromkeys((*(lift for lift in self.lifts if lift not in before.lifts), *before.lifts)))
        return Fence(self.database, self.statements, lifts, self.left, before.acl)


def fence_of(
    database: str, grants: Iterable[Grant], *, read_only: bool, default_before: str | None = None, acl: str = ""
) -> Fence:
    """Decide what keeps others out.

    Args:
        database: its name.
        grants: who besides the owner may connect.
        read_only: whether new sessions are to be READ ONLY by default.
        default_before: what the database's own setting for that is now; None for none.
        acl: the database's privileges, as the catalog has them.
    """
    name = quote_identifier(database)
    found = tuple(grants)
    # What a role has passed on hangs on its own privilege: revoking that would need CASCADE, and nobody but the role
    # could grant it again.
    passed_on = {grant.grantor for grant in found if grant.grantor}
    statements: list[str] = []
    lifts: list[str] = []
    left: list[str] = []
    for grant in found:
        who = quote_identifier(grant.role) if grant.role else "PUBLIC"
        if grant.grantor:
            left.append(f"{who} may connect, as {grant.grantor} has granted")
        elif grant.role in passed_on:
            left.append(f"{who} may connect, and has passed that on")
        else:
            statements.append(f"REVOKE CONNECT ON DATABASE {name} FROM {who}")
            option = " WITH GRANT OPTION" if grant.grantable else ""
            lifts.append(f"GRANT CONNECT ON DATABASE {name} TO {who}{option}")
    if read_only and default_before != "on":
        statements.append(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        before = f"SET default_transaction_read_only = {quote_literal(default_before)}" if default_before else ""
        lifts.append(f"ALTER DATABASE {name} {before or 'RESET default_transaction_read_only'}")
    return Fence(database, tuple(statements), tuple(lifts), tuple(left), acl)


async def plan_fence(spec: ConnectionSpec, *, read_only: bool = False) -> Fence:
    """Look at the database and say what would keep others out. Nothing is changed.

    Raises:
        Refused: this role does not own the database.
        ConnectionFailed, QueryFailed: it does not answer.
    """
    async with _session(spec, read_only=True) as connection:
        (found,) = await connection.fetch(_QUERIES["fence_database"])
        if not found["owned"]:
            raise Refused(
                f"{spec.user} does not own the database {found['database']}, and cannot keep others out.",
                advice='Have its owner stop its other clients, and set fence = "none" under [service].',
            )
        grants = await _grants(connection)
        return fence_of(
            found["database"], grants, read_only=read_only, default_before=found["read_only"], acl=found["acl"]
        )


async def raise_fence(spec: ConnectionSpec, fence: Fence) -> None:
    """Raise it, once it is certain that this role still enters and that what leads back does.

    The way back is rehearsed in a transaction that is rolled back; the session that has raised it stays open until a
    second one has logged in, and lifts it if none can.

    Raises:
        Refused: the way back would not restore what is there, or this role would be kept out itself; nothing is changed.
        ConnectionFailed: the database does not answer; or nobody could log in any more, and the fence was lifted again.
        QueryFailed: a statement failed, and nothing is changed.
    """
    if not fence.statements:
        return
    async with _session(spec) as held:
        await _rehearse(held, fence)
        async with held.transaction():
            await _execute(held, fence.statements)
        try:
            second = await connect(spec, read_only=False)
            second.terminate()
        except ConnectionFailed:
            await _execute(held, fence.lifts)
            raise


async def lift_fence(spec: ConnectionSpec, fence: Fence) -> tuple[str, ...]:
    """Take back what the fence has set, whatever of it is set.

    Returns: what could not be taken back, in words: a role that is not there any more needs nothing granted.

    Raises:
        ConnectionFailed, QueryFailed: the database does not answer, or does not let this role.
    """
    complaints: list[str] = []
    async with _session(spec) as connection:
        for statement in fence.lifts:
            try:
                await connection.execute(statement)
            except asyncpg.UndefinedObjectError as error:
                complaints.append(f"{statement}: {error}")
    return tuple(complaints)


async def end_session(connection: asyncpg.Connection, pid: int) -> bool:
    """End another session on this database; whether this role may (functions: pg_terminate_backend).

    Returns: True also when it has gone by itself.

    Raises:
        asyncpg.PostgresError: anything else.
    """
    try:
        await connection.fetch(_QUERIES["end_session"], pid)
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


@asynccontextmanager
async def _session(spec: ConnectionSpec, *, read_only: bool = False) -> AsyncGenerator[asyncpg.Connection]:
    connection = await connect(spec, read_only=read_only)
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if lost(error):
            raise ConnectionFailed(
                f"The connection to {spec} was lost: {error}",
                state="What of the fence is set is not known; lifting it is always safe.",
                advice="Run the step again when the server answers.",
            ) from error
        raise QueryFailed(f"{spec.database} refused: {error}", advice="Run the step again.") from error
    finally:
        connection.terminate()


async def _grants(connection: asyncpg.Connection) -> tuple[Grant, ...]:
    rows = await connection.fetch(_QUERIES["fence_grants"])
    return tuple(Grant(row["role"], row["grantable"], row["grantor"]) for row in rows)


async def _rehearse(held: asyncpg.Connection, fence: Fence) -> None:
    """Raise and lift it in a transaction that is rolled back."""
    rehearsal = held.transaction()
    await rehearsal.start()
    try:
        before = await _grants(held)
        await _execute(held, fence.statements)
        if not await held.fetchval("SELECT has_database_privilege(session_user, current_database(), 'CONNECT')"):
            raise _refused("it would keep this console out as well")
        await _execute(held, fence.lifts)
        after = await _grants(held)
        if not set(before) <= set(after):
            raise _refused("what leads back would not restore who may connect")
    finally:
        await rehearsal.rollback()


async def _execute(connection: asyncpg.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        await connection.execute(statement)


def _refused(why: str) -> PgrecastError:
    return Refused(
        f"The database is not fenced: {why}.",
        advice='Stop its other clients at their host, and set fence = "none" under [service].',
    )
