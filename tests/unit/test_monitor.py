"""The watch's decisions without a server: which log lines are bad, how plans compare, what alarms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.hosting.health import Health
from core.hosting.interface import LogLine
from core.retype.orphans import Orphans
from core.runbook.monitor.log_lines import LONGEST, Patterns, Position, told
from core.runbook.monitor.plans import Explained, Query, compare, lines
from core.runbook.monitor.report import render
from core.runbook.monitor.seen import (
    CountsSeen,
    DatabaseSeen,
    HealthSeen,
    LockWait,
    LogsSeen,
    OrphansSeen,
    PlansSeen,
    Seen,
    alarms,
)
from core.settings.monitor import MonitorSettings

AT = datetime(2026, 3, 7, 4, tzinfo=UTC)
SETTINGS = MonitorSettings()


def line(text: str, *, level: str = "", after: float = 0, service: str = "web") -> LogLine:
    return LogLine(AT + timedelta(seconds=after), text, level, service)


# --- log lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'insert or update on table "deals" violates foreign key constraint "deals_owner_id_fkey"',
        "sqlalchemy.exc.IntegrityError: (psycopg.errors.ForeignKeyViolation) ...",
        'Key (owner_id)=(42) is not present in table "users".',
        "operator does not exist: character varying = uuid",
        "operator does not exist: uuid = character varying at character 61",
    ],
)
def test_violations(text: str) -> None:
    found = Patterns(SETTINGS).sort([line(text)])
    assert (len(found.violations), len(found.errors)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "level", "is_error"),
    [
        ("ERROR: relation does not exist", "", True),
        ("[critical] worker died", "", True),
        ("Traceback (most recent call last):", "", True),
        ("anything", "error", True),
        ("anything", "FATAL", True),
        ("GET /health 200", "info", False),
        ("terrorised by mirrors", "", False),
        ("0 errors found", "", False),
        ("operator does not exist: text = bigint", "", False),
    ],
)
def test_errors(text: str, level: str, is_error: bool) -> None:
    found = Patterns(SETTINGS).sort([line(text, level=level)])
    assert bool(found.errors) is is_error
    assert not found.violations


def test_what_is_ignored_is_nothing_else() -> None:
    settings = MonitorSettings(ignore_patterns=(r"probe-\d+",))
    found = Patterns(settings).sort([line("ERROR probe-7 violates foreign key constraint"), line("ERROR else")])
    assert (found.lines, len(found.errors), len(found.violations)) == (2, 1, 0)


def test_a_long_line_is_looked_at_in_part() -> None:
    assert not Patterns(SETTINGS).sort([line("x" * LONGEST + " ERROR")]).errors
    assert len(told(line("x" * 5000))) < 400


def test_no_line_is_counted_twice_or_left_out() -> None:
    """Lines come late, and of several instances out of order; each reading gives all from its begin on."""
    everything = [line(f"GET /{n}", after=n / 2) for n in range(200)]
    late = line("late", after=20, service="worker")
    position, counted = Position(AT), list[LogLine]()
    for second in range(0, 110, 5):
        there = [one for one in everything if one.at <= AT + timedelta(seconds=second)]
        if second >= 25:
            there = sorted((*there, late), key=lambda one: one.at)
        given_ = [one for one in there if one.at >= position.since]
        new, position = position.take(given_, AT + timedelta(seconds=second), full=False)
        counted += new
    assert sorted(counted, key=lambda one: (one.at, one.text)) == sorted(
        (*everything, late), key=lambda one: (one.at, one.text)
    )


def test_full_readings_go_on_right_behind_their_last_line() -> None:
    everything = [line(f"GET /{n}", after=n / 1000) for n in range(950)]
    position, counted = Position(AT), list[LogLine]()
    for _ in range(12):
        page = [one for one in everything if one.at >= position.since][:100]
        new, position = position.take(page, AT + timedelta(minutes=1), full=len(page) == 100)
        counted += new
    assert counted == everything
    assert position.take([], AT, full=False)[1] == position


def test_lines_without_a_time_of_their_own_are_known_again_by_their_text() -> None:
    """A host that only prints lines gives them the time of the reading, which is later than the question."""
    asked = AT + timedelta(seconds=1)
    new, position = Position(AT).take([line("a", after=2), line("b", after=2)], asked, full=False)
    assert (len(new), position.since) == (2, asked)
    new, _ = position.take([line("b", after=4), line("c", after=4)], asked + timedelta(seconds=2), full=False)
    assert [one.text for one in new] == ["c"]


def test_a_reading_without_lines_forgets_nothing() -> None:
    _, position = Position(AT).take([line("a")], AT, full=False)
    new, position = position.take([], AT + timedelta(seconds=5), full=False)
    assert new == ()
    assert position.take([line("a")], AT + timedelta(seconds=10), full=False)[0] == ()


# --- plans -------------------------------------------------------------------------------------------------------------


def node(kind: str, cost: float = 10.0, table: str = "", index: str = "", *children: dict[str, Any]) -> dict[str, Any]:
    names = {"Relation Name": table, "Index Name": index}
    return {"Node Type": kind, "Total Cost": cost, **{k: v for k, v in names.items() if v}, "Plans": list(children)}


BY_INDEX = node("Index Scan", 8.3, "users", "users_pkey")


def query(plan: dict[str, Any] | None, error: str = "") -> Query:
    return Query("SELECT *\n  FROM users WHERE id = $1", 4, 10.0, Explained(plan, error))


@pytest.mark.parametrize(
    ("now", "verdict", "words"),
    [
        (Explained(BY_INDEX), "same", ""),
        (Explained({**BY_INDEX, "Total Cost": 9.1, "Plan Rows": 7}), "same", ""),
        (Explained(node("Seq Scan", 800, "users")), "worse", "reads the whole of users now"),
        (Explained(node("Seq Scan", 9, "users")), "changed", "not worse by its estimate"),
        (Explained(node("Index Scan", 900, "users", "users_pkey")), "worse", "was 8, and is 900"),
        (Explained(node("Bitmap Heap Scan", 12, "users", "", node("Bitmap Index Scan", 4, "", "x"))), "changed", ""),
        (Explained(None, "operator does not exist"), "fails", "operator does not exist"),
        (Explained(None, "lock timeout", passing=True), "unknown", "at the moment: lock timeout"),
    ],
)
def test_plans_are_compared(now: Explained, verdict: str, words: str) -> None:
    found = compare(query(BY_INDEX), now)
    assert found.verdict == verdict
    assert words in found.words
    assert found.query == "SELECT * FROM users WHERE id = $1"


def test_what_could_not_be_explained_before_tells_nothing() -> None:
    assert compare(query(None, "syntax error"), Explained(None, "syntax error")).verdict == "unknown"


def test_a_plan_in_lines() -> None:
    plan = node("Hash Join", 5, "", "", node("Seq Scan", 2, "deals"), node("Hash", 3, "", "", BY_INDEX))
    assert lines(plan) == ("Hash Join", "  Seq Scan on deals", "  Hash", "    Index Scan using users_pkey on users")


def test_a_query_survives_its_evidence_file() -> None:
    for one in (query(BY_INDEX), query(None, "no")):
        assert Query.of_document(one.document) == one
    for broken in ({}, {"query": "x", "calls": "many", "total_ms": 1, "plan": None, "error": ""}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Query.of_document(broken)


# --- what is bad -------------------------------------------------------------------------------------------------------


def bad(**parts: Any) -> list[str]:
    return [alarm.name for alarm in alarms(Seen().with_(**parts), SETTINGS)]


def test_nothing_seen_is_nothing_bad() -> None:
    assert bad() == []


def test_a_service_is_bad_after_some_failures_in_a_row_and_well_after_one_answer() -> None:
    health = HealthSeen()
    serves, fails = Health(False, "answers 200", 200, 0.04), Health(True, "refuses the connection", None, 0.01)
    for number, probe in enumerate((serves, fails, fails, serves, fails, fails, fails), 1):
        health = health.probed(probe)
        assert bool(bad(health=health)) is (number == 7)
    assert (health.asked, health.failed, health.in_a_row) == (7, 5, 3)
    assert health.latencies == (0.04, None, None, 0.04, None, None, None)
    assert str(health) == "refuses the connection; 7 asked, 5 failed"
    assert not bad(health=health.probed(serves))
    assert str(health.probed(serves)).startswith("answers 200 in 40 ms;")


def test_violations_and_other_errors_alarm_each_for_itself() -> None:
    errors = Patterns(SETTINGS).sort([line("ERROR a")])
    violations = Patterns(SETTINGS).sort([line("violates foreign key constraint")])
    assert bad(logs=LogsSeen().read(errors)) == ["errors"]
    assert bad(logs=LogsSeen().read(violations)) == ["violations"]
    both = alarms(Seen(logs=LogsSeen().read(violations).read(errors)), SETTINGS)
    assert [alarm.name for alarm in both] == ["violations", "errors"]
    assert "ERROR a" in both[1].what


def test_logs_that_cannot_be_read_for_a_while_are_bad_until_they_can() -> None:
    logs = LogsSeen()
    for number in range(1, 4):
        logs = logs.missed("The host answers 500.")
        assert bad(logs=logs) == (["logs"] if number == 3 else [])
    assert "NOT READ at present: The host answers 500." in str(logs)
    assert not bad(logs=logs.read(Patterns(SETTINGS).sort([])))


@given(st.integers(0, 5), st.integers(0, 5))
def test_rows_are_bad_when_there_are_fewer(before: int, now: int) -> None:
    counts = CountsSeen(before={"users": before}).counted("users", now)
    assert bool(bad(counts=counts)) is (now < before)


def test_rows_that_were_not_counted_are_no_fewer() -> None:
    for before, now in ((7, "about 5 rows (counting took too long)"), ("about 9 rows", 5), (None, 5), (None, None)):
        assert not bad(counts=CountsSeen(before={"users": before}).counted("users", now))
    gone = CountsSeen(before={"users": 7}).counted("users", None)
    assert bad(counts=gone) == ["rows"]
    assert str(gone) == "users is not there"


def test_orphans_and_keys_that_took_too_long() -> None:
    seen = OrphansSeen(keys=3).found("a on t", Orphans(1, 0)).found("b on t", Orphans(2, None, detail="it took longer"))
    assert not bad(orphans=seen)
    assert str(seen) == "0 behind 1 of 3 foreign keys, 1 not compared"
    assert bad(orphans=seen.found("c on t", Orphans(3, 2, ("x", "y")))) == ["orphans"]


def test_only_orphans_beyond_those_from_before_are_bad() -> None:
    seen = (
        OrphansSeen(keys=2, before={"a on t": 2, "b on t": 9})
        .found("a on t", Orphans(1, 2))
        .found("b on t", Orphans(2, 1))
    )
    assert not bad(orphans=seen)
    assert str(seen) == "0 behind 2 of 2 foreign keys; 3 known from before"
    more = seen.found("a on t", Orphans(1, 3, ("x",)))
    assert bad(orphans=more) == ["orphans"]
    assert (more.count, more.known) == (1, 3)


def test_waits_for_locks_are_bad_when_they_last() -> None:
    wait = LockWait(7, "app as owner", 29.0, (8,))
    assert not bad(database=DatabaseSeen(looked=1, waits=(wait,)))
    assert bad(database=DatabaseSeen(looked=1, waits=(replace(wait, seconds=30.0),))) == ["sessions"]


def test_a_database_that_does_not_answer() -> None:
    database = DatabaseSeen(looked=4, sessions=3)
    for number in range(1, 4):
        database = database.unreachable("no server answers.")
        assert bad(database=database) == (["sessions"] if number == 3 else [])
    assert "NOT READ" in str(database)


def test_text_from_a_log_is_never_markup_in_the_report() -> None:
    found = Patterns(SETTINGS).sort([line("ERROR `x` | <b>\n# heading")])
    seen = Seen(logs=LogsSeen().read(found), plans=PlansSeen(skipped="not | recorded"))
    text = render(seen, alarms(seen, SETTINGS), ("04:00 errors",), seconds=61, ended="to its end", worst=None)
    assert "\n# heading" not in text
    assert "Watched for 1 min 01 s, to its end." in text
    assert "``2026-03-07 04:00:00 web: ERROR `x` " in text
