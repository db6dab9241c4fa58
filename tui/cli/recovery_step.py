"""A step of the recovery that asks nothing, run by a command without a screen."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.engine.handover import RECOVERY, Handover
from core.engine.process import engine_client, is_served
from core.errors import Refused
from core.events import Question
from core.runbook.state import RunState, StepState
from core.settings import Settings
from tui.cli.follow import Answer, Follower
from tui.cli.output import Output
from tui.cli.runs import recovery_run
from tui.cli.targets import target_spec


async def run_recovery_step(
    step: str, given: argparse.Namespace, settings: Settings, output: Output
) -> tuple[Path, StepState, RunState]:
    """Run it in the recovery of the configured production target; an engine that serves already does it by its own settings.

    Returns:
        the run's directory, the step and the run as they are then.

    Raises:
        PgrecastError: as the step has failed.
    """
    directory = recovery_run(given.run, settings)
    served = is_served(directory)
    specs = {} if served else {"production": await target_spec(given, settings)}
    output.progress(f"run {directory}{': its engine goes by its own settings' if served else ''}")
    client = await engine_client(Handover(directory, settings, RECOVERY, specs))
    follower = Follower(client, tell=output.progress, answers=_no_answer)
    await follower.attach(settings.run.operator_name)
    try:
        state = await follower.run(step)
        return directory, state, follower.state
    finally:
        if not served:
            await follower.end_engine()
        await follower.detach()


def _no_answer(question: Question) -> Answer:
    raise Refused(f"There is no answer to {question.title!r} on the command line.", advice="Use the console.")
