"""Every screen at 80x24 and wide, as plain text in `screens/`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from rich.cells import cell_len

from core import events as e
from core.runbook.facts import WINDOW_CHOSEN
from core.settings import Settings
from tests.tui import scenario
from tests.tui.scripted import ScriptedClient
from tests.tui.stage import stage
from tui.widgets.header import Header


def windowed(client: ScriptedClient) -> None:
    start = client.clock() + timedelta(hours=2, minutes=14, seconds=9)
    value = {"start": start.isoformat(), "end": (start + timedelta(hours=2)).isoformat()}
    client.say(e.FactRecorded(step="6.1", name=WINDOW_CHOSEN, value=value))


def rehearsing(client: ScriptedClient) -> None:
    scenario.prepared(client)
    windowed(client)
    scenario.converting(client, "5.1", "test")


def asking(client: ScriptedClient) -> None:
    scenario.prepared(client)
    client.say(e.StepStarted(step="7.3"), e.QuestionAsked(question=scenario.question(client)))


def deciding(client: ScriptedClient) -> None:
    client.say(e.StepStarted(step="4.1"), e.QuestionAsked(question=scenario.decision(client)))


def failed(client: ScriptedClient) -> None:
    scenario.prepared(client)
    client.say(e.StepStarted(step="5.1"))
    client.say(
        e.StepFailed(
            step="5.1",
            error="ConversionFailed",
            what="Statement 61 failed: deals is locked by process 4242 of ben.",
            state="The transaction was rolled back; everything is as it was.",
            advice="End that session or wait for it, then run 5.1 again.",
        ),
        after=12,
    )


def committed(client: ScriptedClient) -> None:
    rehearsing(client)
    client.say(
        e.ProofMade(
            step="5.1",
            depth="contents",
            held=True,
            lines=("107 foreign keys before, 107 after, each with its definition.", "1,404,765 rows before and after."),
            seconds=1.2,
        ),
        e.TransactionEnded(step="5.1", target="test", outcome="committed", seconds=41.2),
        e.StepFinished(step="5.1", summary="committed, the proof (contents) holds"),
    )


def unfit(client: ScriptedClient) -> None:
    """An engine that a logout would end, before the first step."""
    client.say(
        e.MachineChecked(
            checks=(
                e.MachineCheck(
                    name="logout",
                    value="ends everything in session-3.scope",
                    warning="A logout ends the engine: logind's KillUserProcesses is on, and it runs in session-3.scope. Allow "
                    "lingering (loginctl enable-linger), and start pgrecast outside the session.",
                ),
                e.MachineCheck(
                    name="keepalive", value="this end probes after 30 s of silence, the server's after 7200 s"
                ),
                e.MachineCheck(name="clock", value="within 0.1 s of the server's"),
                e.MachineCheck(name="client tools", value="none that fit", warning="Install those of PostgreSQL 18."),
            )
        )
    )


SCREENS: dict[str, tuple[Callable[[ScriptedClient], None], tuple[str, ...]]] = {
    "board": (rehearsing, ("5",)),
    "board_asking": (asking, ("7",)),
    "task": (rehearsing, ("5", "enter")),
    "task_gates": (asking, ("7", "enter", "pagedown")),
    "task_failed": (failed, ("5", "enter")),
    "conversion": (rehearsing, ("v",)),
    "conversion_committed": (committed, ("v",)),
    "log": (failed, ("l", "k")),
    "evidence": (rehearsing, ("2", "e", "j")),
    "board_unfit": (unfit, ()),
    "machine": (unfit, ("m",)),
    "help": (rehearsing, ("question_mark",)),
    "confirm": (asking, ("c",)),
    "choose": (deciding, ("c",)),
    "note": (rehearsing, ("6", "n")),
}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
@pytest.mark.parametrize("name", SCREENS)
async def test_screen(name: str, size: tuple[int, int]) -> None:
    prepare, keys = SCREENS[name]
    client = scenario.new_client()
    scenario.opened(client)
    prepare(client)
    async with stage(client, size=size) as on:
        await on.press(*keys)
        lines = on.lines()
        assert len(lines) == size[1]
        assert all(cell_len(line) <= size[0] for line in lines)
        assert "PRODUCTION" in lines[0]
        assert scenario.DATABASE in lines[0]
        on.matches(f"{name}_{size[0]}x{size[1]}")


async def test_the_board_at_80x24_is_ten_panes_of_two_lines() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    rehearsing(client)
    async with stage(client) as on:
        lines = on.lines()
        assert [line[1:3].strip() for line in lines[2:22:2]] == [str(n) for n in range(1, 11)]
        assert "T-02:13:" in lines[0]
        assert lines[23].strip()


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (20, 5), (1, 1)])
async def test_a_small_terminal_asks_for_room_and_recovers(size: tuple[int, int]) -> None:
    client = scenario.new_client()
    scenario.opened(client)
    async with stage(client) as on:
        before = on.text()
        await on.pilot.resize_terminal(*size)
        await on.settle()
        assert "Rotate credentials" not in on.text()
        if size[0] >= 20:
            assert "needs 80" in " ".join(on.text().split()) or size[0] < 79
        await on.press("j")
        await on.pilot.resize_terminal(80, 24)
        await on.press("k")
        assert on.text() == before


async def test_a_console_that_ends_draws_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    client = scenario.new_client()
    scenario.opened(client)
    async with stage(client) as on:
        await on.press("question_mark")
        with monkeypatch.context() as ending:
            ending.setattr(on.app, "_running", False)  # Textual's first step at the end; then it takes screens apart
            await on.app.screen.query_one(Header).remove()
            on.app.draw()
            await on.pilot.pause(0.3)  # its clock still goes
            on.app.pop_screen()
        await on.settle()


@pytest.mark.parametrize("theme", ["light", "ansi"])
async def test_other_themes_show_the_same_words(theme: str) -> None:
    client = scenario.new_client()
    scenario.opened(client)
    rehearsing(client)
    async with stage(client, settings=Settings.model_validate({"console": {"theme": theme}})) as on:
        await on.press("5")
        on.matches("board_80x24")
        await on.press("v")
        on.matches("conversion_80x24")


async def test_without_colour_every_state_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    client = scenario.new_client()
    scenario.opened(client)
    rehearsing(client)
    async with stage(client) as on:
        await on.press("5")
        on.matches("board_80x24")
        strips = on.app.screen._compositor.render_strips()
        styled = [
            segment.style for strip in on.app.screen._compositor.render_strips() for segment in strip if segment.style
        ]
        assert strips
        assert styled
