"""A host in memory: services, groups, variables, deploys, credentials and API keys, without a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from core.hosting.interface import (
    Ability,
    Connection,
    Credential,
    Deploy,
    DeployState,
    Export,
    LogLine,
    SecretFile,
    Service,
    ServiceKind,
    Variable,
)


async def _nothing(what: str) -> None:
    pass


@dataclass
class MemoryHost:
    """Implements `core.hosting.interface.Host`; what a rotation does not need is not there.

    Attributes:
        values: variables by owner and name.
        secret_files: contents by owner and name.
        groups: ids of groups, and the services that share each.
        running: what each deployed service has read, by service.
        on_call: told of each call that changes something, before and after it.
        make_user: makes a user at the database, and returns its password.
        drop_user: removes one.
    """

    values: dict[str, dict[str, str]]
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    secret_files: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    keys: set[str] = field(default_factory=set[str])
    used: str = ""
    suspended: set[str] = field(default_factory=set[str])
    failing: set[str] = field(default_factory=set[str])
    running: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    deployed: list[Deploy] = field(default_factory=list[Deploy])
    on_call: Callable[[str], Awaitable[None]] = _nothing
    users: list[str] = field(default_factory=list[str])
    url: str = ""
    make_user: Callable[[str], Awaitable[str]] | None = None
    drop_user: Callable[[str], Awaitable[None]] | None = None
    abilities: frozenset[Ability] = frozenset(Ability)
    name: str = "the host"

    async def services(self) -> tuple[Service, ...]:
        return tuple([await self.service(id_) for id_ in self.values if id_ not in self.groups])

    async def service(self, service: str) -> Service:
        return Service(service, service, ServiceKind.WEB, suspended=service in self.suspended)

    async def variables(self, owner: str) -> tuple[Variable, ...]:
        return tuple(Variable(owner, name, SecretStr(value)) for name, value in self.values[owner].items())

    async def variable_groups(self) -> tuple[str, ...]:
        return tuple(self.groups)

    async def services_of_group(self, group: str) -> tuple[str, ...]:
        return self.groups[group]

    async def set_variable(self, owner: str, name: str, value: SecretStr) -> None:
        await self.on_call(f"set {owner} {name}")
        self.values[owner][name] = value.get_secret_value()
        await self.on_call(f"has set {owner} {name}")

    async def files(self, owner: str) -> tuple[SecretFile, ...]:
        found = self.secret_files.get(owner, {})
        return tuple(SecretFile(owner, name, SecretStr(content)) for name, content in found.items())

    async def set_file(self, owner: str, name: str, content: SecretStr) -> None:
        await self.on_call(f"write {owner} {name}")
        self.secret_files[owner][name] = content.get_secret_value()
        await self.on_call(f"has written {owner} {name}")

    async def deploy(self, service: str, commit: str | None = None) -> Deploy:
        await self.on_call(f"deploy {service}")
        if service not in self.failing:
            shared = [values for group, values in self.values.items() if service in self.groups.get(group, ())]
            self.running[service] = {k: v for values in (*shared, self.values[service]) for k, v in values.items()}
        state = DeployState.FAILED if service in self.failing else DeployState.LIVE
        now = datetime.now(UTC)
        self.deployed.append(Deploy(f"{service}-{len(self.deployed)}", state, state.value, commit, None, now, now))
        await self.on_call(f"has deployed {service}")
        return self.deployed[-1]

    async def deploys(self, service: str, limit: int = 20) -> tuple[Deploy, ...]:
        live = Deploy(f"{service}-first", DeployState.LIVE, "live", "c0ffee")
        return (*reversed([d for d in self.deployed if d.id.startswith(f"{service}-")]), live)

    async def find_deploy(self, service: str, deploy: str) -> Deploy:
        return next(d for d in self.deployed if d.id == deploy)

    async def logs(self, services: Sequence[str], since: datetime, limit: int = 1000) -> tuple[LogLine, ...]:
        return ()

    async def credentials(self) -> tuple[Credential, ...]:
        return tuple(Credential(user, user == self.users[-1]) for user in self.users)

    async def make_credential(self, username: str) -> None:
        assert self.make_user is not None
        await self.on_call(f"make {username}")
        password = await self.make_user(username)
        self.users.append(username)
        scheme, _, rest = self.url.partition("://")
        self.url = f"{scheme}://{username}:{password}@{rest.rpartition('@')[2]}"
        await self.on_call(f"has made {username}")

    async def remove_credential(self, username: str) -> None:
        assert self.drop_user is not None
        await self.on_call(f"remove {username}")
        await self.drop_user(username)
        self.users.remove(username)
        await self.on_call(f"has removed {username}")

    async def connection(self) -> Connection:
        return Connection(SecretStr(self.url), SecretStr(self.url))

    async def key_alive(self, key: SecretStr) -> bool:
        return key.get_secret_value() in self.keys

    async def use_key(self, key: SecretStr) -> None:
        self.used = key.get_secret_value()

    async def close(self) -> None:
        pass

    async def set_maintenance(self, service: str, on: bool) -> None:
        raise NotImplementedError

    async def suspend(self, service: str) -> None:
        raise NotImplementedError

    async def resume(self, service: str) -> None:
        raise NotImplementedError

    async def set_auto_deploy(self, service: str, on: bool) -> None:
        raise NotImplementedError

    async def remove_variable(self, owner: str, name: str) -> None:
        raise NotImplementedError

    async def cancel_deploy(self, service: str, deploy: str) -> None:
        raise NotImplementedError

    async def roll_back(self, service: str, deploy: str) -> Deploy:
        raise NotImplementedError

    async def start_export(self) -> None:
        raise NotImplementedError

    async def exports(self) -> tuple[Export, ...]:
        raise NotImplementedError

    async def download_export(self, export: Export, directory: Path) -> Path:
        raise NotImplementedError

    async def recoverable_since(self) -> datetime | None:
        raise NotImplementedError
