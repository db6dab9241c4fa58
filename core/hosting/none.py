"""No host that can be called: nothing is possible, and each call says what a person does instead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from pydantic import SecretStr

from core.errors import HostingError
from core.hosting.interface import (
    Ability,
    Connection,
    Credential,
    Deploy,
    Export,
    LogLine,
    SecretFile,
    Service,
    Variable,
)


class NoHost:
    """Implements `core.hosting.interface.Host` for what a person does at the host's dashboard."""

    name = "no host"
    why_not = "no host is configured ([hosting] kind)"

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()

    async def services(self) -> tuple[Service, ...]:
        self._a_person("The services cannot be listed", "look at the dashboard which services use the database.")

    async def service(self, service: str) -> Service:
        self._a_person(f"How {service} stands cannot be asked", "look at the service in the dashboard.")

    async def set_maintenance(self, service: str, on: bool) -> None:
        self._a_person(
            f"Maintenance of {service} cannot be switched {'on' if on else 'off'}",
            f"{'stop the service, or set its maintenance mode' if on else 'start the service, or end its maintenance mode'}.",
        )

    async def suspend(self, service: str) -> None:
        self._a_person(f"{service} cannot be stopped", "stop (suspend) the service.")

    async def resume(self, service: str) -> None:
        self._a_person(f"{service} cannot be started", "start (resume) the service.")

    async def set_auto_deploy(self, service: str, on: bool) -> None:
        self._a_person(
            f"Automatic deploys of {service} cannot be switched {'on' if on else 'off'}",
            f"switch them {'on' if on else 'off'} in the service's settings.",
        )

    async def variables(self, owner: str) -> tuple[Variable, ...]:
        self._a_person(f"The variables of {owner} cannot be read", "look at them under Environment.")

    async def variable_groups(self) -> tuple[str, ...]:
        self._a_person("The groups of variables cannot be listed", "look at them under Environment.")

    async def services_of_group(self, group: str) -> tuple[str, ...]:
        self._a_person(f"The services that share {group} cannot be listed", "look at the group's linked services.")

    async def set_variable(self, owner: str, name: str, value: SecretStr) -> None:
        self._a_person(f"{name} of {owner} cannot be set", f"set {name} under Environment.")

    async def remove_variable(self, owner: str, name: str) -> None:
        self._a_person(f"{name} of {owner} cannot be removed", f"remove {name} under Environment.")

    async def files(self, owner: str) -> tuple[SecretFile, ...]:
        self._a_person(f"The secret files of {owner} cannot be read", "look at them under Environment.")

    async def set_file(self, owner: str, name: str, content: SecretStr) -> None:
        self._a_person(f"The secret file {name} of {owner} cannot be written", f"change {name} under Environment.")

    async def deploy(self, service: str, commit: str | None = None) -> Deploy:
        self._a_person(
            f"{service} cannot be deployed", f"deploy {f'commit {commit}' if commit else 'the latest commit'} by hand."
        )

    async def deploys(self, service: str, limit: int = 20) -> tuple[Deploy, ...]:
        self._a_person(f"The deploys of {service} cannot be listed", "look at the service's deploys.")

    async def find_deploy(self, service: str, deploy: str) -> Deploy:
        self._a_person(f"How the deploy {deploy} of {service} stands cannot be asked", "look at the service's deploys.")

    async def cancel_deploy(self, service: str, deploy: str) -> None:
        self._a_person(
            f"The deploy {deploy} of {service} cannot be cancelled", "cancel it among the service's deploys."
        )

    async def roll_back(self, service: str, deploy: str) -> Deploy:
        self._a_person(f"{service} cannot be rolled back", f"roll it back to {deploy} among the service's deploys.")

    async def logs(self, services: Sequence[str], since: datetime, limit: int = 1000) -> tuple[LogLine, ...]:
        self._a_person("The services' logs cannot be read", "read them there.")

    async def credentials(self) -> tuple[Credential, ...]:
        self._a_person("The database's credentials cannot be listed", "look at the database's credentials.")

    async def make_credential(self, username: str) -> None:
        self._a_person(f"No database user {username} can be made", "make one among the database's credentials.")

    async def remove_credential(self, username: str) -> None:
        self._a_person(f"The database user {username} cannot be deleted", "delete it among the database's credentials.")

    async def connection(self) -> Connection:
        self._a_person("The database's connection cannot be asked", "read it from the database's page.")

    async def start_export(self) -> None:
        self._a_person("The database cannot be exported", "export it, or take a dump.")

    async def exports(self) -> tuple[Export, ...]:
        self._a_person("The database's exports cannot be listed", "look at the database's recovery page.")

    async def download_export(self, export: Export, directory: Path) -> Path:
        self._a_person("The export cannot be downloaded", "download it and adopt the file as the backup.")

    async def recoverable_since(self) -> datetime | None:
        self._a_person("The database's recovery cannot be asked", "look at the database's recovery page.")

    async def key_alive(self, key: SecretStr) -> bool:
        self._a_person("An API key cannot be checked", "check it by a call of the host's API.")

    async def use_key(self, key: SecretStr) -> None:
        self._a_person("There is no API that a key would open", "keep the key where it is needed.")

    async def close(self) -> None:
        """Nothing is open."""

    def _a_person(self, what: str, instead: str) -> NoReturn:
        """Refuse."""
        raise HostingError(
            f"{what}: {self.why_not}.",
            advice=f"In the host's dashboard, {instead}",
        )
