"""The engine of one run: put together of its parts, started, and ended so that the journal says so."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from core.engine.address import EngineLock
from core.engine.checklists import Checklists
from core.engine.commands import Commands
from core.engine.context import EngineContext
from core.engine.hosting import RunHost
from core.engine.hub import Hub, Session
from core.engine.log import open_log
from core.engine.opening import Opening
from core.engine.protocol import PROTOCOL, Attach, Command, Reply, Welcome
from core.engine.questions import Questions
from core.engine.reconcile import Reconciler
from core.engine.steps import Steps
from core.engine.targets import Targets
from core.errors import ConfigurationError, EngineError, JournalError
from core.events import ENGINE, Actor, ClientAttached, EngineStarted, EngineStopped, OperatorChanged, RunOpened
from core.runbook.model import Runbook, Step
from core.secrets.keep import Kept
from core.settings import Settings

PROGRAM = version("pgrecast")
NAME_LENGTH = 64
"""Characters of a client's name that are kept."""


class Engine:
    """Runs the steps of one run and serves its clients. Everything in it belongs to one event loop.

    Args:
        run_directory: made when it is not there; nobody else may run an engine on it.
        settings: the run's.
        runbook: its tasks; the journal's own must have the same name.
        targets: the databases.
    """

    def __init__(self, run_directory: Path, settings: Settings, runbook: Runbook, targets: Targets) -> None:
        runbook = runbook.fitted(settings)
        self.run_directory = run_directory
        self._settings = settings
        self._runbook = runbook
        self._log, self._close_log = open_log(run_directory)
        self._lock = EngineLock(run_directory)
        self._hub = Hub(run_directory, self._log)
        self._host = RunHost(settings, Kept(run_directory))
        self._questions = Questions(
            self._hub, two_person=settings.run.two_person, own_accounts=bool(settings.run.group)
        )

        def context(step: Step) -> EngineContext:
            return EngineContext(step.id, self._hub, settings, targets, self._host, self._questions)

        self._opening = Opening(self._hub, targets, settings)
        self._checklists = Checklists(self._hub, runbook, settings)
        self._reconciler = Reconciler(self._hub, runbook, context)
        self._steps = Steps(self._hub, runbook, settings, context, self._reconciler.resolve)
        self._commands = Commands(self._hub, runbook, self._steps, self._questions, self.request_stop)
        self._stop_reason: asyncio.Future[str] | None = None

    async def start(self) -> None:
        """Open the journal, say that the engine runs, and find out what became of what a former one left running.

        Raises:
            JournalError: the journal cannot be opened, read or written.
            ConfigurationError: the run directory belongs to another runbook.
            EngineError: another engine runs on the run directory.
        """
        self._stop_reason = asyncio.get_running_loop().create_future()
        try:
            self._lock.acquire()
            self._hub.open()
            state = self._hub.state
            if state.last and state.runbook != self._runbook.name:
                raise ConfigurationError(
                    f"The run in {self.run_directory} is of kind {state.runbook}, not {self._runbook.name}.",
                    advice="Name another run directory with --run.",
                )
            if not state.last:
                opened = RunOpened(run=self.run_directory.name, program=PROGRAM, runbook=self._runbook.name)
                await self._hub.publish(ENGINE, opened)
            await self._hub.publish(
                ENGINE,
                EngineStarted(
                    pid=os.getpid(), host=socket.gethostname(), program=PROGRAM, settings=self._settings.told()
                ),
            )
            self._opening.start()
            await self._reconciler.at_start()
            self._checklists.start()
        except BaseException:
            await self._opening.stop()
            await self._close()
            raise

    @property
    def idle(self) -> bool:
        """Whether nobody is attached and nothing runs."""
        return not self._hub.sessions and not self._steps.running

    def request_stop(self, reason: str) -> None:
        """Let `wait_for_stop` return."""
        if self._stop_reason is not None and not self._stop_reason.done():
            self._stop_reason.set_result(reason)

    async def wait_for_stop(self) -> str:
        """Wait until somebody asks the engine to end; returns the reason."""
        if self._stop_reason is None:
            raise EngineError("The engine has not been started.")
        return await asyncio.shield(self._stop_reason)

    async def stop(self, reason: str) -> None:
        """Cancel what runs, say that the engine ends, and close the journal."""
        await self._steps.stop_all(f"The engine was stopped: {reason}.")
        await self._opening.stop()
        await self._checklists.stop()
        await self._reconciler.stop()
        with suppress(JournalError):
            await self._hub.publish(ENGINE, EngineStopped(reason=reason))
        await self._close()

    async def _close(self) -> None:
        await self._host.close()
        await self._hub.close()
        self._lock.release()
        self._close_log()

    # --- clients ---

    async def attach(self, command: Attach, uid: int | None) -> tuple[Session, Welcome]:
        """Let a client in. Who asks to be the operator becomes a watcher when there is one.

        Args:
            command: what the client said.
            uid: the kernel's word on who it is.

        Raises:
            EngineError: its protocol is another.
        """
        if command.protocol != PROTOCOL:
            raise EngineError(
                f"The client speaks protocol {command.protocol}, this engine (pgrecast {PROGRAM}) {PROTOCOL}.",
                advice="Use the same version of pgrecast as the engine, or stop the engine and start it anew.",
            )
        taken = command.role == "operator" and self._hub.operator is not None
        name = "".join(c if c.isprintable() else "?" for c in command.name)[:NAME_LENGTH] or "nobody"
        actor = Actor(name=name, uid=uid, role="watcher" if taken else command.role)
        session = Session(
            id=secrets.token_hex(4),
            actor=actor,
            may_command=command.role == "operator",
            since=max(command.since, 0),
            last=0,
        )
        self._hub.join(session)
        welcome = Welcome(client=session.id, actor=actor, program=PROGRAM, run=self._hub.state.run, last=session.last)
        if actor.role == "operator":
            self._hub.operator = session.id
        # A full disk must not keep anyone from looking.
        with suppress(JournalError):
            await self._hub.publish(actor, ClientAttached(client=session.id, actor=actor))
            if actor.role == "operator":
                await self._hub.publish(actor, OperatorChanged(client=session.id, actor=actor))
        return session, welcome

    async def command(self, session: Session, command: Command) -> Reply:
        """Do what an attached client says, or refuse it."""
        return await self._commands.handle(session, command)

    async def detach(self, session: Session, reason: str = "") -> None:
        """Let a client go; the run goes on."""
        if self._hub.leave(session):
            await self._hub.say_departure(session, reason)

    @property
    def hub(self) -> Hub:
        """For whoever carries frames to clients."""
        return self._hub
