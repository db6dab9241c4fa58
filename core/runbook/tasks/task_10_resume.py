"""Task 10: resume development."""

from __future__ import annotations

from core.runbook.model import Step, StepKind, Task

TASK = Task(
    number=10,
    title="Resume development",
    why="The schema is aligned, so that what was blocked can go on.",
    output="Development goes on, up to the release.",
    steps=(
        Step(
            "10.1",
            "Phase 1: documentation (2 h)",
            StepKind.MANUAL,
            (
                "Capture screenshots of the feature in hand.",
                "Update the story's documentation.",
                "Mark the story complete (for example DEV-008).",
            ),
        ),
        Step(
            "10.2",
            "Phase 2: administration backend (10 h, tests first)",
            StepKind.MANUAL,
            (
                "Goals system: tables, models, endpoints, tests.",
                "Activities system.",
                "Scoring and focus systems.",
                "Nudges and meetings systems.",
            ),
        ),
        Step(
            "10.3",
            "Phase 2: marketing audits (2 h)",
            StepKind.MANUAL,
            ("Lighthouse audit of production.", "Axe accessibility audit.", "Fix what they find."),
        ),
        Step(
            "10.4",
            "Phase 3: feature polish (16 h)",
            StepKind.MANUAL,
            (
                "Export resilience of the valuation suite (for example DEV-011).",
                "Workflow templates of task automation (for example DEV-012).",
                "Transcript reading in the podcast studio (for example DEV-016).",
                "Tuning of the deal matching (for example DEV-018).",
            ),
        ),
        Step(
            "10.5",
            "Phase 4: final QA and release (4 h)",
            StepKind.MANUAL,
            (
                "Full test suite, backend and frontend 100 %.",
                "Verification of the build.",
                "Update of the documentation.",
                "Release.",
            ),
        ),
    ),
)
