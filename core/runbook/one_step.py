"""The runbook of `pgrecast convert --dsn`: one step, without the recovery's gates; typed name and blockers hold."""

from __future__ import annotations

from core.runbook.conversion.production import convert_one
from core.runbook.escalations import CONVERSION_FAILS
from core.runbook.model import Runbook, Step, StepKind, Task
from core.runbook.ways_back import ways_back_from

STEP = "1.1"

CONVERSION = Runbook(
    "conversion",
    (
        Task(
            number=1,
            title="Convert",
            why="The key columns must get another type.",
            output="A converted database, proved.",
            steps=(
                Step(
                    STEP,
                    "Convert the database",
                    StepKind.DESTRUCTIVE,
                    (
                        "Plans the conversion; a blocker ends it before anything is touched.",
                        "After the typed confirmation it converts, in one transaction, and proves the result.",
                        "If the proof holds: COMMIT or ROLLBACK.",
                    ),
                    action=convert_one,
                ),
            ),
            escalations=(CONVERSION_FAILS,),
            ways_back=ways_back_from(STEP, "production"),
        ),
    ),
)
