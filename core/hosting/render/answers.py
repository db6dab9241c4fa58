"""Render's answers as data: what is missing or of another kind in one is an error and no guess."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, SecretStr, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from core.errors import HostingError
from core.hosting.interface import Credential, Deploy, DeployState, Export, LogLine, Service, ServiceKind
from core.hosting.render.failures import UNCHANGED
from core.hosting.render.transport import Answer

_KINDS = {
    "web_service": ServiceKind.WEB,
    "private_service": ServiceKind.PRIVATE,
    "background_worker": ServiceKind.WORKER,
    "cron_job": ServiceKind.CRON,
    "static_site": ServiceKind.STATIC,
}
_STATES = {
    "created": DeployState.WAITING,
    "queued": DeployState.WAITING,
    "build_in_progress": DeployState.BUILDING,
    "pre_deploy_in_progress": DeployState.MIGRATING,
    "update_in_progress": DeployState.UPDATING,
    "live": DeployState.LIVE,
    "deactivated": DeployState.REPLACED,
    "build_failed": DeployState.FAILED,
    "pre_deploy_failed": DeployState.FAILED,
    "update_failed": DeployState.FAILED,
    "canceled": DeployState.CANCELED,
}

T = TypeVar("T")


def _none_as_empty(told: object) -> object:
    return () if told is None else told


Many = Annotated[tuple[T, ...], BeforeValidator(_none_as_empty)]
"""Some; an empty list may be told as null."""


class _Told(BaseModel):
    """Whatever else an answer holds is ignored."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True)


class _Maintenance(_Told):
    enabled: bool


class _ServiceDetails(_Told):
    url: str | None = None
    maintenance_mode: _Maintenance | None = None


class ToldService(_Told):
    id: str
    name: str
    type: str
    owner_id: str = ""
    suspended: str
    auto_deploy: str | None = None
    service_details: _ServiceDetails | None = None

    def service(self) -> Service:
        details = self.service_details or _ServiceDetails()
        mode = details.maintenance_mode
        return Service(
            id=self.id,
            name=self.name,
            kind=_KINDS.get(self.type, ServiceKind.UNKNOWN),
            suspended=self.suspended == "suspended",
            maintenance=mode.enabled if mode else None,
            auto_deploy=self.auto_deploy == "yes" if self.auto_deploy else None,
            url=details.url or "",
        )


class _Commit(_Told):
    id: str
    message: str | None = None


class ToldDeploy(_Told):
    id: str
    status: str
    commit: _Commit | None = None
    trigger: str | None = None
    created_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None

    def deploy(self) -> Deploy:
        return Deploy(
            id=self.id,
            state=_state(self.status),
            told=self.status,
            commit=self.commit.id if self.commit else None,
            message=self.commit.message if self.commit else None,
            created_at=self.created_at and self.created_at.astimezone(UTC),
            finished_at=self.finished_at and self.finished_at.astimezone(UTC),
        )


class ToldVariable(_Told):
    key: str
    value: SecretStr


class ToldFile(_Told):
    name: str
    content: SecretStr


class _Link(_Told):
    id: str


class ToldGroup(_Told):
    id: str
    env_vars: Many[ToldVariable] = ()
    secret_files: Many[ToldFile] = ()
    service_links: Many[_Link] = ()


class ToldCredential(_Told):
    username: str
    default: bool
    created_at: AwareDatetime | None = None
    open_connections: int | None = None

    def credential(self) -> Credential:
        return Credential(self.username, self.default, self.created_at, self.open_connections)


class ToldConnection(_Told):
    password: SecretStr
    internal_connection_string: SecretStr
    external_connection_string: SecretStr


class ToldExport(_Told):
    id: str
    created_at: AwareDatetime
    url: SecretStr | None = None

    def export(self) -> Export:
        url = self.url if self.url and self.url.get_secret_value() else None
        return Export(self.id, self.created_at.astimezone(UTC), url)


class ToldRecovery(_Told):
    recovery_status: str
    starts_at: AwareDatetime | None = None


class _Label(_Told):
    name: str
    value: str


class _LogLine(_Told):
    id: str
    message: str
    timestamp: AwareDatetime
    labels: Many[_Label] = ()

    def line(self) -> LogLine:
        labels = {label.name: label.value for label in self.labels}
        return LogLine(
            self.timestamp.astimezone(UTC), self.message, labels.get("level", ""), labels.get("resource", "")
        )


class ToldLogs(_Told):
    has_more: bool
    next_start_time: str | None = None
    next_end_time: str | None = None
    logs: Many[_LogLine]


def read(answer: Answer, kind: type[T]) -> T:
    """An answer as what it should be.

    Raises:
        HostingError: it is no JSON, cut off, or something else.
    """
    return told_as(answer, _document(answer), kind)


def read_many(answer: Answer, kind: type[T]) -> tuple[T, ...]:
    """An answer as a list of what each should be.

    Raises:
        HostingError: it is no JSON, cut off, or something else.
    """
    document = _document(answer)
    items = () if document is None else told_as(answer, document, list[Any])
    return tuple(told_as(answer, item, kind) for item in items)


def _document(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except ValueError:
        raise unreadable(answer, "no JSON, or only a part of it") from None


def told_as(answer: Answer, document: object, kind: type[T]) -> T:
    """A part of an answer as what it should be.

    Raises:
        HostingError: it is something else.
    """
    try:
        return TypeAdapter(kind).validate_python(document)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, wrong["loc"])) or "the whole of it"
        raise unreadable(answer, f"not what it should be: {where}: {wrong['msg']}") from None


def unreadable(answer: Answer, why: str) -> HostingError:
    return HostingError(
        f"Render's answer {answer.status} to {answer.call} is {why} (request {answer.request or 'without id'}).",
        state=UNCHANGED
        if answer.call.startswith("GET ")
        else "Render has taken the call; what it answered is lost. The call itself does not touch the database.",
        advice="Try again; if it stays so, compare [hosting] api_url with Render's documentation.",
    )


def _state(status: str) -> DeployState:
    """By its ending where Render knows a word more than this program; whoever follows the deploy sees that word."""
    if status in _STATES:
        return _STATES[status]
    if status.endswith("_failed"):
        return DeployState.FAILED
    return DeployState.UPDATING if status.endswith("_in_progress") else DeployState.WAITING
