"""The last line: the keys that do something here and now, from the registry of actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from tui import style
from tui.actions import Action, key_name
from tui.widgets.lines import Lines


class Footer(Lines):
    """Keys and what they do."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An action in the footer; `barred` when it is there and this console may not use it."""

    action: Action
    barred: bool = False

    @property
    def words(self) -> str:
        words = f"{key_name(self.action.keys[0])} {self.action.label}"
        return f"({words})" if self.barred else words


def footer(width: int, actions: Sequence[Shown]) -> Content:
    """As many as fit, the most needed ones, in the registry's order; one that is barred stands in brackets."""
    parts: list[str | tuple[str, str]] = []
    room = width
    fitting: set[str] = set()
    for shown in sorted(actions, key=lambda s: s.action.rank):
        if len(shown.words) + 2 <= room:
            room -= len(shown.words) + 2
            fitting.add(shown.action.id)
    for shown in actions:
        if shown.action.id not in fitting:
            continue
        if shown.barred:
            parts += [" ", (shown.words, style.QUIET), " "]
        else:
            parts += [" ", (key_name(shown.action.keys[0]), style.KEY), f" {shown.action.label} "]
    return Content.assemble(*parts)
