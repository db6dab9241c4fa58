"""The host that the settings name."""

from __future__ import annotations

from pydantic import SecretStr

from core.hosting.commands import CommandHost, abilities_of_commands
from core.hosting.interface import Ability, Host
from core.hosting.none import NoHost
from core.hosting.render.client import Render, abilities_of_render
from core.settings.hosting import HostingSettings


def abilities_of(settings: HostingSettings) -> frozenset[Ability]:
    """What the host will be able to do, as far as the settings tell: for `requires` of steps."""
    match settings.kind:
        case "none":
            return NoHost().abilities
        case "commands":
            return abilities_of_commands(settings.commands)
        case "render":
            return abilities_of_render(settings)


def host_of(settings: HostingSettings, key: SecretStr | None) -> Host:
    """The host, to be closed by whoever has asked for it. Nothing is called yet.

    Args:
        key: of its API; None where there is none, and until one is given to `use_key` every call says so.
    """
    match settings.kind:
        case "none":
            return NoHost()
        case "commands":
            return CommandHost(settings.commands)
        case "render":
            return Render(settings, key)
