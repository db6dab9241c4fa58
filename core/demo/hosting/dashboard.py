"""What a person does in the host's dashboard, and no API can: make keys and revoke them; and switch on faults.

Its address holds a word that only who started the demo knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from core.demo.hosting.deploys import DeployFault, Deploys
from core.demo.hosting.faults import Fault, Faults
from core.demo.hosting.state import Hosted


class Dashboard:
    """The routes; each takes and gives JSON.

    Args:
        hosted: what the host knows.
        faults: of the API.
        deploys: whose next ones can be made to fail.
    """

    def __init__(self, hosted: Hosted, faults: Faults, deploys: Deploys) -> None:
        self.path = f"/dashboard/{secrets.token_urlsafe(16)}"
        self._hosted = hosted
        self._faults = faults
        self._deploys = deploys

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.post(f"{self.path}/keys", self._make_key),
            web.post(f"{self.path}/keys/revoke", self._revoke_key),
            web.post(f"{self.path}/faults", self._add_fault),
            web.delete(f"{self.path}/faults", self._clear_faults),
            web.post(f"{self.path}/deploys/fail", self._fail_deploy),
        )

    async def _make_key(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"key": self._hosted.new_key().get_secret_value()})

    async def _revoke_key(self, request: web.Request) -> web.Response:
        self._hosted.revoke(SecretStr((await request.json())["key"]))
        return web.Response(status=204)

    async def _add_fault(self, request: web.Request) -> web.Response:
        wanted: dict[str, Any] = await request.json()
        self._faults.add(Fault(**wanted))
        return web.Response(status=204)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        del request
        self._faults.clear()
        return web.Response(status=204)

    async def _fail_deploy(self, request: web.Request) -> web.Response:
        wanted: dict[str, Any] = await request.json()
        self._deploys.fault = DeployFault(wanted["stage"], int(wanted.get("times", 1)))
        return web.Response(status=204)
