"""What is pasted into a chat: true, plain text, a line each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import events as e
from core.runbook import facts
from core.runbook.one_step import CONVERSION
from core.runbook.recovery import RECOVERY
from core.runbook.reports.handover_texts import incident_update, shift_handover
from core.runbook.state import RunState
from core.settings import Settings
from tests.runs import ANNA, HEAD, OPENED, Recorded, recovered

NOW = OPENED + timedelta(hours=2)


def update(run: Recorded) -> list[str]:
    return incident_update(RECOVERY, run.state, Settings(), NOW).splitlines()


def handover(run: Recorded) -> list[str]:
    return shift_handover(RECOVERY, run.state, Settings(), NOW).splitlines()


def test_an_update_of_a_run_that_is_through() -> None:
    lines = update(recovered())
    assert lines[0] == "INCIDENT UPDATE, 2025-11-13 03:00 UTC: UUID to VARCHAR(36) conversion of app"
    assert "Service: serves again; it was down for 41 min 07 s" in lines
    assert "  [x] Production database backup: size 1.2 GB, verified contents" in lines
    assert (
        f"Blocker: Database schema mismatch (UUID vs VARCHAR(36)): resolved; production is converted, proved, and at {HEAD}"
        in lines
    )
    assert "Way back: only the backup" in lines
    assert "Window: none chosen" in lines


def test_an_update_in_the_middle() -> None:
    run = Recorded()
    run.tick("1.3", "1.4", "1.5", "1.6", "1.7", "7.2")
    run.say(e.StepStarted(step="7.3"))
    lines = update(run)
    assert "Now: 7.3 Run the conversion (30-45 min): running" in lines
    assert "Service: in maintenance for 1 h 54 min" in lines
    assert "  [t] Security credential rotation (exposed API keys and passwords); ticked by anna, unverified" in lines
    assert "  [ ] Production database backup" in lines
    assert "Deployment health: not measured" in lines
    assert "Next: 1.1 Read what must be rotated" in lines


def test_a_handover_tells_what_waits_failed_was_overridden_or_only_ticked() -> None:
    run = recovered()
    run.say(e.ClientAttached(client="c1", actor=ANNA), e.OperatorChanged(client="c1", actor=ANNA))
    run.say(e.GateOverridden(step="7.3", gate="window", reason="the board agreed"))
    run.say(e.StepStarted(step="8.1"))
    run.say(e.StepFailed(step="8.1", error="E", what="It broke.", state="As it was.", advice="Look."))
    run.say(e.StepStarted(step="8.2"), e.NoteAdded(task=8, text="ask ben"))
    asked = e.Question(
        id="q", step="8.2", title="Go on?", choices=(), default="", asked_at=NOW, expires_at=NOW + timedelta(minutes=5)
    )
    run.say(e.QuestionAsked(question=asked))
    lines = handover(run)
    assert lines[0].startswith("SHIFT HANDOVER, ")
    assert "Operator: anna; attached: anna" in lines
    assert "  - 8.2: Go on? (until 2025-11-13 03:05 UTC)" in lines
    assert any(line.startswith("  - 8.1 ") and line.endswith(": It broke. As it was. Look.") for line in lines)
    assert any(line.endswith("window: the board agreed") for line in lines)
    assert any(line.startswith("  - 1.3 Revoke the leaked API key: anna, 2025-11-13") for line in lines)
    assert "  - task 8 anna: ask ben" in lines
    assert "production: app @ db.example, PostgreSQL 18.6" in lines


@pytest.mark.parametrize("state", [RunState(), Recorded().state])
def test_nothing_has_happened(state: RunState) -> None:
    text = shift_handover(RECOVERY, state, Settings(), NOW)
    assert "Waits for an answer: none\n" in text
    assert "Way back: nothing has changed\n" in text


def test_a_line_stays_a_line_and_no_control_gets_through() -> None:
    run = recovered()
    run.say(e.NoteAdded(task=1, text="a\nNow: all is well\r\x1b]52;c;ZXZpbA==\x07\u202e"))
    text = shift_handover(RECOVERY, run.state, Settings(), NOW)
    assert sum(line.startswith("Now:") for line in text.split("\n")) == 1
    assert {c for c in text if not c.isprintable()} == {"\n"}


def test_the_watch_the_contacts_and_a_downtime_that_has_begun_again() -> None:
    run = recovered()
    run.fact("8.1", facts.MONITORED, {"seconds": 3600, "probes": 60, "failed": 1, "errors": 2, "violations": 0})
    run.fact("7.2", facts.DOWNTIME_BEGAN, (run.at - timedelta(minutes=5)).isoformat())
    settings = Settings.model_validate({"service": {"contacts": ["Robin, +1 555 0100"]}})
    lines = shift_handover(RECOVERY, run.state, settings, run.at).splitlines()
    assert "Monitoring: watched for 1 h 00 min: 1 of 60 health probes failed, 2 errors, 0 violations" in lines
    assert "  - Robin, +1 555 0100" in lines
    assert any(line.startswith("Service: in maintenance for ") for line in lines)


def test_a_one_step_run_tells_nothing_of_a_recovery() -> None:
    run = Recorded()
    run.converts("1.1")
    text = shift_handover(CONVERSION, run.state, Settings(), NOW)
    assert "Way back: undo by the reverse plan\n" in text
    assert not {"Blocker", "Service", "Window", "Monitoring"} & {line.partition(":")[0] for line in text.splitlines()}
