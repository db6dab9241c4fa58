"""What the steps of the rotation share: whose login it is, what succeeds it, and how far that has come.

One role has one password, so there is no moment at which the old and the new one are both valid. The order keeps the time
short in which somebody holds the wrong one: the successor is written down where it cannot be lost, then into the host's
variables, which nobody reads before the next deploy; then the role gets it; then the services are deployed, so that they read
it. Sessions that are open survive all of that. Between the role and the deploy a service can open no new session: that is the
gap, and it is told. Each part looks at the world before it does anything, so that the step can be interrupted anywhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

from core.errors import ConfigurationError, ConnectionFailed, Refused
from core.events import Choice, Json
from core.postgres.connect import ConnectionSpec
from core.postgres.identity import Identity
from core.postgres.targets import connection_spec
from core.runbook.facts import ROTATION_LOGINS
from core.runbook.model import StepContext
from core.runbook.questions import STOP
from core.secrets.keep import Kept, store
from core.secrets.login import Login
from core.secrets.urls import Elsewhere
from core.settings.targets import TargetName

DONE = "done"
"""The choice of who has done what a person does."""


class Progress(BaseModel):
    """How far the rotation of a target's login has come, as a fact tells it.

    Attributes:
        role: whose password it is; with a host that makes users, the role that is succeeded.
        successor: the role afterwards; the same one where only the password changes.
        served: every target that this one rotation serves.
        stored: whether the successor was given to the user's own store, where there is one.
        variables: the host's variables that hold the new login, as `OWNER NAME`.
        to_deploy: services that do not know it yet.
        altered_at: by the server's clock, when the new password came into force; sessions from before are of the old one.
        ended: sessions that were ended; None while that was not decided.
        left_open: sessions opened with the old login that were left open.
        proved: whether the new login was let in and the old one refused.
    """

    model_config = ConfigDict(frozen=True)

    role: str
    successor: str
    served: tuple[str, ...]
    stored: bool = False
    variables: tuple[str, ...] = ()
    to_deploy: tuple[str, ...] = ()
    altered_at: datetime | None = None
    ended: int | None = None
    left_open: int = 0
    proved: bool = False


def progress_of(context: StepContext, target: TargetName) -> Progress | None:
    """How far the target's rotation has come; None when it has not begun."""
    known: dict[str, dict[str, Any]] = context.state.facts.get(ROTATION_LOGINS) or {}
    return Progress.model_validate(known[target]) if target in known else None


async def record(context: StepContext, progress: Progress) -> None:
    """Record how far it has come, for every target that it serves."""
    known: dict[str, Json] = dict(context.state.facts.get(ROTATION_LOGINS) or {})
    await context.fact(ROTATION_LOGINS, known | dict.fromkeys(progress.served, progress.model_dump(mode="json")))


@dataclass
class Rotation:
    """A login's rotation under way.

    Attributes:
        spec: how the target is reached now, by whichever login holds.
        elsewhere: where the old login is another server's, which has one of the same name.
    """

    context: StepContext
    target: TargetName
    spec: ConnectionSpec
    identity: Identity
    old: Login
    new: Login
    progress: Progress
    elsewhere: Elsewhere

    async def note(self, **changes: Any) -> None:
        """Record how far it has come."""
        self.progress = self.progress.model_copy(update=changes)
        await record(self.context, self.progress)


def is_configured(context: StepContext, target: TargetName) -> bool:
    """Whether there is such a target, in the settings or given beside them."""
    return context.settings.has_target(target) or target in context.state.targets


def present_login(spec: ConnectionSpec) -> Login:
    """The login that a target is reached with.

    Raises:
        Refused: there is no password in it.
    """
    if spec.password is None:
        raise Refused(
            f"No password is used to log in as {spec.user}, so there is none to rotate from here.",
            advice="Give the password that was leaked (PGPASSWORD, password_file), or rotate by hand and tick the step.",
        )
    return Login(spec.user, spec.password)


async def served_by(context: StepContext, target: TargetName) -> tuple[tuple[str, ...], Elsewhere]:
    """The targets that share this one's role and cluster, itself first; and where those are that do not.

    One that cannot be reached is judged by its address.

    Raises:
        PgrecastError: the target itself cannot be reached.
    """
    spec, identity = await context.target(target)
    shared, hosts, databases = [target], set[str](), set[str]()
    for name in get_args(TargetName):
        if name == target or not is_configured(context, name):
            continue
        try:
            other, other_identity = await context.target(name)
            is_shared = other.user == spec.user and other_identity.cluster == identity.cluster
        except ConnectionFailed as error:
            if not context.settings.has_target(name):
                raise
            other = await asyncio.to_thread(connection_spec, context.settings, name)
            is_shared = (other.user, other.host, other.port) == (spec.user, spec.host, spec.port)
            told = "shares this role, by its address" if is_shared else "is on another server, by its address"
            await context.say(f"The {name} database cannot be reached, and {told}: {error.what}")
        if is_shared:
            shared.append(name)
        else:
            hosts |= {other.host} - {spec.host}
            databases |= {other.database} - {spec.database}
    return tuple(shared), Elsewhere(frozenset(hosts), frozenset(databases))


async def keep(context: StepContext, name: str) -> str:
    """Give what the run keeps under this name to the user's own store; returns where it is, in words.

    Args:
        name: a target, or `api_key`.

    Raises:
        ConfigurationError: the store command failed; nothing has come into force yet.
    """
    kept, command = Kept(context.run_directory), context.settings.secrets.store_command
    if not command:
        return where_kept(context, name)
    found = kept.successor(name)
    key = kept.api_key()
    if name == "api_key" and key is not None:
        await store(command, "api_key", key[1])
    elif found is not None:
        await store(command, f"{name}.password", found[1].password)
    return f"in your own store, as its command was told, and until the end {where_kept(context, name)}"


def where_kept(context: StepContext, name: str) -> str:
    """Where the run keeps the secret of this name, in words."""
    return f"in {Kept(context.run_directory).path} (mode 0600; pgrecast reveal {name} shows it once)"


async def has_done(context: StepContext, title: str, label: str, *details: str) -> None:
    """Have a person do something, and wait for their word.

    Raises:
        Refused: it was not done.
    """
    chosen = await context.ask(
        title,
        (Choice(name=DONE, label=label), STOP),
        default=STOP.name,
        expires_in=context.settings.limits.commit,
        details=details,
    )
    if chosen != DONE:
        raise Refused("It was not done.", advice="Run the step again when it is; it goes on from there.")


async def store_successor(rotation: Rotation) -> None:
    """Give the successor, which the run keeps, to the user's own store as well; once.

    Raises:
        ConfigurationError: the store command failed; nothing has come into force yet.
    """
    if not rotation.progress.stored:
        where = await keep(rotation.context, rotation.target)
        await rotation.note(stored=True)
        await rotation.context.say(f"The new login is kept {where}.")


async def services_have_it(rotation: Rotation) -> None:
    """Where the host's variables cannot be changed from here: have a person change them, and wait for their word.

    Raises:
        Refused: it was not done.
    """
    await has_done(
        rotation.context,
        "Have the services got the new password?",
        "They have it, and were restarted",
        f"The new password of {rotation.new.user} is kept {where_kept(rotation.context, rotation.target)}.",
        "Replace user and password in DATABASE_URL wherever it is set at the host; hosts, ports and names stay.",
        "Then restart or deploy each service that has it. Until then it can open no new session.",
        "Where no service uses this database, there is nothing to do.",
    )


async def configured_password_holds(context: StepContext, target: str, new: Login) -> bool:
    """Whether the settings themselves give the new login by now."""
    known = next((name for name in get_args(TargetName) if name == target), None)
    if known is None or not context.settings.has_target(known):
        return False
    try:
        spec = await asyncio.to_thread(connection_spec, context.settings, known)
    except ConfigurationError:
        return False
    return (spec.user, spec.password) == (new.user, new.password)
