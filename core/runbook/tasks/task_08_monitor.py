"""Task 8: watch production after the conversion."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.escalations import SERVICES_DO_NOT_START
from core.runbook.model import Step, StepKind, Task


def _journey(step: str, title: str) -> Step:
    return Step(step, f"Test: {title}", StepKind.MANUAL, (f"Walk through it as a user would: {title}.",))


TASK = Task(
    number=8,
    title="Monitor",
    why="What the conversion broke shows in use.",
    output="A stable production system with no errors.",
    planned=(timedelta(hours=1), timedelta(hours=2)),
    due=timedelta(days=3),
    steps=(
        Step(
            "8.1",
            "Watch the logs for errors",
            StepKind.AUTOMATIC,
            ("Monitor the host's logs for errors, especially foreign key violations.",),
            built=False,
        ),
        _journey("8.2", "user registration, through the identity provider"),
        _journey("8.3", "organization creation"),
        _journey("8.4", "deal creation"),
        _journey("8.5", "document upload"),
        _journey("8.6", "financial connection"),
        Step(
            "8.7",
            "Check for foreign key violations",
            StepKind.AUTOMATIC,
            ("Search the logs for foreign key violations.",),
            built=False,
        ),
        Step(
            "8.8",
            "Verify data integrity",
            StepKind.AUTOMATIC,
            (
                "SELECT COUNT(*) FROM users; SELECT COUNT(*) FROM organizations;",
                "Compare with what the investigation counted.",
            ),
            built=False,
        ),
    ),
    escalations=(SERVICES_DO_NOT_START,),
)
