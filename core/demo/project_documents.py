"""The documents of the incident's project, as they were before the recovery: kept by hand, and the demo's to change."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
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
    )
    (docs / "bmad").mkdir(parents=True, exist_ok=True)
    for path in (found.progress_tracker, found.workflow_status, found.deployment_health, found.rotation_checklist):
        shutil.copyfile(_TEXTS / path.name, path)
    return found
