"""A login that the host makes: a new user beside the old one, and both work until the old one is removed."""

from __future__ import annotations

import asyncio

import asyncpg

from core.errors import HostingError, QueryFailed, Refused
from core.hosting.interface import Host
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.sql import quote_identifier
from core.runbook.rotation.sessions import MOST_LISTED, end_old_sessions, now
from core.runbook.rotation.successor import Rotation, services_have_it, store_successor
from core.runbook.rotation.variables import can_change, change, put_into_effect
from core.runbook.words import counted
from core.secrets.keep import Kept
from core.secrets.login import Login, is_accepted
from core.secrets.sessions import out_of_reach

NEW_USER_WITHIN = 300.0
"""Seconds that a host has to make a user."""
ASK_EVERY = 2.0
"""Seconds between two looks."""
LOOKS = 30
"""At a user who was removed, until he is refused; the proof that follows has the last word."""


async def rotate_by_host(rotation: Rotation, host: Host) -> None:
    """Have the user made, give it to the services, and have the old one removed.

    Raises:
        PgrecastError: some part failed; it can be called again, and goes on from there.
    """
    context = rotation.context
    if rotation.new.password == rotation.old.password:  # not made yet, or not known yet
        await _make_user(rotation, host)
    await store_successor(rotation)
    new = rotation.new.on(rotation.spec)
    if not await is_accepted(new):
        raise HostingError(
            f"{host.name} has made {rotation.new.user}, and the server does not let it in.",
            state="The old login works as before.",
            advice="Wait a moment, and run the step again.",
        )
    rotation.spec = new
    await _require_ownership(rotation)
    if can_change(host):
        await change(host, rotation)
        await put_into_effect(host, rotation)
    elif rotation.progress.altered_at is None:
        await services_have_it(rotation)
    if rotation.progress.altered_at is None:
        await rotation.note(altered_at=await now(new))
    old = rotation.old.on(rotation.spec)
    if await is_accepted(old):  # who may end the old user's sessions for certain is the old user
        await end_old_sessions(rotation, old)
    if any(user.username == rotation.old.user for user in await host.credentials()):
        await host.remove_credential(rotation.old.user)
        await context.say(f"{host.name} has removed the user {rotation.old.user}.")
    for _ in range(LOOKS):
        if not await is_accepted(old):
            return
        await asyncio.sleep(ASK_EVERY)


async def _make_user(rotation: Rotation, host: Host) -> None:
    context, name = rotation.context, rotation.progress.successor
    if all(user.username != name for user in await host.credentials()):
        await host.make_credential(name)
        await context.say(f"{host.name} makes the user {name}.")
    until = asyncio.get_running_loop().time() + NEW_USER_WITHIN
    while True:
        reached = ConnectionSpec.from_url(
            (await host.connection()).outside, environment={}, allow_password=True, source=f"what {host.name} tells"
        )
        if reached.user == name and reached.password is not None:
            break
        if asyncio.get_running_loop().time() > until:
            raise HostingError(
                f"{host.name} has not made the user {name} within {NEW_USER_WITHIN:.0f} s.",
                state="The old login works as before.",
                advice="Run the step again; it goes on waiting for the same user.",
            )
        await asyncio.sleep(ASK_EVERY)
    rotation.new = Login(name, reached.password)
    Kept(context.run_directory).keep_login(rotation.progress.served, rotation.old, rotation.new)


async def _require_ownership(rotation: Rotation) -> None:
    """Make sure that the new user may do with every object what its owner may, in each database that it serves.

    Raises:
        Refused: there are objects that it could not alter.
    """
    for target in rotation.progress.served:
        spec, _ = await rotation.context.target(target)
        connection = await connect(rotation.new.on(spec))
        try:
            found = await out_of_reach(connection, rotation.new.user)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise QueryFailed(f"The ownership of {target}'s objects cannot be read: {error}.") from error
        finally:
            connection.terminate()
        for item in found[:MOST_LISTED]:
            await rotation.context.say(f"Out of reach of {rotation.new.user}: {item}")
        if found:
            raise Refused(
                f"{rotation.new.user} may not act as the owner of {counted(len(found), 'object')} of {target}: "
                "migrations would fail.",
                state="Both logins work; the services still use the old one.",
                advice=f"As an administrator: GRANT {quote_identifier(rotation.old.user)} TO "
                f"{quote_identifier(rotation.new.user)}; or have the host do it. Then run the step again.",
            )
