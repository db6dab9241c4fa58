"""Secrets in a project: found in files and history, with file, line and commit, and never shown whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.secrets.scan import KNOWN, Finding, Limits, Scan, mask, scan

LEAKED = "fake-leaked-value-81d2c7"
KEY = "rnd_" + "FakeKey0123456789" * 2


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder),
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example",
    }  # fmt: skip
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "settings.py").write_text(f'x = 1\n\napi_key = "{LEAKED}"\n')
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "app" / "settings.py").write_text("x = 1\n")
    git(folder, "commit", "-q", "-a", "-m", "taken out")
    return folder


def of(found: Scan, path: str) -> list[Finding]:
    return [finding for finding in found.findings if finding.path == path]


async def test_what_was_taken_out_is_found_in_the_history(project: Path) -> None:
    first = git(project, "rev-list", "--max-parents=0", "HEAD")
    found = await scan(project, [SecretStr(LEAKED)])
    (finding,) = [f for f in of(found, "app/settings.py") if f.kind == KNOWN]
    assert (finding.line, finding.commit) == (3, first)
    assert found.known == 1
    assert found.notes == []
    without = await scan(project, [SecretStr(LEAKED)], history=False)
    assert without.known == 0


async def test_files_that_git_ignores_are_looked_at(project: Path) -> None:
    (project / ".gitignore").write_text(".env\n")
    (project / ".env").write_text(
        f"# comment\nRENDER_API_KEY={KEY}\nDATABASE_URL=postgresql://app:{LEAKED}@db/app\nDB_PASSWORD=fakepassword77\nPLAIN=1\n"
    )
    found = await scan(project, [SecretStr(LEAKED)])
    lines = {(f.line, f.kind) for f in of(found, ".env")}
    assert {(2, "Render API Key"), (3, KNOWN), (4, "Assigned Secret")} <= lines
    assert {line for line, _ in lines} == {2, 3, 4}


async def test_what_detect_secrets_knows_is_found(project: Path) -> None:
    (project / "deploy.py").write_text(
        'password = "correct-horse-77-battery"\nurl = "https://bot:fakesecret99@host/x"\n'
    )
    found = await scan(project, [], history=False)
    assert {f.line for f in of(found, "deploy.py")} == {1, 2}


async def test_placeholders_are_no_secrets(project: Path) -> None:
    (project / ".env.example").write_text("DB_PASSWORD=${DB_PASSWORD}\nAPI_KEY=<your key>\nTOKEN=\n")
    found = await scan(project, [], history=False)
    assert of(found, ".env.example") == []


async def test_nothing_is_shown_whole(project: Path) -> None:
    (project / ".env").write_text(f"A={LEAKED}\nK={KEY}\nDB_PASSWORD=fakepassword77\n")
    found = await scan(project, [SecretStr(LEAKED)])
    told = "\n".join(map(str, found.findings))
    assert ".env:1: known to be leaked, fak*** (24 characters)" in told
    for secret in (LEAKED, KEY, "fakepassword77"):
        assert secret not in told


async def test_binary_and_huge_files_are_skipped_and_said(project: Path) -> None:
    (project / "image.bin").write_bytes(b"\0\1\2" + LEAKED.encode())
    (project / "dump.sql").write_text(LEAKED * 100)
    found = await scan(project, [SecretStr(LEAKED)], limits=Limits(file=1024), history=False)
    assert found.known == 0
    assert found.skipped == {"binary": 1, "larger than 1 KiB": 1}


async def test_it_is_bounded_and_says_so(project: Path) -> None:
    (project / "many.txt").write_text(f"{LEAKED}\n" * 50)
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "many")
    found = await scan(project, [SecretStr(LEAKED)], limits=Limits(findings=10, history=200))
    assert (len(found.findings), found.more) == (10, 41)
    assert any("the newest" in note for note in found.notes)


async def test_long_lines_are_searched_for_known_values_only(project: Path) -> None:
    (project / "bundle.js").write_text(f'{"x" * 5000} password = "correct-horse-77-battery" {LEAKED}\n')
    found = await scan(project, [SecretStr(LEAKED)], history=False)
    assert [f.kind for f in of(found, "bundle.js")] == [KNOWN]


async def test_a_folder_without_a_history(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{LEAKED}\n")
    found = await scan(tmp_path, [SecretStr(LEAKED)])
    assert found.known == 1
    assert found.notes == ["The git history was not looked through: git does not read it as a repository."]


async def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder"):
        await scan(tmp_path / "nowhere", [])


async def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(LEAKED)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    assert (await scan(folder, [SecretStr(LEAKED)], history=False)).files == 0


def test_a_short_value_is_masked_whole() -> None:
    assert mask("hunter2") == "*** (7 characters)"
