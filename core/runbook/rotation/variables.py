"""The host's variables and secret files that hold a login: found, changed one at a time, and brought into effect by a deploy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from core.errors import HostingError
from core.hosting.interface import Ability, Host, SecretFile, Variable
from core.runbook.conversion_day.deploying import deploy_again
from core.runbook.rotation.successor import Rotation
from core.runbook.words import counted
from core.secrets.env_files import Change, replace_in_lines
from core.secrets.urls import replace_login


@dataclass(frozen=True, slots=True)
class Owner:
    """A service, or a group of variables and files that services share.

    Attributes:
        services: who has what is in it.
    """

    id: str
    name: str
    services: tuple[str, ...]

    def __str__(self) -> str:
        return self.name if self.name == self.id else f"{self.name} ({self.id})"


@dataclass(frozen=True, slots=True)
class Holder:
    """A variable or a secret file that holds the old login.

    Attributes:
        changed: its value with the new one; None where it stays.
        left: whether the old password stands in it in a way that is not understood, or belongs to another login.
    """

    owner: Owner
    place: Variable | SecretFile
    changed: str | None = field(repr=False)
    left: bool

    def __str__(self) -> str:
        note = "; the old password is in it in a way that is not understood: change it by hand" if self.left else ""
        return f"{self.owner}: {'file ' if isinstance(self.place, SecretFile) else ''}{self.place.name}{note}"


def can_change(host: Host) -> bool:
    """Whether this host's variables can be read and written from here."""
    return {Ability.SERVICES, Ability.VARIABLES} <= host.abilities


async def find_holders(host: Host, rotation: Rotation) -> tuple[Holder, ...]:
    """Every variable and secret file of every service and group that holds the old login.

    Raises:
        HostingError: the host does not tell.
    """
    only = rotation.context.settings.secrets.variables
    holders: list[Holder] = []
    for owner in await owners(host):
        variables = [v for v in await host.variables(owner.id) if not only or v.name in only]
        files = await host.files(owner.id) if Ability.FILES in host.abilities else ()
        found = (_holder(owner, place, rotation) for place in (*variables, *files))
        holders += [holder for holder in found if holder is not None]
    return tuple(holders)


async def owners(host: Host) -> Sequence[Owner]:
    """The services, and the groups of variables that they share.

    Raises:
        HostingError: the host does not tell.
    """
    services = [Owner(s.id, s.name, (s.id,)) for s in await host.services()]
    groups = [Owner(g, g, await host.services_of_group(g)) for g in await host.variable_groups()]
    return [*services, *groups]


def _holder(owner: Owner, place: Variable | SecretFile, rotation: Rotation) -> Holder | None:
    value = _value(place)
    if isinstance(place, SecretFile):
        lines = replace_in_lines(value, [Change(rotation.old, rotation.new, rotation.elsewhere)])
        if not lines.count and not lines.left:
            return None
        return Holder(owner, place, lines.text if lines.count else None, left=bool(lines.left))
    replaced = replace_login(value, rotation.old, rotation.new, elsewhere=rotation.elsewhere)
    if replaced.count:
        return Holder(owner, place, replaced.text, replaced.left)
    if value == rotation.old.user != rotation.new.user and _names_user(place.name):
        return Holder(owner, place, rotation.new.user, left=False)
    return Holder(owner, place, None, left=True) if replaced.left else None


def _value(place: Variable | SecretFile) -> str:
    return (place.content if isinstance(place, SecretFile) else place.value).get_secret_value()


def _names_user(name: str) -> bool:
    return name.upper() in ("PGUSER", "DB_USER", "DB_USERNAME", "DATABASE_USER", "DATABASE_USERNAME", "POSTGRES_USER")


async def change(host: Host, rotation: Rotation) -> None:
    """Write the new login wherever the host holds the old one, and read it back; services go on with what they have read.

    Raises:
        HostingError: the host refused, or did not keep what was written.
    """
    say = rotation.context.say
    for holder in await find_holders(host, rotation):
        if holder.changed is None:
            await say(f"Left as it is: {holder}")
            continue
        known = rotation.progress
        # First: once it is written, only this tells that somebody must read it.
        await rotation.note(
            variables=_added(known.variables, (f"{holder.owner.id} {holder.place.name}",)),
            to_deploy=_added(known.to_deploy, holder.owner.services),
        )
        await _set(host, holder)
        await say(f"Changed at {host.name}: {holder}")


async def _set(host: Host, holder: Holder) -> None:
    assert holder.changed is not None  # noqa: S101 - the caller has looked
    name, owner, value = holder.place.name, holder.owner, SecretStr(holder.changed)
    if isinstance(holder.place, SecretFile):
        await host.set_file(owner.id, name, value)
        places = await host.files(owner.id)
    else:
        await host.set_variable(owner.id, name, value)
        places = await host.variables(owner.id)
    kept = next((_value(place) for place in places if place.name == name), None)
    if kept != holder.changed:
        raise HostingError(
            f"{host.name} has not kept {name} of {owner} as it was written.",
            state="The database's password is as it was.",
            advice="Look at it in the host's dashboard, and run the step again.",
        )


async def put_into_effect(host: Host, rotation: Rotation) -> None:
    """Deploy each service whose variables were changed, so that it reads them; one that is stopped reads them when it starts.

    Raises:
        HostingError: a deploy did not come live; the step can be run again.
    """
    for service in rotation.progress.to_deploy:
        found = await host.service(service)
        if found.suspended:
            await rotation.context.say(f"{found.name} is stopped; it reads the new login when it starts.")
        else:
            await rotation.context.say(f"{found.name} is deployed again, as it is, so that it reads the new login.")
            await deploy_again(rotation.context, host, service)
        await rotation.note(to_deploy=tuple(other for other in rotation.progress.to_deploy if other != service))


def _added(known: tuple[str, ...], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def counted_variables(holders: Sequence[Holder]) -> str:
    """`3 variables and files of 2 services and groups`, for a question."""
    changing = [holder for holder in holders if holder.changed is not None]
    their = {holder.owner.id for holder in changing}
    files = sum(isinstance(holder.place, SecretFile) for holder in changing)
    what = counted(len(changing) - files, "variable") + (f" and {counted(files, 'secret file')}" if files else "")
    return f"{what} of {counted(len(their), 'service or group', 'services and groups')}"
