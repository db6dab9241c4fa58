"""The API's calls over HTTP: forms of answers, pages, refusals and headers as Render's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote

from aiohttp import web

from core.demo.hosting.database import HostedDatabase
from core.demo.hosting.deploys import Deploys, find_commit
from core.demo.hosting.faults import Faults, Handler
from core.demo.hosting.standing import Standing
from core.demo.hosting.state import DATABASE, OWNER, Hosted, HostedDeploy, HostedGroup, HostedService, rfc3339

PREFIX = "/v1"
DEFAULT_PAGE, LARGEST_PAGE = 20, 100
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class _No(Exception):
    """A refusal."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Api:
    """The calls.

    Args:
        hosted: what the host knows.
        standing: starts, stops and keeps back what runs.
        deploys: carries deploys out.
        database: the database as the host sees it.
        faults: those that are switched on.
    """

    def __init__(
        self, hosted: Hosted, standing: Standing, deploys: Deploys, database: HostedDatabase, faults: Faults
    ) -> None:
        self._hosted = hosted
        self._standing = standing
        self._deploys = deploys
        self._database = database
        self._faults = faults
        self._requests = 0

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._around])
        service, postgres = f"{PREFIX}/services/{{service}}", f"{PREFIX}/postgres/{{database}}"
        group = f"{PREFIX}/env-groups/{{group}}"
        application.add_routes(
            [
                web.get(f"{PREFIX}/users", self._users),
                web.get(f"{PREFIX}/services", self._list_services),
                web.get(service, self._get_service),
                web.patch(service, self._patch_service),
                web.post(f"{service}/suspend", self._suspend),
                web.post(f"{service}/resume", self._resume),
                web.get(f"{service}/env-vars", self._list_variables),
                web.put(f"{service}/env-vars/{{name}}", self._put_variable),
                web.delete(f"{service}/env-vars/{{name}}", self._delete_variable),
                web.get(f"{service}/secret-files", self._list_files),
                web.put(f"{service}/secret-files/{{name}}", self._put_file),
                web.get(f"{PREFIX}/env-groups", self._list_groups),
                web.get(group, self._get_group),
                web.put(f"{group}/env-vars/{{name}}", self._put_group_variable),
                web.delete(f"{group}/env-vars/{{name}}", self._delete_group_variable),
                web.put(f"{group}/secret-files/{{name}}", self._put_group_file),
                web.post(f"{service}/deploys", self._deploy),
                web.get(f"{service}/deploys", self._list_deploys),
                web.get(f"{service}/deploys/{{deploy}}", self._get_deploy),
                web.post(f"{service}/deploys/{{deploy}}/cancel", self._cancel_deploy),
                web.post(f"{service}/rollback", self._roll_back),
                web.get(f"{PREFIX}/logs", self._logs),
                web.get(f"{postgres}/connection-info", self._connection),
                web.get(f"{postgres}/credentials", self._list_credentials),
                web.post(f"{postgres}/credentials", self._make_credential),
                web.delete(f"{postgres}/credentials/{{username}}", self._delete_credential),
                web.post(f"{postgres}/export", self._export),
                web.get(f"{postgres}/export", self._list_exports),
                web.get(f"{postgres}/recovery", self._recovery),
                web.get("/exports/{export}", self._download),
                web.get("/sites/{service}/", self._site),
            ]
        )
        return application

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What every call has: an id, a limit, a key that is looked at, refusals, and faults."""
        self._requests += 1

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.path.startswith(PREFIX) and not self._has_key(request):
                return web.Response(text="unauthorized", status=401)
            try:
                return await handler(request)
            except _No as no:
                return web.json_response({"id": f"err-{self._requests}", "message": no.message}, status=no.status)

        response = await self._faults.answer(request, answer)
        if not response.prepared:
            response.headers["Render-Request-Id"] = f"api-demo/{self._requests:06}"
            response.headers.setdefault("Ratelimit-Limit", "400")
            response.headers.setdefault("Ratelimit-Remaining", "399")
            response.headers.setdefault("Ratelimit-Reset", "30")
        return response

    def _has_key(self, request: web.Request) -> bool:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and key in self._hosted.keys

    async def _users(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"email": "operator@example.com", "name": "Robin Example"})

    # --- services ---

    def _service(self, request: web.Request) -> HostedService:
        id_ = request.match_info["service"]
        if id_ not in self._hosted.services:
            raise _No(404, f"not found: {id_}")
        return self._hosted.services[id_]

    async def _list_services(self, request: web.Request) -> web.Response:
        query = request.query
        found = [
            service.told()
            for service in self._hosted.services.values()
            if query.get("ownerId", OWNER) == OWNER and query.get("name", service.name) == service.name
        ]
        return _page(request, "service", found)

    async def _get_service(self, request: web.Request) -> web.Response:
        return web.json_response(self._service(request).told())

    async def _patch_service(self, request: web.Request) -> web.Response:
        service, wanted = self._service(request), await _body(request)
        mode = wanted.get("serviceDetails", {}).get("maintenanceMode")
        if mode is not None:
            if service.type != "web_service":
                raise _No(400, "maintenance mode is only available for web services")
            service.maintenance = bool(mode["enabled"])
            self._standing.apply_maintenance(service)
        if "autoDeploy" in wanted:
            service.auto_deploy = wanted["autoDeploy"] == "yes"
        return web.json_response(service.told())

    async def _suspend(self, request: web.Request) -> web.Response:
        await self._standing.suspend(self._service(request))
        return web.Response(status=202)

    async def _resume(self, request: web.Request) -> web.Response:
        await self._standing.resume(self._service(request))
        return web.Response(status=202)

    # --- variables ---

    async def _list_variables(self, request: web.Request) -> web.Response:
        return _page(request, "envVar", _variables(self._service(request).variables))

    async def _put_variable(self, request: web.Request) -> web.Response:
        variables, name = self._service(request).variables, _name(request)
        variables[name] = await _text(request, "value")
        return web.json_response({"key": name, "value": variables[name]})

    async def _delete_variable(self, request: web.Request) -> web.Response:
        return _delete(self._service(request).variables, _name(request))

    async def _list_files(self, request: web.Request) -> web.Response:
        return _page(request, "secretFile", _files(self._service(request).files))

    async def _put_file(self, request: web.Request) -> web.Response:
        files, name = self._service(request).files, request.match_info["name"]
        files[name] = await _text(request, "content")
        return web.json_response({"name": name, "content": files[name]})

    def _group(self, request: web.Request) -> HostedGroup:
        id_ = request.match_info["group"]
        if id_ not in self._hosted.groups:
            raise _No(404, f"not found: {id_}")
        return self._hosted.groups[id_]

    def _told_group(self, group: HostedGroup) -> web.Response:
        links = [
            {"id": service.id, "name": service.name, "type": service.type}
            for service in self._hosted.services.values()
            if group.id in service.groups
        ]
        told = {"id": group.id, "name": group.name, "ownerId": OWNER, "serviceLinks": links}
        held = {"envVars": _variables(group.variables), "secretFiles": _files(group.files)}
        return web.json_response({**told, **held})

    async def _list_groups(self, request: web.Request) -> web.Response:
        found = [{"id": group.id, "name": group.name, "ownerId": OWNER} for group in self._hosted.groups.values()]
        return _page(request, "envGroup", found)

    async def _get_group(self, request: web.Request) -> web.Response:
        return self._told_group(self._group(request))

    async def _put_group_variable(self, request: web.Request) -> web.Response:
        group = self._group(request)
        group.variables[_name(request)] = await _text(request, "value")
        return self._told_group(group)

    async def _delete_group_variable(self, request: web.Request) -> web.Response:
        return _delete(self._group(request).variables, _name(request))

    async def _put_group_file(self, request: web.Request) -> web.Response:
        group = self._group(request)
        group.files[request.match_info["name"]] = await _text(request, "content")
        return self._told_group(group)

    # --- deploys ---

    def _find_deploy(self, service: HostedService, id_: str) -> HostedDeploy:
        found = next((deploy for deploy in service.deploys if deploy.id == id_), None)
        if found is None:
            raise _No(404, f"not found: {id_}")
        return found

    async def _deploy(self, request: web.Request) -> web.Response:
        service, wanted = self._service(request), await _body(request)
        if service.suspended:
            raise _No(400, "cannot deploy a suspended service")
        commit = find_commit(wanted.get("commitId"))
        if commit is None:
            raise _No(400, f"commit {wanted['commitId']} not found")
        return _begun(self._deploys.begin(service, commit, "api"))

    async def _roll_back(self, request: web.Request) -> web.Response:
        service, wanted = self._service(request), await _body(request)
        former = self._find_deploy(service, str(wanted.get("deployId")))
        if former.status not in ("live", "deactivated"):
            raise _No(400, "cannot roll back to a deploy that was never live")
        return _begun(self._deploys.begin(service, former.commit, "rollback", migrate=False))

    async def _list_deploys(self, request: web.Request) -> web.Response:
        after = _time(request, "createdAfter")
        found = [
            deploy.told() for deploy in self._service(request).deploys if after is None or deploy.created_at > after
        ]
        return _page(request, "deploy", found)

    async def _get_deploy(self, request: web.Request) -> web.Response:
        return web.json_response(self._find_deploy(self._service(request), request.match_info["deploy"]).told())

    async def _cancel_deploy(self, request: web.Request) -> web.Response:
        service = self._service(request)
        deploy = self._find_deploy(service, request.match_info["deploy"])
        self._deploys.cancel(service, deploy)
        return web.json_response(deploy.told())

    # --- logs ---

    async def _logs(self, request: web.Request) -> web.Response:
        query = request.query
        resources = query.getall("resource", [])
        if query.get("ownerId") != OWNER or not resources:
            raise _No(400, "ownerId and resource are required")
        start, end = _time(request, "startTime"), _time(request, "endTime") or datetime.now(UTC)
        found = [
            line
            for line in self._hosted.logs
            if line.service in resources
            and (start is None or line.at >= start)
            and line.at <= end
            and line.type in query.getall("type", [line.type])
            and line.level in query.getall("level", [line.level])
            and query.get("text", "") in line.text
        ]
        limit = _limit(request)
        forward = query.get("direction", "backward") == "forward"
        page = found[:limit] if forward else found[-limit:]
        more = len(found) > len(page)
        if more:
            start, end = (page[-1].at, end) if forward else (start or found[0].at, page[0].at)
        return web.json_response(
            {
                "hasMore": more,
                "nextStartTime": rfc3339(start or end),
                "nextEndTime": rfc3339(end),
                "logs": [line.told() for line in page],
            }
        )

    # --- the database ---

    def _require_database(self, request: web.Request) -> HostedDatabase:
        if request.match_info["database"] != DATABASE:
            raise _No(404, f"not found: {request.match_info['database']}")
        return self._database

    async def _connection(self, request: web.Request) -> web.Response:
        database = self._require_database(request)
        password = database.default.password
        return web.json_response(
            {
                "password": password.get_secret_value() if password else "",
                "internalConnectionString": database.url(),
                "externalConnectionString": database.url(outside=True),
                "psqlCommand": f"PGPASSWORD=... psql -U {database.default.username}",
            }
        )

    async def _list_credentials(self, request: web.Request) -> web.Response:
        return web.json_response(await self._require_database(request).credentials())

    async def _make_credential(self, request: web.Request) -> web.Response:
        database, username = self._require_database(request), str((await _body(request)).get("username", ""))
        if not username or database.knows(username):
            raise _No(400, f"there is a user {username} already" if username else "username is required")
        await database.make_login(username)
        return web.Response(status=202)

    async def _delete_credential(self, request: web.Request) -> web.Response:
        database, username = self._require_database(request), request.match_info["username"]
        if not database.knows(username):
            raise _No(404, f"not found: {username}")
        if database.default.username == username:
            raise _No(400, "the default user cannot be deleted")
        await database.remove_login(username)
        return web.Response(status=200)

    async def _export(self, request: web.Request) -> web.Response:
        self._require_database(request).start_export()
        return web.Response(status=202)

    async def _list_exports(self, request: web.Request) -> web.Response:
        found: list[dict[str, str]] = []
        for export in self._require_database(request).exports:
            url = str(request.url.origin() / "exports" / export.id % {"token": export.token}) if export.path else ""
            found.append(
                {"id": export.id, "createdAt": rfc3339(export.created_at)} | ({"url": url} if export.path else {})
            )
        return web.json_response(found)

    async def _recovery(self, request: web.Request) -> web.Response:
        since = rfc3339(self._require_database(request).recoverable_since)
        return web.json_response({"recoveryStatus": "AVAILABLE", "startsAt": since})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        for export in self._database.exports:
            if export.id == request.match_info["export"] and export.path and export.token == request.query.get("token"):
                return web.FileResponse(export.path)
        return web.Response(text="AccessDenied", status=403)

    async def _site(self, request: web.Request) -> web.Response:
        """The front page of a static site."""
        service = self._service(request)
        if service.type != "static_site":
            raise _No(404, "not found")
        if service.suspended:
            return web.Response(text="Service Suspended", status=503)
        return web.Response(text=f"<!doctype html><title>{service.name}</title>\n", content_type="text/html")


def _begun(deploy: HostedDeploy) -> web.Response:
    """One that waits for another has no answer but that it is taken."""
    return web.Response(status=202) if deploy.status == "queued" else web.json_response(deploy.told(), status=201)


def _page(request: web.Request, holds: str, items: Sequence[Mapping[str, Any]]) -> web.Response:
    """The page after the cursor; a cursor is the number of the item that it belongs to."""
    cursor, limit = request.query.get("cursor", ""), _limit(request)
    first = int(cursor) + 1 if cursor.isdigit() else 0
    page = [{"cursor": str(n), holds: item} for n, item in enumerate(items)][first : first + limit]
    return web.json_response(page)


def _limit(request: web.Request) -> int:
    limit = int(request.query.get("limit", DEFAULT_PAGE))
    if not 1 <= limit <= LARGEST_PAGE:
        raise _No(400, f"limit must be between 1 and {LARGEST_PAGE}")
    return limit


def _time(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name)
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise _No(400, f"{name} is no time: {text}") from None


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        document = json.loads(await request.text() or "{}")
    except ValueError:
        raise _No(400, "the body is no JSON") from None
    if not isinstance(document, dict):
        raise _No(400, "the body is no object")
    return cast("dict[str, Any]", document)


async def _text(request: web.Request, name: str) -> str:
    value = (await _body(request)).get(name)
    if not isinstance(value, str):
        raise _No(400, f"{name} is required")
    return value


def _name(request: web.Request) -> str:
    name = unquote(request.match_info["name"])
    if not VARIABLE.fullmatch(name):
        raise _No(400, f"{name} is no name of a variable")
    return name


def _variables(variables: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in variables.items()]


def _files(files: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "content": content} for name, content in files.items()]


def _delete(variables: dict[str, str], name: str) -> web.Response:
    if variables.pop(name, None) is None:
        raise _No(404, f"not found: {name}")
    return web.Response(status=204)
