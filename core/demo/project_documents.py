"""The documents of the incident's project, as they were before the recovery: kept by hand, and the demo's to change."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, fields
from pathlib import Path

DIRECTORY = "docs"
_TEXTS = Path(__file__).with_name("documents")


@dataclass(frozen=True, slots=True)
class ProjectDocuments:
    """Where they are."""

    progress_tracker: Path
    workflow_status: Path
    deployment_health: Path
    rotation_checklist: Path
    investigation_procedure: Path
    conversion_script: Path
    """Theirs, with its unfinished phase 5."""


def lay_out(directory: Path) -> ProjectDocuments:
    """Write the documents below a directory, in place of those of an earlier demo, and return where they are.

    Raises:
        OSError: they cannot be written.
    """
    docs = directory / DIRECTORY
    found = ProjectDocuments(
        progress_tracker=docs / "bmad" / "BMAD_PROGRESS_TRACKER.md",
        workflow_status=docs / "bmad" / "bmm-workflow-status.md",
        deployment_health=docs / "DEPLOYMENT_HEALTH.md",
        rotation_checklist=docs / "SECURITY_CREDENTIAL_ROTATION_REQUIRED.md",
        investigation_procedure=docs / "DATABASE_INVESTIGATION_PROCEDURE.md",
        conversion_script=directory / "scripts" / "uuid_to_varchar_conversion.sql",
    )
    for field in fields(found):
        path: Path = getattr(found, field.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_TEXTS / path.name, path)
    return found
