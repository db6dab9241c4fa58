"""Which commit of a project is checked out, as git says it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.demo.hosting.deploys import HEAD_COMMIT
from core.demo.incident import APPLICATION
from core.demo.work_tree import lay_out_project
from core.runbook.conversion_day.commits import commit_of, commit_of_project
from core.settings.alembic import AlembicSettings


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Robin Example", "-c", "user.email=robin@example.com")
    return subprocess.run(
        ["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "alembic.ini").write_text("[alembic]\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


async def test_the_commit_of_the_tree_that_the_project_lies_in(work_tree: Path) -> None:
    head = git(work_tree, "rev-parse", "HEAD")
    for project in (work_tree / "backend", work_tree / "backend" / "alembic.ini"):
        assert await commit_of_project(AlembicSettings(project=project)) == head


async def test_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await commit_of_project(AlembicSettings()) is None
    assert await commit_of(tmp_path) is None
    assert await commit_of(tmp_path / "absent") is None
    git(tmp_path, "init", "-q")
    assert await commit_of(tmp_path) is None  # no commit yet
    monkeypatch.setenv("PATH", "")
    assert await commit_of(tmp_path) is None  # no git


async def test_the_demos_project_says_the_commit_that_its_host_knows(tmp_path: Path) -> None:
    lay_out_project(APPLICATION, tmp_path, "0" * 40)
    project = lay_out_project(APPLICATION, tmp_path, HEAD_COMMIT.id)
    assert (project / "alembic.ini").exists()
    assert await commit_of(project) == HEAD_COMMIT.id
