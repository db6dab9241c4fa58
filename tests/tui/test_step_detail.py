"""What the task screen says of a step of conversion day: live figures, and after a failure what to do and whom to call."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core import events as e
from core.events import Json
from core.runbook.facts import FENCE_UP, MAINTENANCE_HELD
from core.runbook.recovery import RECOVERY
from core.runbook.state import fold_all
from core.settings import Settings
from tests.tui import scenario
from tests.tui.scripted import ScriptedClient
from tui.widgets.steps import step_detail

CALLS = "database administrator: Sam Example, +49 30 5550199"
SETTINGS = Settings.model_validate({"service": {"contacts": [CALLS]}})


def told(client: ScriptedClient, step: str, readings: Mapping[tuple[str, str], Mapping[str, Json]]) -> list[str]:
    task = RECOVERY.tasks[int(step[0]) - 1]
    state = fold_all(client.records)
    lines = step_detail(100, RECOVERY.step(step), task, state, SETTINGS, readings, client.clock())
    return [line.plain for line in lines]


def failing(step: str) -> ScriptedClient:
    client = scenario.new_client()
    scenario.opened(client)
    client.say(
        e.StepStarted(step=step), e.StepFailed(step=step, error="HostingError", what="It failed.", state="", advice="")
    )
    return client


@pytest.mark.parametrize(
    ("step", "first"),
    [
        ("7.3", "If the conversion fails"),
        ("7.5", "If migrations fail after the conversion"),
        ("7.6", "If services won't start"),
        ("7.7", "If services won't start"),
    ],
)
def test_a_failure_leads_to_the_plans_branch_line_by_line_and_to_whom_to_call(step: str, first: str) -> None:
    lines = told(failing(step), step, {})
    branches = [line for line in lines if line.startswith("If ")]
    assert branches[0] == first
    assert len(branches) == 3
    after = lines[lines.index(first) + 1 :]
    for number, line in enumerate(next(b for b in RECOVERY.tasks[6].escalations if b.title == first).lines, 1):
        assert f"{number}. {line}" in " ".join(" ".join(after).split())
    assert f"  {CALLS}" in lines[lines.index("Whom to call") :]


def test_a_running_deploy_shows_how_it_stands() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    client.say(e.StepStarted(step="7.5"), e.StepSaid(step="7.5", text="Deploy dep-1 is asked for."))
    values = {"state": "pre_deploy_in_progress", "seconds": 12, "migrations": 2, "of": 6}
    lines = told(client, "7.5", {("7.5", "deploy"): values, ("7.2", "service"): {"answer": "answers 503"}})
    live = lines[lines.index("Live") :]
    assert "  deploy: state pre_deploy_in_progress, seconds 12, migrations 2, of 6" in live
    assert "  Deploy dep-1 is asked for." in live
    assert not any("answers 503" in line for line in live)


def test_what_maintenance_has_set_is_told_until_it_is_taken_back() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    held: Json = {"maintenance": ["srv-1"], "variables": {}, "suspended": ["srv-2"], "auto_deploy": []}
    fence: Json = {"database": "shop", "statements": [], "lifts": [], "left": [], "acl": ""}
    client.say(
        e.FactRecorded(step="7.2", name=MAINTENANCE_HELD, value=held),
        e.FactRecorded(step="7.2", name=FENCE_UP, value=fence),
    )
    lines = told(client, "7.3", {})
    on = lines[lines.index("On now") + 1 :]
    assert on[:3] == ["  srv-1: in the host's maintenance mode", "  srv-2: stopped", "  shop is fenced"]
    assert "On now" not in told(client, "5.1", {})
    client.say(
        e.FactRecorded(step="7.7", name=MAINTENANCE_HELD, value=None),
        e.FactRecorded(step="7.7", name=FENCE_UP, value=None),
    )
    assert "On now" not in told(client, "7.3", {})
