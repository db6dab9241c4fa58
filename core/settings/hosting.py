"""The host around the database: whom to call, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from core.settings.base import Section


class HostingCommands(Section):
    """A command line for each thing that a host can do, run without a shell; empty: a person does it.

    `{service}`, `{commit}`, `{deploy}` and `{name}` stand for what the call is about; a value that is secret comes in the
    environment as PGRECAST_VALUE. Status 0 is success; what is printed goes to the step's log.
    """

    maintenance_on: str = ""
    maintenance_off: str = ""
    suspend: str = ""
    resume: str = ""
    set_variable: str = ""
    remove_variable: str = ""
    deploy: str = ""
    deploy_status: str = ""
    """Prints one of: waiting, building, migrating, updating, live, failed, canceled."""
    roll_back: str = ""
    logs: str = ""
    export: str = ""
    """Writes the export to the directory that stands for `{directory}`."""


class HostingSettings(Section):
    kind: Literal["none", "render", "commands"] = "none"
    """Who hosts the service: nobody that the console can call, Render, or your own commands."""
    api_url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] = "https://api.render.com/v1"
    """Where Render's API answers."""
    api_key_file: Path | None = None
    """A file of mode 0600 whose first line is the API key; the environment's RENDER_API_KEY when not set."""
    api_key_command: str = ""
    """A command whose first line of output is the API key; run without a shell."""
    owner: str = ""
    """Id of the workspace, which logs are asked by; found from the service when empty."""
    service: str = ""
    """Id of the web service that serves the application."""
    others: tuple[str, ...] = ()
    """Ids of workers, crons and further services that use the database."""
    database: str = ""
    """Id of the database at the host."""
    maintenance: Literal["host", "variable", "suspend", "command"] = "host"
    """How the application is kept from serving: by the host's own maintenance mode, by an environment variable and a
    deploy, by stopping the service, or by your commands."""
    maintenance_variable: str = "MAINTENANCE_MODE"
    """The variable that says so, where a variable does."""
    commands: HostingCommands = HostingCommands()
