"""What each key does, and what it says when it does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import events as e
from core.engine.protocol import AbortStep, AddNote, AnswerQuestion, Reply, RunStep, TakeOver, TickStep, UntickStep
from tests.tui import scenario
from tests.tui.scripted import ANNA, ScriptedClient
from tests.tui.stage import Stage, stage


def screen(on: Stage) -> str:
    return on.app.screen.__class__.__name__


def ready() -> ScriptedClient:
    client = scenario.new_client()
    scenario.opened(client)
    scenario.prepared(client)
    return client


def marked(on: Stage) -> str:
    """The line with the mark."""
    return next(line for line in on.lines() if line.startswith(">"))


async def test_moving_on_the_board() -> None:
    async with stage(ready()) as on:
        assert "1 Rotate" in marked(on)
        await on.press("j", "down", "j")
        assert "4 Decide" in marked(on)
        await on.press("k", "up")
        assert "2 Investigate" in marked(on)
        await on.press("end", "down")
        assert "10 Resume" in marked(on)
        await on.press("home", "k")
        assert "1 Rotate" in marked(on)
        await on.press("7")
        assert "7 Convert production" in marked(on)
        await on.press("0")
        assert "10 Resume" in marked(on)


async def test_opening_and_going_back() -> None:
    async with stage(ready()) as on:
        await on.press("7", "enter")
        assert screen(on) == "TaskScreen"
        assert "7.1" in marked(on)
        await on.press("3")
        assert screen(on) == "TaskScreen"
        assert "3.1" in marked(on)
        for key, opened in (("e", "EvidenceScreen"), ("l", "LogScreen"), ("question_mark", "HelpScreen")):
            await on.press(key)
            assert screen(on) == opened
            await on.press("q")
            assert screen(on) == "TaskScreen"
        await on.press("escape")
        assert screen(on) == "Board"
        await on.press("q")
        assert screen(on) == "Board"
        assert "d leaves the console" in on.told()[-1]


async def test_a_digit_leads_from_every_screen_to_the_task_and_leaves_no_pile_behind() -> None:
    async with stage(ready()) as on:
        await on.press("l", "question_mark", "2", "l", "e", "4", "q")
        assert screen(on) == "Board"


async def test_run_sends_the_marked_step() -> None:
    client = ready()
    async with stage(client) as on:
        await on.press("5", "r")
        assert client.sent == [RunStep(step="5.1")]
        await on.press("3", "r")
        assert len(client.sent) == 1
        assert "cannot do it yet" in on.told()[-1]


async def test_a_refusal_is_told_with_its_reason() -> None:
    client = ready()
    client.reply = lambda command: Reply(accepted=False, reason="A gate is closed: needs [/foo] a decision.")
    async with stage(client) as on:
        await on.press("5", "r")
        assert on.told()[-1] == "Refused: A gate is closed: needs [/foo] a decision."
        assert "[/foo]" in on.text()


async def test_tick_asks_for_a_note_which_may_be_empty() -> None:
    client = ready()
    async with stage(client) as on:
        await on.press("6", "space")
        assert "Tick 6.1" in on.text()
        await on.press("enter")
        assert client.sent == [TickStep(step="6.1", note="")]
        await on.press("6", "space", *"seen", "enter")
        assert client.sent[-1] == TickStep(step="6.1", note="seen")
        await on.press("space", *"no", "escape")
        assert len(client.sent) == 2


async def test_space_takes_a_tick_back() -> None:
    client = ready()
    async with stage(client) as on:
        await on.press("1", "enter", "space", "enter")
        assert client.sent == [UntickStep(step="1.1", note="")]


async def test_what_the_engine_proves_is_not_ticked() -> None:
    client = ready()
    async with stage(client) as on:
        await on.press("5", "space")
        assert client.sent == []
        assert "run, not ticked" in on.told()[-1]


async def test_a_note_is_not_empty() -> None:
    client = ready()
    async with stage(client) as on:
        await on.press("6", "n", "enter")
        assert "nothing to save" in on.text()
        await on.press(*"mind", "space", *"[/it]", "enter")
        assert client.sent == [AddNote(task=6, step="6.1", text="mind [/it]")]


async def test_abort_asks_first_and_the_harmless_choice_is_marked() -> None:
    client = ready()
    scenario.converting(client, "5.1", "test")
    async with stage(client) as on:
        await on.press("a")
        assert "Abort 5.1?" in on.text()
        assert "is rolled back" in on.text()
        await on.answer()
        assert client.sent == []
        await on.press("a", "j")
        await on.answer()
        assert client.sent == [AbortStep(step="5.1")]


async def test_nothing_to_abort() -> None:
    async with stage(ready()) as on:
        await on.press("a")
        assert on.told()[-1] == "Nothing runs."


async def test_answer_without_a_question() -> None:
    async with stage(ready()) as on:
        await on.press("c")
        assert on.told()[-1] == "Nothing is asked."


async def test_a_decision_is_taken() -> None:
    client = ready()
    client.say(e.StepStarted(step="4.1"), e.QuestionAsked(question=scenario.decision(client)))
    async with stage(client) as on:
        assert "c answers" in on.text()
        await on.press("c", "j")
        await on.answer()
        assert client.sent == [AnswerQuestion(question="q2", choice="B")]


async def test_detach_leaves_and_the_run_goes_on() -> None:
    client = ready()
    async with stage(client) as on:
        await on.pilot.press("d")
        await on.pilot.pause()
    assert client.detached
    assert on.app.return_value == "detached"
    assert client.sent == []


@pytest.mark.parametrize(("task", "key"), [("5", "r"), ("6", "space"), ("6", "n"), ("5", "a")])
async def test_a_watcher_commands_nothing(task: str, key: str) -> None:
    client = scenario.new_client(operator=False)
    scenario.opened(client)
    scenario.other_operator(client)
    scenario.prepared(client)
    if key == "a":
        scenario.converting(client, "5.1", "test")
    async with stage(client, role="watcher") as on:
        await on.press(task, key)
        assert client.sent == []
        assert "You watch: anna operates this run" in on.told()[-1]
        assert "watching + 1 (anna operates)" in on.lines()[0]
        assert "(n note)" in on.lines()[-1]


async def test_a_watcher_answers_nothing() -> None:
    client = scenario.new_client(operator=False)
    scenario.opened(client)
    scenario.other_operator(client)
    client.say(e.StepStarted(step="7.3"), e.QuestionAsked(question=scenario.question(client)))
    async with stage(client, role="watcher") as on:
        await on.press("c")
        assert screen(on) == "Board"
        assert "You watch" in on.told()[-1]
        await on.press("t")
        assert client.sent == []
        assert "only watches" in on.told()[-1]


async def test_taking_over_asks_and_both_are_told() -> None:
    client = scenario.new_client(operator=False)
    scenario.opened(client)
    scenario.other_operator(client)
    async with stage(client) as on:
        await on.press("t")
        assert "Take over from anna?" in on.text()
        await on.press("j")
        await on.answer()
        assert client.sent == [TakeOver()]
        assert "operator + 2 watching" in on.lines()[0]
        client.say(e.OperatorChanged(client=ANNA, actor=e.Actor(name="anna")))
        await on.settle()
        assert "anna is the operator now" in on.text()
        await on.press("r")
        assert client.sent == [TakeOver()]


async def test_a_closed_gate_leads_to_what_opens_it() -> None:
    async with stage(ready()) as on:
        await on.press("7", "enter", "j", "j")
        assert "closed a verified backup: not yet: step 3.2 [3 leads to 3.2]" in " ".join(on.text().split())
        await on.press("g")
        assert "3.2  Verify the backup" in marked(on)


async def test_the_conversion_opens_from_board_and_task() -> None:
    client = ready()
    scenario.converting(client, "5.1", "test")
    async with stage(client) as on:
        await on.press("5", "v")
        assert screen(on) == "ConversionScreen"
        await on.press("q", "enter", "enter")
        assert screen(on) == "ConversionScreen"
        await on.press("pagedown", "pagedown", "end")
        assert "foreign keys recreated" in on.text()
        await on.press("home")
        assert "1 session waits for the conversion" in on.text()


async def test_help_and_palette_come_from_the_registry() -> None:
    async with stage(ready(), size=(120, 60)) as on:
        await on.press("question_mark")
        shown = on.text()
        for action in on.app.actions:
            assert action.does == "jump" or action.tooltip in shown
        await on.press("q", "ctrl+p", *"evidence")
        await on.pilot.pause(0.5)
        await on.press("enter")
        await on.pilot.pause(0.2)
        assert screen(on) == "EvidenceScreen"


async def test_copying_a_text_reaches_the_terminal_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    client = ready()
    client.say(e.NoteAdded(task=1, text="password=obviously-fake-5 [/foo]"))
    async with stage(client) as on:
        await on.press("y")
        assert "An incident update" in on.text()
        await on.press("j")
        await on.answer()
        await on.pilot.pause(0.1)
        (kept,) = (tmp_path / "pgrecast" / "copies").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        assert on.app.clipboard.startswith("SHIFT HANDOVER, 2025-11-15")
        assert kept.read_text().splitlines()[0] == on.app.clipboard.splitlines()[0]
        assert "obviously-fake" not in kept.read_text()
        assert str(kept) in on.told()[-1]
        assert client.sent == []


async def test_the_windows_messages_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    client = ready()
    async with stage(client) as on:
        for number, words in enumerate(("No window is chosen yet", "Subject: Be reachable: conversion of")):
            await on.press("y", "j", "j", "j")
            await on.answer()
            await on.pilot.pause(0.1)
            assert on.app.clipboard.startswith(words), number
            window = {"start": "2025-11-16T02:00:00+00:00", "end": "2025-11-16T04:00:00+00:00"}
            client.say(e.FactRecorded(step="6.1", name="window.chosen", value=window))
            await on.settle()


async def test_a_copy_that_cannot_be_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    async with stage(ready(), role="watcher") as on:
        await on.press("y")
        await on.answer()
        await on.pilot.pause(0.1)
        assert on.app.clipboard.startswith("INCIDENT UPDATE")
        assert "could not be kept in a file: Not a directory" in on.told()[-1]


def waiting_line(client: ScriptedClient) -> None:
    line = {"file": "docs/LIST.md", "line": 12, "text": "Rotate [/foo] credential 1", "steps": ["1.1"], "tick": True}
    client.say(e.FactRecorded(step="9.checklists", name="checklists.waiting", value=[line]), actor=e.ENGINE)


async def test_lines_of_the_checklists_are_shown_with_their_step_and_a_key_has_them_previewed() -> None:
    client = ready()
    async with stage(client, size=(100, 40)) as on:
        await on.press("1", "enter")
        assert "x mark" not in on.lines()[-1]
        await on.press("x")
        assert "No line of your checklists waits" in on.told()[-1]
        waiting_line(client)
        await on.settle()
        assert "x mark" in on.lines()[-1]
        assert "docs/LIST.md:12: Rotate [/foo] credential 1" in on.text()
        await on.press("j")
        assert "x shows it first" not in on.text()
        await on.press("x")
        assert client.sent == [RunStep(step="9.checklists")]
        client.say(e.StepStarted(step="9.checklists"))
        await on.settle()
        await on.press("x")
        assert "waits for its answer" in on.told()[-1]
        assert len(client.sent) == 1


async def test_a_watcher_marks_no_checklist() -> None:
    client = scenario.new_client(operator=False)
    scenario.opened(client)
    scenario.other_operator(client)
    waiting_line(client)
    async with stage(client, role="watcher") as on:
        await on.press("x")
        assert client.sent == []
        assert "You watch" in on.told()[-1]
