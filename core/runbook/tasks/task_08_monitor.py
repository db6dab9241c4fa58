"""Task 8: watch production after the conversion."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.escalations import SERVICES_DO_NOT_START
from core.runbook.model import Step, StepKind, Task
from core.runbook.monitor.checks import check_violations, verify_counts
from core.runbook.monitor.watch import reconcile_watch, watch_production


def _journey(step: str, title: str, *instructions: str) -> Step:
    return Step(
        step,
        f"Test: {title}",
        StepKind.MANUAL,
        (
            f"Walk through it as a user would, while step 8.1 watches: {title}.",
            *instructions,
            "If anything fails, write down when and with what message (n notes), and look at the watch's log (l).",
        ),
    )


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
            (
                "Monitor the host's logs for errors, especially foreign key violations.",
                "Watches for monitor.duration, and only reads: the service's health and latency, and its log lines;",
                "rows that reference nothing, numbers of rows, sessions and locks, the worst queries' plans against those before.",
                "When something turns bad it alarms at once, and says what to do; monitor.alert_command alerts people elsewhere.",
                "It can be ended early: what was found until then is kept. Do steps 8.2 to 8.6 while it runs.",
            ),
            action=watch_production,
            reconcile=reconcile_watch,
        ),
        _journey(
            "8.2",
            "user registration, through the identity provider",
            "Register a new user with an address of your own, and log in as that user.",
            "The user's page shows its name; a second log-in finds the same user.",
        ),
        _journey(
            "8.3",
            "organization creation",
            "As the new user create an organization, open it, and invite a second user to it.",
            "It stands in the list after a reload, and the second user sees it.",
        ),
        _journey(
            "8.4",
            "deal creation",
            "In the organization create a deal, change it once, and open it again.",
            "An older deal, from before the conversion, opens and can be changed, too.",
        ),
        _journey(
            "8.5",
            "document upload",
            "Upload a document to the deal, download it again, and compare.",
            "A document from before the conversion can be downloaded, too.",
        ),
        _journey(
            "8.6",
            "financial connection",
            "Connect an account of the provider's test environment to the organization, and let it synchronize once.",
            "A connection from before the conversion synchronizes, too.",
        ),
        Step(
            "8.7",
            "Check for foreign key violations",
            StepKind.AUTOMATIC,
            (
                "Search the logs for foreign key violations, from when the service serves again.",
                "Compares the rows behind every recreated foreign key with what they reference, each within monitor.query_time.",
            ),
            action=check_violations,
        ),
        Step(
            "8.8",
            "Verify data integrity",
            StepKind.AUTOMATIC,
            (
                "SELECT COUNT(*) FROM users; SELECT COUNT(*) FROM organizations;",
                "Compare with what the investigation counted.",
            ),
            action=verify_counts,
        ),
    ),
    escalations=(SERVICES_DO_NOT_START,),
)
