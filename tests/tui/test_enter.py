"""The dialog in which a value is typed: a secret is masked, a text is seen, and neither is sent by accident."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr

from core import events as e
from core.engine.protocol import AnswerQuestion
from core.redaction import redactor
from tests.tui import scenario
from tests.tui.scripted import ScriptedClient
from tests.tui.stage import stage
from tui.dialogs import base
from tui.dialogs.enter import Enter

SENTINEL = "sentinel-typed-4be2"


def asking(*, secret: bool) -> ScriptedClient:
    client = scenario.new_client()
    scenario.opened(client)
    question = e.Question(
        id="q1",
        step="1.4",
        title="The new API key?",
        choices=(e.Choice(name=e.ENTER, label="Enter it"), e.Choice(name=e.NOTHING, label="Enter nothing")),
        default=e.NOTHING,
        entry=e.Entry(label="API key", secret=secret),
        details=("Make it in the dashboard.",),
        asked_at=client.clock(),
        expires_at=client.clock() + timedelta(minutes=5),
    )
    client.say(e.StepStarted(step="1.4"), e.QuestionAsked(question=question))
    return client


async def test_a_secret_is_masked_while_it_is_typed_and_given_by_enter() -> None:
    client = asking(secret=True)
    async with stage(client) as on:
        await on.press("c")
        await on.burst(*SENTINEL)
        assert "Make it in the dashboard." in on.text()
        assert "API key (masked as you type):" in on.text()
        assert SENTINEL not in on.text()
        assert "•" * len(SENTINEL) in on.text()
        on.matches("enter_80x24")
        await on.press("enter")
        assert client.sent == [AnswerQuestion(question="q1", choice=e.ENTER, value=SecretStr(SENTINEL))]
        assert not isinstance(on.app.screen, Enter)
    assert redactor.redact(SENTINEL) == "***"


async def test_a_text_is_seen() -> None:
    client = asking(secret=False)
    async with stage(client) as on:
        await on.press("c")
        await on.burst(*"dashboard user")
        assert "dashboard user" in on.text()
        assert "masked" not in on.text()
        await on.press("enter")
        assert client.sent == [AnswerQuestion(question="q1", choice=e.ENTER, value=SecretStr("dashboard user"))]
    assert redactor.redact("dashboard user") == "dashboard user"


async def test_escape_answers_nothing() -> None:
    client = asking(secret=True)
    async with stage(client) as on:
        await on.press("c")
        await on.burst(*SENTINEL)
        await on.press("escape")
        assert client.sent == []


async def test_an_empty_field_enters_nothing_when_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    client = asking(secret=True)
    async with stage(client) as on:
        await on.press("c")
        with monkeypatch.context() as patched:
            patched.setattr(base, "QUIET", 600.0)  # however long the machine takes from key to key
            await on.burst("enter")
        assert client.sent == []
        assert isinstance(on.app.screen, Enter)
        await on.answer()
        assert client.sent == [AnswerQuestion(question="q1", choice=e.NOTHING)]


@pytest.mark.parametrize("secret", [True, False])
async def test_the_log_tells_that_it_was_entered(secret: bool) -> None:
    client = asking(secret=secret)
    async with stage(client) as on:
        value = None if secret else "seven"
        client.say(e.QuestionAnswered(question="q1", step="1.4", choice=e.ENTER, value=value))
        await on.press("l")
        assert ("a value was entered" if secret else "entered: seven") in on.text()
