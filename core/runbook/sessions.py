"""Sessions of others on a target: listed by name, the host's own told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Self

import asyncpg

from core.events import Json
from core.postgres.sql import load_queries
from core.runbook.conversion.planning import reading
from core.runbook.facts import SESSIONS_OTHERS
from core.runbook.model import StepContext
from core.runbook.words import age, counted
from core.settings.targets import TargetName

_QUERIES: Final = load_queries(Path(__file__).parent / "queries")

MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Session:
    """A session beside this one.

    Attributes:
        application, state, client: empty where this role may not see them.
        seconds: since it began; -1 where this role may not see it.
        own: whether it is pgrecast's.
    """

    pid: int
    role: str
    application: str
    state: str
    seconds: float
    client: str
    own: bool = False

    def __str__(self) -> str:
        since = f"for {age(timedelta(seconds=self.seconds))}" if self.seconds >= 0 else ""
        told = (self.application, self.state, since, f"from {self.client}" if self.client else "")
        return ", ".join((f"process {self.pid} of {self.role}", *filter(None, told)))


@dataclass(frozen=True, slots=True)
class OtherSessions:
    """How many there are.

    Attributes:
        count: of others.
        host: the host's own, by the role's name; they count for nothing.
        by_name: how many of others have the same application and role, the most frequent first.
    """

    count: int
    host: int
    by_name: Mapping[str, int]

    @classmethod
    def of_fact(cls, value: Mapping[str, Any]) -> Self:
        return cls(int(value["count"]), int(value["host"]), dict(value["by_name"]))

    @property
    def fact(self) -> Json:
        return {"count": self.count, "host": self.host, "by_name": dict(self.by_name)}

    def __str__(self) -> str:
        """`3 sessions of others (backend as app: 3), 1 of the host's own`."""
        names = ", ".join(f"{name}: {count}" for name, count in self.by_name.items())
        own = f", {self.host:,} of the host's own" if self.host else ""
        return f"{counted(self.count, 'session')} of others{f' ({names})' if names else ''}{own}"


def tell_apart(
    sessions: Iterable[Session], host_roles: Sequence[str]
) -> tuple[OtherSessions, tuple[Session, ...], tuple[Session, ...]]:
    """The count, then others' sessions, then the host's own; pgrecast's are neither.

    Args:
        host_roles: patterns (`rds*`) of the roles as which the database's host itself connects.
    """
    strangers = [session for session in sessions if not session.own]
    host = tuple(s for s in strangers if any(fnmatchcase(s.role, pattern) for pattern in host_roles))
    others = tuple(session for session in strangers if session not in host)
    names = Counter(f"{s.application or 'unnamed'} as {s.role}" for s in others).most_common(MOST_NAMED)
    return OtherSessions(len(others), len(host), dict(names)), others, host


async def read_sessions(connection: asyncpg.Connection) -> tuple[Session, ...]:
    """The client sessions on this database beside this one (catalog: pg_stat_activity).

    Raises:
        asyncpg.PostgresError: the query failed.
    """
    return tuple(
        Session(r["pid"], r["role"], r["application"], r["state"], r["seconds"], r["client"], r["own"])
        for r in await connection.fetch(_QUERIES["other_sessions"])
    )


async def count_sessions(context: StepContext, target: TargetName = "production") -> OtherSessions:
    """Count the sessions of others on the target, name them in the step's log, and record the count.

    Raises:
        WrongDatabase: it is not the database the run was opened on.
        ConnectionFailed, QueryFailed: it could not be read.
    """
    spec, _ = await context.target(target)
    async with reading(spec, context.settings.limits) as connection:
        found, others, host = tell_apart(await read_sessions(connection), context.settings.service.host_roles)
    for session in others[:MOST_NAMED]:
        await context.say(f"Connected to {target}: {session}")
    for session in host[:MOST_NAMED]:
        await context.say(f"The host's own: {session}")
    await context.fact(SESSIONS_OTHERS, found.fact)
    return found
