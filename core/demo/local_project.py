"""The application's project as it lies on the operator's machine: an .env with the logins, and a history that leaks a key."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from pydantic import SecretStr

from core.demo.alembic import database_url
from core.postgres.connection_spec import ConnectionSpec

DIRECTORY = "backend"
ENV = ".env"
_NOTES = "deploy-notes.md"
_AUTHOR = "Demo <demo@example.com>"


def lay_out_project(directory: Path, production: ConnectionSpec, test: ConnectionSpec, api_key: SecretStr) -> Path:
    """Make the project below a directory, in place of that of an earlier demo, and return its folder.

    Where this machine has git, the key stands in a commit and was taken out by the next one: as leaks usually are.

    Raises:
        OSError: it cannot be written.
        subprocess.CalledProcessError: git does not do it.
    """
    project = directory / DIRECTORY
    if project.exists():
        shutil.rmtree(project)
    project.mkdir()
    (project / ".gitignore").write_text(f"{ENV}*\n", encoding="utf-8")
    notes = project / _NOTES
    notes.write_text(f"# Deploying\n\nThe host's key is {api_key.get_secret_value()}\n", encoding="utf-8")
    if shutil.which("git"):
        _git(project, "init", "--quiet")
        _git(project, "add", ".")
        _git(project, "commit", "--quiet", "--message", "Notes on deploying", f"--author={_AUTHOR}")
        _git(project, "rm", "--quiet", _NOTES)
        _git(project, "commit", "--quiet", "--message", "Take the key out", f"--author={_AUTHOR}")
    notes.unlink(missing_ok=True)
    env = project / ENV
    env.touch(mode=0o600)
    env.write_text(
        "# What the application reads on this machine.\n"
        f"DATABASE_URL={database_url(production).get_secret_value()}\n"
        f"DATABASE_URL_TEST={database_url(test).get_secret_value()}  # the same role\n"
        f"RENDER_API_KEY={api_key.get_secret_value()}\n",
        encoding="utf-8",
    )
    return project


def _git(project: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(project), "-c", "user.name=Demo", "-c", "user.email=demo@example.com", *arguments],  # noqa: S607
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        check=True,
        capture_output=True,
    )
