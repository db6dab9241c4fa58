"""Render as a host."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from core.errors import HostingError, HostingOutcomeUnknown
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
from core.hosting.render.answers import (
    ToldConnection,
    ToldCredential,
    ToldDeploy,
    ToldExport,
    ToldFile,
    ToldGroup,
    ToldLogs,
    ToldRecovery,
    ToldService,
    ToldVariable,
    read,
    read_many,
)
from core.hosting.render.download import download
from core.hosting.render.failures import UNCHANGED, Refusal
from core.hosting.render.pages import read_pages
from core.hosting.render.transport import Answer, Timeouts, Transport
from core.redaction import redactor
from core.settings.hosting import HostingSettings

OF_DATABASE = frozenset({Ability.EXPORT, Ability.CREDENTIALS, Ability.RECOVERY})
"""What needs the database's id."""
GROUP = "evg-"
"""How ids of groups of variables begin."""
UNAUTHORIZED = 401
LOG_PAGE = 100
FIND_ATTEMPTS = 15
FIND_INTERVAL = 2.0
"""Seconds between two looks for a deploy whose id was not told."""


def abilities_of_render(settings: HostingSettings) -> frozenset[Ability]:
    """What Render can do with the ids that the settings have."""
    return frozenset(Ability) - (frozenset() if settings.database else OF_DATABASE)


class Render:
    """Implements `core.hosting.interface.Host`. Belongs to one event loop.

    Args:
        settings: of the host.
        key: of the API; None until `use_key` gives one.
        timeouts: of each attempt of a call.
        pause: waits that many seconds between attempts.
    """

    name = "Render"

    def __init__(
        self,
        settings: HostingSettings,
        key: SecretStr | None,
        *,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        redactor.add(key)
        self._settings = settings
        self._pause = pause
        self._transport = Transport(settings.api_url, key, timeouts=timeouts, pause=pause)
        self._owner = settings.owner

    @property
    def abilities(self) -> frozenset[Ability]:
        return abilities_of_render(self._settings)

    async def close(self) -> None:
        await self._transport.close()

    # --- the key ---

    async def key_alive(self, key: SecretStr) -> bool:
        redactor.add(key)
        try:
            await self._transport.call("GET", "/users", repeatable=True, key=key)
        except Refusal as refused:
            if refused.status == UNAUTHORIZED:
                return False
            raise
        return True

    async def use_key(self, key: SecretStr) -> None:
        redactor.add(key)
        self._transport.key = key

    # --- services ---

    async def services(self) -> tuple[Service, ...]:
        query = [("ownerId", self._settings.owner)] if self._settings.owner else []
        told = await read_pages(self._transport, "/services", "service", ToldService, query=query)
        return tuple(service.service() for service in told)

    async def service(self, service: str) -> Service:
        return (await self._told_service(service)).service()

    async def set_maintenance(self, service: str, on: bool) -> None:
        await self._patch(service, {"serviceDetails": {"maintenanceMode": {"enabled": on, "uri": ""}}})

    async def set_auto_deploy(self, service: str, on: bool) -> None:
        await self._patch(service, {"autoDeploy": "yes" if on else "no"})

    async def suspend(self, service: str) -> None:
        await self._stand(service, "suspend", suspended=True)

    async def resume(self, service: str) -> None:
        await self._stand(service, "resume", suspended=False)

    # --- variables ---

    async def variables(self, owner: str) -> tuple[Variable, ...]:
        if owner.startswith(GROUP):
            told = (await self._told_group(owner)).env_vars
        else:
            told = await read_pages(self._transport, f"{_owner_path(owner)}/env-vars", "envVar", ToldVariable)
        return tuple(Variable(owner, variable.key, variable.value) for variable in told)

    async def variable_groups(self) -> tuple[str, ...]:
        query = [("ownerId", self._settings.owner)] if self._settings.owner else []
        told = await read_pages(self._transport, "/env-groups", "envGroup", ToldGroup, query=query)
        return tuple(group.id for group in told)

    async def services_of_group(self, group: str) -> tuple[str, ...]:
        return tuple(link.id for link in (await self._told_group(group)).service_links)

    async def set_variable(self, owner: str, name: str, value: SecretStr) -> None:
        path = f"{_owner_path(owner)}/env-vars/{_part(name)}"
        await self._transport.call("PUT", path, body={"value": value.get_secret_value()}, repeatable=True)

    async def remove_variable(self, owner: str, name: str) -> None:
        await self._delete(f"{_owner_path(owner)}/env-vars/{_part(name)}")

    async def files(self, owner: str) -> tuple[SecretFile, ...]:
        if owner.startswith(GROUP):
            told = (await self._told_group(owner)).secret_files
        else:
            told = await read_pages(self._transport, f"{_owner_path(owner)}/secret-files", "secretFile", ToldFile)
        return tuple(SecretFile(owner, file.name, file.content) for file in told)

    async def set_file(self, owner: str, name: str, content: SecretStr) -> None:
        path = f"{_owner_path(owner)}/secret-files/{_part(name)}"
        await self._transport.call("PUT", path, body={"content": content.get_secret_value()}, repeatable=True)

    # --- deploys ---

    async def deploy(self, service: str, commit: str | None = None) -> Deploy:
        wanted = {"clearCache": "do_not_clear"} | ({"commitId": commit} if commit else {})
        return await self._begin(service, "deploys", wanted, trigger="api", commit=commit)

    async def roll_back(self, service: str, deploy: str) -> Deploy:
        return await self._begin(service, "rollback", {"deployId": deploy}, trigger="rollback")

    async def deploys(self, service: str, limit: int = 20) -> tuple[Deploy, ...]:
        return tuple(deploy.deploy() for deploy in await self._told_deploys(service, limit))

    async def find_deploy(self, service: str, deploy: str) -> Deploy:
        answer = await self._get(f"/services/{_part(service)}/deploys/{_part(deploy)}")
        return read(answer, ToldDeploy).deploy()

    async def cancel_deploy(self, service: str, deploy: str) -> None:
        try:
            await self._post(f"/services/{_part(service)}/deploys/{_part(deploy)}/cancel")
        except HostingOutcomeUnknown:
            if not (await self.find_deploy(service, deploy)).state.over:
                raise

    async def logs(self, services: Sequence[str], since: datetime, limit: int = 1000) -> tuple[LogLine, ...]:
        if not services:
            return ()
        owner = await self._owner_of(services[0])
        query = [("ownerId", owner), *(("resource", service) for service in services)]
        query += [("direction", "forward"), ("limit", str(LOG_PAGE))]
        start, end = _rfc3339(since), ""
        found: dict[str, LogLine] = {}
        while len(found) < limit:
            times = [("startTime", start)] + ([("endTime", end)] if end else [])
            told = read(await self._get("/logs", [*query, *times]), ToldLogs)
            new = {line.id: line.line() for line in told.logs if line.id not in found}
            found |= new
            if not told.has_more or not new:
                break
            start, end = told.next_start_time or start, told.next_end_time or ""
        return tuple(sorted(found.values(), key=lambda line: line.at)[:limit])

    # --- the database ---

    async def credentials(self) -> tuple[Credential, ...]:
        told = read_many(await self._get(f"{self._database()}/credentials"), ToldCredential)
        return tuple(credential.credential() for credential in told)

    async def make_credential(self, username: str) -> None:
        try:
            await self._post(f"{self._database()}/credentials", {"username": username})
        except HostingOutcomeUnknown:
            if username not in {credential.username for credential in await self.credentials()}:
                raise

    async def remove_credential(self, username: str) -> None:
        await self._delete(f"{self._database()}/credentials/{_part(username)}")

    async def connection(self) -> Connection:
        told = read(await self._get(f"{self._database()}/connection-info"), ToldConnection)
        for secret in (told.password, told.internal_connection_string, told.external_connection_string):
            redactor.add(secret)
        return Connection(inside=told.internal_connection_string, outside=told.external_connection_string)

    async def start_export(self) -> None:
        known = {export.id for export in await self.exports()}
        try:
            await self._post(f"{self._database()}/export")
        except HostingOutcomeUnknown:
            if not {export.id for export in await self.exports()} - known:
                raise

    async def exports(self) -> tuple[Export, ...]:
        told = read_many(await self._get(f"{self._database()}/export"), ToldExport)
        found = [export.export() for export in told]
        for export in found:
            redactor.add(export.url)
        return tuple(sorted(found, key=lambda export: export.created_at, reverse=True))

    async def download_export(self, export: Export, directory: Path) -> Path:
        if export.url is None:
            raise HostingError(
                f"The export {export.id} is not ready yet.", state=UNCHANGED, advice="Ask again in a minute."
            )
        path = directory / f"{re.sub(r'[^A-Za-z0-9_-]', '_', export.id)}.dir.tar.gz"
        await download(export.url, path)
        return path

    async def recoverable_since(self) -> datetime | None:
        told = read(await self._get(f"{self._database()}/recovery"), ToldRecovery)
        return told.starts_at.astimezone(UTC) if told.recovery_status == "AVAILABLE" and told.starts_at else None

    # --- calls ---

    async def _get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        return await self._transport.call("GET", path, query=query, repeatable=True)

    async def _post(self, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        return await self._transport.call("POST", path, body=body, repeatable=False)

    async def _patch(self, service: str, wanted: Mapping[str, Any]) -> None:
        """Say how something of a service is to be: absolute, so that twice is as once."""
        await self._transport.call("PATCH", f"/services/{_part(service)}", body=wanted, repeatable=True)

    async def _delete(self, path: str) -> None:
        await self._transport.call("DELETE", path, repeatable=True)

    async def _stand(self, service: str, verb: str, *, suspended: bool) -> None:
        try:
            await self._post(f"/services/{_part(service)}/{verb}")
        except HostingOutcomeUnknown:
            if (await self.service(service)).suspended is not suspended:
                raise

    async def _told_service(self, service: str) -> ToldService:
        return read(await self._get(f"/services/{_part(service)}"), ToldService)

    async def _told_group(self, group: str) -> ToldGroup:
        return read(await self._get(_owner_path(group)), ToldGroup)

    async def _told_deploys(self, service: str, limit: int, created_after: datetime | None = None) -> list[ToldDeploy]:
        query = [("createdAfter", _rfc3339(created_after))] if created_after else []
        path = f"/services/{_part(service)}/deploys"
        return await read_pages(self._transport, path, "deploy", ToldDeploy, query=query, limit=limit)

    async def _owner_of(self, service: str) -> str:
        if not self._owner:
            self._owner = (await self._told_service(service)).owner_id
        return self._owner

    def _database(self) -> str:
        if not self._settings.database:
            raise HostingError(
                "The settings do not say which database it is at Render.",
                state=UNCHANGED,
                advice="Set database under [hosting]: its id begins with dpg-.",
            )
        return f"/postgres/{_part(self._settings.database)}"

    async def _begin(
        self, service: str, verb: str, wanted: Mapping[str, Any], *, trigger: str, commit: str | None = None
    ) -> Deploy:
        """Begin a deploy, and find out which it is.

        Render answers 202 with nothing where the deploy waits for another, and an answer may be lost: then it is looked for
        among those that came after the latest of before, by Render's own clock.
        """
        before = await self._told_deploys(service, 1)
        try:
            answer = await self._post(f"/services/{_part(service)}/{verb}", wanted)
        except HostingOutcomeUnknown as unknown:
            found = await self._find_begun(service, before, trigger, commit)
            if found is None:
                raise unknown from None
            return found
        if answer.body.strip():
            with suppress(HostingError):
                return read(answer, ToldDeploy).deploy()
        found = await self._find_begun(service, before, trigger, commit)
        if found is None:
            raise HostingOutcomeUnknown(
                f"Render has taken the deploy of {service} (request {answer.request or 'without id'}) and does not list it.",
                state="The deploy may begin later.",
                advice="Look at the service's deploys in the dashboard before you try again.",
            )
        return found

    async def _find_begun(
        self, service: str, before: Sequence[ToldDeploy], trigger: str, commit: str | None
    ) -> Deploy | None:
        after = before[0].created_at if before else None
        known = {deploy.id for deploy in before}
        for attempt in range(FIND_ATTEMPTS):
            if attempt:
                await self._pause(FIND_INTERVAL)
            for told in await self._told_deploys(service, 20, after):
                ours = told.trigger in (None, "", trigger) and (
                    not commit or not told.commit or told.commit.id == commit
                )
                if told.id not in known and ours:
                    return told.deploy()
        return None


def _part(text: str) -> str:
    """A part of a path, whatever it holds. `.` and `..` would lead elsewhere, quoted or not."""
    if text in ("", ".", ".."):
        raise HostingError(
            f"{text!r} is no id and no name.", state=UNCHANGED, advice="Correct the ids under [hosting]."
        )
    return quote(text, safe="")


def _owner_path(owner: str) -> str:
    return f"/{'env-groups' if owner.startswith(GROUP) else 'services'}/{_part(owner)}"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
