"""Task 10: the phases up to the release, each by the user's own commands where the settings have some."""

from __future__ import annotations

from collections.abc import Callable

from core.errors import PgrecastError
from core.events import Json
from core.runbook.facts import RELEASE_COMMANDS
from core.runbook.model import StepContext
from core.runbook.user_command import run_user_command
from core.runbook.words import counted
from core.settings import Settings

STATE = "pgrecast itself has changed nothing in the database."


def has_commands(step: str) -> Callable[[Settings], bool]:
    """Whether the settings have commands for the step."""
    return lambda settings: bool(settings.release.of(step))


async def run_commands(context: StepContext) -> str:
    """Run the step's commands in their order; output and exit status of each are evidence.

    Raises:
        PgrecastError: one did not end with status 0; those behind it are not run.
    """
    wanted = context.settings.release
    commands = wanted.of(context.step)
    results: list[Json] = []
    for number, command in enumerate(commands, 1):
        await context.say(f"$ {command}")
        ran = await run_user_command(context, command, wanted.directory, wanted.timeout)
        path = await context.file(f"command-{number}.txt", ran.document.encode())
        results.append({"command": command, "status": ran.status, "seconds": round(ran.seconds, 1)})
        await context.fact(RELEASE_COMMANDS, {**_known(context), context.step: list(results)})
        if not ran.held:
            left = len(commands) - number
            raise PgrecastError(
                f"The command {command!r}: {ran.words}.",
                state=STATE + (f" Not run: {counted(left, 'command')} behind it." if left else ""),
                advice=f"Its output is in {path}. Mend what it found, and run the step again.",
            )
        await context.say(ran.words)
    return f"{counted(len(commands), 'command')} ended with status 0"


def _known(context: StepContext) -> dict[str, Json]:
    found = context.state.facts.get(RELEASE_COMMANDS)
    return dict(found) if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
