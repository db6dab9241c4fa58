"""Task 2: investigate the production database."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.investigate import investigate
from core.runbook.model import Step, StepKind, Task

TASK = Task(
    number=2,
    title="Investigate",
    why="The true state of the migrations must be known before the conversion.",
    output="An investigation report that answers the key questions.",
    planned=(timedelta(hours=1), timedelta(hours=2)),
    due=timedelta(hours=2),
    steps=(
        Step(
            "2.1",
            "Read the investigation procedure",
            StepKind.MANUAL,
            ("Read docs/DATABASE_INVESTIGATION_PROCEDURE.md.",),
        ),
        Step(
            "2.2",
            "Investigate production",
            StepKind.AUTOMATIC,
            (
                "Connects to production, read-only, and reads its whole catalog under one snapshot.",
                "What is the current alembic_version?",
                "Which indicator tables exist?",
                "Is users.id UUID or VARCHAR(36)? (It decides whether a conversion is needed.)",
                "How many users and organizations? (They tell how long the conversion takes.)",
                "Records the findings, and what would block a conversion, in an investigation report.",
            ),
            action=investigate,
        ),
        Step(
            "2.3",
            "Record the findings in the template",
            StepKind.MANUAL,
            (
                "Run the queries of the procedure that the report does not answer: psql $DATABASE_URL, read-only.",
                "Complete the template at the end of docs/DATABASE_INVESTIGATION_PROCEDURE.md from the report.",
            ),
        ),
    ),
)
