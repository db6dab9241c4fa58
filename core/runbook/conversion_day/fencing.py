"""Production's fence in a run: recorded before it is raised, lifted from the record whatever has happened since."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from core.errors import PgrecastError, Refused
from core.postgres.connect import ConnectionSpec
from core.postgres.fence import Fence, end_session, lift_fence, plan_fence, raise_fence
from core.runbook.conversion.planning import reading
from core.runbook.facts import FENCE_UP
from core.runbook.model import StepContext
from core.runbook.sessions import Session, read_sessions, tell_apart
from core.runbook.state import RunState
from core.runbook.words import counted

LOOKS = 4
"""How often it is looked who has come back after sessions were ended."""
LOOK_EVERY = 1.0
"""Seconds between two looks: a pool opens a session anew when the next request wants one."""


def fence_up(state: RunState) -> Fence | None:
    """The fence that the run has recorded and not lifted."""
    value = state.facts.get(FENCE_UP)
    return Fence.of_fact(cast("Mapping[str, Any]", value)) if value else None


async def fence_off(context: StepContext, *, read_only: bool) -> str:
    """Raise the fence around production, as far as this role's rights allow; returns what came of it, in words.

    Raises:
        ConnectionFailed, QueryFailed: the database does not answer; what is recorded is lifted as if it were set.
    """
    spec, _ = await context.target("production")
    before = fence_up(context.state)
    try:
        planned = await plan_fence(spec, read_only=read_only)
    except Refused as error:
        await context.say(f"{error.what} {error.advice}")
        return "the database is not fenced"
    fence = planned.over(before)
    if fence.statements:
        await context.fact(FENCE_UP, fence.fact)
        try:
            await raise_fence(spec, fence)
        except Refused as error:
            await context.fact(FENCE_UP, before.fact if before else None)
            await context.say(f"{error.what} {error.advice}")
            return "the database is not fenced"
        for statement in fence.statements:
            await context.say(f"Set: {statement}; it is lifted by: {'; '.join(fence.lifts)}")
    for words in fence.left:
        await context.say(f"In spite of the fence {words}.")
    if not fence.lifts:
        return "nobody but the owner may connect anyway"
    return "the database is fenced"


async def lift(context: StepContext) -> str:
    """Lift the fence if the run has one; returns what came of it, in words, empty when there was none.

    Raises:
        WrongDatabase: it is another database than the one that was fenced.
        ConnectionFailed, QueryFailed: the database does not answer; it can be lifted again and again.
    """
    fence = fence_up(context.state)
    if fence is None:
        return ""
    spec, _ = await context.target("production")
    for complaint in await lift_fence(spec, fence):
        await context.say(f"Not needed any more: {complaint}")
    await context.fact(FENCE_UP, None)
    for statement in fence.lifts:
        await context.say(f"Lifted: {statement}")
    return "the fence is lifted"


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of ending others' sessions.

    Attributes:
        count: how many were ended.
        back: sessions of this very role, which no privilege keeps out, as they had come back when it was last seen.
        kept: sessions that this role may not end.
    """

    count: int
    back: tuple[Session, ...]
    kept: tuple[Session, ...]

    def __str__(self) -> str:
        words = [f"{counted(self.count, 'session')} ended"]
        if self.back:
            words.append(f"{counted(len(self.back), 'session')} of the owner's came back")
        if self.kept:
            words.append(f"{counted(len(self.kept), 'session')} could not be ended")
        return ", ".join(words)


async def end_sessions(
    context: StepContext, spec: ConnectionSpec, *, looks: int = LOOKS, settling: bool = False
) -> Ended:
    """End the sessions of others on production, except those of the database's host, and look who comes back.

    Args:
        looks: how often it is looked.
        settling: look as often even if nobody is there at first: an application that is being stopped may be opening one.

    Raises:
        ConnectionFailed, QueryFailed: the database does not answer.
    """
    ended, refused = 0, set[int]()
    back: tuple[Session, ...] = ()
    host_roles = context.settings.service.host_roles
    async with reading(spec, context.settings.limits) as connection:
        for look in range(looks):
            if look:
                await asyncio.sleep(LOOK_EVERY)
            _, others, _ = tell_apart(await read_sessions(connection), host_roles)
            if not others and not ended and not settling:
                break
            if look:
                back = tuple(s for s in others if s.role == spec.user and s.pid not in refused) or back
            for session in others:
                if session.pid in refused:
                    continue
                if await end_session(connection, session.pid):
                    ended += 1
                    await context.say(f"Ended: {session}")
                else:
                    refused.add(session.pid)
                    await context.say(
                        f"This role may not end: {session}. Who may ({session.role}, pg_signal_backend, a superuser): "
                        f"SELECT pg_terminate_backend({session.pid})"
                    )
        _, others, _ = tell_apart(await read_sessions(connection), host_roles)
    return Ended(ended, back, tuple(session for session in others if session.pid in refused))


async def keep_out(context: StepContext) -> None:
    """While the fence is up: end whoever has come back since, as the same role."""
    if fence_up(context.state) is not None:
        spec, _ = await context.target("production")
        await end_sessions(context, spec, looks=1)


async def lift_or_say(context: StepContext, *, stands: bool) -> str:
    """For the engine's start: what becomes of a fence that an earlier engine has left.

    Args:
        stands: whether it is meant to be up still; otherwise it is lifted.

    Returns: a sentence, empty when there is no fence.
    """
    fence = fence_up(context.state)
    if fence is None:
        return ""
    by_hand = "; ".join(fence.lifts)
    if stands:
        return f"The fence around {fence.database} is up, as it was left. By hand it is lifted by: {by_hand}"
    try:
        await lift(context)
    except PgrecastError as error:
        return f"The fence around {fence.database} could NOT be lifted: {error.what} By hand it is lifted by: {by_hand}"
    return f"The fence around {fence.database} was lifted."
