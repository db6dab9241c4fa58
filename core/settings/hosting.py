"""The host around the database: whom to call, and how."""

from __future__ import annotations

import ipaddress
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from core.settings.base import Duration, Section
from core.settings.passwords import Wanted, read_command, read_file

KEY_VARIABLE = "RENDER_API_KEY"
"""The environment's variable that holds the API key where no setting says where it is."""


def _command_line(text: str) -> str:
    try:
        shlex.split(text)
    except ValueError as error:
        raise ValueError(f"is no command line: {str(error).lower()}") from None
    return text


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, by its name or address alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _encrypted(url: str) -> str:
    if urlsplit(url).scheme != "https" and not is_loopback(url):
        raise ValueError("must begin with https://, or the API key would travel in the clear")
    return url.rstrip("/")


CommandLine = Annotated[str, AfterValidator(_command_line)]


class HostingCommands(Section):
    """A command line for each thing that a host can do, run without a shell; empty: a person does it.

    `{service}`, `{commit}`, `{deploy}`, `{name}`, `{since}` and `{directory}` stand for what the call is about; a value that is
    secret comes in the environment as PGRECAST_VALUE. Status 0 is success; what is printed is logged, secrets masked.
    """

    maintenance_on: CommandLine = ""
    maintenance_off: CommandLine = ""
    suspend: CommandLine = ""
    resume: CommandLine = ""
    set_variable: CommandLine = ""
    remove_variable: CommandLine = ""
    deploy: CommandLine = ""
    """Deploys `{commit}` (empty: the latest). Its last line of output is the deploy's id where there is a `deploy_status`;
    without one, the deploy is live when the command ends well."""
    deploy_status: CommandLine = ""
    """Prints one of: waiting, building, migrating, updating, live, failed, canceled, replaced."""
    roll_back: CommandLine = ""
    """Goes back to the deploy `{deploy}`; otherwise as `deploy`."""
    logs: CommandLine = ""
    """Prints log lines from `{since}` on (RFC 3339), oldest first."""
    export: CommandLine = ""
    """Writes an export of the database, one file, to the directory `{directory}`."""
    timeout: Duration = timedelta(minutes=30)
    """How long a command may take."""


class HostingSettings(Section):
    kind: Literal["none", "render", "commands"] = "none"
    """Who hosts the service: nobody that the console can call, Render, or your own commands."""
    api_url: Annotated[str, Field(pattern=r"^https?://[^\s@?#]+$"), AfterValidator(_encrypted)] = (
        "https://api.render.com/v1"
    )
    """Where Render's API answers."""
    api_key_file: Path | None = None
    """A file of mode 0600 whose first line is the API key; the environment's RENDER_API_KEY when not set."""
    api_key_command: CommandLine = ""
    """A command whose first line of output is the API key; run without a shell, when no file is named."""
    owner: str = ""
    """Id of the workspace, which logs are asked by; found from the service when empty."""
    service: str = ""
    """Id of the web service that serves the application."""
    frontend: str = ""
    """Id of the service that serves the front page; the documents tell which commit of it is live."""
    others: tuple[str, ...] = ()
    """Ids of workers, crons and further services that use the database."""
    database: str = ""
    """Id of the database at the host."""
    maintenance: Literal["host", "variable", "suspend", "command"] = "host"
    """How the application is kept from serving: by the host's own maintenance mode, by an environment variable and a
    deploy, by stopping the service, or by your commands."""
    maintenance_variable: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "MAINTENANCE_MODE"
    """The variable that says so, where a variable does."""
    commands: HostingCommands = HostingCommands()

    def read_api_key(self) -> SecretStr | None:
        """Read the API key from where the settings say, None when they say nothing. Blocks.

        Raises:
            ConfigurationError: the file or the command cannot be read, fails, or gives nothing.
        """
        wanted = Wanted("API key", "of the host", "[hosting]")
        if self.api_key_file is not None:
            return read_file(wanted, self.api_key_file.expanduser())
        if self.api_key_command:
            return read_command(wanted, self.api_key_command)
        return None
