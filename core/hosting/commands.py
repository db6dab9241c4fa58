"""A host that is called by command lines of the user's: any other host, or a compose file."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from core.errors import HostingError
from core.hosting.command_line import run_command
from core.hosting.interface import Ability, Deploy, DeployState, Export, LogLine
from core.hosting.none import NoHost
from core.settings.hosting import HostingCommands

EXPORT = "export"


def abilities_of_commands(commands: HostingCommands) -> frozenset[Ability]:
    """What the commands that are set can do together."""
    wanted = {
        Ability.MAINTENANCE: (commands.maintenance_on, commands.maintenance_off),
        Ability.SUSPEND: (commands.suspend, commands.resume),
        Ability.SET_VARIABLES: (commands.set_variable, commands.remove_variable),
        Ability.DEPLOY: (commands.deploy,),
        Ability.ROLLBACK: (commands.roll_back,),
        Ability.LOGS: (commands.logs,),
        Ability.EXPORT: (commands.export,),
    }
    return frozenset(ability for ability, needed in wanted.items() if all(needed))


class CommandHost(NoHost):
    """Implements `core.hosting.interface.Host`; what no command is set for, a person does."""

    name = "your commands"
    why_not = "no command for it is set ([hosting.commands])"

    def __init__(self, commands: HostingCommands) -> None:
        self._commands = commands
        self._deploys: dict[str, Deploy] = {}
        self._exports: dict[str, Export] = {}

    @property
    def abilities(self) -> frozenset[Ability]:
        return abilities_of_commands(self._commands)

    async def set_maintenance(self, service: str, on: bool) -> None:
        command = self._commands.maintenance_on if on else self._commands.maintenance_off
        if not command:
            await super().set_maintenance(service, on)
        await self._run(command, service=service)

    async def suspend(self, service: str) -> None:
        if not self._commands.suspend:
            await super().suspend(service)
        await self._run(self._commands.suspend, service=service)

    async def resume(self, service: str) -> None:
        if not self._commands.resume:
            await super().resume(service)
        await self._run(self._commands.resume, service=service)

    async def set_variable(self, owner: str, name: str, value: SecretStr) -> None:
        if not self._commands.set_variable:
            await super().set_variable(owner, name, value)
        await self._run(self._commands.set_variable, value=value, service=owner, name=name)

    async def remove_variable(self, owner: str, name: str) -> None:
        if not self._commands.remove_variable:
            await super().remove_variable(owner, name)
        await self._run(self._commands.remove_variable, service=owner, name=name)

    async def deploy(self, service: str, commit: str | None = None) -> Deploy:
        if not self._commands.deploy:
            return await super().deploy(service, commit)
        return await self._begin(self._commands.deploy, {"service": service, "commit": commit or ""}, commit)

    async def roll_back(self, service: str, deploy: str) -> Deploy:
        if not self._commands.roll_back:
            return await super().roll_back(service, deploy)
        return await self._begin(self._commands.roll_back, {"service": service, "deploy": deploy})

    async def deploys(self, service: str, limit: int = 20) -> tuple[Deploy, ...]:
        """Those of this run, newest first: no command tells of others."""
        if not self._commands.deploy:
            return await super().deploys(service, limit)
        return tuple(reversed(self._deploys.values()))[:limit]

    async def find_deploy(self, service: str, deploy: str) -> Deploy:
        known = self._deploys.get(deploy, Deploy(deploy, DeployState.WAITING, ""))
        if not self._commands.deploy_status:
            # Without it, a deploy has ended when its command has.
            return known if deploy in self._deploys else await super().find_deploy(service, deploy)
        told = (await self._ask(self._commands.deploy_status, service=service, deploy=deploy)).strip()
        try:
            state = DeployState(told.lower())
        except ValueError:
            raise HostingError(
                f"The command {self._commands.deploy_status!r} printed {told[:80]!r}, which is no state of a deploy.",
                advice=f"It must print one of: {', '.join(DeployState)}.",
            ) from None
        finished = known.finished_at or (datetime.now(UTC) if state.over else None)
        found = Deploy(deploy, state, told, known.commit, known.message, known.created_at, finished)
        self._deploys[deploy] = found
        return found

    async def logs(self, services: Sequence[str], since: datetime, limit: int = 1000) -> tuple[LogLine, ...]:
        """The last lines that the command prints, all of the time at which they were asked for: it does not tell when each was."""
        if not self._commands.logs:
            return await super().logs(services, since, limit)
        found: list[LogLine] = []
        for service in services:
            printed = await self._ask(self._commands.logs, service=service, since=since.astimezone(UTC).isoformat())
            found += [
                LogLine(datetime.now(UTC), line, service=service) for line in printed.splitlines() if line.strip()
            ]
        return tuple(found[-limit:])

    async def start_export(self) -> None:
        """Remember that one is wanted: the command both makes and fetches it, in `download_export`."""
        if not self._commands.export:
            await super().start_export()
        export = Export(secrets.token_hex(4), datetime.now(UTC), SecretStr(EXPORT))
        self._exports[export.id] = export

    async def exports(self) -> tuple[Export, ...]:
        if not self._commands.export:
            return await super().exports()
        return tuple(reversed(self._exports.values()))

    async def download_export(self, export: Export, directory: Path) -> Path:
        if not self._commands.export:
            return await super().download_export(export, directory)
        place = Path(tempfile.mkdtemp(prefix=".export-", dir=directory))
        try:
            await self._ask(self._commands.export, directory=str(place))
            written = sorted(place.iterdir())
            if len(written) != 1 or not written[0].is_file() or not written[0].stat().st_size:
                names = ", ".join(path.name for path in written) or "nothing"
                raise HostingError(
                    f"The command {self._commands.export!r} has written {names}, not one file.",
                    advice="It must write one file to the directory that stands for {directory}.",
                )
            written[0].chmod(0o600)
            return written[0].rename(directory / f"{export.id}-{written[0].name}")
        finally:
            shutil.rmtree(place, ignore_errors=True)

    async def _begin(self, command: str, about: Mapping[str, str], commit: str | None = None) -> Deploy:
        began = datetime.now(UTC)
        printed = (await run_command(command, about, timeout=self._commands.timeout)).strip().splitlines()
        if not self._commands.deploy_status:
            begun = Deploy(secrets.token_hex(4), DeployState.LIVE, "ended", commit, None, began, datetime.now(UTC))
        elif printed:
            begun = Deploy(printed[-1].strip(), DeployState.WAITING, "begun", commit, None, began)
        else:
            raise HostingError(
                f"The command {command!r} has printed no deploy that {self._commands.deploy_status!r} could ask for.",
                state="The deploy may have begun.",
                advice="Its last line of output must be the deploy's id; look at the host how the deploy stands.",
            )
        self._deploys[begun.id] = begun
        return begun

    async def _run(self, command: str, *, value: SecretStr | None = None, **about: str) -> str:
        return await run_command(command, about, timeout=self._commands.timeout, value=value)

    async def _ask(self, command: str, **about: str) -> str:
        """Run a command that changes nothing at the host."""
        return await run_command(command, about, timeout=self._commands.timeout, changes=False)
