"""Task 3: back up the production database."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.model import Step, StepKind, Task

TASK = Task(
    number=3,
    title="Back up production",
    why="A safety net before a destructive operation.",
    output="A backup file, stored securely, its integrity verified.",
    planned=(timedelta(minutes=15), timedelta(minutes=30)),
    due=timedelta(hours=2),
    steps=(
        Step(
            "3.1",
            "Take the backup",
            StepKind.AUTOMATIC,
            (
                "Either at the host: Database, Backups, Create Manual Backup; wait for its completion; download the file.",
                "Or with pg_dump, DATABASE_URL being set with the new password:",
                'pg_dump "$DATABASE_URL" | gzip > backups/backup_$(date +%Y%m%d_%H%M%S).sql.gz',
            ),
            built=False,
        ),
        Step(
            "3.2",
            "Verify the backup",
            StepKind.AUTOMATIC,
            (
                "Its head can be read: gunzip -c backups/backup_*.sql.gz | head -n 100",
                "Its size is plausible: ls -lh backups/backup_*.sql.gz",
                "Its end is there: gunzip --test backups/backup_*.sql.gz",
            ),
            built=False,
        ),
        Step("3.3", "Store the backup securely", StepKind.MANUAL, ("Copy the backup off this machine.",)),
    ),
)
