"""Task 1: rotate the leaked credentials."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.model import Step, StepKind, Task

TASK = Task(
    number=1,
    title="Rotate credentials",
    why="API keys and passwords were exposed.",
    output="The leaked key and both leaked passwords are dead, and the checklist of the rotation is ticked.",
    planned=(timedelta(minutes=30), timedelta(minutes=60)),
    due=timedelta(hours=1),
    steps=(
        Step(
            "1.1",
            "Read what must be rotated",
            StepKind.MANUAL,
            ("Read docs/SECURITY_CREDENTIAL_ROTATION_REQUIRED.md.",),
        ),
        Step("1.2", "Open the host's dashboard", StepKind.MANUAL, ("Log in to the hosting service's dashboard.",)),
        Step(
            "1.3",
            "Revoke the leaked API key",
            StepKind.DESTRUCTIVE,
            ("Revoke the API key that was exposed.", "From then on it must be answered with 401."),
            built=False,
        ),
        Step(
            "1.4",
            "Generate a new API key",
            StepKind.MANUAL,
            ("Generate a new API key.", "Store it securely, in a password manager."),
        ),
        Step(
            "1.5",
            "Reset the production database's password",
            StepKind.DESTRUCTIVE,
            (
                "Reset the password of the production database's role.",
                "Update the service's DATABASE_URL environment variable at the host.",
            ),
            built=False,
        ),
        Step(
            "1.6",
            "Reset the test database's password",
            StepKind.DESTRUCTIVE,
            ("Reset the password of the test database's role.", "Update the local .env files."),
            built=False,
        ),
        Step(
            "1.7",
            "Verify the new login",
            StepKind.AUTOMATIC,
            ('psql $DATABASE_URL -c "SELECT 1"', "The old password must be refused."),
            built=False,
        ),
        Step(
            "1.8",
            "Tick the rotation's checklist",
            StepKind.MANUAL,
            ("Check the boxes in docs/SECURITY_CREDENTIAL_ROTATION_REQUIRED.md.",),
        ),
    ),
)
