"""What a person does in the host's dashboard, and no API can: make keys and revoke them; and switch on faults.

Its address holds a word that only who started the demo knows.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast, get_args

from aiohttp import web
from pydantic import SecretStr

from core.demo.hosting.deploys import STAGES, DeployFault, Deploys
from core.demo.hosting.faults import Fault, FaultKind, Faults
from core.demo.hosting.state import Hosted

LEAKED = "leaked"
"""Stands for the key that was leaked: a person would see it in a list."""
_HELP = """\
The dashboard of the demo's host: what a person does there, and no API can.

make an API key                      curl -X POST {url}/keys
revoke the leaked one                curl -X POST {url}/keys/revoke -d '{{"key": "leaked"}}'

What shall go wrong:

the next deploy fails                curl -X POST {url}/deploys/fail -d '{{"stage": "build"}}'       (or "pre_deploy", "update")
deploys take their time              curl -X POST {url}/deploys/pace -d '{{"seconds": 20}}'         (for each stage)
a call of the API goes wrong         curl -X POST {url}/faults -d '{{"kind": "error_500", "path": "/deploys", "times": 3}}'
                                     kinds: {kinds}
nothing any more                     curl -X DELETE {url}/faults
"""


class Dashboard:
    """The routes; each takes and gives JSON.

    Args:
        hosted: what the host knows.
        faults: of the API.
        deploys: whose next ones can be made to fail.
        leaked: the key that was leaked, which need not be told to be revoked.
    """

    def __init__(self, hosted: Hosted, faults: Faults, deploys: Deploys, leaked: SecretStr) -> None:
        self._leaked = leaked
        self.path = f"/dashboard/{secrets.token_urlsafe(16)}"
        self._hosted = hosted
        self._faults = faults
        self._deploys = deploys

    def help(self, url: str) -> str:
        """How to use it, as a page of text.

        Args:
            url: where it answers.
        """
        return _HELP.format(url=url, kinds=", ".join(get_args(FaultKind)))

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.get(self.path, self._explain),
            web.post(f"{self.path}/keys", self._make_key),
            web.post(f"{self.path}/keys/revoke", self._revoke_key),
            web.post(f"{self.path}/faults", self._add_fault),
            web.delete(f"{self.path}/faults", self._clear_faults),
            web.post(f"{self.path}/deploys/fail", self._fail_deploy),
            web.post(f"{self.path}/deploys/pace", self._slow_deploys),
        )

    async def _explain(self, request: web.Request) -> web.Response:
        return web.Response(text=self.help(f"{request.url.origin()}{self.path}"))

    async def _make_key(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"key": self._hosted.new_key().get_secret_value()})

    async def _revoke_key(self, request: web.Request) -> web.Response:
        key = (await _told(request, "key"))["key"]
        self._hosted.revoke(self._leaked if key == LEAKED else SecretStr(key))
        return web.Response(status=204)

    async def _add_fault(self, request: web.Request) -> web.Response:
        wanted = await _told(request, "kind")
        if wanted["kind"] not in get_args(FaultKind) or not wanted.keys() <= {field.name for field in fields(Fault)}:
            raise web.HTTPBadRequest(text=f"a fault has {', '.join(field.name for field in fields(Fault))}\n")
        self._faults.add(Fault(**wanted))
        return web.Response(status=204)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        del request
        self._faults.clear()
        return web.Response(status=204)

    async def _fail_deploy(self, request: web.Request) -> web.Response:
        wanted = await _told(request, "stage")
        if wanted["stage"] not in STAGES:
            raise web.HTTPBadRequest(text=f"the stages are {', '.join(STAGES)}\n")
        self._deploys.fault = DeployFault(wanted["stage"], int(wanted.get("times", 1)))
        return web.Response(status=204)

    async def _slow_deploys(self, request: web.Request) -> web.Response:
        self._deploys.pace = float((await _told(request, "seconds"))["seconds"])
        return web.Response(status=204)


async def _told(request: web.Request, name: str) -> dict[str, Any]:
    """What was sent: an object with that name in it."""
    try:
        told = json.loads(await request.text())
    except ValueError:
        told = None
    if not isinstance(told, dict) or name not in told:
        raise web.HTTPBadRequest(text=f"send JSON with {name}\n")
    return cast("dict[str, Any]", told)
