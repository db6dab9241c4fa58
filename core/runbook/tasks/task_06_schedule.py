"""Task 6: schedule the production maintenance window."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.backups.leftovers import reconcile_restoring
from core.runbook.model import Step, StepKind, Task
from core.runbook.window.alerts import has_alert_command
from core.runbook.window.choose import choose_window
from core.runbook.window.prepare import name_team, send_test_alert, try_restore

TASK = Task(
    number=6,
    title="Schedule the window",
    why="The conversion needs 30 to 60 minutes of downtime.",
    output="A scheduled maintenance window, the team's availability confirmed.",
    due=timedelta(days=3),
    steps=(
        Step(
            "6.1",
            "Choose the window",
            StepKind.DECISION,
            (
                "Date: a weekend day (Saturday or Sunday).",
                "Time: 02:00 to 04:00 UTC, when traffic is low.",
                "Duration: 2 hours, a buffer for issues included.",
                "The next windows are proposed; choose one, or write another. The conversion starts in it only, and is bound by its end.",
                "Leaves a calendar entry (window.ics) and the messages to stakeholders and to the rollback team as evidence.",
            ),
            action=choose_window,
        ),
        Step(
            "6.2",
            "Notify stakeholders",
            StepKind.MANUAL,
            (
                "Tell everyone concerned, if there are active users.",
                "Step 6.1 has written the text, message-stakeholders.txt (y copies it), and the calendar entry, window.ics: both are its evidence.",
            ),
        ),
        Step(
            "6.3",
            "Prepare the rollback team",
            StepKind.DECISION,
            (
                "Name who is reachable during the window: the team of the settings ([window] team), or others.",
                "Writes message-rollback-team.txt with their names and the latest moment to turn back (y copies it): send it to them.",
            ),
            action=name_team,
        ),
        Step(
            "6.4",
            "Set up monitoring alerts",
            StepKind.AUTOMATIC,
            (
                "Set up the alerts and see one arrive.",
                "With monitor.alert_command set, the step sends a test alert by it; say when it has arrived.",
            ),
            action=send_test_alert,
            requires=has_alert_command,
        ),
        Step(
            "6.5",
            "Test the restore of the backup",
            StepKind.AUTOMATIC,
            (
                "Restore the backup into a scratch database and take the time.",
                "Leaves the procedure, command by command, as evidence (restore.md), and the window's papers with the new figure.",
            ),
            action=try_restore,
            reconcile=reconcile_restoring,
        ),
    ),
)
