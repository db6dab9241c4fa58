"""Task 9: the project's documents brought up to date from the run's facts, each change shown and agreed to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError, HostingError, Refused
from core.hosting.interface import Ability, DeployState
from core.runbook.documents.sections import deployment_health, left_alone, tracker, workflow_status
from core.runbook.facts import DOCUMENTS_WRITTEN, FRONTEND_DEPLOYED
from core.runbook.model import Reconciled, StepContext
from core.runbook.project_file import ProjectFile, difference, read_project_file
from core.runbook.rewriting import Rewrite, write_when_agreed
from core.runbook.state import RunState, StepStatus
from core.runbook.tasks.task_10_resume import TASK as RESUME
from core.runbook.words import counted
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Document:
    """One of the documents.

    Attributes:
        setting: which setting under [documents] names it.
        render: its new text from its present one, its line end, the run's state and the settings.
        left_alone: what stays in it as it is for want of a setting, a sentence each.
        look: finds out what it tells and no step before has recorded.
    """

    setting: str
    render: Callable[[ProjectFile, RunState, Settings], str]
    left_alone: Callable[[Settings], tuple[str, ...]] = lambda settings: ()
    look: Callable[[StepContext], Awaitable[None]] | None = None

    def is_configured(self, settings: Settings) -> bool:
        """Whether the settings name it."""
        return self._path(settings) is not None

    async def update(self, context: StepContext) -> str:
        """Bring it up to date, once that is agreed to.

        Raises:
            ConfigurationError: it cannot be read or written.
            Refused: it was not agreed to, it has changed meanwhile, or its own marks or keys are not clear.
        """
        if self.look is not None:
            await self.look(context)
        file, text = await self._rendered(context)
        told = self.left_alone(context.settings)
        for sentence in told:
            await context.say(sentence)
        said = f"{file.path.name} is up to date"
        if text != file.text:
            title = f"Bring {file.path.name} up to date?"
            await write_when_agreed(context, title, (Rewrite(file, text),), details=(str(file.path), *told))
            changes = (await asyncio.to_thread(difference, file.path, file.text, text))[2:]
            added, removed = (sum(line.startswith(sign) for line in changes) for sign in "+-")
            said = f"{file.path.name} written: {counted(added, 'line')} added, {removed:,} removed"
        await _remember(context, file)
        return said

    async def reconcile(self, context: StepContext) -> Reconciled:
        """Look whether the interrupted step had written it."""
        again = "It is safe to run again."
        try:
            file, text = await self._rendered(context)
        except (ConfigurationError, Refused) as error:
            return Reconciled("failed", f"It was interrupted. {error.what} {again}")
        if text != file.text:
            return Reconciled("failed", f"It was interrupted before {file.path.name} was written. {again}")
        await _remember(context, file)
        return Reconciled("finished", f"{file.path.name} was written before the interruption.")

    def _path(self, settings: Settings) -> Path | None:
        return getattr(settings.documents, self.setting)

    async def _rendered(self, context: StepContext) -> tuple[ProjectFile, str]:
        path = self._path(context.settings)
        if path is None:
            raise ConfigurationError("No such document is configured.", advice=f"Set {self.setting} under [documents].")
        # Off the loop: a large document takes its time to parse.
        file = await asyncio.to_thread(read_project_file, path, f"{self.setting} under [documents]")
        return file, await asyncio.to_thread(self.render, file, context.state, context.settings)


def _tracker(file: ProjectFile, state: RunState, settings: Settings) -> str:
    through = (StepStatus.DONE, StepStatus.TICKED)
    left = [step.title for step in RESUME.steps if state.step(step.id).status not in through]
    return tracker(file.text, state, settings, left, file.newline)


def _workflow_status(file: ProjectFile, state: RunState, settings: Settings) -> str:
    return workflow_status(file.text, state, settings, file.newline)


def _deployment_health(file: ProjectFile, state: RunState, settings: Settings) -> str:
    return deployment_health(file.text, state, file.newline)


async def _look_at_frontend(context: StepContext) -> None:
    """Ask the host which commit of the front page is live, where it can tell."""
    service = context.settings.hosting.frontend
    if not service:
        return
    host = await context.host()
    if Ability.DEPLOY not in host.abilities:
        return
    try:
        deploys = await host.deploys(service)
    except HostingError as error:
        await context.say(f"The front page's commit is not known: {error.what}")
        return
    live = next((deploy for deploy in deploys if deploy.state is DeployState.LIVE), None)
    await context.fact(FRONTEND_DEPLOYED, {"id": live.id, "commit": live.commit} if live else None)


TRACKER = Document("progress_tracker", _tracker)
WORKFLOW_STATUS = Document("workflow_status", _workflow_status, left_alone)
DEPLOYMENT_HEALTH = Document("deployment_health", _deployment_health, look=_look_at_frontend)


async def _remember(context: StepContext, file: ProjectFile) -> None:
    written: list[str] = context.state.facts.get(DOCUMENTS_WRITTEN) or []
    if str(file.path) not in written:
        await context.fact(DOCUMENTS_WRITTEN, [*written, str(file.path)])
