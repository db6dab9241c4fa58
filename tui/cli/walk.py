"""The demo without a person: the ten tasks one after another, each step run, answered or ticked, and each printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from core.demo.alembic import run_alembic
from core.demo.incident import HEAD_REVISION
from core.engine.handover import Handover
from core.engine.process import engine_client
from core.engine.protocol import TickStep
from core.errors import PgrecastError, Refused
from core.events import ENTER, NOTHING, FileRecorded, Question
from core.runbook.conversion.rehearse import ON_TEST
from core.runbook.conversion.staged import DYNAMIC
from core.runbook.conversion_day.begin_maintenance import BEGIN
from core.runbook.conversion_day.deploy_production import DEPLOY, LATEST
from core.runbook.conversion_day.end_maintenance import END
from core.runbook.facts import DOCUMENTS_WRITTEN, LOCATED, MIGRATED_PRODUCTION, RUN_REPORT_FILE
from core.runbook.migrations import MIGRATE, STAMP
from core.runbook.model import Step, Task
from core.runbook.questions import ACCEPT, COMMIT, CONVERT, LEAVE, REPAIR
from core.runbook.recovery import RECOVERY
from core.runbook.rewriting import WRITE
from core.runbook.rotation.password import ROTATE
from core.runbook.rotation.sessions import END as END_SESSIONS
from core.runbook.rotation.successor import DONE
from core.runbook.state import RunState, StepStatus
from core.runbook.window.choose import NOW
from core.runbook.window.prepare import ARRIVED, TEAM
from core.secrets.keep import Kept
from core.settings import Settings
from tui.cli.demo_host import Demo
from tui.cli.follow import Answer, Follower
from tui.cli.output import Output
from tui.summary import closed_gates

NAME = "demo"
NOTE = "the demo's word for it"
PROVED, TICKED, NOT_BUILT = "proved", "ticked by demo", "ticked by demo (not yet built)"
CONVERSIONS = ("5.1", "7.3")
DOCUMENTS = 3
REVOKE_KEY, NEW_KEY = "1.3", "1.4"

# The first that a question offers is taken; the typed name is the one that the question asks for.
CHOICES = (
    CONVERT,
    COMMIT,
    ACCEPT,
    LEAVE,
    REPAIR,
    DYNAMIC,
    ON_TEST,
    STAMP,
    MIGRATE,
    WRITE,
    NOW,
    TEAM,
    ARRIVED,
    NOTHING,
    ROTATE,
    END_SESSIONS,
    DONE,
    BEGIN,
    DEPLOY,
    LATEST,
    END,
)


@dataclass(frozen=True)
class Outcome:
    """How a step of the walk ended."""

    step: str
    title: str
    outcome: str
    summary: str


@dataclass
class Walk:
    """What the walk has come to so far.

    Attributes:
        before: the error with which the head migration failed before the conversion.
        head: the revision at which production stands in the end.
    """

    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    before: str = ""
    head: str = ""


async def walk(handover: Handover, demo: Demo, output: Output) -> int:
    """Walk the ten tasks and print each; 0 when all went well and the proof holds."""
    walked = Walk()
    follower = Follower(await engine_client(handover), tell=output.progress, answers=partial(answer, demo))
    await follower.attach(NAME)
    status = 0
    try:
        walked.before = await _fails_before(demo)
        output.lines(["before the conversion, alembic upgrade head fails:", f"   {walked.before}"])
        runbook = RECOVERY.fitted(handover.settings)
        for task in runbook.tasks:
            output.lines([f"{task.number:2} {task.title}"])
            for step in (*_open_asides(task, follower.state, handover.settings), *task.steps):
                outcome = await _step(follower, step, demo)
                walked.outcomes.append(outcome)
                output.lines([f"   {step.id:<5} {outcome.outcome:<31} {step.title}: {outcome.summary}"])
        walked.head = await _head(demo, Kept(handover.run_directory))
    except PgrecastError as error:
        output.error(error)
        status = error.exit_status
    finally:
        await follower.detach()
    document = _document(walked, follower.state, handover)
    if not status:
        output.document(document)
        output.lines(_closing(document))
        status = 0 if document["ended_well"] else 1
    return status


def answer(demo: Demo, question: Question) -> Answer:
    """What the demo answers: it goes on, as a person who has read and agrees would."""
    if question.step in (NEW_KEY, REVOKE_KEY) and question.entry is not None:
        return Answer(ENTER, value=demo.make_key())
    if question.step == REVOKE_KEY:
        demo.revoke_key()
    offered = {choice.name: choice for choice in question.choices}
    for name in CHOICES:
        if name in offered:
            return Answer(name, offered[name].phrase or "")
    raise Refused(f"The demo has no answer to {question.title!r}.")


def _open_asides(task: Task, state: RunState, settings: Settings) -> list[Step]:
    """What can be done beside the task's course as things stand."""
    now = datetime.now(UTC)
    return [step for step in task.asides if not closed_gates(step, state, settings, now)]


async def _step(follower: Follower, step: Step, demo: Demo) -> Outcome:
    if step.action is not None:
        state = await follower.run(step.id)
        return Outcome(step.id, step.title, PROVED, state.summary)
    await follower.command(TickStep(step=step.id, note=NOTE))
    return Outcome(step.id, step.title, TICKED if step.built else NOT_BUILT, NOTE)


async def _fails_before(demo: Demo) -> str:
    """Try the deploy's migration as it was tried in the incident; its error."""
    outcome = await run_alembic(demo.application, demo.production, "upgrade", "head")
    if not outcome.exit_status:
        raise Refused("The head migration does not fail: this is not the incident.")
    lines = [line for line in outcome.output.splitlines() if "cannot be implemented" in line or "DETAIL" in line]
    return " ".join(line.strip() for line in dict.fromkeys(lines)) or outcome.output.strip().splitlines()[-1]


async def _head(demo: Demo, kept: Kept) -> str:
    """The revision at which production is, by Alembic's own word."""
    rotated = kept.successor("production")
    production = rotated[1].on(demo.production) if rotated is not None else demo.production
    outcome = await run_alembic(demo.application, production, "current")
    found = re.search(r"^([0-9a-f]+) \(head\)$", outcome.output, re.MULTILINE)
    return found[1] if found else outcome.output.strip().splitlines()[-1]


def _document(walked: Walk, state: RunState, handover: Handover) -> dict[str, Any]:
    conversions: dict[str, Any] = {}
    for step in CONVERSIONS:
        found = state.conversions.get(step)
        if found is None:
            continue
        counts: dict[str, int] = {}
        for phase in found.phases:
            for tally in phase.tallies:
                if not tally.root:
                    counts[tally.what] = counts.get(tally.what, 0) + tally.count
        conversions[step] = {
            "target": found.target,
            "outcome": found.outcome,
            "proof_held": found.proof_held,
            "proof": list(found.proof),
            "counts": counts,
        }
    documents = {Path(path).name for path in state.facts.get(DOCUMENTS_WRITTEN) or ()}
    steps = [state.step(outcome.step) for outcome in walked.outcomes]
    return {
        "tasks": [
            {
                "number": task.number,
                "title": task.title,
                "steps": [asdict(o) for o in walked.outcomes if o.step.partition(".")[0] == str(task.number)],
            }
            for task in RECOVERY.tasks
        ],
        "proved": sum(step.status is StepStatus.DONE for step in steps),
        "ticked": sum(step.status is StepStatus.TICKED for step in steps),
        "failed_before": walked.before,
        "located": state.facts.get(LOCATED),
        "migrated": state.facts.get(MIGRATED_PRODUCTION),
        "head": walked.head,
        "documents": _evidence(state, handover, lambda file: file.name in documents),
        "report": _evidence(state, handover, lambda file: file.name == RUN_REPORT_FILE),
        "conversions": conversions,
        "run": str(handover.run_directory),
        "ended_well": walked.head == HEAD_REVISION
        and len(conversions) == len(CONVERSIONS)
        and len(documents) == DOCUMENTS
        and all(_is_whole(conversion) for conversion in conversions.values()),
    }


def _evidence(state: RunState, handover: Handover, wanted: Callable[[FileRecorded], bool]) -> dict[str, str]:
    """Where evidence files are, the newest of each name."""
    files = [file for step in state.steps.values() for file in step.files]
    return {file.name: str(handover.run_directory / file.path) for file in files if wanted(file)}


def _is_whole(conversion: dict[str, Any]) -> bool:
    counts = conversion["counts"]
    return (
        conversion["outcome"] == "committed"
        and conversion["proof_held"]
        and counts["foreign keys dropped"] == counts["foreign keys recreated"] > 0
    )


def _closing(document: dict[str, Any]) -> list[str]:
    lines = [f"{document['proved']} steps proved, {document['ticked']} ticked by demo"]
    for conversion in document["conversions"].values():
        counts = conversion["counts"]
        lines.append(
            f"{conversion['target']}: {counts['foreign keys dropped']} foreign keys dropped, "
            f"{counts['foreign keys recreated']} recreated; {conversion['outcome']}; "
            f"the proof {'holds' if conversion['proof_held'] else 'does NOT hold'}"
        )
    migrated: list[str] = document["migrated"] or []
    lines.append(f"{len(migrated)} migrations applied: production is at {document['head']}")
    for name, path in {**document["documents"], **document["report"]}.items():
        lines.append(f"{name}: {path}")
    lines.append(f"run {document['run']}")
    return lines
