"""Steps 1.5 and 1.6: a database's password, rotated so that at every moment some known login works.

See `core.runbook.rotation.successor` for the order, and why. Run again after an interruption, it goes on from what it finds: the
successor that is kept, the variables as they are, whichever login the server lets in.
"""

from __future__ import annotations

from core.errors import NOTHING_CHANGED, Refused
from core.events import Choice
from core.hosting.factory import abilities_of
from core.hosting.interface import Ability, Host
from core.runbook.model import StepContext
from core.runbook.questions import STOP
from core.runbook.rotation.by_host import rotate_by_host
from core.runbook.rotation.over_sql import rotate_over_sql
from core.runbook.rotation.sessions import MOST_LISTED, sessions_of
from core.runbook.rotation.successor import (
    Progress,
    Rotation,
    is_configured,
    present_login,
    progress_of,
    record,
    served_by,
)
from core.runbook.rotation.variables import can_change, counted_variables, find_holders
from core.runbook.words import counted
from core.secrets.generate import new_password, new_role_name
from core.secrets.keep import Kept
from core.secrets.login import Login, is_accepted
from core.secrets.role_password import prove, require_checked_passwords, require_may_set_password
from core.settings import Settings
from core.settings.targets import TargetName

ROTATE = "rotate"


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
        await rotate_by_host(rotation, host)
    else:
        await rotate_over_sql(rotation, host)
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
    if not by_host:  # that password is the host's to make
        Kept(context.run_directory).keep_login(served, old, new)
    await record(context, progress)
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
    sessions, _ = await sessions_of(rotation.spec, rotation.old.user, None)
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
