"""Task 6: schedule the production maintenance window."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.model import Step, StepKind, Task
from core.runbook.window import choose_window

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
                "The next windows are proposed; choose one. The conversion starts in it only, and is bound by its end.",
            ),
            action=choose_window,
        ),
        Step("6.2", "Notify stakeholders", StepKind.MANUAL, ("Tell everyone concerned, if there are active users.",)),
        Step(
            "6.3",
            "Prepare the rollback team",
            StepKind.MANUAL,
            ("Name who is reachable during the window, if needed.",),
        ),
        Step("6.4", "Set up monitoring alerts", StepKind.MANUAL, ("Set up the alerts and see one arrive.",)),
        Step(
            "6.5",
            "Test the restore of the backup",
            StepKind.AUTOMATIC,
            ("Restore the backup into a scratch database and take the time.",),
            built=False,
        ),
    ),
)
