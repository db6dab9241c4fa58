"""Task 3: back up the production database."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.backups.leftovers import reconcile_restoring, reconcile_taking
from core.runbook.backups.steps import (
    can_take,
    has_copy_command,
    store_backup,
    take_backup,
    verify_backup,
)
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
                (
                    "The console dumps in pg_dump's directory format, several tables at a time, from one snapshot, from which it "
                    "takes counts, contents and the catalog's fingerprint as well. It only reads."
                ),
                "Or has the host export the database and downloads that, or adopts a dump that is there (backup.method).",
            ),
            action=take_backup,
            requires=can_take,
            reconcile=reconcile_taking,
        ),
        Step(
            "3.2",
            "Verify the backup",
            StepKind.AUTOMATIC,
            (
                "Its head can be read: gunzip -c backups/backup_*.sql.gz | head -n 100",
                "Its size is plausible: ls -lh backups/backup_*.sql.gz",
                "Its end is there: gunzip --test backups/backup_*.sql.gz",
                "The console compares every file's checksum and unpacks each to its end,",
                "restores it into a scratch database, which is dropped again,",
                "and compares counts, contents and catalog with what was dumped (as deep as backup.verify says).",
            ),
            action=verify_backup,
            reconcile=reconcile_restoring,
        ),
        Step(
            "3.3",
            "Store the backup securely",
            StepKind.AUTOMATIC,
            (
                "Copy the backup off this machine, and compare the checksums there with those of its manifest.",
                "With backup.copy_command set, the step does both.",
            ),
            action=store_backup,
            requires=has_copy_command,
        ),
    ),
)
