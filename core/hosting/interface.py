"""What a recovery needs of the service around the database, whoever hosts it.

Every call may raise `core.errors.HostingError`, and one that changes something `core.errors.HostingOutcomeUnknown`, when
it cannot be told whether it has. A call that the host cannot do at all is not among its `abilities`, and whoever would
need it makes the step a person's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr


class Ability(StrEnum):
    """Something that a host may be able to do for us."""

    SERVICES = "services"
    """Say which services there are and how they stand."""
    MAINTENANCE = "maintenance"
    """Answer 503 for a service that goes on running."""
    SUSPEND = "suspend"
    """Stop a service, and start it again."""
    AUTO_DEPLOY = "auto_deploy"
    """Hold deploys that a push would trigger."""
    VARIABLES = "variables"
    """Read environment variables, of services and of the groups that services share."""
    SET_VARIABLES = "set_variables"
    """Write environment variables, one at a time."""
    FILES = "files"
    """Read and write secret files, of services and of the groups that services share."""
    DEPLOY = "deploy"
    """Deploy, and say how it stands."""
    ROLLBACK = "rollback"
    """Go back to an earlier deploy."""
    LOGS = "logs"
    EXPORT = "export"
    """Export the database, to be downloaded."""
    CREDENTIALS = "credentials"
    """Make a new user of the database, and delete an old one."""
    RECOVERY = "recovery"
    """Tell since when the database can be recovered to a point in time."""
    KEY_CHECK = "key_check"
    """Tell whether an API key is alive."""


class ServiceKind(StrEnum):
    WEB = "web"
    PRIVATE = "private"
    WORKER = "worker"
    CRON = "cron"
    STATIC = "static"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it stands.

    Attributes:
        suspended: whether it is stopped; None where the host does not tell.
        maintenance: whether the host answers 503 for it; None where the host does not tell.
        auto_deploy: whether a push deploys it; None where the host does not tell.
    """

    id: str
    name: str
    kind: ServiceKind
    suspended: bool | None = None
    maintenance: bool | None = None
    auto_deploy: bool | None = None
    url: str = ""


class DeployState(StrEnum):
    WAITING = "waiting"
    BUILDING = "building"
    MIGRATING = "migrating"
    """The step before the new version serves, in which migrations run."""
    UPDATING = "updating"
    LIVE = "live"
    FAILED = "failed"
    CANCELED = "canceled"
    REPLACED = "replaced"
    """It was live until a later one."""

    @property
    def over(self) -> bool:
        return self in (DeployState.LIVE, DeployState.FAILED, DeployState.CANCELED, DeployState.REPLACED)


@dataclass(frozen=True, slots=True)
class Deploy:
    """One deploy. `told` is the host's own word for its state; times are UTC."""

    id: str
    state: DeployState
    told: str
    commit: str | None = None
    message: str | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    at: datetime
    text: str
    level: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable of a service, or of a group that services share (`owner` is the id of either)."""

    owner: str
    name: str
    value: SecretStr


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that a service finds beside its code, of its own or of a group that services share (`owner` is the id of either)."""

    owner: str
    name: str
    content: SecretStr


@dataclass(frozen=True, slots=True)
class Credential:
    """A user of the database, as the host knows it."""

    username: str
    default: bool
    created_at: datetime | None = None
    sessions: int | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """How the database is reached, inside the host's network and from outside; both with the password."""

    inside: SecretStr
    outside: SecretStr


@dataclass(frozen=True, slots=True)
class Export:
    """An export of the database; `url` once it can be downloaded: for the host's own use, a secret since it needs no login."""

    id: str
    created_at: datetime
    url: SecretStr | None = None


class Host(Protocol):
    """A host. Services are named by the ids that the settings give; calls wait for the host's answer, not for its effect."""

    @property
    def name(self) -> str:
        """In words, for a person: "Render", "your commands", "no host"."""
        ...

    @property
    def abilities(self) -> frozenset[Ability]: ...

    async def services(self) -> tuple[Service, ...]: ...
    async def service(self, service: str) -> Service: ...
    async def set_maintenance(self, service: str, on: bool) -> None: ...
    async def suspend(self, service: str) -> None: ...
    async def resume(self, service: str) -> None: ...
    async def set_auto_deploy(self, service: str, on: bool) -> None: ...

    async def variables(self, owner: str) -> tuple[Variable, ...]: ...
    async def variable_groups(self) -> tuple[str, ...]:
        """Ids of the groups of variables that services share; each is an `owner`."""
        ...

    async def services_of_group(self, group: str) -> tuple[str, ...]:
        """Ids of the services that share a group's variables; each takes a change with its next deploy."""
        ...

    async def set_variable(self, owner: str, name: str, value: SecretStr) -> None:
        """Write one variable; a service takes it with its next deploy."""
        ...

    async def remove_variable(self, owner: str, name: str) -> None: ...
    async def files(self, owner: str) -> tuple[SecretFile, ...]: ...
    async def set_file(self, owner: str, name: str, content: SecretStr) -> None:
        """Write one secret file; a service takes it with its next deploy."""
        ...

    async def deploy(self, service: str, commit: str | None = None) -> Deploy:
        """Begin a deploy, of the latest commit or of that one."""
        ...

    async def deploys(self, service: str, limit: int = 20) -> tuple[Deploy, ...]:
        """The latest deploys, newest first."""
        ...

    async def find_deploy(self, service: str, deploy: str) -> Deploy: ...
    async def cancel_deploy(self, service: str, deploy: str) -> None: ...
    async def roll_back(self, service: str, deploy: str) -> Deploy:
        """Begin to go back to an earlier deploy; returns the new one that does it."""
        ...

    async def logs(self, services: Sequence[str], since: datetime, limit: int = 1000) -> tuple[LogLine, ...]:
        """Log lines from then on, oldest first."""
        ...

    async def credentials(self) -> tuple[Credential, ...]: ...
    async def make_credential(self, username: str) -> None:
        """Make a user, who becomes the default: `connection` tells the password, once it names that user."""
        ...

    async def remove_credential(self, username: str) -> None: ...
    async def connection(self) -> Connection: ...

    async def start_export(self) -> None: ...
    async def exports(self) -> tuple[Export, ...]:
        """The exports that there are, newest first."""
        ...

    async def download_export(self, export: Export, directory: Path) -> Path:
        """Fetch an export into a directory; returns the file, of mode 0600, which is there only when it is whole."""
        ...

    async def recoverable_since(self) -> datetime | None:
        """Since when the database can be recovered to any point in time, None where it cannot be."""
        ...

    async def key_alive(self, key: SecretStr) -> bool:
        """Whether the host takes this API key: True for its 200, False for its 401."""
        ...

    async def use_key(self, key: SecretStr) -> None:
        """Use this API key from now on; it stays in memory only."""
        ...

    async def close(self) -> None: ...
