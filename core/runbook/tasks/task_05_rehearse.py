"""Task 5: rehearse the conversion on the test database."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.conversion.rehearsal_copy import reconcile_rehearsal
from core.runbook.conversion.rehearse import migrate_rehearsed, rehearse, verify_foreign_keys
from core.runbook.escalations import CONVERSION_FAILS, MIGRATIONS_FAIL
from core.runbook.gates import REHEARSE
from core.runbook.migrations import has_project
from core.runbook.model import Step, StepKind, Task
from core.runbook.ways_back import undo_step

TASK = Task(
    number=5,
    title="Rehearse on test",
    why="The conversion must have worked once before it touches production.",
    output="A proved conversion of the test database, with all migrations applied.",
    planned=(timedelta(hours=1), timedelta(hours=2)),
    due=timedelta(days=1),
    steps=(
        Step(
            "5.1",
            "Convert the test database",
            StepKind.DESTRUCTIVE,
            (
                "Connects to the test database (DATABASE_URL_TEST) and plans the conversion.",
                "After the typed confirmation it converts, in one transaction, and proves the result.",
                "Review the result. If it is right: COMMIT. If not: ROLLBACK.",
                "The time of every statement is kept for production's estimate.",
                (
                    "Once a backup is verified (step 3.2), a copy restored from it can be taken instead: production's true size. "
                    "Its foreign keys are counted, and its migrations run, in the same step; then it is dropped."
                ),
            ),
            action=rehearse,
            reconcile=reconcile_rehearsal,
            gates=REHEARSE,
        ),
        Step(
            "5.2",
            "Verify the foreign keys",
            StepKind.AUTOMATIC,
            (
                "Counts the test database's foreign keys and compares them with those before the conversion.",
                "By hand: SELECT COUNT(*) FROM information_schema.table_constraints WHERE constraint_type='FOREIGN KEY';",
            ),
            action=verify_foreign_keys,
        ),
        Step(
            "5.3",
            "Run the test migrations",
            StepKind.DESTRUCTIVE,
            (
                "cd backend",
                'export DATABASE_URL="$DATABASE_URL_TEST"',
                "Set alembic_version to the revision that the investigation found, if it claims another.",
                "alembic upgrade head",
                "Expected: the migrations up to the head succeed.",
            ),
            action=migrate_rehearsed,
            requires=has_project,
        ),
    ),
    escalations=(CONVERSION_FAILS, MIGRATIONS_FAIL),
    ways_back=(undo_step("5.1", "test"),),
)
