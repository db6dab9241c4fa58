"""The watch over production, and the window, as the screens show them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.cells import cell_len

from core import events as e
from core.events import Json
from core.runbook import facts
from core.runbook.monitor.seen import Alarm, CountsSeen, HealthSeen, LogsSeen, OrphansSeen, PlansSeen, Seen
from core.runbook.state import fold_all
from core.runbook.window.window import Window
from tests.tui import scenario
from tests.tui.scripted import ScriptedClient
from tests.tui.stage import stage
from tui import text
from tui.watching import watch_line
from tui.widgets.header import header
from tui.widgets.watch import watch_lines

SEEN = Seen(
    health=HealthSeen(
        asked=120, failed=2, in_a_row=2, words="answers 500", latencies=(*(n / 500 for n in range(60)), 0.2, None, None)
    ),
    logs=LogsSeen(
        lines=4120, errors=1, violations=1, violation_examples=("[/foo] violates",), examples=("[/foo] violates",)
    ),
    orphans=OrphansSeen(keys=107),
    counts=CountsSeen(before={"users": 1204, "organizations": 96}, now={"users": 1207, "organizations": 96}),
    plans=PlansSeen(skipped="they were not recorded before the conversion"),
)
BAD = (Alarm("health", "The service answers 500.", "Look."), Alarm("violations", "A violation.", "Look."))


def watching(client: ScriptedClient, bad: tuple[Alarm, ...] = ()) -> None:
    client.say(e.StepStarted(step="8.1"))
    for alarm in bad:
        client.say(e.AlarmRaised(step="8.1", name=alarm.name, what=alarm.what, advice=alarm.advice))
    client.read("8.1", "watch", SEEN.reading(724, 2876, bad))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_the_live_view_shows_every_part_without_scrolling(size: tuple[int, int]) -> None:
    client = scenario.new_client()
    scenario.opened(client)
    watching(client, BAD)
    async with stage(client, size=size) as on:
        await on.press("8")
        assert "8.1 47:56 left; BAD: health, logs; answers 500; 120 asked, 2 failed" in on.text()
        await on.press("enter")
        lines = on.lines()
        assert all(cell_len(line) <= size[0] for line in lines)
        for words in (
            "Watching: 12:04 watched, 47:56 left",
            "BAD health ",
            "xx answers 500; 120 asked, 2 failed",
            "BAD logs      1 violation, 1 error in 4,120 lines",
            "ok  orphans   0 behind 0 of 107 foreign keys",
            "ok  rows      users 1,207 (+3), organizations 96 (as before)",
            "-   plans     not compared: they were not recorded before",
            "ALARM and 1 more 8.1 A violation.",
        ):
            assert words in on.text()
        on.matches(f"watch_{size[0]}x{size[1]}")


async def test_an_alarm_is_told_once_with_what_to_do() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    watching(client)
    async with stage(client) as on:
        assert not on.told()
        watching(client, (Alarm("health", "[/foo] The service answers 500.", "Look at its logs."),))
        for _ in range(2):
            await on.settle()
            on.app._look()
            client.clock.forward(1)
        await on.settle()
        assert on.told() == ["[/foo] The service answers 500. Look at its logs."]
        assert "ALARM 8.1 [/foo] The service answers 500." in on.text()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"words": None, "bad": 3, "latencies": "x", "left": None},
        {"words": {"new": "of a newer engine"}, "latencies": ["x"]},
    ],
)
def test_readings_of_another_version_break_nothing(values: dict[str, Json]) -> None:
    assert watch_line(values)
    shown = [line.plain for line in watch_lines(80, values)]
    assert shown[0].startswith("Watching")
    assert ("words" not in values) or values["words"] is None or "of a newer engine" in shown[1]


def test_a_sparkline_takes_the_last_values() -> None:
    assert text.sparkline([0.0, 0.1, None, 0.2], 10, 0.2) == "▁▄x█"
    assert text.sparkline([0.2, 0.0, 0.4], 2, 0.2) == "▁█"
    assert text.sparkline([1.0], 0, 1) == ""
    assert text.sparkline([], 5, 1) == ""


@pytest.mark.parametrize("width", [80, 100, 119, 120, 140, 160, 200])
def test_the_windows_times_never_crowd_out_the_databases_name(width: int) -> None:
    client = scenario.new_client()
    scenario.opened(client)
    window = Window(client.clock() + timedelta(hours=2), client.clock() + timedelta(hours=4))
    client.say(e.FactRecorded(step="6.1", name=facts.WINDOW_CHOSEN, value=window.fact))
    line = header(width, fold_all(client.records), {}, None, client.clock()).plain
    assert "T-02:00:00" in line
    assert ("turn back by" in line) is (width >= 140)
    assert width == 80 or f"{scenario.DATABASE} @ db.example " in line
