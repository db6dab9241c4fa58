"""Task 1: rotate the leaked credentials."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.model import Step, StepKind, Task
from core.runbook.rotation.files import rotate_test_and_files
from core.runbook.rotation.key import can_check_keys, new_key, revoke_key
from core.runbook.rotation.password import can_rotate, rotate_production
from core.runbook.rotation.scan import find_secrets, has_project
from core.runbook.rotation.verify import verify_rotation

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
            StepKind.AUTOMATIC,
            (
                "Read docs/SECURITY_CREDENTIAL_ROTATION_REQUIRED.md.",
                "The project's files and its git history are looked through for secrets, and for the values known to be leaked.",
                "By hand: git log --all -p | grep -n VALUE, and grep -rn VALUE . with the value read from a file (-f).",
            ),
            action=find_secrets,
            requires=has_project,
        ),
        Step(
            "1.2",
            "Open the host's dashboard",
            StepKind.MANUAL,
            (
                "Log in to the hosting service's dashboard, as somebody who may make and revoke API keys.",
                "Leave it open: the next two steps make a new key there, and revoke the leaked one.",
            ),
        ),
        Step(
            "1.3",
            "Revoke the leaked API key",
            StepKind.DESTRUCTIVE,
            (
                "A new API key is made and proved alive first (step 1.4): nobody is left without one.",
                "Revoke the API key that was exposed.",
                "From then on it must be answered with 401.",
                'By hand: curl -s -o /dev/null -w "%{http_code}" -H @FILE URL, with the line "Authorization: Bearer KEY" in FILE.',
            ),
            action=revoke_key,
            requires=can_check_keys,
        ),
        Step(
            "1.4",
            "Generate a new API key",
            StepKind.AUTOMATIC,
            (
                "Generate a new API key.",
                "It is typed here, masked, proved alive, and used from then on.",
                "Store it securely, in a password manager.",
            ),
            action=new_key,
            requires=can_check_keys,
        ),
        Step(
            "1.5",
            "Reset the production database's password",
            StepKind.DESTRUCTIVE,
            (
                "Reset the password of the production database's role.",
                "Update the service's DATABASE_URL environment variable at the host.",
                "Only user and password change; hosts differ inside and outside. Then the service is deployed, so that it reads it.",
                "Sessions opened with the old password live on: end them.",
                "By hand: psql $DATABASE_URL, then \\password (it sends a verifier only), then SELECT pg_terminate_backend(pid)",
                "FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid();",
            ),
            action=rotate_production,
            requires=can_rotate,
        ),
        Step(
            "1.6",
            "Reset the test database's password",
            StepKind.DESTRUCTIVE,
            (
                "Reset the password of the test database's role.",
                "Where it is production's role on the same cluster, that rotation has served both.",
                "Update the local .env files.",
            ),
            action=rotate_test_and_files,
            requires=can_rotate,
        ),
        Step(
            "1.7",
            "Verify the new login",
            StepKind.AUTOMATIC,
            ('psql $DATABASE_URL -c "SELECT 1"', "The old password must be refused."),
            action=verify_rotation,
        ),
        Step(
            "1.8",
            "Tick the rotation's checklist",
            StepKind.MANUAL,
            (
                "Check the boxes in docs/SECURITY_CREDENTIAL_ROTATION_REQUIRED.md.",
                "With it among the checklists under [run], the lines of what is through are shown, and ticked once you agree.",
            ),
        ),
    ),
)
