"""How production is kept from serving: what the settings want, and what the host can do of it."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import ConfigurationError, HostingError
from core.events import Choice
from core.hosting.commands import CommandHost
from core.hosting.factory import abilities_of
from core.hosting.interface import Ability, Host, Service, ServiceKind
from core.hosting.none import NoHost
from core.runbook.model import StepContext
from core.runbook.questions import CANCEL, STOP
from core.settings import Settings

BY_HAND = "by hand"

NEEDED = {
    "host": {Ability.MAINTENANCE},
    "command": {Ability.MAINTENANCE},
    "variable": {Ability.SET_VARIABLES, Ability.DEPLOY},
    "suspend": {Ability.SUSPEND},
}
"""By the setting hosting.maintenance, what the host must be able to do."""


@dataclass(frozen=True)
class Surroundings:
    """Production's services and who is asked about them.

    Attributes:
        host: the host.
        switch: who switches maintenance on and off: the host, or the user's commands in its place.
        service: what serves the application; None where the settings name none.
        others: workers, crons and further services that use the database.
        unnamed: what else runs at the host and may use it, though the settings do not name it.
        by_host: whether maintenance is switched on by the console; otherwise by a person.
    """

    host: Host
    switch: Host
    service: Service | None
    others: tuple[Service, ...]
    unnamed: tuple[Service, ...]
    by_host: bool

    def can(self, ability: Ability) -> bool:
        return ability in self.host.abilities


async def surroundings(context: StepContext) -> Surroundings:
    """Ask the host how production's services stand; where it does not tell, everything at the host is a person's if that is
    answered.

    Raises:
        HostingError: it does not tell.
        ConfigurationError: it cannot be asked, for want of a key.
    """
    try:
        return await _asked(context)
    except (HostingError, ConfigurationError) as error:
        chosen = await context.ask(
            f"The host cannot be asked: {error.what} Go on by hand?",
            (
                Choice(
                    name=BY_HAND,
                    label="Go on by hand",
                    consequence="What is to be done at the host is said, and looked at afterwards where that is possible.",
                ),
                STOP,
            ),
            default=CANCEL,
            expires_in=context.settings.limits.confirmation,
            details=(error.advice,),
            way_back="Nothing is changed by answering.",
        )
        if chosen != BY_HAND:
            raise
        return _by_hand(context.settings)


def _by_hand(settings: Settings) -> Surroundings:
    wanted, host = settings.hosting, NoHost()
    service = Service(wanted.service, wanted.service, ServiceKind.WEB) if wanted.service else None
    others = tuple(Service(other, other, ServiceKind.UNKNOWN) for other in wanted.others)
    return Surroundings(host, host, service, others, unnamed=(), by_host=False)


async def _asked(context: StepContext) -> Surroundings:
    wanted = context.settings.hosting
    host = await context.host()
    switch: Host = host
    if wanted.maintenance == "command" and wanted.kind != "commands":
        switch = CommandHost(wanted.commands)
    service = await _service(host, wanted.service, ServiceKind.WEB) if wanted.service else None
    others = tuple([await _service(host, other, ServiceKind.UNKNOWN) for other in wanted.others])
    known = {wanted.service, *wanted.others}
    listed = await host.services() if Ability.SERVICES in host.abilities else ()
    unnamed = tuple(s for s in listed if s.id not in known and s.kind is not ServiceKind.STATIC and not s.suspended)
    by_host = service is not None and switch.abilities >= NEEDED[wanted.maintenance]
    return Surroundings(host, switch, service, others, unnamed, by_host)


async def _service(host: Host, service: str, kind: ServiceKind) -> Service:
    """How it stands; where the host does not tell, its name."""
    if Ability.SERVICES not in host.abilities:
        return Service(service, service, kind)
    return await host.service(service)


def can_deploy(settings: Settings) -> bool:
    """Whether the console can have the host deploy."""
    return bool(settings.hosting.service) and Ability.DEPLOY in abilities_of(settings.hosting)


def require_service(service: Service | None) -> Service:
    """The service.

    Raises:
        HostingError: the settings name none.
    """
    if service is None:
        raise HostingError(
            "The settings do not say which service serves the application.", advice="Set service under [hosting]."
        )
    return service
