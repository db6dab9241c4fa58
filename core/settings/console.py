"""The full-screen console."""

from __future__ import annotations

from typing import Literal

from core.settings.base import Section


class ConsoleSettings(Section):
    theme: Literal["dark", "light", "ansi"] = "dark"
    """Colours of the full-screen console; `ansi` uses the terminal's own sixteen."""
    keys: tuple[str, ...] = ()
    """Keys of your own, `action=keys`: "step.run=R", "move.down=j,down"."""

    @property
    def keymap(self) -> dict[str, str]:
        """The keys by action."""
        return {action.strip(): keys.strip() for action, _, keys in (entry.partition("=") for entry in self.keys)}
