"""Task 10: the user's own commands, and the blocker as the facts have it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import PgrecastError
from core.runbook import facts
from core.runbook.model import StepKind
from core.runbook.recovery import RECOVERY
from core.runbook.release import run_commands
from core.runbook.reports.blocker import blocker, unblocked
from core.settings import Settings
from core.settings.documents import ReleaseSettings
from tests.runs import HEAD, OPENED, Recorded, recovered
from tests.step_world import StepWorld

LATER = OPENED + timedelta(hours=2)


def world(tmp_path: Path, *commands: str, **more: object) -> StepWorld:
    release = ReleaseSettings.model_validate({"commands": commands, "directory": tmp_path, **more})
    found = StepWorld(tmp_path, Settings(release=release), {})
    found.step = "10.5"
    return found


def test_a_step_is_the_consoles_where_it_has_commands() -> None:
    fitted = RECOVERY.fitted(Settings.model_validate({"release": {"commands": ["10.3=true"]}}))
    assert {step.id: step.kind for step in fitted.tasks[9].steps if step.kind is not StepKind.MANUAL} == {
        "10.3": StepKind.AUTOMATIC
    }
    assert fitted.step("10.5").action is None


@pytest.mark.parametrize("text", ["make test", "7.3=true", "10.5=", "10.5= ", "=true", "10.5=a\nb"])
def test_settings_that_name_no_step_or_no_command(text: str) -> None:
    with pytest.raises(ValueError, match=r"10\.5=make test"):
        ReleaseSettings(commands=(text,))


async def test_all_commands_run_in_order_and_their_output_is_evidence(tmp_path: Path) -> None:
    on = world(tmp_path, "10.5=sh -c 'echo one; pwd'", "10.3=false", "10.5=sh -c 'echo two >&2'")
    assert await run_commands(on) == "2 commands ended with status 0"
    assert f"one\n{tmp_path}\n" in on.evidence("command-1.txt")
    assert "two" in on.evidence("command-2.txt")
    assert "exit status 0" in on.evidence("command-2.txt")
    assert [run["status"] for run in on.state.facts[facts.RELEASE_COMMANDS]["10.5"]] == [0, 0]


async def test_a_failure_is_a_failed_step_and_what_follows_is_not_run(tmp_path: Path) -> None:
    on = world(tmp_path, "10.5=sh -c 'echo broken; exit 3'", "10.5=touch never")
    with pytest.raises(PgrecastError, match="exit status 3") as caught:
        await run_commands(on)
    assert "1 command behind it" in caught.value.state
    assert "broken" in on.evidence("command-1.txt")
    assert not (tmp_path / "never").exists()
    assert on.state.facts[facts.RELEASE_COMMANDS]["10.5"][0]["status"] == 3


@pytest.mark.parametrize(
    ("command", "words"),
    [("no-such-program-here", "cannot be run"), ("sh -c 'sleep 60'", "did not end within 1 s"), ("echo 'open", "no")],
)
async def test_commands_that_do_not_start_or_end(tmp_path: Path, command: str, words: str) -> None:
    on = world(tmp_path, f"10.5={command}", timeout="1s")
    with pytest.raises(PgrecastError, match=words):
        await run_commands(on)


async def test_no_shell_and_no_secret(tmp_path: Path) -> None:
    on = world(tmp_path, "10.5=echo $HOME `id` ; touch never", "10.5=echo token=obviously-fake-77")
    await run_commands(on)
    assert "$HOME `id` ; touch never" in on.evidence("command-1.txt")
    assert os.environ.get("HOME", "?") not in on.evidence("command-1.txt").splitlines()[1]
    assert not (tmp_path / "never").exists()
    assert "obviously-fake" not in on.evidence("command-2.txt").splitlines()[1]


# --- the blocker -------------------------------------------------------------------------------------------------------


def test_blocked_until_production_is_converted_and_migrated() -> None:
    run = Recorded()
    assert blocker(run.state, Settings()).why == "production is not converted"
    run.converts(outcome="rolled_back")
    assert not unblocked(run.state, Settings(), LATER).open
    run.converts()
    report = unblocked(run.state, Settings(), LATER)
    assert (report.open, report.opens, report.value) == (
        False,
        "7.5",
        "blocked: production is not migrated to the head",
    )
    run.fact("7.5", facts.MIGRATED_PRODUCTION, [HEAD])
    report = unblocked(run.state, Settings(), LATER)
    assert (report.open, report.value) == (True, f"resolved: production is converted, proved, and at {HEAD}")


def test_migrations_from_before_the_conversion_resolve_nothing() -> None:
    run = Recorded()
    run.fact("7.5", facts.MIGRATED_PRODUCTION, [HEAD])
    run.converts()
    assert not blocker(run.state, Settings()).resolved
    run.tick("7.5")
    assert not blocker(run.state, Settings()).resolved  # a tick counts for nothing where the fact exists


def test_a_tick_counts_where_there_is_no_fact_and_is_told() -> None:
    run = Recorded()
    run.converts()
    run.tick("7.5")
    found = blocker(run.state, Settings())
    assert found.resolved
    assert "ticked by anna, unverified" in found.why


def test_an_undo_blocks_again() -> None:
    run = recovered()
    assert blocker(run.state, Settings()).resolved
    run.converts("7.3-undo")
    assert blocker(run.state, Settings()).why == "the conversion of production is undone"


def test_a_deploy_without_a_project_that_tells_its_revision() -> None:
    run = Recorded()
    run.converts()
    run.done("7.5")
    found = blocker(run.state, Settings())
    assert found.resolved
    assert found.why.endswith("the deploy is done; at which revision it is, no project tells")
