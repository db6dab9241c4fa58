"""`pgrecast convert`: one conversion, from the plan to COMMIT or ROLLBACK, without a screen.

With `--dsn` it is a run of its own with one step; for a configured target it is step 7.3 (production) or 5.1 (test) of the
recovery, with its gates. `--undo` goes on with the run that converted, of either kind, and takes back what it committed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.engine.engine import Engine
from core.engine.targets import ConfiguredTargets
from core.engine.thread import EngineThread, LocalClient
from core.errors import Refused, UsageError
from core.events import Question
from core.journal import read_journal
from core.runbook.conversion_state import UNDO
from core.runbook.facts import REPORT_FILE
from core.runbook.model import Runbook
from core.runbook.one_step import CONVERSION, STEP
from core.runbook.questions import ACCEPT, COMMIT, CONVERT, LEAVE, ROLLBACK
from core.runbook.recovery import RECOVERY
from core.runbook.state import ConversionState, StepState, fold_all
from core.settings import Settings
from tui.cli.expected import with_scope
from tui.cli.follow import Answer, Follower
from tui.cli.output import Output
from tui.cli.runs import conversion_run, existing_run, recovery_run
from tui.cli.targets import target_spec

RECOVERY_STEPS = {"production": "7.3", "test": "5.1"}


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Convert, and print how it ended."""
    spec = await target_spec(given, settings)
    if given.confirm is None:
        raise Refused(
            f"The conversion of {spec.database} is not confirmed.",
            advice=f"Read the plan (pgrecast plan), then add --confirm {spec.database}.",
        )
    settings = await with_scope(given, settings, spec, output)
    runbook, step, directory = _what_to_run(given, settings, spec.database)
    target = "production" if runbook is CONVERSION else given.target
    targets = ConfiguredTargets(settings, {target: spec})
    output.progress(f"run {directory}")
    with EngineThread(lambda: Engine(directory, settings, runbook, targets)) as thread:
        follower = Follower(LocalClient(thread), tell=output.progress, answers=answers(given))
        await follower.attach(settings.run.operator_name)
        try:
            state = await follower.run(step)
        finally:
            conversion = follower.state.conversions.get(step)
            if given.report:
                _write_report(given.report, directory, follower.state.step(step))
            await follower.detach()
    document = _document(directory, state, conversion)
    output.document(document)
    output.lines(_lines(document))
    return 0


def _what_to_run(given: argparse.Namespace, settings: Settings, database: str) -> tuple[Runbook, str, Path]:
    """The runbook, the step of it, and the run's directory."""
    if given.undo is not None:
        directory = existing_run(given.undo, settings)
        recovery = fold_all(read_journal(directory)).runbook == RECOVERY.name
        step = RECOVERY_STEPS[given.target] if recovery else STEP
        return RECOVERY if recovery else CONVERSION, f"{step}{UNDO}", directory
    if given.dsn:
        return CONVERSION, STEP, conversion_run(given.run, settings, database, datetime.now(UTC))
    return RECOVERY, RECOVERY_STEPS[given.target], recovery_run(given.run, settings)


def answers(given: argparse.Namespace) -> Callable[[Question], Answer]:
    """What the arguments say to each question; the engine checks the typed name, not we."""

    def answer(question: Question) -> Answer:
        offered = {choice.name: choice for choice in question.choices}
        if CONVERT in offered:
            return Answer(CONVERT, given.confirm)
        if COMMIT in offered:
            return Answer(COMMIT, given.confirm) if given.commit else Answer(ROLLBACK)
        if ACCEPT in offered:
            raise Refused(
                f"Not accepted: {' | '.join(question.details)}",
                advice="Read what each says, and accept it by its id (--accept ID, or --accept all).",
            )
        if LEAVE in offered:
            raise Refused(
                f"Not decided, whether to retype: {' | '.join(question.details)}",
                advice="Add --soft-references all or none, or --include and --exclude for single columns.",
            )
        raise Refused(f"There is no answer to {question.title!r} on the command line.", advice="Use the console.")

    return answer


def _write_report(path: Path, directory: Path, step: StepState) -> None:
    found = next((file for file in reversed(step.files) if file.name == REPORT_FILE), None)
    if found is None:
        return
    try:
        path.write_bytes((directory / found.path).read_bytes())
    except OSError as error:
        raise UsageError(
            f"The report cannot be written to {path}: {error.strerror}.",
            state="The conversion has ended as told above.",
            advice=f"It is also in {directory / found.path}.",
        ) from error


def _document(directory: Path, step: StepState, conversion: ConversionState | None) -> dict[str, Any]:
    facts = {fact.name: fact.value for fact in step.facts}
    return {
        "outcome": conversion.outcome if conversion else None,
        "summary": step.summary,
        "plan": conversion.plan if conversion else None,
        "transaction": conversion.xid if conversion else None,
        "proof": {
            "depth": conversion.proof_depth if conversion else None,
            "held": conversion.proof_held if conversion else None,
            "lines": list(conversion.proof) if conversion else [],
        },
        "phases": [
            {"number": phase.number, "name": phase.name, "statements": phase.done, "seconds": phase.seconds}
            for phase in (conversion.phases if conversion else ())
        ],
        "facts": facts,
        "evidence": {file.name: {"path": str(directory / file.path), "sha256": file.sha256} for file in step.files},
        "run": str(directory),
    }


def _lines(document: dict[str, Any]) -> list[str]:
    return [document["summary"], *document["proof"]["lines"], f"run {document['run']}"]
