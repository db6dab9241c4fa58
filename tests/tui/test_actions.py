"""The registry of actions, and a user's own keys."""

from __future__ import annotations

import pytest
from textual.binding import Binding

from core.errors import ConfigurationError
from core.settings import Settings
from tests.tui import scenario
from tests.tui.stage import stage
from tui.actions import ACTIONS, bindings, with_keymap
from tui.screens.base import RunScreen


def test_every_binding_has_id_tooltip_and_group() -> None:
    found = [binding for binding in bindings() if isinstance(binding, Binding)]
    assert len(found) == len(ACTIONS)
    assert all(binding.id and binding.tooltip and binding.group for binding in found)
    assert len({binding.id for binding in found}) == len(found)


def test_every_action_has_its_method() -> None:
    assert [action.id for action in ACTIONS if not callable(getattr(RunScreen, f"do_{action.does}", None))] == []


def test_no_key_twice_and_none_that_a_terminal_keeps() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert not {"ctrl+b", "ctrl+enter", "shift+enter", "ctrl+s", "ctrl+z"} & set(keys)
    assert not [action.id for action in ACTIONS if action.keys == ("escape",)]


def test_keymap_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ConfigurationError, match=r"step\.rum.*did you mean step\.run"):
        with_keymap({"step.rum": "x"})
    with pytest.raises(ConfigurationError, match=r"key j to two actions"):
        with_keymap({"step.run": "j"})
    with pytest.raises(ConfigurationError, match="no key"):
        with_keymap({"step.run": " , "})


async def test_a_users_key_works_and_is_shown() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    settings = Settings.model_validate({"console": {"keys": ["look.log=z", "look.help=f1"]}})
    async with stage(client, settings=settings) as on:
        assert "z log" in on.lines()[-1]
        await on.press("l")
        assert on.app.screen.__class__.__name__ == "Board"
        await on.press("z")
        assert on.app.screen.__class__.__name__ == "LogScreen"
