"""Answers that only a deliberate key gives."""

from __future__ import annotations

from datetime import timedelta

import pytest
from textual import events

from core import events as e
from core.engine.protocol import AnswerQuestion, OverrideGate
from tests.tui import scenario
from tests.tui.scenario import DATABASE
from tests.tui.scripted import ScriptedClient
from tests.tui.stage import Stage, stage
from tui.dialogs.confirm import Confirm
from tui.widgets.choice_button import ChoiceButton


def asking() -> ScriptedClient:
    client = scenario.new_client()
    scenario.opened(client)
    client.say(e.StepStarted(step="7.3"), e.QuestionAsked(question=scenario.question(client)))
    return client


def focused(on: Stage) -> str:
    """The label of the button that has the focus, or the kind of widget that has."""
    widget = on.app.focused
    return widget.label if isinstance(widget, ChoiceButton) else type(widget).__name__


async def fill(on: Stage, words: str) -> None:
    """Open the confirmation and type into its field."""
    await on.press("c", "tab", "tab")
    await on.burst(*words)


async def test_cancel_has_the_focus_and_the_other_button_waits_for_the_phrase() -> None:
    client = asking()
    async with stage(client) as on:
        await on.press("c")
        assert focused(on) == "Cancel"
        assert "( Convert )" in on.text()
        await on.press("tab", "tab")
        assert focused(on) == "Input"
        await on.burst(*DATABASE)
        assert "[ Convert ]" in on.text()
        assert client.sent == []


async def test_the_whole_confirmation_by_keys() -> None:
    client = asking()
    async with stage(client) as on:
        await fill(on, DATABASE)
        await on.press("tab", "tab")
        assert focused(on) == "Convert"
        await on.answer()
        assert client.sent == [AnswerQuestion(question="q1", choice="convert", phrase=DATABASE)]
        assert not isinstance(on.app.screen, Confirm)


@pytest.mark.parametrize("typed", ["", "ma_saas", "MA_SAAS_PLATFORM", "ma_saas_platform ", "ma_saas_test"])
async def test_a_wrong_phrase_stays(typed: str) -> None:
    client = asking()
    async with stage(client) as on:
        await fill(on, typed)
        await on.press("tab")
        assert focused(on) == "Cancel"
        assert "( Convert )" in on.text()
        await on.press("tab")
        assert focused(on) == "Not now"
        await on.answer()
        assert client.sent == []


async def test_a_phrase_that_is_spoilt_again_takes_the_button_away() -> None:
    client = asking()
    async with stage(client) as on:
        await fill(on, DATABASE)
        await on.press("x", "tab", "tab")
        assert focused(on) == "Not now"
        assert "( Convert )" in on.text()


async def test_enter_in_the_field_does_nothing() -> None:
    client = asking()
    async with stage(client) as on:
        await fill(on, DATABASE)
        await on.answer()
        assert focused(on) == "Input"
        assert client.sent == []


async def test_a_pasted_line_end_confirms_nothing() -> None:
    client = asking()
    async with stage(client) as on:
        await on.press("c", "tab", "tab")
        on.app.post_message(events.Paste(f"{DATABASE}\n\n"))
        await on.settle()
        assert "[ Convert ]" in on.text()
        assert focused(on) == "Input"
        assert client.sent == []


async def test_a_paste_without_brackets_cannot_run_through() -> None:
    client = asking()
    async with stage(client) as on:
        await on.press("c", "tab", "tab")
        await on.burst(*f"{DATABASE}\t\t\r\r\r\r")
        assert client.sent == []
        assert isinstance(on.app.screen, Confirm)
        assert focused(on) == "Input"
        assert "Too quick" in on.text()


async def test_a_held_enter_confirms_nothing() -> None:
    client = asking()
    async with stage(client) as on:
        await fill(on, DATABASE)
        await on.press("tab", "tab")
        assert focused(on) == "Convert"
        await on.burst("\t", *["\r"] * 40)
        assert client.sent == []
        await on.burst(*["\r"] * 40)
        assert client.sent == []


async def test_a_held_answer_key_takes_no_choice() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    client.say(e.StepStarted(step="4.1"), e.QuestionAsked(question=scenario.decision(client)))
    async with stage(client) as on:
        await on.press("c")
        await on.burst("c", "\r", "\r", "\r")
        assert client.sent == []
        assert "Too quick" in on.text()


async def test_leaving_answers_nothing_and_the_question_stays() -> None:
    client = asking()
    async with stage(client) as on:
        await on.press("c", "escape")
        assert client.sent == []
        await on.press("c", "tab")
        assert focused(on) == "Not now"
        await on.answer()
        assert client.sent == []
        assert "c answers" in on.text()


async def test_cancel_is_an_answer() -> None:
    client = asking()
    async with stage(client) as on:
        await on.press("c")
        await on.answer()
        assert client.sent == [AnswerQuestion(question="q1", choice="cancel", phrase="")]


async def test_what_matters_can_be_read_at_80_by_24_and_the_rest_by_paging() -> None:
    client = asking()
    async with stage(client) as on:
        await on.press("c")
        shown = on.text()
        for words in ("PRODUCTION", f"{DATABASE} @ db.example", "ACCESS EXCLUSIVE", "about 0:41", "rows written since"):
            assert words in shown
        assert "it rolls back in about 3 s" in shown
        assert "backup of 00:12 UTC verified by restore" in shown
        seen = shown
        for _ in range(6):
            await on.press("pagedown")
            assert "> Cancel <" in on.text()
            seen += on.text()
        assert all(f"statement {n} of the plan in words" in seen for n in range(1, 40))


async def test_a_question_answered_elsewhere_closes_the_dialog() -> None:
    client = asking()
    async with stage(client) as on:
        await fill(on, DATABASE[:4])
        client.say(e.QuestionExpired(question="q1", step="7.3", choice="cancel"))
        await on.settle()
        assert not isinstance(on.app.screen, Confirm)
        assert "not asked any more" in on.told()[-1]
        assert client.sent == []


async def test_nothing_is_confirmed_on_a_terminal_too_small_to_show_it() -> None:
    client = asking()
    async with stage(client) as on:
        await fill(on, DATABASE)
        await on.press("tab", "tab")
        await on.pilot.resize_terminal(60, 20)
        await on.answer()
        assert client.sent == []
        assert "60 columns and 20 rows" in on.text()
        await on.pilot.resize_terminal(80, 24)
        await on.settle()
        assert f"Type {DATABASE} here" in on.text()


async def test_while_commit_is_asked_for_the_time_that_is_left_is_seen_everywhere() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    scenario.converting(client, "7.3", "production")
    asked = scenario.question(client)
    choices = (
        e.Choice(name="commit", label="COMMIT", phrase=DATABASE),
        e.Choice(name="rollback", label="ROLLBACK", consequence="everything is as it was"),
    )
    held = {"id": "q9", "choices": choices, "default": "rollback", "expires_at": client.clock() + timedelta(minutes=15)}
    client.say(e.QuestionAsked(question=asked.model_copy(update=held)))
    async with stage(client) as on:
        await on.press("7")
        assert "ROLLBACK in 15:00" in on.text()
        await on.press("v")
        client.clock.forward(61)
        await on.settle()
        assert "ROLLBACK in 13:59" in on.lines()[2]
        assert "1 session waits for the conversion" in on.text()
        await on.press("c")
        assert "ROLLBACK in 13:59" in on.text()
        client.clock.forward(13 * 60 + 50)
        await on.settle()
        assert "ROLLBACK in 0:09" in on.text()
        client.say(
            e.QuestionExpired(question="q9", step="7.3", choice="rollback"),
            e.TransactionEnded(
                step="7.3", target="production", outcome="rolled_back", reason="nobody answered in time", seconds=901,
                rollback_seconds=2.4,
            ),
            after=9,
        )  # fmt: skip
        await on.settle()
        assert not isinstance(on.app.screen, Confirm)
        assert "ROLLED BACK in 2.4 s after 15:01" in on.lines()[2]


async def test_a_test_target_is_named_as_such() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    asked = scenario.question(client, "5.1", "test")
    identity = e.TargetIdentity(cluster="7571", database_oid=16385, database="ma_saas_test")
    client.say(e.StepStarted(step="5.1"), e.QuestionAsked(question=asked.model_copy(update={"identity": identity})))
    async with stage(client) as on:
        await on.press("c")
        assert "TEST  ma_saas_test @ db.example" in on.text()
        assert "PRODUCTION" in on.lines()[0]


async def test_an_override_needs_a_reason_and_the_phrase() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    async with stage(client) as on:
        await on.press("7", "enter", "j", "j", "o")
        assert focused(on) == "Cancel"
        assert "not yet: step 6.1" in on.text()
        await on.press("tab")
        assert focused(on) == "Input"
        await on.press("tab")
        await on.burst(*"override window")
        assert "( Override )" in on.text()
        await on.press("shift+tab")
        await on.burst(*"agreed")
        await on.press("tab", "tab", "tab")
        assert focused(on) == "Override"
        await on.burst("\t", "\r", "\r")
        assert client.sent == []


async def test_an_override_is_carried_to_the_engine() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    async with stage(client) as on:
        await on.press("7", "enter", "j", "j", "o", "tab")
        await on.burst(*"agreed by phone")
        await on.press("tab")
        await on.burst(*"override window")
        await on.press("tab", "tab")
        await on.answer()
        assert client.sent == [
            OverrideGate(step="7.3", gate="window", reason="agreed by phone", phrase="override window")
        ]


async def test_a_gate_that_cannot_be_overridden() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    async with stage(client) as on:
        await on.press("5", "enter", "o")
        assert "can be overridden" in on.told()[-1]
        assert client.sent == []


async def test_an_approver_answers_and_does_nothing_else() -> None:
    client = scenario.new_client(operator=False)
    scenario.opened(client)
    scenario.other_operator(client)
    client.say(e.StepStarted(step="7.3"), e.QuestionAsked(question=scenario.question(client)))
    client.say(e.QuestionConfirmed(question="q1", step="7.3", choice="convert"))
    async with stage(client, role="approver") as on:
        assert "needs a second person's approval of convert" in on.text()
        await on.press("6", "space")
        assert "You watch" in on.told()[-1]
        await fill(on, DATABASE)
        await on.press("tab", "tab")
        await on.answer()
        assert client.sent == [AnswerQuestion(question="q1", choice="convert", phrase=DATABASE)]
