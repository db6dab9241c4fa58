"""Steps 1.3 and 1.4: the host's API key. The new one is proved alive before the leaked one is revoked, and used from then on.

No call makes or revokes a key: a person does both in the dashboard, and the host's own answers prove them.
"""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from core.errors import Refused
from core.events import Json
from core.hosting.factory import abilities_of
from core.hosting.interface import Ability, Host
from core.runbook.facts import ROTATION_KEY
from core.runbook.model import StepContext
from core.runbook.rotation.successor import has_done, keep
from core.runbook.rotation.variables import can_change, owners
from core.secrets.keep import Kept
from core.settings import Settings

LOOKS = 30
ASK_EVERY = 2.0
"""Seconds between two looks whether a revoked key is dead."""


def can_check_keys(settings: Settings) -> bool:
    """Whether the host tells if a key is alive."""
    return Ability.KEY_CHECK in abilities_of(settings.hosting)


async def new_key(context: StepContext) -> str:
    """Take the new API key, prove it alive, and keep it."""
    host = await context.host()
    await _require_new_key(context, host)
    return f"the new API key is alive, used from now on, and kept {await keep(context, 'api_key')}"


async def revoke_key(context: StepContext) -> str:
    """Have the leaked key revoked, and prove it dead; the new one is asked for first where there is none yet."""
    host = await context.host()
    old, _ = await _require_new_key(context, host)
    old = old or await _leaked_key(context)
    if await host.key_alive(old):
        await has_done(
            context,
            "Revoke the leaked API key now",
            "It is revoked",
            "In the host's dashboard: Account Settings, API Keys; revoke the key that was exposed.",
            "The new key is proved alive, and nothing here uses the leaked one any more.",
            *await _users(host, old),
        )
        await _until_dead(host, old)
    await _note(context, dead=True)
    return "the leaked API key is answered with 401; the new one is alive"


async def _require_new_key(context: StepContext, host: Host) -> tuple[SecretStr | None, SecretStr]:
    """The leaked key, where it is known, and the new one, which the host takes and which is used from now on."""
    kept = Kept(context.run_directory)
    known = kept.api_key()
    if known is not None and await host.key_alive(known[1]):
        await host.use_key(known[1])
        await _note(context, alive=True)
        return known
    old = known[0] if known is not None else await asyncio.to_thread(context.settings.read_host_api_key)
    typed = await context.enter(
        "The new API key?",
        "New API key",
        secret=True,
        expires_in=context.settings.limits.commit,
        details=(
            "Make it in the host's dashboard (Account Settings, API Keys), and do not revoke the leaked one yet.",
            "It is proved alive before anything else happens, and shown nowhere.",
        ),
    )
    if typed is None:
        raise Refused("No new API key was entered.", advice="Make one in the dashboard, and run the step again.")
    new = SecretStr(typed.get_secret_value().strip())
    if old is not None and new == old:
        raise Refused(
            "That is the key that was leaked.",
            advice="Make a new one in the dashboard. Where the settings have the new one already, take it out of them, start the "
            "engine again, and enter both when you are asked.",
        )
    if not await host.key_alive(new):
        raise Refused("The host does not take this key: it answers 401.", advice="Copy it again, or make another one.")
    kept.keep_api_key(old, new)
    await host.use_key(new)
    await _note(context, alive=True)
    await context.say("The new API key is alive: the host answers 200. It is used from now on.")
    return old, new


async def _leaked_key(context: StepContext) -> SecretStr:
    """The key that leaked, where the settings have none."""
    typed = await context.enter(
        "The API key that was leaked?",
        "Leaked API key",
        secret=True,
        expires_in=context.settings.limits.confirmation,
        details=("That it is dead is proved by its own 401, so it is needed here; it is shown nowhere.",),
    )
    if typed is None:
        raise Refused(
            "Without the leaked key nothing proves that it is dead.", advice="Run the step again, and enter it."
        )
    return SecretStr(typed.get_secret_value().strip())


async def _users(host: Host, key: SecretStr) -> list[str]:
    """Which variables at the host hold the leaked key: whoever reads them loses it."""
    if not can_change(host):
        return []
    value = key.get_secret_value()
    holding = [
        f"{owner}: {variable.name} holds the leaked key; give it the new one, and deploy, before you revoke it."
        for owner in await owners(host)
        for variable in await host.variables(owner.id)
        if value in variable.value.get_secret_value()
    ]
    return holding or ["No service and no group of variables at the host holds it."]


async def _until_dead(host: Host, key: SecretStr) -> None:
    for _ in range(LOOKS):
        if not await host.key_alive(key):
            return
        await asyncio.sleep(ASK_EVERY)
    raise Refused(
        "The leaked key is alive: the host still answers it with 200.",
        state="The new key is alive as well, and used.",
        advice="Revoke the right key in the dashboard, and run the step again.",
    )


async def _note(context: StepContext, **changes: Json) -> None:
    known: dict[str, Json] = {"alive": False, "dead": False} | (context.state.facts.get(ROTATION_KEY) or {})
    if known | changes != context.state.facts.get(ROTATION_KEY):
        await context.fact(ROTATION_KEY, known | changes)
