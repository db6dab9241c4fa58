"""What the run changes at the host for the time of maintenance: recorded before it is done, and taken back from the record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from pydantic import SecretStr

from core.errors import Refused
from core.events import Json
from core.hosting.interface import Ability, Service
from core.runbook.conversion_day.deploying import deploy_again, live_deploy
from core.runbook.conversion_day.maintenance import Surroundings
from core.runbook.facts import MAINTENANCE_HELD
from core.runbook.model import StepContext
from core.runbook.state import RunState

ON = "true"
"""What the maintenance variable is set to."""
SWITCH = re.compile(r"[A-Za-z0-9]{0,8}")
"""A value of that variable which is journaled and put back (`false`, `0`, `disabled`); anything else may be a secret."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is changed at the host, by the ids of its services.

    Attributes:
        maintenance: put into the host's maintenance mode.
        variables: whose maintenance variable is set; what its value was, None for none.
        suspended: stopped.
        auto_deploy: whose automatic deploys are held.
    """

    maintenance: tuple[str, ...] = ()
    variables: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    suspended: tuple[str, ...] = ()
    auto_deploy: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.maintenance or self.variables or self.suspended or self.auto_deploy)

    @classmethod
    def of(cls, state: RunState) -> Self:
        """What the run has recorded."""
        value = cast("Mapping[str, Any]", state.facts.get(MAINTENANCE_HELD) or {})
        lists = {name: tuple(map(str, value.get(name, ()))) for name in ("maintenance", "suspended", "auto_deploy")}
        return cls(variables=dict(value.get("variables", {})), **lists)

    @property
    def fact(self) -> Json:
        if not self:
            return None
        return {
            "maintenance": list(self.maintenance),
            "variables": dict(self.variables),
            "suspended": list(self.suspended),
            "auto_deploy": list(self.auto_deploy),
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """What is on, in words."""
        told = (
            ("in the host's maintenance mode", self.maintenance),
            ("with the maintenance variable set", tuple(self.variables)),
            ("stopped", self.suspended),
            ("with automatic deploys held", self.auto_deploy),
        )
        return tuple(f"{', '.join(services)}: {words}" for words, services in told if services)


class AtHost:
    """Changes at the host, each recorded before it is asked for; to do or to undo one again is harmless.

    Every method raises HostingError when the host does not do it: what is recorded then says what may be changed.
    """

    def __init__(self, context: StepContext, around: Surroundings) -> None:
        self._context = context
        self._host = around.host
        self._switch = around.switch

    @property
    def held(self) -> Held:
        return Held.of(self._context.state)

    async def hold_auto_deploy(self, service: Service) -> None:
        """Keep pushes from deploying the service, where they do."""
        if service.auto_deploy is False and service.id not in self.held.auto_deploy:
            return
        await self._record(replace(self.held, auto_deploy=_with(self.held.auto_deploy, service.id)))
        await self._host.set_auto_deploy(service.id, on=False)
        await self._context.say(f"Automatic deploys of {service.name} are held.")

    async def enter_maintenance(self, service: Service) -> None:
        await self._record(replace(self.held, maintenance=_with(self.held.maintenance, service.id)))
        await self._switch.set_maintenance(service.id, on=True)
        await self._context.say(f"{service.name} is in maintenance mode.")

    async def set_variable(self, service: Service) -> None:
        """Set the maintenance variable, and deploy what is live again so that it counts.

        Raises:
            Refused: it has a value that is no switch.
        """
        name = self._variable
        await live_deploy(self._host, service.id)  # or it could not be deployed again, neither now nor on the way back
        if service.id not in self.held.variables:
            known = await self._host.variables(service.id) if Ability.VARIABLES in self._host.abilities else ()
            before = next((variable.value for variable in known if variable.name == name), None)
            value = before.get_secret_value() if before is not None else None
            if value is not None and SWITCH.fullmatch(value) is None:
                raise Refused(
                    f"{name} of {service.name} has a value that is no switch.",
                    advice="Set maintenance_variable under [hosting] to the variable that your application looks at.",
                )
            await self._record(replace(self.held, variables={**self.held.variables, service.id: value}))
        await self._host.set_variable(service.id, name, SecretStr(ON))
        await self._context.say(f"{name}={ON} is set for {service.name}; it counts from its next deploy on.")
        await deploy_again(self._context, self._host, service.id)

    async def suspend(self, service: Service) -> None:
        """Stop a service; one that somebody else had stopped before stays theirs."""
        if service.suspended and service.id not in self.held.suspended:
            await self._context.say(f"{service.name} was stopped already, and is left so afterwards.")
            return
        await self._record(replace(self.held, suspended=_with(self.held.suspended, service.id)))
        await self._host.suspend(service.id)
        await self._context.say(f"{service.name} is told to stop.")

    # --- and back ------------------------------------------------------------------------------------------------------

    async def resume(self, service: str) -> None:
        if service not in self.held.suspended:
            return
        await self._host.resume(service)
        await self._record(replace(self.held, suspended=_without(self.held.suspended, service)))
        await self._context.say(f"{service} is told to start.")

    async def release_auto_deploy(self) -> None:
        for service in self.held.auto_deploy:
            await self._host.set_auto_deploy(service, on=True)
            await self._record(replace(self.held, auto_deploy=_without(self.held.auto_deploy, service)))
            await self._context.say(f"Pushes deploy {service} again.")

    async def release(self) -> None:
        """Take everything back: the service first, which can be deployed only while it runs; then what works beside it."""
        main = self._context.settings.hosting.service
        await self.resume(main)
        for service, before in tuple(self.held.variables.items()):
            await self._unset_variable(service, before)
        for service in self.held.maintenance:
            await self._switch.set_maintenance(service, on=False)
            await self._record(replace(self.held, maintenance=_without(self.held.maintenance, service)))
            await self._context.say(f"{service} is out of maintenance mode.")
        for service in self.held.suspended:
            await self.resume(service)
        await self.release_auto_deploy()

    async def _unset_variable(self, service: str, before: str | None) -> None:
        if before is None:
            await self._host.remove_variable(service, self._variable)
        else:
            await self._host.set_variable(service, self._variable, SecretStr(before))
        await self._context.say(f"{self._variable} of {service} is as it was; it counts from its next deploy on.")
        await deploy_again(self._context, self._host, service)
        remaining = {name: value for name, value in self.held.variables.items() if name != service}
        await self._record(replace(self.held, variables=remaining))

    @property
    def _variable(self) -> str:
        return self._context.settings.hosting.maintenance_variable

    async def _record(self, held: Held) -> None:
        if held != self.held:
            await self._context.fact(MAINTENANCE_HELD, held.fact)


def _with(services: tuple[str, ...], service: str) -> tuple[str, ...]:
    return services if service in services else (*services, service)


def _without(services: tuple[str, ...], service: str) -> tuple[str, ...]:
    return tuple(other for other in services if other != service)
