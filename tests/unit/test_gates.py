"""Gates: what opens them, what does not, and how they say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.events import Actor, Json
from core.runbook import facts, gates
from core.runbook.conversion_state import ConversionState
from core.runbook.model import Step, StepKind
from core.runbook.state import RunState, StepState, StepStatus
from core.settings import Settings

AT = datetime(2026, 3, 7, 2, 30, tzinfo=UTC)
PRODUCTION = Step("7.3", "Run the conversion", StepKind.DESTRUCTIVE, gates=gates.CONVERT_PRODUCTION)
PROVED: Mapping[str, Json] = {
    facts.INVESTIGATION_FINGERPRINT: "ab" * 32,
    facts.DECISION_APPROACH: "A",
    facts.REHEARSAL_PROVED: True,
    facts.REHEARSAL_PROOF: "contents",
    facts.REHEARSAL_OUTCOME: "rolled_back",
}
ONLY_TICKS = ("1.3", "1.4", "1.5", "1.6", "1.7", "3.2", "6.1", "7.2")


def state(known: Mapping[str, Json], ticked: tuple[str, ...] = (), name: str = "robin") -> RunState:
    tick = StepState(StepStatus.TICKED, actor=Actor(name=name))
    return RunState(facts=dict(known), fact_times=dict.fromkeys(known, AT), steps=dict.fromkeys(ticked, tick))


def closed(run: RunState) -> list[str]:
    return [report.name for report in gates.reports(PRODUCTION, run, Settings()) if not report.open]


def test_a_new_run_needs_everything_in_the_order_of_the_tasks() -> None:
    found = gates.reports(PRODUCTION, RunState(), Settings())
    assert gates.needs(found) == (
        "needs rotated credentials (1), an investigation (2), a verified backup (3), a decision (4), a rehearsal (5), "
        "the window (6), maintenance mode (7.2)"
    )
    assert [report.opens for report in found] == ["1.3", "2.2", "3.2", "4.1", "5.1", "6.1", "7.2"]


def test_facts_and_ticks_open_all_of_them() -> None:
    run = state(PROVED, ONLY_TICKS)
    found = gates.reports(PRODUCTION, run, Settings())
    assert gates.needs(found) == ""
    assert all(report.open for report in found)


@pytest.mark.parametrize("name", list(PROVED)[:3])
def test_each_fact_is_needed(name: str) -> None:
    run = state({key: value for key, value in PROVED.items() if key != name}, ONLY_TICKS)
    assert closed(run) == [name.split(".", maxsplit=1)[0]]


@pytest.mark.parametrize(
    ("step", "gate"),
    [("1.3", "credentials"), ("1.7", "credentials"), ("3.2", "backup"), ("6.1", "window"), ("7.2", "maintenance")],
)
def test_each_tick_is_needed(step: str, gate: str) -> None:
    run = state(PROVED, tuple(s for s in ONLY_TICKS if s != step))
    assert closed(run) == [gate]
    report = next(r for r in gates.reports(PRODUCTION, run, Settings()) if r.name == gate)
    assert report.opens == step


@pytest.mark.parametrize("step", ["2.2", "4.1", "5.1"])
def test_a_tick_opens_no_gate_where_a_fact_exists(step: str) -> None:
    run = state({}, (*ONLY_TICKS, step))
    assert closed(run) == ["investigation", "decision", "rehearsal"]


def test_a_tick_says_who_and_that_nobody_verified_it() -> None:
    report = gates.backup(state({}, ("3.2",), name="robin"), Settings())
    assert report.open
    assert report.value == "ticked by robin, unverified"
    run = state({}, ("1.3", "1.4", "1.5", "1.6", "1.7"))
    run = replace(run, steps={**run.steps, "1.4": StepState(StepStatus.TICKED, actor=Actor(name="alex"))})
    assert gates.credentials(run, Settings()).value == "ticked by alex and robin, unverified"


def test_a_fact_takes_the_place_of_the_tick() -> None:
    assert gates.backup(state({facts.BACKUP_VERIFIED: True}), Settings()).value == "proved"
    # What was looked at and does not hold is not opened by somebody's word.
    report = gates.backup(state({facts.BACKUP_VERIFIED: False}, ("3.2",)), Settings())
    assert not report.open
    assert "does not hold" in report.value


@pytest.mark.parametrize("status", [s for s in StepStatus if s is not StepStatus.TICKED])
def test_only_a_tick_is_a_tick(status: StepStatus) -> None:
    run = replace(state({}), steps={"3.2": StepState(status, actor=Actor(name="robin"))})
    assert not gates.backup(run, Settings()).open


def test_a_rehearsal_that_was_not_proved_opens_nothing() -> None:
    assert not gates.rehearsal(state({facts.REHEARSAL_PROVED: False, facts.REHEARSAL_PROOF: "counts"}), Settings()).open


def test_values_in_words() -> None:
    run = state(PROVED)
    assert gates.rehearsal(run, Settings()).value == "proved (contents) and rolled back"
    assert gates.decision(run, Settings()).value == "approach A"
    assert "2026-03-07 02:30 UTC" in gates.investigation(run, Settings()).value


# --- what is committed and can be undone -------------------------------------------------------------------------------

COMMITTED = ConversionState("7.3", "production", "plan", (), (), xid="77", opened=AT, ended=AT, outcome="committed")
UNDO_GATE = gates.committed("7.3", "production")


def test_only_what_is_committed_can_be_undone() -> None:
    assert UNDO_GATE(RunState(), Settings()).value == "nothing is committed"
    report = UNDO_GATE(RunState(committed={"production": COMMITTED}), Settings())
    assert (report.open, report.value) == (True, "transaction 77 is committed")


def test_what_is_undone_is_not_undone_again() -> None:
    undone = replace(COMMITTED, step="7.3-undo")
    report = UNDO_GATE(RunState(committed={"production": undone}), Settings())
    assert (report.open, report.value) == (False, "it is undone already")


def test_migrations_close_the_way_back() -> None:
    migrated = {"7.5": StepState(StepStatus.DONE, started=AT, ended=AT)}
    report = UNDO_GATE(RunState(committed={"production": COMMITTED}, steps=migrated), Settings())
    assert (report.open, report.value) == (False, "what has happened since leaves only the backup")
