"""Steps 1.5 and 1.6: a database's password, rotated so that at every moment some known login works.

See `core.runbook.rotation` for the order, and why. Run again after an interruption, it goes on from what it finds: the
successor that is kept, the variables as they are, whichever login the server lets in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from core.errors import NOTHING_CHANGED, ConnectionFailed, HostingError, QueryFailed, Refused
from core.events import Choice
from core.hosting.factory import abilities_of
from core.hosting.interface import Ability, Host
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.runbook.model import StepContext
from core.runbook.questions import STOP
from core.runbook.rotate_variables import can_change, change, counted_variables, find_holders, put_into_effect
from core.runbook.rotation import (
    Progress,
    Rotation,
    has_done,
    is_configured,
    keep,
    present_login,
    progress_of,
    record,
    served_by,
    where_kept,
)
from core.runbook.words import counted
from core.secrets.generate import new_password, new_role_name
from core.secrets.keep import Kept
from core.secrets.login import Login, is_accepted
from core.secrets.role_password import (
    prove,
    require_checked_passwords,
    require_may_set_password,
    set_role_password,
)
from core.secrets.sessions import OldSession, end_sessions, old_sessions, out_of_reach
from core.settings import Settings
from core.settings.targets import TargetName

ROTATE = "rotate"
END = "end"
LEAVE_OPEN = "leave open"

MOST_LISTED = 20
NEW_USER_WITHIN = 300.0
"""Seconds that a host has to make a user."""
ASK_EVERY = 2.0
"""Seconds between two looks at the host."""


def can_rotate(settings: Settings) -> bool:
    """Whether the settings let the console rotate a password."""
    match settings.secrets.how:
        case "sql":
            return True
        case "host":
            return Ability.CREDENTIALS in abilities_of(settings.hosting)
        case "manual":
            return False


async def rotate_production(context: StepContext) -> str:
    """Rotate the password of production's role, wherever it is used."""
    return await rotate(context, "production")


async def rotate(context: StepContext, target: TargetName) -> str:
    """Rotate the login of a target; returns the summary.

    Raises:
        Refused: the operator did not agree, or it cannot be proved from here.
        PgrecastError: some part failed; the step can be run again, and goes on from there.
    """
    by_host = context.settings.secrets.how == "host" and target == "production"
    host = await context.host()
    rotation = await _resumed(context, target, by_host=by_host)
    if rotation is None:
        rotation = await _begun(context, target, host, by_host=by_host)
    elif not rotation.progress.proved and (by_host or not await is_accepted(rotation.new.on(rotation.spec))):
        await _agree(rotation, host, by_host=by_host)  # what was agreed to before the interruption has expired
    if by_host:
        await _by_host(rotation, host)
    else:
        await _by_sql(rotation, host)
    await prove(rotation.spec, old=rotation.old, new=rotation.new)
    await rotation.note(proved=True)
    await context.say(f"The new login of {rotation.new.user} is let in; the old one is refused.")
    return _summary(rotation)


def _summary(rotation: Rotation) -> str:
    progress = rotation.progress
    served = f"; it serves {' and '.join(progress.served)}, which share it" if len(progress.served) > 1 else ""
    variables = f", {counted(len(progress.variables), 'variable')} changed" if progress.variables else ""
    ended = f", {counted(progress.ended, 'old session')} ended" if progress.ended else ""
    left = f", {counted(progress.left_open, 'old session')} left open" if progress.left_open else ""
    who = (
        rotation.new.user
        if rotation.new.user == rotation.old.user
        else f"{rotation.old.user}, now {rotation.new.user},"
    )
    return f"the password of {who} is rotated and proved{served}{variables}{ended}{left}"


# --- beginning and going on ---


async def _resumed(context: StepContext, target: TargetName, *, by_host: bool) -> Rotation | None:
    """The rotation that has begun; None when there is none, or the whole of it is through and a new one is wanted."""
    progress, kept = progress_of(context, target), Kept(context.run_directory).successor(target)
    if progress is None or (kept is None and (progress.proved or not by_host)):
        return None
    spec, identity = await context.target(target)
    if kept is None:  # the host was asked for a user, and has not told the password yet
        old = present_login(spec)
        kept = old, Login(progress.successor, old.password)
    _, elsewhere = await served_by(context, target)
    await context.say("Goes on with the rotation that has begun.")
    return Rotation(context, target, spec, identity, kept[0], kept[1], progress, elsewhere)


async def _begun(context: StepContext, target: TargetName, host: Host, *, by_host: bool) -> Rotation:
    """Ask, and write the successor down. Nothing is in force yet."""
    spec, identity = await context.target(target)
    old = present_login(spec)
    await require_checked_passwords(spec)
    if not by_host:
        await require_may_set_password(spec)
    served, elsewhere = await served_by(context, target)
    new = Login(new_role_name(old.user), old.password) if by_host else Login(old.user, new_password())
    progress = Progress(role=old.user, successor=new.user, served=served)
    rotation = Rotation(context, target, spec, identity, old, new, progress, elsewhere)
    await _agree(rotation, host, by_host=by_host)
    if by_host:  # its password is the host's to make
        await record(context, progress)
        return rotation
    Kept(context.run_directory).keep_login(served, old, new)
    await record(context, progress)
    await context.say(f"The new password is kept {await keep(context, target)}.")
    return rotation


async def _agree(rotation: Rotation, host: Host, *, by_host: bool) -> None:
    """The confirmation: whom it concerns, what is changed, and what the gap is.

    Raises:
        Refused: the operator did not agree.
    """
    context, database = rotation.context, rotation.identity.database
    details = [f"Role {rotation.old.user} on {rotation.spec.host}:{rotation.spec.port}."]
    if len(rotation.progress.served) > 1:
        details.append(
            f"{' and '.join(rotation.progress.served)} share cluster and role: this one rotation serves both."
        )
    gap = "Services whose variables cannot be changed from here lose the database until a person has changed them."
    if can_change(host):
        holders = await find_holders(host, rotation)
        details += [f"{counted_variables(holders)} at {host.name} hold the login; only user and password change:"]
        details += [f"  {holder}" for holder in holders[:MOST_LISTED]]
        gap = "From the new password until its deploy is live, a service can open no new session; open ones go on."
    if by_host:
        gap = "No gap: both logins work until the old user is removed at the end."
    sessions, _ = await _sessions(rotation.spec, rotation.old.user, None)
    details += [f"{counted(len(sessions), 'session')} of {rotation.old.user} now open:"] if sessions else []
    details += [f"  {session}" for session in sessions[:MOST_LISTED]]
    chosen = await context.ask(
        f"Rotate the password of {rotation.old.user}, with which {rotation.target} ({database}) is reached?",
        (
            Choice(
                name=ROTATE,
                label="Rotate it",
                phrase=database,
                consequence="The old password is refused from then on, whoever has it.",
            ),
            STOP,
        ),
        default=STOP.name,
        expires_in=context.settings.limits.confirmation,
        target=rotation.target,
        duration=gap,
        checked=("the server asks for passwords: a made-up one was refused",),
        cannot_undo=("The old password is leaked, and is not to be set again.",),
        way_back="The new login is written down before it comes into force; an interrupted step is run again.",
        details=details,
    )
    if chosen != ROTATE:
        waiting = rotation.progress.variables
        raise Refused(
            "The rotation was not agreed to.",
            state=f"{', '.join(waiting)} hold the new password already, which is not in force yet."
            if waiting and not by_host
            else NOTHING_CHANGED,
            advice="Run the step again when it is: it goes on from there.",
        )


# --- over SQL ---


async def _by_sql(rotation: Rotation, host: Host) -> None:
    context = rotation.context
    automatic = can_change(host)
    if automatic:
        await change(host, rotation)
    new = rotation.new.on(rotation.spec)
    if not await is_accepted(new):
        await _set_password(rotation)
    elif rotation.progress.altered_at is None:  # interrupted right after it came into force
        await rotation.note(altered_at=await _now(new))
    rotation.spec = new
    if automatic:
        await put_into_effect(host, rotation)
    elif not rotation.progress.proved:
        await has_done(
            context,
            "Have the services got the new password?",
            "They have it, and were restarted",
            f"The new password of {rotation.new.user} is kept {where_kept(context, rotation.target)}.",
            "Replace user and password in DATABASE_URL wherever it is set at the host; hosts, ports and names stay.",
            "Then restart or deploy each service that has it. Until then it can open no new session.",
            "Where no service uses this database, there is nothing to do.",
        )
    await _end_old_sessions(rotation, rotation.spec)


async def _set_password(rotation: Rotation) -> None:
    if not await is_accepted(rotation.old.on(rotation.spec)):
        raise Refused(
            f"Neither the old nor the new login of {rotation.old.user} is let in: somebody else has set another password.",
            advice="Find out who; set the password that is kept by hand, as the database's administrator, and run the step again.",
        )
    altered = await set_role_password(rotation.old.on(rotation.spec), rotation.new.password)
    await rotation.note(role=altered.role, altered_at=altered.at)
    await rotation.context.say(f"The password of {altered.role} is set, by a verifier computed here.")


# --- by the host ---


async def _by_host(rotation: Rotation, host: Host) -> None:
    """A new user beside the old one: both work until the old one is removed."""
    context = rotation.context
    if rotation.new.password == rotation.old.password:  # not made yet, or not known yet
        await _make_user(rotation, host)
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
    if rotation.progress.altered_at is None:
        await rotation.note(altered_at=await _now(new))
    old = rotation.old.on(rotation.spec)
    if await is_accepted(old):  # who may end the old user's sessions for certain is the old user
        await _end_old_sessions(rotation, old)
    if any(user.username == rotation.old.user for user in await host.credentials()):
        await host.remove_credential(rotation.old.user)
        await context.say(f"{host.name} has removed the user {rotation.old.user}.")


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
    await context.say(f"The new login is kept {await keep(context, rotation.target)}.")


async def _require_ownership(rotation: Rotation) -> None:
    """Make sure that the new user may do with every object what its owner may, in each database that it serves.

    Raises:
        Refused: there are objects that it could not alter.
    """
    for target in rotation.progress.served:
        spec, _ = await rotation.context.target(target)
        async with asyncio.timeout(60):
            connection = await connect(rotation.new.on(spec))
            try:
                found = await out_of_reach(connection, rotation.new.user)
            except asyncpg.PostgresError as error:
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
                advice=f'As {rotation.old.user}: GRANT "{rotation.old.user}" TO "{rotation.new.user}"; or have the host do it. '
                "Then run the step again.",
            )


# --- sessions of the old login ---


async def _now(spec: ConnectionSpec) -> datetime:
    """The time by the server's clock."""
    return (await _sessions(spec, "", None))[1]


async def _sessions(spec: ConnectionSpec, role: str, before: datetime | None) -> tuple[Sequence[OldSession], datetime]:
    """The role's sessions that began before then, or before now; and the time by the server's clock."""
    try:
        connection = await connect(spec)
        try:
            now: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return await old_sessions(connection, role, before or now), now
        finally:
            connection.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise QueryFailed(f"The sessions cannot be read: {error}.", advice="Run the step again.") from error


async def _end_old_sessions(rotation: Rotation, spec: ConnectionSpec) -> None:
    """List the sessions that were opened with the old login, and end them when that is agreed to."""
    context, at = rotation.context, rotation.progress.altered_at
    if at is None or rotation.progress.ended is not None:
        return
    found, _ = await _sessions(spec, rotation.old.user, at)
    for session in found[:MOST_LISTED]:
        await context.say(f"Opened with the old login: {session}")
    if not found:
        await rotation.note(ended=0)
        return
    chosen = await context.ask(
        f"End {counted(len(found), 'session')} opened with the old login?",
        (
            Choice(
                name=END, label="End them", consequence="What they are doing is rolled back; whoever can, comes back."
            ),
            Choice(name=LEAVE_OPEN, label="Leave them open", consequence="They live on until they end by themselves."),
        ),
        default=LEAVE_OPEN,
        expires_in=context.settings.limits.confirmation,
        details=[str(session) for session in found[:MOST_LISTED]],
    )
    if chosen != END:
        await context.say("They are left open: a leaked session lives until it ends by itself.")
        await rotation.note(ended=0, left_open=len(found))
        return
    try:
        connection = await connect(spec)
        try:
            ended = await end_sessions(connection, found)
        finally:
            connection.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise ConnectionFailed(f"The sessions could not be ended: {error}.", advice="Run the step again.") from error
    await rotation.note(ended=len(ended))
    await context.say(f"{counted(len(ended), 'session')} ended.")


async def rotate_test(context: StepContext) -> str:
    """Rotate the password of the test database's role, unless production's rotation has served it."""
    if not is_configured(context, "test"):
        return "no test database is configured"
    spec, _ = await context.target("test")
    done = progress_of(context, "test")
    if done is not None and "production" in done.served and done.proved:
        kept = Kept(context.run_directory).successor("test")
        if kept is not None:
            await prove(spec, old=kept[0], new=kept[1])
        elif not await is_accepted(spec):
            raise Refused("The test database refuses the login.", advice="Look at [targets.test].")
        return f"served by production's rotation, whose role {done.successor} it shares; proved here too"
    return await rotate(context, "test")
