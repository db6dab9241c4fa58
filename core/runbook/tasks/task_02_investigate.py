"""Task 2: investigate the production database."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.investigation.investigate import investigate
from core.runbook.investigation.record_findings import has_procedure, record_findings
from core.runbook.migrations import has_project, locate_production
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
            "Locate the true revision",
            StepKind.AUTOMATIC,
            (
                "Replays the application's migrations in a scratch database of our own, revision by revision.",
                "Compares what each revision makes with production's schema, read-only.",
                "Names the revision that the schema proves, what is still to be run, and what will be in its way.",
                "By hand: SELECT version_num FROM alembic_version; and look for each revision's tables.",
            ),
            action=locate_production,
            requires=has_project,
        ),
        Step(
            "2.4",
            "Record the findings in the template",
            StepKind.AUTOMATIC,
            (
                "Run the queries of the procedure that the report does not answer: psql $DATABASE_URL, read-only.",
                "Complete the template at the end of docs/DATABASE_INVESTIGATION_PROCEDURE.md from the report.",
            ),
            action=record_findings,
            requires=has_procedure,
        ),
    ),
)
