"""The host's variables that hold a login: found, changed one at a time, and brought into effect by a deploy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from core.errors import HostingError
from core.hosting.interface import Ability, Host, Variable
from core.runbook.deploying import deploy_again
from core.runbook.rotation import Rotation
from core.runbook.words import counted
from core.secrets.urls import replace_login


@dataclass(frozen=True, slots=True)
class Owner:
    """A service, or a group of variables that services share.

    Attributes:
        services: who has its variables.
    """

    id: str
    name: str
    services: tuple[str, ...]

    def __str__(self) -> str:
        return self.name if self.name == self.id else f"{self.name} ({self.id})"


@dataclass(frozen=True, slots=True)
class Holder:
    """A variable that holds the old login.

    Attributes:
        left: whether the old password stands in it in a way that is not understood, or belongs to another login.
    """

    owner: Owner
    variable: Variable
    changed: str | None
    left: bool

    def __str__(self) -> str:
        note = "; the old password is in it in a way that is not understood: change it by hand" if self.left else ""
        return f"{self.owner}: {self.variable.name}{note}"


def can_change(host: Host) -> bool:
    """Whether this host's variables can be read and written from here."""
    return {Ability.SERVICES, Ability.VARIABLES} <= host.abilities


async def find_holders(host: Host, rotation: Rotation) -> tuple[Holder, ...]:
    """Every variable of every service and group that holds the old login.

    Raises:
        HostingError: the host does not tell.
    """
    only = rotation.context.settings.secrets.variables
    holders: list[Holder] = []
    for owner in await _owners(host):
        variables = await host.variables(owner.id)
        for variable in variables:
            if only and variable.name not in only:
                continue
            holder = _holder(owner, variable, rotation)
            if holder is not None:
                holders.append(holder)
    return tuple(holders)


async def _owners(host: Host) -> Sequence[Owner]:
    services = [Owner(s.id, s.name, (s.id,)) for s in await host.services()]
    groups = [Owner(g, g, await host.services_of_group(g)) for g in await host.variable_groups()]
    return [*services, *groups]


def _holder(owner: Owner, variable: Variable, rotation: Rotation) -> Holder | None:
    replaced = replace_login(
        variable.value.get_secret_value(), rotation.old, rotation.new, elsewhere=rotation.elsewhere
    )
    if replaced.count:
        return Holder(owner, variable, replaced.text, replaced.left)
    if variable.value.get_secret_value() == rotation.old.user != rotation.new.user and _names_user(variable.name):
        return Holder(owner, variable, rotation.new.user, left=False)
    return Holder(owner, variable, None, left=True) if replaced.left else None


def _names_user(name: str) -> bool:
    return name.upper() in ("PGUSER", "DB_USER", "DB_USERNAME", "DATABASE_USER", "DATABASE_USERNAME", "POSTGRES_USER")


async def change(host: Host, rotation: Rotation) -> None:
    """Write the new login into each variable that holds the old one, and read it back; services go on with what they have read.

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
            variables=_added(known.variables, (f"{holder.owner.id} {holder.variable.name}",)),
            to_deploy=_added(known.to_deploy, holder.owner.services),
        )
        await _set(host, holder)
        await say(f"Changed at {host.name}: {holder}")


async def _set(host: Host, holder: Holder) -> None:
    assert holder.changed is not None  # noqa: S101 - the caller has looked
    name, owner = holder.variable.name, holder.owner
    await host.set_variable(owner.id, name, SecretStr(holder.changed))
    kept = next((v.value.get_secret_value() for v in await host.variables(owner.id) if v.name == name), None)
    if kept != holder.changed:
        raise HostingError(
            f"{host.name} has not kept {name} of {owner} as it was written.",
            state="The database's password is as it was.",
            advice="Look at the variable in the host's dashboard, and run the step again.",
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
    """`3 variables of 2 owners`, for a question."""
    changing = [holder for holder in holders if holder.changed is not None]
    owners = {holder.owner.id for holder in changing}
    return f"{counted(len(changing), 'variable')} of {counted(len(owners), 'service or group', 'services and groups')}"
