"""Step 1.1: the project looked through, with what is typed and what stands in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.events import ENTER, NOTHING, Question, QuestionAnswered
from core.runbook.facts import ROTATION_SCANNED
from core.runbook.rotation.scan import SCAN_FILE, find_secrets, has_project
from core.settings import Settings
from tests.step_world import StepWorld

TYPED, IN_FILE = "fake-typed-value-3381", "fake-value-of-a-file-9920"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text(f"# {TYPED}\nx = '{IN_FILE}'\n")
    (folder / "b.bin").write_bytes(b"\0\0")
    return folder


def world(directory: Path, values: list[str], **secrets: Any) -> StepWorld:
    left = iter(values)

    def entering(question: Question) -> SecretStr | None:
        value = next(left, None)
        return SecretStr(value) if value else None

    return StepWorld(directory, Settings.model_validate({"secrets": secrets}), {}, entering=entering)


async def test_typed_values_are_found_and_told_masked(tmp_path: Path, project: Path) -> None:
    context = world(tmp_path, [TYPED, IN_FILE], project=project)
    assert await find_secrets(context) == (
        "2 findings in 1 file and 0 lines of history, 2 of a value known to be leaked"
    )
    assert context.state.facts[ROTATION_SCANNED] == {"findings": 2, "known": 2, "files": 1, "lines": 0}
    answers = [event for event in context.events if isinstance(event, QuestionAnswered)]
    assert [(a.choice, a.value) for a in answers] == [(ENTER, None), (ENTER, None), (NOTHING, None)]
    report = context.evidence(SCAN_FILE)
    assert "a.py" in report
    assert "Not looked at: 1 file, binary." in report
    told = report + "".join(event.model_dump_json() for event in context.events)
    assert TYPED not in told
    assert IN_FILE not in told


async def test_with_a_file_of_values_nobody_is_asked(tmp_path: Path, project: Path) -> None:
    leaked = tmp_path / "leaked"
    leaked.write_text(f"\n{IN_FILE}\n")
    leaked.chmod(0o600)
    context = world(tmp_path, [], project=project, leaked_file=leaked)
    assert "1 of a value known to be leaked" in await find_secrets(context)
    assert context.questions == []


async def test_a_file_that_others_may_read_is_refused(tmp_path: Path, project: Path) -> None:
    leaked = tmp_path / "leaked"
    leaked.write_text(f"{IN_FILE}\n")
    leaked.chmod(0o644)
    with pytest.raises(ConfigurationError, match="by others"):
        await find_secrets(world(tmp_path, [], project=project, leaked_file=leaked))


def test_without_a_project_it_is_a_persons_step() -> None:
    assert not has_project(Settings())
