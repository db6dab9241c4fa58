"""What the investigation asks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from core.settings.base import Duration, Section


class InvestigationSettings(Section):
    indicator_tables: tuple[str, ...] = ("folders", "rbac_audit_logs", "pipeline_templates", "document_questions")
    """Tables whose presence tells how far the migrations really came."""
    count_tables: tuple[str, ...] = ("users", "organizations")
    """Tables whose rows are counted."""
    key_column: str = "users.id"
    """The column whose type tells whether a conversion is needed."""
    max_age: Duration = timedelta(hours=24)
    """How old an investigation may be when production is converted."""
    procedure: Path | None = None
    """The user's own procedure, a Markdown document: its SQL blocks are run, its template is filled in."""
