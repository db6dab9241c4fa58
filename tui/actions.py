"""Every action of the console, in one registry: bindings, footer, help and palette derive from it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from textual.binding import Binding, BindingType

from core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a key does.

    Attributes:
        id: its name in a user's keymap.
        keys: Textual's names of the keys, the first being the one that is shown.
        does: method of the screen that does it, without its `do_`.
        label: a word for the footer; empty keeps it out.
        tooltip: what it does, for help and palette.
        group: heading in the help.
        commands: whether it commands the engine, which only the operator may.
        rank: place in the footer, and which stay when there is no room for all: the lowest first.
        parameter: what the method is given, if anything.
    """

    id: str
    keys: tuple[str, ...]
    does: str
    label: str
    tooltip: str
    group: str
    commands: bool = False
    rank: int = 99
    parameter: int | None = None

    @property
    def shown(self) -> str:
        """The keys as a person reads them: `j or down`."""
        return " or ".join(key_name(key) for key in self.keys)


MOVE = "Move"
LOOK = "Look"
WORK = "Work on a step"
RUN = "The run"


def _jumps() -> tuple[Action, ...]:
    return tuple(
        Action(
            f"task.{number}",
            (str(number % 10),),
            "jump",
            "",
            f"Go to task {number}",
            MOVE,
            parameter=number,
        )
        for number in range(1, 11)
    )


ACTIONS: tuple[Action, ...] = (
    Action("move.down", ("j", "down"), "down", "", "Next line", MOVE),
    Action("move.up", ("k", "up"), "up", "", "Line before", MOVE),
    Action("move.page_down", ("pagedown", "ctrl+f"), "page_down", "", "Read on, a page further", MOVE),
    Action("move.page_up", ("pageup", "ctrl+u"), "page_up", "", "Read a page back", MOVE),
    Action("move.first", ("home",), "first", "", "First line", MOVE),
    Action("move.last", ("end",), "last", "", "Last line; the log follows what happens", MOVE),
    *_jumps(),
    Action("open", ("enter",), "open", "open", "Open what is marked: a task, a conversion", MOVE, rank=1),
    Action("back", ("q", "escape"), "back", "back", "Back to where you came from", MOVE, rank=2),
    Action("gate.go", ("g",), "go", "gate", "Go to the step that opens the marked step's closed gate", MOVE, rank=12),
    Action("step.run", ("r",), "run", "run", "Run the step; a destructive one asks first", WORK, True, 4),
    Action("question.answer", ("c",), "answer", "answer", "Answer what is asked: confirm, decide, COMMIT or ROLLBACK", WORK, True, 0),
    Action("step.tick", ("space",), "tick", "tick", "Tick a step that you did by hand, with a note; again takes the tick back", WORK, True, 5),
    Action("step.abort", ("a",), "abort", "abort", "Abort what runs; a conversion is rolled back", WORK, True, 3),
    Action("gate.override", ("o",), "override", "override", "Override a closed gate of the marked step: typed, with a reason", WORK, True, 14),
    Action("note.add", ("n",), "note", "note", "Write a note into the run", WORK, True, 8),
    Action("checklists.tick", ("x",), "checklists", "mark", "Mark what is through in your own checklists: shows the lines, and asks", WORK, True, 5),
    Action("look.conversion", ("v",), "conversion", "view", "The conversion: phases, tables, who waits, proof", LOOK, rank=11),
    Action("look.evidence", ("e",), "evidence", "evidence", "What the steps left behind: facts, and files with their sha256", LOOK, rank=9),
    Action("look.log", ("l",), "log", "log", "Everything that happened, in order", LOOK, rank=10),
    Action("look.machine", ("m",), "machine", "", "The engine's machine and its connection: whether they are fit for the run", LOOK),
    Action("look.copy", ("y",), "copy", "copy", "Copy an incident update, or a handover to the next shift, as text", LOOK, rank=15),
    Action("look.help", ("question_mark",), "help", "help", "Keys and words", LOOK, rank=6),
    Action("look.palette", ("ctrl+p",), "palette", "", "Find an action by its name", LOOK),
    Action("run.take_over", ("t",), "take_over", "take over", "Become the operator; the one before you goes on watching", RUN, rank=13),
    Action("run.detach", ("d",), "detach", "detach", "Leave the console; the run goes on", RUN, rank=7),
)  # fmt: skip

_KEY_NAMES = {
    "question_mark": "?",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "full_stop": ".",
    "slash": "/",
}


def key_name(key: str) -> str:
    """A key as a person reads it."""
    return "+".join(_KEY_NAMES.get(part, part) for part in key.split("+"))


def with_keymap(keymap: Mapping[str, str], actions: Sequence[Action] = ACTIONS) -> tuple[Action, ...]:
    """The actions with a user's keys.

    Args:
        keymap: by the action's id, its keys, separated by commas ("j,down").

    Raises:
        ConfigurationError: an id that no action has, a key that is none, or one key for two actions.
    """
    known = {action.id for action in actions}
    for name in keymap:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigurationError(
                f"The keymap names an action {name} that does not exist{f'; did you mean {near[0]}?' if near else '.'}",
                advice=f"The actions are {', '.join(action.id for action in actions)}.",
            )
    mapped = tuple(
        replace(action, keys=_keys(action.id, keymap[action.id])) if action.id in keymap else action
        for action in actions
    )
    taken: dict[str, str] = {}
    for action in mapped:
        for key in action.keys:
            if key in taken:
                raise ConfigurationError(
                    f"The keymap gives the key {key_name(key)} to two actions, {taken[key]} and {action.id}.",
                    advice="Give each action a key of its own.",
                )
            taken[key] = action.id
    return mapped


def _keys(name: str, text: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    if not keys:
        raise ConfigurationError(
            f"The keymap gives {name} no key.", advice='Write the keys as Textual names them: "j,down", "ctrl+r".'
        )
    return keys


def bindings(actions: Sequence[Action] = ACTIONS) -> list[BindingType]:
    """The actions as Textual's bindings, each with id, tooltip and group."""
    return [
        Binding(
            ",".join(action.keys),
            f"act('{action.id}')",
            action.label or action.tooltip,
            show=bool(action.label),
            tooltip=action.tooltip,
            id=action.id,
            group=Binding.Group(action.group),
        )
        for action in actions
    ]
