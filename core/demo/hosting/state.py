"""What the host knows: services with their variables, deploys and logs, groups of variables, and API keys."""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from core.redaction import redactor

OWNER = "tea-demo0000000000000000"
WEB, WORKER, CRON, SITE = "srv-demobackend", "srv-demoworker", "crn-demonightly", "srv-demofrontend"
DATABASE = "dpg-demo0000000000000000-a"
GROUP = "evg-demoshared"

LOG_LINES = 20_000
"""Lines that the host keeps."""

ENDED = frozenset({"live", "deactivated", "build_failed", "pre_deploy_failed", "update_failed", "canceled"})

_MICROSECOND = timedelta(microseconds=1)


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    message: str

    def told(self, created_at: datetime) -> dict[str, Any]:
        return {"id": self.id, "message": self.message, "createdAt": rfc3339(created_at)}


@dataclass(slots=True)
class HostedDeploy:
    id: str
    commit: Commit
    trigger: str
    status: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "commit": self.commit.told(self.created_at),
            "status": self.status,
            "trigger": self.trigger,
            "createdAt": rfc3339(self.created_at),
            "updatedAt": rfc3339(self.finished_at or self.started_at or self.created_at),
            "startedAt": rfc3339(self.started_at) if self.started_at else None,
            "finishedAt": rfc3339(self.finished_at) if self.finished_at else None,
        }


@dataclass(slots=True)
class HostedService:
    """A service.

    Attributes:
        variables, files: its own.
        groups: ids of the groups that it shares.
        running: the environment with which the live deploy was started.
    """

    id: str
    name: str
    type: str
    url: str = ""
    variables: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, str] = field(default_factory=dict[str, str])
    groups: tuple[str, ...] = ()
    suspended: bool = False
    maintenance: bool = False
    auto_deploy: bool = True
    deploys: list[HostedDeploy] = field(default_factory=list[HostedDeploy])
    running: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def live(self) -> HostedDeploy | None:
        return next((deploy for deploy in self.deploys if deploy.status == "live"), None)

    @property
    def busy(self) -> bool:
        return any(deploy.status not in ENDED for deploy in self.deploys)

    def told(self) -> dict[str, Any]:
        details: dict[str, Any] = {"env": "python", "plan": "standard", "region": "frankfurt", "numInstances": 1}
        if self.url:
            details["url"] = self.url
        if self.type == "web_service":
            details |= {
                "healthCheckPath": "",
                "preDeployCommand": "alembic upgrade head",
                "maintenanceMode": {"enabled": self.maintenance, "uri": ""},
            }
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "ownerId": OWNER,
            "autoDeploy": "yes" if self.auto_deploy else "no",
            "branch": "main",
            "repo": "https://git.example.com/ma-saas/platform",
            "suspended": "suspended" if self.suspended else "not_suspended",
            "suspenders": ["user"] if self.suspended else [],
            "serviceDetails": details,
        }


@dataclass(slots=True)
class HostedGroup:
    id: str
    name: str
    variables: dict[str, str]
    files: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class HostedLog:
    id: str
    at: datetime
    service: str
    type: str
    level: str
    text: str

    def told(self) -> dict[str, Any]:
        labels = {"resource": self.service, "type": self.type, "level": self.level, "instance": f"{self.service}-1"}
        return {
            "id": self.id,
            "message": self.text,
            "timestamp": rfc3339(self.at),
            "labels": [{"name": name, "value": value} for name, value in labels.items()],
        }


class Hosted:
    """Everything that the host knows, by id, in the order of its making."""

    def __init__(self) -> None:
        self.services: dict[str, HostedService] = {}
        self.groups: dict[str, HostedGroup] = {}
        self.logs: deque[HostedLog] = deque(maxlen=LOG_LINES)
        self.keys: set[str] = set()
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-demo{next(self._numbers):012}"

    def new_key(self) -> SecretStr:
        key = SecretStr(f"rnd_{secrets.token_urlsafe(24)}")
        redactor.add(key)
        self.keys.add(key.get_secret_value())
        return key

    def revoke(self, key: SecretStr) -> None:
        """What a person does in the dashboard."""
        self.keys.discard(key.get_secret_value())

    def environment_of(self, service: HostedService) -> dict[str, str]:
        """What a deploy of it would be started with: what its groups have, and its own before that."""
        shared = [self.groups[group].variables for group in service.groups]
        return {name: value for variables in (*shared, service.variables) for name, value in variables.items()}

    def log(self, service: str, text: str, *, type_: str = "app", level: str = "info") -> None:
        """Take a line down, at a time of its own."""
        now = datetime.now(UTC)
        if self.logs:
            now = max(now, self.logs[-1].at + _MICROSECOND)
        self.logs.append(HostedLog(self.new_id("log"), now, service, type_, level, redactor.redact(text)))
