"""The API's calls over HTTP: forms of answers, pages, refusals and headers as Render's."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from core.demo.hosting.database import HostedDatabase
from core.demo.hosting.deploys import Deploys, find_commit
from core.demo.hosting.faults import Faults, Handler
from core.demo.hosting.forms import (
    Rejection,
    body_of,
    delete_from,
    limit_of,
    name_of,
    page,
    text_of,
    time_of,
    told_files,
    told_variables,
)
from core.demo.hosting.standing import Standing
from core.demo.hosting.state import DATABASE, OWNER, Hosted, HostedDeploy, HostedGroup, HostedService, rfc3339

PREFIX = "/v1"


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
            except Rejection as no:
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
            raise Rejection(404, f"not found: {id_}")
        return self._hosted.services[id_]

    async def _list_services(self, request: web.Request) -> web.Response:
        query = request.query
        found = [
            service.told()
            for service in self._hosted.services.values()
            if query.get("ownerId", OWNER) == OWNER and query.get("name", service.name) == service.name
        ]
        return page(request, "service", found)

    async def _get_service(self, request: web.Request) -> web.Response:
        return web.json_response(self._service(request).told())

    async def _patch_service(self, request: web.Request) -> web.Response:
        service, wanted = self._service(request), await body_of(request)
        mode = wanted.get("serviceDetails", {}).get("maintenanceMode")
        if mode is not None:
            if service.type != "web_service":
                raise Rejection(400, "maintenance mode is only available for web services")
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
        return page(request, "envVar", told_variables(self._service(request).variables))

    async def _put_variable(self, request: web.Request) -> web.Response:
        variables, name = self._service(request).variables, name_of(request)
        variables[name] = await text_of(request, "value")
        return web.json_response({"key": name, "value": variables[name]})

    async def _delete_variable(self, request: web.Request) -> web.Response:
        return delete_from(self._service(request).variables, name_of(request))

    async def _list_files(self, request: web.Request) -> web.Response:
        return page(request, "secretFile", told_files(self._service(request).files))

    async def _put_file(self, request: web.Request) -> web.Response:
        files, name = self._service(request).files, request.match_info["name"]
        files[name] = await text_of(request, "content")
        return web.json_response({"name": name, "content": files[name]})

    def _group(self, request: web.Request) -> HostedGroup:
        id_ = request.match_info["group"]
        if id_ not in self._hosted.groups:
            raise Rejection(404, f"not found: {id_}")
        return self._hosted.groups[id_]

    def _told_group(self, group: HostedGroup) -> web.Response:
        links = [
            {"id": service.id, "name": service.name, "type": service.type}
            for service in self._hosted.services.values()
            if group.id in service.groups
        ]
        told = {"id": group.id, "name": group.name, "ownerId": OWNER, "serviceLinks": links}
        held = {"envVars": told_variables(group.variables), "secretFiles": told_files(group.files)}
        return web.json_response({**told, **held})

    async def _list_groups(self, request: web.Request) -> web.Response:
        found = [{"id": group.id, "name": group.name, "ownerId": OWNER} for group in self._hosted.groups.values()]
        return page(request, "envGroup", found)

    async def _get_group(self, request: web.Request) -> web.Response:
        return self._told_group(self._group(request))

    async def _put_group_variable(self, request: web.Request) -> web.Response:
        group = self._group(request)
        group.variables[name_of(request)] = await text_of(request, "value")
        return self._told_group(group)

    async def _delete_group_variable(self, request: web.Request) -> web.Response:
        return delete_from(self._group(request).variables, name_of(request))

    async def _put_group_file(self, request: web.Request) -> web.Response:
        group = self._group(request)
        group.files[request.match_info["name"]] = await text_of(request, "content")
        return self._told_group(group)

    # --- deploys ---

    def _find_deploy(self, service: HostedService, id_: str) -> HostedDeploy:
        found = next((deploy for deploy in service.deploys if deploy.id == id_), None)
        if found is None:
            raise Rejection(404, f"not found: {id_}")
        return found

    async def _deploy(self, request: web.Request) -> web.Response:
        service, wanted = self._service(request), await body_of(request)
        if service.suspended:
            raise Rejection(400, "cannot deploy a suspended service")
        commit = find_commit(wanted.get("commitId"))
        if commit is None:
            raise Rejection(400, f"commit {wanted['commitId']} not found")
        return _begun(self._deploys.begin(service, commit, "api"))

    async def _roll_back(self, request: web.Request) -> web.Response:
        service, wanted = self._service(request), await body_of(request)
        former = self._find_deploy(service, str(wanted.get("deployId")))
        if former.status not in ("live", "deactivated"):
            raise Rejection(400, "cannot roll back to a deploy that was never live")
        return _begun(self._deploys.begin(service, former.commit, "rollback", migrate=False))

    async def _list_deploys(self, request: web.Request) -> web.Response:
        after = time_of(request, "createdAfter")
        found = [
            deploy.told() for deploy in self._service(request).deploys if after is None or deploy.created_at > after
        ]
        return page(request, "deploy", found)

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
            raise Rejection(400, "ownerId and resource are required")
        start, end = time_of(request, "startTime"), time_of(request, "endTime") or datetime.now(UTC)
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
        limit = limit_of(request)
        forward = query.get("direction", "backward") == "forward"
        shown = found[:limit] if forward else found[-limit:]
        more = len(found) > len(shown)
        if more:
            start, end = (shown[-1].at, end) if forward else (start or found[0].at, shown[0].at)
        return web.json_response(
            {
                "hasMore": more,
                "nextStartTime": rfc3339(start or end),
                "nextEndTime": rfc3339(end),
                "logs": [line.told() for line in shown],
            }
        )

    # --- the database ---

    def _require_database(self, request: web.Request) -> HostedDatabase:
        if request.match_info["database"] != DATABASE:
            raise Rejection(404, f"not found: {request.match_info['database']}")
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
        database, username = self._require_database(request), str((await body_of(request)).get("username", ""))
        if not username or database.knows(username):
            raise Rejection(400, f"there is a user {username} already" if username else "username is required")
        await database.make_login(username)
        return web.Response(status=202)

    async def _delete_credential(self, request: web.Request) -> web.Response:
        database, username = self._require_database(request), request.match_info["username"]
        if not database.knows(username):
            raise Rejection(404, f"not found: {username}")
        if database.default.username == username:
            raise Rejection(400, "the default user cannot be deleted")
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
            raise Rejection(404, "not found")
        if service.suspended:
            return web.Response(text="Service Suspended", status=503)
        return web.Response(text=f"<!doctype html><title>{service.name}</title>\n", content_type="text/html")


def _begun(deploy: HostedDeploy) -> web.Response:
    """One that waits for another has no answer but that it is taken."""
    return web.Response(status=202) if deploy.status == "queued" else web.json_response(deploy.told(), status=201)
