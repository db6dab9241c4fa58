"""Task 9: write down what was done."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.checklists.tick import CHECKLISTS
from core.runbook.documents.document import DEPLOYMENT_HEALTH, TRACKER, WORKFLOW_STATUS
from core.runbook.model import Step, StepKind, Task
from core.runbook.reports.run_report import write_run_report

TASK = Task(
    number=9,
    title="Update documents",
    why="Who comes next must know what was done, and where the schema stands.",
    output="All project documents updated with the conversion's results.",
    planned=(timedelta(minutes=30), timedelta(minutes=30)),
    due=timedelta(days=3),
    steps=(
        Step(
            "9.1",
            "Update the progress tracker",
            StepKind.AUTOMATIC,
            (
                "docs/bmad/BMAD_PROGRESS_TRACKER.md: a section for this session, with its date, duration and focus.",
                (
                    "Completed: credentials rotated; database investigated, with its true revision; production backed up, with "
                    "the size; conversion script's phase 5 completed, with the approach; test conversion validated; production "
                    "converted, with the downtime; alembic_version reset; deployment triggered, migrations applied; health "
                    "verified (backend, frontend, database)."
                ),
                (
                    "Results: each key's type before and after; foreign keys dropped and recreated; migration state and number "
                    "of migrations applied; new tables created; deployment health."
                ),
                "Next steps: what development resumes with.",
            ),
            action=TRACKER.update,
            requires=TRACKER.is_configured,
            reconcile=TRACKER.reconcile,
        ),
        Step(
            "9.2",
            "Update the workflow status",
            StepKind.AUTOMATIC,
            (
                "docs/bmad/bmm-workflow-status.md: NEXT_ACTION, NEXT_COMMAND, NEXT_AGENT.",
                "BLOCKER_RESOLVED: the schema's mismatch (UUID against VARCHAR), conversion complete.",
            ),
            action=WORKFLOW_STATUS.update,
            requires=WORKFLOW_STATUS.is_configured,
            reconcile=WORKFLOW_STATUS.reconcile,
        ),
        Step(
            "9.3",
            "Update the deployment health",
            StepKind.AUTOMATIC,
            (
                (
                    "docs/DEPLOYMENT_HEALTH.md: the latest deployment's date, backend's and frontend's commits, the database's "
                    "revision, its health."
                ),
            ),
            action=DEPLOYMENT_HEALTH.update,
            requires=DEPLOYMENT_HEALTH.is_configured,
            reconcile=DEPLOYMENT_HEALTH.reconcile,
        ),
        Step(
            "9.4",
            "Write the run report",
            StepKind.AUTOMATIC,
            (
                "Who did what when, every gate and override, every figure, the proof, what is proved and what is only ticked,",
                "every file with its sha256, the way back: in Markdown, among the evidence.",
                "Again at any time: pgrecast status --report FILE",
            ),
            action=write_run_report,
        ),
    ),
    asides=(CHECKLISTS,),
)
