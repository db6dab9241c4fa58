"""The application's project as it lies on the operator's machine: its files, and the commit that is checked out."""

from __future__ import annotations

import shutil
from pathlib import Path

DIRECTORY = "application"


def lay_out_project(application: Path, directory: Path, commit: str) -> Path:
    """Copy the application below a directory, in place of an earlier copy, as a git work tree on that commit.

    The repository has no history: it says which commit is checked out, and nothing more.

    Returns: the project's folder.

    Raises:
        OSError: it cannot be written.
    """
    project = directory / DIRECTORY
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(application, project, ignore=shutil.ignore_patterns("__pycache__"))
    repository = project / ".git"
    for part in ("objects", "refs"):
        (repository / part).mkdir(parents=True)
    (repository / "HEAD").write_text(f"{commit}\n", encoding="utf-8")
    return project
