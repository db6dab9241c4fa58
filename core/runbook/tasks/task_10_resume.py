"""Task 10: resume development."""

from __future__ import annotations

from core.runbook.model import Step, StepKind, Task
from core.runbook.release import has_commands, run_commands
from core.runbook.reports.blocker import unblocked

COMMANDS = "With commands for it under [release] the console runs them; each must end with status 0."


def _phase(step: str, title: str, *lines: str) -> Step:
    return Step(
        step,
        title,
        StepKind.AUTOMATIC,
        (*lines, COMMANDS),
        action=run_commands,
        gates=(unblocked,),
        requires=has_commands(step),
    )


TASK = Task(
    number=10,
    title="Resume development",
    why="The schema is aligned, so that what was blocked can go on.",
    output="Development goes on, up to the release.",
    steps=(
        _phase(
            "10.1",
            "Phase 1: documentation (2 h)",
            "Capture screenshots of the feature in hand.",
            "Update the story's documentation.",
            "Mark the story complete (for example DEV-008).",
        ),
        _phase(
            "10.2",
            "Phase 2: administration backend (10 h, tests first)",
            "Goals system: tables, models, endpoints, tests.",
            "Activities system.",
            "Scoring and focus systems.",
            "Nudges and meetings systems.",
        ),
        _phase(
            "10.3",
            "Phase 2: marketing audits (2 h)",
            "Lighthouse audit of production.",
            "Axe accessibility audit.",
            "Fix what they find.",
        ),
        _phase(
            "10.4",
            "Phase 3: feature polish (16 h)",
            "Export resilience of the valuation suite (for example DEV-011).",
            "Workflow templates of task automation (for example DEV-012).",
            "Transcript reading in the podcast studio (for example DEV-016).",
            "Tuning of the deal matching (for example DEV-018).",
        ),
        _phase(
            "10.5",
            "Phase 4: final QA and release (4 h)",
            "Full test suite, backend and frontend 100 %.",
            "Verification of the build.",
            "Update of the documentation.",
            "Release.",
        ),
    ),
)
