"""`pgrecast convert`: one conversion, from the plan to COMMIT or ROLLBACK, without a screen.

With `--dsn` it is a run of its own with one step; for a configured target it is step 7.3 (production) or 5.1 (test) of the
recovery, with its gates. `--undo` goes on with the run that converted, of either kind, and takes back what it committed.

The engine does the work, in a process of its own: the terminal's end stops nothing, and what was told on the command line is
still answered. Ctrl-C stops the step as long as nothing has begun; once the transaction is open it leaves, and the run goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.engine.client import SocketClient
from core.engine.handover import CONVERSION, RECOVERY, Handover
from core.engine.process import engine_client, is_served
from core.engine.protocol import StopEngine
from core.engine.targets import recorded
from core.errors import OutcomeUnknown, Refused, RolledBack, UsageError
from core.events import Question
from core.postgres.connect import ConnectionSpec, connect, identify
from core.runbook.conversion.rehearse import ON_TEST
from core.runbook.conversion_state import UNDO
from core.runbook.facts import REPORT_FILE
from core.runbook.one_step import STEP
from core.runbook.questions import ACCEPT, COMMIT, CONVERT, LEAVE, ROLLBACK
from core.runbook.state import ConversionState, RunState, StepState
from core.settings import Settings
from tui import text
from tui.cli.expected import with_scope
from tui.cli.follow import END_WITHIN, Answer, EngineLost, Follower
from tui.cli.output import Output
from tui.cli.runs import conversion_run, existing_run, recovery_run, runbook_of
from tui.cli.signals import outlive_the_terminal
from tui.cli.targets import target_spec

RECOVERY_STEPS = {"production": "7.3", "test": "5.1"}

FIND_OUT_WITHIN = 60.0
"""Seconds in which a new engine finds out what became of the step of one that died, or it is told as unknown."""


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Convert, and print how it ended."""
    spec = await target_spec(given, settings)
    if given.confirm is None:
        raise Refused(
            f"The conversion of {spec.database} is not confirmed.",
            advice=f"Read the plan (pgrecast plan), then add --confirm {spec.database}.",
        )
    outlive_the_terminal()
    settings = await with_scope(given, settings, spec, output)
    what = _what_to_run(given, settings, spec)
    directory, step = what.handover.run_directory, what.step
    output.progress(f"run {directory}")
    follower, started = await _attach(what, given, settings, output)
    try:
        await _require_database(what, spec, follower.state)
        try:
            state = await follower.run(step)
        except RolledBack:
            if not given.rollback:
                raise
            state = follower.state.step(step)
        except EngineLost as lost:
            output.progress(f"{lost.what} Another is started, to find out what became of the step.")
            follower, started = await _attach(what, given, settings, output)
            state = await follower.found_out(step, FIND_OUT_WITHIN)
    finally:
        conversion = follower.state.conversions.get(step)
        if given.report:
            _write_report(given.report, directory, follower.state.step(step))
        if started:
            await follower.end_engine()
        await follower.detach()
    document = _document(directory, state, conversion)
    output.document(document)
    output.lines(_lines(document))
    return 0


@dataclass(frozen=True)
class _Work:
    """What is to be done: a step of a run, on a target."""

    handover: Handover
    step: str
    target: str


def _what_to_run(given: argparse.Namespace, settings: Settings, spec: ConnectionSpec) -> _Work:
    undo = UNDO if given.undo is not None else ""
    if given.undo is not None:
        directory = existing_run(given.undo, settings)
        runbook = runbook_of(directory)
    elif given.dsn:
        directory = conversion_run(given.run, settings, spec.database, datetime.now(UTC))
        runbook = CONVERSION
    else:
        directory, runbook = recovery_run(given.run, settings), RECOVERY
    target = "production" if runbook == CONVERSION else given.target
    step = STEP if runbook == CONVERSION else RECOVERY_STEPS[given.target]
    return _Work(Handover(directory, settings, runbook, {target: spec}), f"{step}{undo}", target)


async def _attach(what: _Work, given: argparse.Namespace, settings: Settings, output: Output) -> tuple[Follower, bool]:
    """The operator of the run's engine, and whether the engine was started for this command.

    One that serves already is used if it goes by the same settings. If not, another takes its place, which it refuses while
    it has an operator or runs a step.
    """
    directory = what.handover.run_directory

    async def attached(client: SocketClient) -> Follower:
        follower = Follower(
            client, tell=output.progress, answers=answers(given), leave=lambda state: _leave(state, what, settings)
        )
        await follower.attach(settings.run.operator_name)
        return follower

    if is_served(directory):
        follower = await attached(SocketClient(directory))
        known = what.target in follower.state.targets
        if known and not given.dsn and follower.state.settings == settings.told():
            return follower, False
        output.progress("The run's engine goes by other settings; it ends, and another takes its place.")
        try:
            await follower.command(StopEngine())
            await follower.ended(END_WITHIN)
        finally:
            await follower.detach()
    return await attached(await engine_client(what.handover)), True


async def _require_database(what: _Work, spec: ConnectionSpec, state: RunState) -> None:
    """Raise WrongDatabase if the run is about another database than the arguments name."""
    known = state.targets.get(what.target)
    if known is None:
        return
    connection = await connect(spec)
    try:
        recorded(known).require(await identify(connection))
    finally:
        await connection.close()


def _leave(state: RunState, what: _Work, settings: Settings) -> OutcomeUnknown | None:
    """What is said at Ctrl-C while the transaction is open: the engine goes on. Before it, nothing has changed: stop."""
    conversion = state.conversions.get(what.step)
    if conversion is None or conversion.opened is None or conversion.ended is not None:
        return None
    limit = text.duration(settings.limits.commit)
    directory = what.handover.run_directory
    return OutcomeUnknown(
        "This command has left; the conversion goes on without it.",
        state=f"Its transaction is open. COMMIT or ROLLBACK is asked for in the console; unanswered for {limit}, it rolls back.",
        advice=f"`pgrecast --run {directory}` shows it, stops it and answers; `pgrecast --run {directory} status` tells how it is.",
    )


def answers(given: argparse.Namespace) -> Callable[[Question], Answer]:
    """What the arguments say to each question; the engine checks the typed name, not we."""

    def answer(question: Question) -> Answer:
        offered = {choice.name: choice for choice in question.choices}
        if ON_TEST in offered:
            return Answer(ON_TEST)
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
