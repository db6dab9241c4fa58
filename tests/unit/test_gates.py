"""Gates: what opens them, what does not, and how they say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.events import Actor, Json
from core.runbook import facts, gates
from core.runbook.conversion_state import ConversionState
from core.runbook.model import Gate, GateReport, Step, StepKind
from core.runbook.state import RunState, StepState, StepStatus
from core.settings import Settings

AT = datetime(2026, 3, 7, 2, 30, tzinfo=UTC)
NOW = AT + timedelta(minutes=5)
PRODUCTION = Step("7.3", "Run the conversion", StepKind.DESTRUCTIVE, gates=gates.CONVERT_PRODUCTION)
FINGERPRINT = "ab" * 32
NOBODY: Json = {"count": 0, "host": 1, "by_name": {}}
PROVED: Mapping[str, Json] = {
    facts.INVESTIGATION_FINGERPRINT: FINGERPRINT,
    facts.DECISION_APPROACH: "A",
    facts.REHEARSAL_PROVED: True,
    facts.REHEARSAL_PROOF: "contents",
    facts.REHEARSAL_OUTCOME: "rolled_back",
    facts.REHEARSAL_MISSING: [],
    facts.WINDOW_CHOSEN: {"start": "2026-03-07T02:00:00+00:00", "end": "2026-03-07T04:00:00+00:00"},
    facts.SESSIONS_OTHERS: NOBODY,
}
ONLY_TICKS = ("1.3", "1.4", "1.5", "1.6", "1.7", "3.2", "7.2")
PLAIN = Settings()
PROBED = Settings.model_validate({"service": {"health_url": "https://backend.example.com/health"}})


def state(known: Mapping[str, Json], ticked: tuple[str, ...] = (), name: str = "robin") -> RunState:
    tick = StepState(StepStatus.TICKED, ended=AT, actor=Actor(name=name))
    return RunState(facts=dict(known), fact_times=dict.fromkeys(known, AT), steps=dict.fromkeys(ticked, tick))


def closed(run: RunState, settings: Settings = PLAIN, now: datetime = NOW) -> list[str]:
    return [report.name for report in gates.reports(PRODUCTION, run, settings, now) if not report.open]


def report_of(
    gate: Gate, known: Mapping[str, Json], *, later: timedelta = NOW - AT, settings: Settings = PLAIN
) -> GateReport:
    return gate(state(known), settings, AT + later)


def test_a_new_run_needs_everything_in_the_order_of_the_tasks() -> None:
    found = gates.reports(PRODUCTION, RunState(), Settings(), NOW)
    assert gates.needs(found) == (
        "needs rotated credentials (1), an investigation younger than 24 h (2), a verified backup younger than 24 h (3), "
        "a decision (4), a rehearsal (5), an open window (6), maintenance mode (7.2), no sessions of others (7.1)"
    )
    assert [report.opens for report in found] == ["1.3", "2.2", "3.2", "4.1", "5.1", "6.1", "7.2", "7.1"]


def test_facts_and_ticks_open_all_of_them() -> None:
    run = state(PROVED, ONLY_TICKS)
    found = gates.reports(PRODUCTION, run, Settings(), NOW)
    assert gates.needs(found) == ""
    assert all(report.open and not report.overridable for report in found)


@pytest.mark.parametrize(
    ("fact", "gate"),
    [
        (facts.INVESTIGATION_FINGERPRINT, "investigation"),
        (facts.DECISION_APPROACH, "decision"),
        (facts.REHEARSAL_PROVED, "rehearsal"),
        (facts.WINDOW_CHOSEN, "window"),
        (facts.SESSIONS_OTHERS, "sessions"),
    ],
)
def test_each_fact_is_needed(fact: str, gate: str) -> None:
    run = state({key: value for key, value in PROVED.items() if key != fact}, ONLY_TICKS)
    assert closed(run) == [gate]


@pytest.mark.parametrize(
    ("step", "gate"), [("1.3", "credentials"), ("1.7", "credentials"), ("3.2", "backup"), ("7.2", "maintenance")]
)
def test_each_tick_is_needed(step: str, gate: str) -> None:
    run = state(PROVED, tuple(s for s in ONLY_TICKS if s != step))
    assert closed(run) == [gate]
    report = next(r for r in gates.reports(PRODUCTION, run, Settings(), NOW) if r.name == gate)
    assert report.opens == step


@pytest.mark.parametrize("step", ["2.2", "4.1", "5.1", "6.1", "7.1"])
def test_a_tick_opens_no_gate_where_a_fact_exists(step: str) -> None:
    run = state({}, (*ONLY_TICKS, step))
    assert closed(run) == ["investigation", "decision", "rehearsal", "window", "sessions"]


def test_a_tick_says_who_and_that_nobody_verified_it() -> None:
    assert gates.maintenance(state({}, ("7.2",)), Settings(), NOW).value == "ticked by robin, unverified"
    run = state({}, ("1.3", "1.4", "1.5", "1.6", "1.7"))
    run = replace(run, steps={**run.steps, "1.4": StepState(StepStatus.TICKED, actor=Actor(name="alex"))})
    assert gates.credentials(run, Settings(), NOW).value == "ticked by alex and robin, unverified"


def test_a_fact_takes_the_place_of_the_tick() -> None:
    assert report_of(gates.backup, {facts.BACKUP_VERIFIED: True}).value == "proved, 5 min old"
    # What was looked at and does not hold is not opened by somebody's word.
    report = gates.backup(state({facts.BACKUP_VERIFIED: False}, ("3.2",)), Settings(), NOW)
    assert not report.open
    assert "does not hold" in report.value


@pytest.mark.parametrize("status", [s for s in StepStatus if s is not StepStatus.TICKED])
def test_only_a_tick_is_a_tick(status: StepStatus) -> None:
    run = replace(state({}), steps={"3.2": StepState(status, actor=Actor(name="robin"))})
    assert not gates.backup(run, Settings(), NOW).open


# --- ages --------------------------------------------------------------------------------------------------------------


def test_an_investigation_grows_old() -> None:
    known = {facts.INVESTIGATION_FINGERPRINT: FINGERPRINT}
    young = report_of(gates.investigation, known, later=timedelta(hours=24))
    assert (young.open, young.value) == (
        True,
        "made 24 h 00 min ago; compared with production again when the step starts",
    )
    old = report_of(gates.investigation, known, later=timedelta(hours=24, seconds=1))
    assert (old.open, old.value, old.overridable) == (False, "made 24 h 00 min ago, too old", False)


def test_an_investigation_is_true_until_a_later_look_finds_another_schema() -> None:
    run = state({facts.INVESTIGATION_FINGERPRINT: FINGERPRINT, facts.PRODUCTION_FINGERPRINT: FINGERPRINT})
    seen = replace(run, fact_times={**run.fact_times, facts.PRODUCTION_FINGERPRINT: AT + timedelta(minutes=3)})
    assert gates.investigation(seen, Settings(), NOW).value == "made 5 min ago; still true 2 min ago"
    changed = replace(seen, facts={**seen.facts, facts.PRODUCTION_FINGERPRINT: "cd" * 32})
    report = gates.investigation(changed, Settings(), NOW)
    assert (report.open, report.value) == (
        False,
        "made 5 min ago; production's schema has changed since, as seen 2 min ago",
    )
    # A look from before the investigation says nothing of it.
    older = {**changed.fact_times, facts.PRODUCTION_FINGERPRINT: AT - timedelta(minutes=1)}
    assert gates.investigation(replace(changed, fact_times=older), Settings(), NOW).open


def test_a_backup_grows_old_and_its_age_can_be_overridden_but_not_its_absence() -> None:
    old = report_of(gates.backup, {facts.BACKUP_VERIFIED: True}, later=timedelta(hours=25))
    assert (old.open, old.opens, old.overridable) == (False, "3.1", True)
    assert old.value == "proved, 25 h 00 min old, too old"
    assert not report_of(gates.backup, {}).overridable
    assert not report_of(gates.backup, {facts.BACKUP_VERIFIED: False}).overridable


def test_a_backup_is_as_old_as_what_it_shows_however_late_it_was_verified() -> None:
    taken = (AT - timedelta(hours=23, minutes=50)).isoformat()
    fact = {"path": "/backups/b", "taken_at": taken, "depth": "equal"}
    report = report_of(gates.backup, {facts.BACKUP_VERIFIED: fact})
    assert (report.open, report.value) == (True, "proved (equal), 23 h 55 min old")
    assert not report_of(gates.backup, {facts.BACKUP_VERIFIED: fact}, later=timedelta(minutes=11)).open
    assert not report_of(gates.backup, {facts.BACKUP_VERIFIED: None}).open  # a later check has failed


def test_a_ticked_backup_is_as_old_as_its_taking() -> None:
    run = state({}, ("3.1", "3.2"))
    earlier = replace(run.steps["3.1"], ended=AT - timedelta(hours=30))
    report = gates.backup(replace(run, steps={**run.steps, "3.1": earlier}), Settings(), NOW)
    assert (report.open, report.value) == (False, "ticked by robin, unverified, 30 h 05 min old, too old")


@pytest.mark.parametrize(
    ("now", "open_", "value"),
    [
        ("01:59:30", False, "opens in 30 s"),
        ("02:00:00", True, "open for 2 h 00 min more"),
        ("03:59:59", True, "open for 1 s more"),
        ("04:00:00", False, "was over 0 s ago"),
    ],
)
def test_the_window_opens_and_closes(now: str, open_: bool, value: str) -> None:
    at = datetime.fromisoformat(f"2026-03-07T{now}+00:00")
    report = gates.window(state(PROVED), Settings(), at)
    assert (report.open, report.overridable) == (open_, not open_)
    times = "; start by 04:00:00, turn back by 04:00:00 UTC" if open_ else ""
    assert report.value == f"{value}: Sat 2026-03-07 02:00 to 04:00 UTC{times}"


@pytest.mark.parametrize(
    ("now", "open_", "value"),
    [
        ("03:24:59", True, "open for 35 min more"),
        ("03:25:01", False, "too late to begin for 1 s"),
        ("04:00:00", False, "was over 0 s ago"),
    ],
)
def test_a_window_of_which_too_little_is_left(now: str, open_: bool, value: str) -> None:
    takes = {facts.REHEARSAL_SECONDS: 900.0, facts.RESTORE_SECONDS: 1200}
    at = datetime.fromisoformat(f"2026-03-07T{now}+00:00")
    report = gates.window(state({**PROVED, **takes}), Settings(), at)
    assert (report.open, report.overridable) == (open_, not open_)
    assert report.value.startswith(value)


def test_a_window_that_is_too_short_never_opens() -> None:
    report = report_of(gates.window, {**PROVED, facts.REHEARSAL_SECONDS: 3600, facts.RESTORE_SECONDS: 4200})
    assert (report.open, report.overridable) == (False, True)
    assert report.value == "TOO SHORT by 10 min to convert in and to turn back: Sat 2026-03-07 02:00 to 04:00 UTC"


@pytest.mark.parametrize("value", [None, "soon", {}, {"start": "x", "end": "y"}, {"start": "2026-03-07T02:00:00"}])
def test_a_window_that_is_none_opens_nothing(value: Json) -> None:
    assert report_of(gates.window, {facts.WINDOW_CHOSEN: value}).value == "none chosen yet"


def test_maintenance_that_can_be_probed_is_not_ticked() -> None:
    assert "maintenance" in closed(state(PROVED, ONLY_TICKS), PROBED)
    seen = {facts.MAINTENANCE_PROVED: True, facts.MAINTENANCE_ANSWER: "answers 503"}
    report = report_of(gates.maintenance, seen, settings=PROBED)
    assert (report.open, report.value) == (True, "the service answers 503, 5 min ago")
    late = report_of(gates.maintenance, seen, later=timedelta(minutes=16), settings=PROBED)
    assert (late.open, late.value, late.overridable) == (False, "the service answers 503, 16 min ago; ask again", True)
    serves = {facts.MAINTENANCE_PROVED: False, facts.MAINTENANCE_ANSWER: "answers 200"}
    assert report_of(gates.maintenance, serves, settings=PROBED).value == "the service answers 200, 5 min ago"
    assert not report_of(gates.maintenance, serves, settings=PROBED).open


def test_sessions_of_others_are_named_and_the_hosts_own_count_for_nothing() -> None:
    found = {"count": 3, "host": 1, "by_name": {"backend as app": 2, "psql as anna": 1}}
    report = report_of(gates.sessions, {facts.SESSIONS_OTHERS: found})
    assert (report.open, report.opens, report.overridable) == (False, "7.1", True)
    assert report.value == (
        "3 sessions of others (backend as app: 2, psql as anna: 1), 1 of the host's own, counted 5 min ago"
    )
    some = Settings.model_validate({"limits": {"other_sessions": 3}})
    assert report_of(gates.sessions, {facts.SESSIONS_OTHERS: found}, settings=some).open
    assert report_of(gates.sessions, {facts.SESSIONS_OTHERS: NOBODY}).open


def test_a_count_of_sessions_is_not_good_for_long() -> None:
    late = report_of(gates.sessions, {facts.SESSIONS_OTHERS: NOBODY}, later=timedelta(minutes=16))
    assert (late.open, late.value) == (
        False,
        "0 sessions of others, 1 of the host's own, counted 16 min ago; count again",
    )


def test_a_rehearsal_that_was_not_proved_opens_nothing() -> None:
    assert not report_of(gates.rehearsal, {facts.REHEARSAL_PROVED: False, facts.REHEARSAL_PROOF: "counts"}).open


def test_what_a_rehearsal_left_out_is_said() -> None:
    assert report_of(gates.rehearsal, PROVED).value == "proved (contents) and rolled back"
    missing = {**PROVED, facts.REHEARSAL_MISSING: ["create view v", "create view w"]}
    assert report_of(gates.rehearsal, missing).value.endswith("; 2 statements not rehearsed, to be accepted by name")
    unknown = {**PROVED, facts.REHEARSAL_MISSING: None}
    assert report_of(gates.rehearsal, unknown).value.endswith("; not compared with production yet")


def test_a_decision_in_words() -> None:
    assert report_of(gates.decision, PROVED).value == "approach A"


# --- what is committed and can be undone -------------------------------------------------------------------------------

COMMITTED = ConversionState("7.3", "production", "plan", (), (), xid="77", opened=AT, ended=AT, outcome="committed")
UNDO_GATE = gates.committed("7.3", "production")


def test_only_what_is_committed_can_be_undone() -> None:
    assert UNDO_GATE(RunState(), Settings(), NOW).value == "nothing is committed"
    report = UNDO_GATE(RunState(committed={"production": COMMITTED}), Settings(), NOW)
    assert (report.open, report.value) == (True, "transaction 77 is committed")


def test_what_is_undone_is_not_undone_again() -> None:
    undone = replace(COMMITTED, step="7.3-undo")
    report = UNDO_GATE(RunState(committed={"production": undone}), Settings(), NOW)
    assert (report.open, report.value) == (False, "it is undone already")


def test_migrations_close_the_way_back() -> None:
    migrated = {"7.5": StepState(StepStatus.DONE, started=AT, ended=AT)}
    report = UNDO_GATE(RunState(committed={"production": COMMITTED}, steps=migrated), Settings(), NOW)
    assert (report.open, report.value) == (False, "what has happened since leaves only the backup")
