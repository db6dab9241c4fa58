"""The maintenance window: read, timed, and told on paper; step 6's actions without a server."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import icalendar
import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError, Refused, UsageError
from core.events import FactRecorded, GateOverridden, Json, Question, StepTicked, TargetIdentified, TargetIdentity
from core.redaction import redactor
from core.retype.model import Plan
from core.runbook import facts
from core.runbook.conversion.convert import _deadline
from core.runbook.state import RunState
from core.runbook.window.alerts import send_alert
from core.runbook.window.choose import LATER, NOW, OWN, choose_window
from core.runbook.window.papers import calendar_entry, message_to_rollback_team, message_to_stakeholders
from core.runbook.window.prepare import ARRIVED, OTHERS, TEAM, name_team, send_test_alert
from core.runbook.window.timetable import Timetable, expected, timetable
from core.runbook.window.window import Window, chosen_window, proposed_windows, written_window
from core.settings import Settings
from core.settings.targets import TargetName
from core.settings.window import WindowSettings
from tests.step_world import StepWorld, taking

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)  # a Friday
WINDOW = Window(datetime(2026, 3, 7, 2, tzinfo=UTC), datetime(2026, 3, 7, 4, tzinfo=UTC))
BERLIN = ZoneInfo("Europe/Berlin")


def state(**known: Json) -> RunState:
    names = {name: getattr(facts, name) for name in known}
    return RunState(facts={names[name]: value for name, value in known.items()})


# --- the window itself -------------------------------------------------------------------------------------------------


def test_the_next_weekend_days_are_proposed() -> None:
    found = [str(window) for window, _ in zip(proposed_windows(NOON, WindowSettings()), range(3), strict=False)]
    assert found == [
        "Sat 2026-03-07 02:00 to 04:00 UTC",
        "Sun 2026-03-08 02:00 to 04:00 UTC",
        "Sat 2026-03-14 02:00 to 04:00 UTC",
    ]


def test_a_window_is_shown_in_local_time_too() -> None:
    assert WINDOW.here_too(BERLIN) == "Sat 2026-03-07 02:00 to 04:00 UTC (03:00 to 05:00 CET)"
    assert WINDOW.here_too(ZoneInfo("America/Los_Angeles")).endswith("(Fri 2026-03-06 18:00 to 20:00 PST)")
    assert WINDOW.here_too(ZoneInfo("Etc/UTC")) == str(WINDOW)


def test_a_window_over_the_change_of_the_clocks_is_as_long_as_it_is() -> None:
    window = Window(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 2, 30, tzinfo=UTC))
    assert window.here_too(BERLIN).endswith("(01:30 to 04:30 CEST)")


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("2026-03-07 02:00 to 04:00", "Sat 2026-03-07 02:00 to 04:00 UTC"),
        (" 2026-03-07T02:00Z ", "Sat 2026-03-07 02:00 to 04:00 UTC"),
        ("2026-03-07 23:00 to 01:30 UTC", "Sat 2026-03-07 23:00 to Sun 01:30 UTC"),
        ("2026-03-07 02:00 for 90 min", "Sat 2026-03-07 02:00 to 03:30 UTC"),
        ("2026-03-07 02:00 UTC for 3h", "Sat 2026-03-07 02:00 to 05:00 UTC"),
        ("2026-03-06 11:00 to 13:00", "Fri 2026-03-06 11:00 to 13:00 UTC"),
    ],
)
def test_a_written_window_is_read(text: str, window: str) -> None:
    assert str(written_window(text, NOON, WindowSettings())) == window


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2026-02-30 02:00", "2026-03-07 24:00", "2026-03-07 02:00 for 0 min", "2026-03-06 02:00 to 04:00",
     "2026-03-07", "2026-03-07 02:00 to", "9999-12-31 02:00 for 99999999999 h"],
)  # fmt: skip
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        written_window(text, NOON, WindowSettings())
    assert caught.value.advice


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe"])
def test_a_time_zone_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"window\.timezone"):
        Settings.load(None, {"window": {"timezone": name}})


def test_a_pattern_or_a_command_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no regular expression"):
        Settings.load(None, {"monitor": {"error_patterns": ["("]}})
    with pytest.raises(ConfigurationError, match="no command line"):
        Settings.load(None, {"monitor": {"alert_command": "page 'on"}})


# --- by when -----------------------------------------------------------------------------------------------------------


def test_latest_start_and_latest_moment_to_turn_back() -> None:
    run = state(
        WINDOW_CHOSEN=WINDOW.fact,
        REHEARSAL_SECONDS=600.0,
        INVESTIGATION_SECONDS=300.0,
        INVESTIGATION_TOTALS={"database_bytes": 4_000_000_000},
        RESTORE_SECONDS=1200,
    )
    found = timetable(run)
    assert found is not None
    # A rollback removes files: 0.1 s, and 2 GB a second.
    assert found.turn_back == WINDOW.end - timedelta(seconds=1200 + 2.1)
    assert found.latest_start == found.turn_back - timedelta(seconds=600)
    assert found.fits
    assert str(found) == "start by 03:29:57, turn back by 03:39:57 UTC"
    assert str(found.expected) == (
        "conversion 10 min 00 s (as rehearsed), rollback at most 2.1 s, restore of the backup 20 min 00 s"
    )


def test_production_may_take_longer_than_the_rehearsal() -> None:
    found = expected(state(REHEARSAL_SECONDS=10.0, INVESTIGATION_SECONDS=300.0))
    assert (found.conversion, found.rehearsed) == (300.0, 10.0)
    assert "by production's size" in str(found)


def test_what_is_not_known_takes_no_time_and_is_said() -> None:
    found = timetable(state(WINDOW_CHOSEN=WINDOW.fact))
    assert found is not None
    assert found.latest_start == found.turn_back == WINDOW.end
    assert "not known before an investigation" in str(found.expected)
    assert "not timed yet (step 6.5)" in str(found.expected)
    assert timetable(RunState()) is None


def test_a_window_that_is_too_short() -> None:
    found = Timetable(WINDOW, expected(state(REHEARSAL_SECONDS=7200.0, RESTORE_SECONDS=720.0)))
    assert not found.fits
    assert found.fit_words == "TOO SHORT by 12 min"


@pytest.mark.parametrize(
    ("target", "overridden", "hours", "bound"),
    [
        ("production", False, 1, True),
        ("production", True, 1, True),
        # What was not overridden is refused when it is over (`core.retype.execute`), not let run without a bound.
        ("production", False, -1, True),
        ("production", True, -1, False),
        ("test", False, 1, False),
    ],
)
def test_the_windows_end_bounds_the_conversion_of_production(
    tmp_path: Path, target: TargetName, overridden: bool, hours: int, bound: bool
) -> None:
    run = world(tmp_path, step="7.3")
    end = datetime.now(UTC) + timedelta(hours=hours)
    run.record(FactRecorded(step="6.1", name=facts.WINDOW_CHOSEN, value=Window(end - timedelta(hours=2), end).fact))
    if overridden:
        run.record(GateOverridden(step="7.3", gate="window", reason="agreed by phone"))
    plan = cast("Plan", SimpleNamespace(goal=None))
    assert _deadline(run, target, plan) == (end if bound else None)
    undo = cast("Plan", SimpleNamespace(goal="the catalog from before"))
    assert _deadline(run, target, undo) is None


# --- papers ------------------------------------------------------------------------------------------------------------


def test_the_calendar_entry_is_read_back() -> None:
    run = state(WINDOW_CHOSEN=WINDOW.fact, RESTORE_SECONDS=720.0)
    identity = TargetIdentity(cluster="c", database_oid=1, database="shop; \n evil")
    target = TargetIdentified(target="production", identity=identity, address="db", server="PostgreSQL 18")
    written = calendar_entry(replace(run, run="shop-20260306", targets={"production": target}), NOON)
    assert written is not None
    assert all(len(line.encode()) <= 75 for line in written.split("\r\n"))
    calendar: Any = icalendar.Calendar.from_ical(written)
    (event,) = calendar.walk("VEVENT")
    assert event.decoded("dtstart") == WINDOW.start
    assert event.decoded("dtend") == WINDOW.end
    assert event["uid"] == "window-shop-20260306@pgrecast.invalid"
    assert "Latest moment to turn back: Sat 2026-03-07 03:48:00 UTC." in event["description"]
    assert "shop; \n evil" in event["summary"]
    assert len(calendar.walk("VALARM")) == 2


def test_messages_tell_both_times_and_need_a_window() -> None:
    for message in (message_to_stakeholders, message_to_rollback_team):
        assert "02:00 to 04:00 UTC (03:00 to 05:00 CET)" in (message(state(WINDOW_CHOSEN=WINDOW.fact), BERLIN) or "")
        assert message(RunState(), BERLIN) is None
    assert calendar_entry(RunState(), NOON) is None


# --- step 6.1 ----------------------------------------------------------------------------------------------------------


def world(
    tmp_path: Path,
    *answers: str,
    entered: tuple[str, ...] = (),
    step: str = "6.1",
    window: Mapping[str, object] | None = None,
    monitor: Mapping[str, object] | None = None,
) -> StepWorld:
    """A step's world that takes these choices, and enters these texts one after another, then nothing."""
    zone = {"timezone": "Europe/Berlin"}
    given = Settings.load(None, {"window": {**zone, **(window or {})}, "monitor": dict(monitor or {})})
    texts = iter(entered)
    found = StepWorld(
        tmp_path, given, {}, taking(*answers), lambda question: SecretStr(t) if (t := next(texts, "")) else None
    )
    found.step = step
    return found


def second(question: Question) -> str:
    return question.choices[1].name


async def test_a_proposed_window_is_chosen(tmp_path: Path) -> None:
    run = world(tmp_path)
    run.answers = second
    said = await choose_window(run)
    chosen = chosen_window(run.state)
    assert chosen is not None
    assert chosen.start.weekday() in (5, 6)
    assert chosen.start > datetime.now(UTC)
    assert said.startswith(chosen.here_too(BERLIN))
    assert "start by" in said
    (question,) = run.questions
    assert question.default == LATER
    assert all("CE" in choice.label and "fits" in choice.consequence for choice in question.choices[:4])
    assert "BEGIN:VEVENT" in run.evidence(facts.CALENDAR_FILE)
    assert str(chosen) in run.evidence(facts.STAKEHOLDERS_FILE)
    assert "nobody yet (step 6.3)" in run.evidence(facts.ROLLBACK_TEAM_FILE)


async def test_a_window_is_written_and_written_again_when_it_cannot_be_read(tmp_path: Path) -> None:
    run = world(tmp_path, OWN, entered=("next week", "2999-01-05 02:00 for 3 h"))
    assert (await choose_window(run)).startswith("Sat 2999-01-05 02:00 to 05:00 UTC")
    asked = [question for question in run.questions if question.entry]
    assert len(asked) == 2
    assert "'next week' is no window." in asked[1].details
    assert not any("is no window" in line for line in asked[0].details)


async def test_now_is_a_window(tmp_path: Path) -> None:
    run = world(tmp_path, NOW, window={"duration": "30min"})
    await choose_window(run)
    chosen = chosen_window(run.state)
    assert chosen is not None
    assert chosen.length == timedelta(minutes=30)
    assert chosen.start <= datetime.now(UTC) < chosen.end


async def test_who_was_told_of_another_window_must_be_told_of_the_change(tmp_path: Path) -> None:
    run = world(tmp_path, OWN, entered=("2999-01-05 02:00", "2999-01-05 02:00", "2999-01-06 02:00"))
    await choose_window(run)
    run.record(StepTicked(step="6.2"))
    await choose_window(run)
    assert not any("told of the change" in line for line in run.state.step("6.1").log)
    await choose_window(run)
    assert any("must be told of the change: steps 6.2 again" in line for line in run.state.step("6.1").log)


@pytest.mark.parametrize("answers", [(LATER,), (OWN,)])
async def test_no_window_is_chosen(tmp_path: Path, answers: tuple[str, ...]) -> None:
    run = world(tmp_path, *answers)
    with pytest.raises(Refused):
        await choose_window(run)
    assert not run.state.facts


# --- steps 6.3 and 6.4 -------------------------------------------------------------------------------------------------


async def test_the_team_of_the_settings_is_named(tmp_path: Path) -> None:
    run = world(tmp_path, NOW, TEAM, window={"team": ["Anna, +49 30 5550100", "Ben"]})
    await choose_window(run)
    assert await name_team(run) == "2 people named: Anna, +49 30 5550100; Ben"
    assert run.state.facts[facts.WINDOW_TEAM] == ["Anna, +49 30 5550100", "Ben"]
    assert "Named: Anna, +49 30 5550100; Ben." in run.evidence(facts.ROLLBACK_TEAM_FILE)


@pytest.mark.parametrize("team", [[], ["Anna"]])
async def test_a_team_is_typed(tmp_path: Path, team: list[str]) -> None:
    run = world(tmp_path, OTHERS, entered=(" Eve; ; Ben, on call ",), window={"team": team})
    assert await name_team(run) == "2 people named: Eve; Ben, on call"


async def test_a_team_of_nobody_is_none(tmp_path: Path) -> None:
    for entered in ((), (" ; ",)):
        run = world(tmp_path, entered=entered)
        with pytest.raises(Refused):
            await name_team(run)
        assert not run.state.facts


def command(tmp_path: Path, script: str) -> str:
    path = tmp_path / "alert.py"
    path.write_text(script)
    return shlex.join([sys.executable, str(path), "two words"])


async def test_a_test_alert_is_sent_and_its_arrival_is_a_persons_word(tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    script = f"""
import os, pathlib, sys
pathlib.Path({str(sent)!r}).write_text("|".join([sys.argv[1], sys.stdin.read(), os.environ["PGRECAST_ALERT"]]))
print("queued as 7")
"""
    run = world(tmp_path, ARRIVED, monitor={"alert_command": command(tmp_path, script)})
    assert await send_test_alert(run) == "a test alert was sent, and has arrived"
    argument, stdin, environment = sent.read_text().split("|")
    assert argument == "two words"
    assert stdin.rstrip("\n") == environment
    assert "TEST" in environment
    assert run.state.facts[facts.ALERT_TESTED] is True
    assert any("queued as 7" in line for line in run.state.step("6.1").log)


async def test_a_secret_is_masked_in_an_alert(tmp_path: Path) -> None:
    secret, sent = "obviously-fake-Qz77-alert", tmp_path / "sent"
    redactor.add(SecretStr(secret))
    run = world(tmp_path, monitor={"alert_command": f"tee {sent}"})
    await send_alert(run, f"the log says {secret}")
    assert sent.read_text() == "the log says ***\n"


async def test_an_alert_that_has_not_arrived(tmp_path: Path) -> None:
    run = world(tmp_path, monitor={"alert_command": command(tmp_path, "")})
    with pytest.raises(Refused, match="not arrived"):
        await send_test_alert(run)
    assert run.state.facts[facts.ALERT_TESTED] is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("/no/such/command", "cannot be run"),
        (None, "exit status 3 after .*: no such pager"),
    ],
)
async def test_an_alert_command_that_fails(tmp_path: Path, given: str | None, said: str) -> None:
    run = world(
        tmp_path,
        ARRIVED,
        monitor={"alert_command": given or command(tmp_path, "print('no such pager'); raise SystemExit(3)")},
    )
    with pytest.raises(ConfigurationError, match=said):
        await send_test_alert(run)
    assert facts.ALERT_TESTED not in run.state.facts


async def test_an_alert_command_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runbook.window.alerts.TIME", timedelta(seconds=0.3))
    run = world(tmp_path, monitor={"alert_command": command(tmp_path, "import time; time.sleep(60)")})
    with pytest.raises(ConfigurationError, match="did not end"):
        await send_test_alert(run)
