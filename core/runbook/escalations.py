"""The action plan's "Support & Escalation": what a person does when something fails, line by line."""

from __future__ import annotations

from core.runbook.model import Escalation
from core.settings import Settings

CONVERSION_FAILS = Escalation(
    "If the conversion fails",
    (
        "ROLLBACK immediately: the transaction protects you.",
        "Review the logs for the specific error.",
        "Check the backup's integrity.",
        "Consult the conversion script's audit report (docs/CONVERSION_SCRIPT_AUDIT_REPORT.md).",
        "Contact the database administrator if needed.",
    ),
    steps=("5.1", "7.3"),
)

MIGRATIONS_FAIL = Escalation(
    "If migrations fail after the conversion",
    (
        "Check which migration failed (the host's deploy logs).",
        "Investigate that migration's file.",
        "It may be necessary to downgrade: UPDATE alembic_version SET version_num = '[previous]';",
        "Fix the migration, push, redeploy.",
    ),
    steps=("5.3", "7.4", "7.5"),
)

SERVICES_DO_NOT_START = Escalation(
    "If services won't start",
    (
        "Check the host's service logs.",
        "Verify that the DATABASE_URL variable is right (after the password's rotation).",
        'Test the database connection: psql $DATABASE_URL -c "SELECT 1"',
        "Check the logs for foreign key violations.",
    ),
    steps=("7.2-back", "7.5-back", "7.6", "7.7"),
)


def with_contacts(escalation: Escalation, settings: Settings) -> tuple[str, ...]:
    """The lines of a branch, and then whom to call."""
    return (*escalation.lines, *(f"Call: {contact}" for contact in settings.service.contacts))
