"""The console: holds the screens and the store together, and leaves the terminal as it found it."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from rich.text import Text
from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from core.engine.protocol import Client
from core.events import Json
from core.redaction import redactor
from core.runbook.model import Runbook
from core.runbook.state import StepStatus
from core.settings import Settings
from tui import style, summary, text
from tui.actions import Action, key_name, with_keymap
from tui.commands import Commands
from tui.dialogs.base import Dialog
from tui.screens.base import RunScreen
from tui.screens.board import Board
from tui.screens.conversion import ConversionScreen
from tui.screens.evidence import EvidenceScreen
from tui.screens.help import HelpScreen
from tui.screens.log import LogScreen
from tui.screens.machine import MachineScreen
from tui.screens.task import TaskScreen
from tui.store import Role, Store
from tui.widgets.header import WIDE
from tui.widgets.too_small import HEIGHT, WIDTH

REFRESH = 0.2
"""Seconds between two looks at the store."""

DETACHED = "Detached. The run goes on; `pgrecast` attaches to it again."
WHEN_LOST = "It is tried again by itself; `pgrecast status` on another terminal tells how the run stands."
FAILED = "The console has failed; the engine and the run go on without it. `pgrecast` attaches again."


class Console(App[str]):
    """The full-screen console of a run.

    Args:
        client: this end of the engine, not yet attached.
        runbook: the tasks.
        settings: for gates, and the console's own keys and colours.
        role, name: who attaches.
        reconnect: makes a new client after the engine was lost; None attaches the same client again.
        farewell: what is printed when the operator has detached.
        now: the clock, UTC.

    Raises:
        ConfigurationError: the settings' keymap names what does not exist, or a key twice.
    """

    CSS_PATH = Path(__file__).with_name("console.tcss")
    TITLE = "pgrecast"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012, as textual types it
        (0, "-cramped"),
        (WIDTH, "-narrow"),
        (WIDE, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (HEIGHT, "-high")]  # noqa: RUF012
    COMMAND_PALETTE_DISPLAY = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", "detach", show=False, priority=True, id="run.leave", tooltip="Leave the console"),
        Binding("ctrl+c", "how_to_leave", "how to leave", show=False, id="run.how_to_leave", tooltip="How to leave"),
    ]

    def __init__(
        self,
        client: Client,
        *,
        runbook: Runbook,
        settings: Settings,
        role: Role,
        name: str,
        reconnect: Callable[[], Awaitable[Client]] | None = None,
        farewell: str = DETACHED,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.actions = with_keymap(settings.console.keymap)
        super().__init__()
        self._whole_runbook = runbook
        self._own_settings = settings
        self._fitted: tuple[Json, Settings, Runbook] | None = None
        self.store = Store(client, role=role, name=name, reconnect=reconnect, now=now)
        self.animation_level = "none"  # nothing moves that means nothing, and slow links stay quiet
        self.configured = summary.configured_targets(settings)
        self.commands = Commands(self)
        self._named = {action.id: action for action in self.actions}
        self._farewell = farewell
        self._drawn: tuple[int, int] | None = None
        self._alarms: frozenset[str] = frozenset()
        self._lost = False
        self._key_at = self._key_before = 0.0
        for theme in style.THEMES.values():
            self.register_theme(theme)
        self.theme = style.THEMES[settings.console.theme].name
        self.set_keymap({action.id: ",".join(action.keys) for action in self.actions})

    # --- what the engine goes by ---------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The console's own, with what the engine has told of its own: gates must say here what they say there."""
        return self._as_told()[0]

    @property
    def runbook(self) -> Runbook:
        """The tasks as the engine's settings allow them."""
        return self._as_told()[1]

    def _as_told(self) -> tuple[Settings, Runbook]:
        told = self.store.state.settings
        if self._fitted is None or self._fitted[0] is not told:
            settings = self._own_settings.as_told(told)
            self._fitted = told, settings, self._whole_runbook.fitted(settings)
        return self._fitted[1:]

    # --- life ----------------------------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        return Board()

    def on_mount(self) -> None:
        self._catch_signals()
        self.run_worker(self.store.follow(), name="follow the engine", group="engine")
        self.set_interval(REFRESH, self._look)

    def _catch_signals(self) -> None:
        """A closed terminal or a polite kill ends the console in order, and leaves no mess on the screen."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            try:
                loop.add_signal_handler(number, self._ended, number)
            except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, as under a test
                return

    def _ended(self, number: signal.Signals) -> None:
        self.exit(return_code=128 + number, message=Text(f"Ended by {number.name}. {DETACHED}"))

    def _look(self) -> None:
        """Show what is new on the visible screens, and nothing else."""
        if not self.is_headless and _terminal_is_gone():
            self.exit(return_code=128 + signal.SIGHUP)
            return
        moment = (self.store.version, int(self.store.now().timestamp()))
        if moment == self._drawn:
            return
        self._drawn = moment
        self._ring()
        self._tell_of_the_engine()
        self.draw()

    def draw(self) -> None:
        """Draw the screen on top, and those that a dialog on top of them leaves visible."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, RunScreen | Dialog):
                screen.draw()
            if not isinstance(screen, ModalScreen):
                return

    def _ring(self) -> None:
        """The bell, once for each new question, failure, unknown outcome and alarm; alarms are told, too."""
        state = self.store.state
        raised = {f"{step} {alarm.name}": alarm for step, alarm in summary.alarms(state)}
        alarms = (
            frozenset(state.questions)
            | raised.keys()
            | {
                f"{step} {found.attempts}"
                for step, found in state.steps.items()
                if found.status in (StepStatus.FAILED, StepStatus.UNDECIDED)
            }
        )
        if alarms - self._alarms:
            self.bell()
        for name, alarm in raised.items():
            if name not in self._alarms:
                self.tell(f"{alarm.what} {alarm.advice}", severity="error", seconds=10)
        self._alarms = alarms

    def _tell_of_the_engine(self) -> None:
        """Why it was lost and what to do, once; the banner says as long as it lasts that it is."""
        lost = self.store.lost
        if lost is not None and not self._lost:
            self.bell()
            self.tell(f"The engine is lost. {lost.reason} {WHEN_LOST}", severity="error", seconds=30)
        self._lost = lost is not None

    async def leave(self) -> None:
        """Detach from the engine and end the console."""
        await self.store.detach()
        self.exit("detached", message=Text(self._farewell))

    def action_leave(self) -> None:
        self.run_worker(self.leave())

    async def action_quit(self) -> None:
        await self.leave()

    def action_how_to_leave(self) -> None:
        self.tell(f"{self.key_of('run.detach')} leaves the console, and the run goes on.")

    def _fatal_error(self) -> None:
        """Say that the console failed, and where: without the local variables, which may hold a secret."""
        self.bell()
        kind, error, trace = sys.exc_info()
        where = "".join(traceback.format_tb(trace))
        words = redactor.redact(f"{where}{kind.__name__ if kind else 'Error'}: {error}")
        self._exit_renderables.append(Text(f"{FAILED}\n{text.clean_block(words)}"))
        self._close_messages_no_wait()

    # --- keys ----------------------------------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._key_before, self._key_at = self._key_at, event.time
        await super().on_event(event)

    @property
    def pause_before_key(self) -> float:
        """Seconds between the last key (or paste) and the one before it."""
        return self._key_at - self._key_before

    def action_named(self, name: str) -> Action:
        return self._named[name]

    def key_of(self, name: str) -> str:
        """The key of an action, as a person reads it."""
        return key_name(self._named[name].keys[0])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "command_palette" and isinstance(self.screen, Dialog):
            return False
        return super().check_action(action, parameters)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The registry's actions that can be used now, and the tasks by name."""
        if not isinstance(screen, RunScreen):
            return
        for task in self.runbook.tasks:
            yield SystemCommand(f"Task {task.number}: {task.title}", task.why, lambda n=task.number: self.show_task(n))
        for action in self.actions:
            if action.does != "jump" and action.group != "Move" and screen.refusal(action) is None:
                title = f"{action.label or action.does} ({action.shown})".capitalize()
                yield SystemCommand(title, action.tooltip, lambda a=action: screen.action_act(a.id))

    def tell(
        self,
        words: str,
        *,
        severity: Literal["information", "warning", "error"] = "information",
        seconds: float | None = None,
    ) -> None:
        """Say something for a few seconds. Never markup."""
        self.notify(text.clean_block(words), severity=severity, timeout=seconds, markup=False)

    # --- screens -------------------------------------------------------------------------------------------------------

    def _return_to(self, kind: type[RunScreen]) -> RunScreen | None:
        """The open screen of that kind, what was opened from it closed; None when there is none."""
        if not any(isinstance(screen, kind) for screen in self.screen_stack):
            return None
        while not isinstance(self.screen, kind):
            self.pop_screen()
        return self.screen

    def back(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def show_task(self, number: int, step: str | None = None) -> None:
        task = next((task for task in self.runbook.tasks if task.number == number), None)
        if task is None:
            self.tell(f"This run has no task {number}.")
            return
        found = self._return_to(TaskScreen)
        if isinstance(found, TaskScreen):
            found.show(task, step)
            found.draw()
        else:
            self._return_to(Board)
            self.push_screen(TaskScreen(task, step))

    def show_conversion(self, step: str) -> None:
        self._return_to(ConversionScreen)
        if isinstance(self.screen, ConversionScreen):
            self.screen.step = step
        else:
            self.push_screen(ConversionScreen(step))

    def show_evidence(self, task: int | None) -> None:
        self.push_screen(EvidenceScreen(task))

    def show_log(self) -> None:
        self.push_screen(LogScreen())

    def show_machine(self) -> None:
        self.push_screen(MachineScreen())

    def show_help(self) -> None:
        self.push_screen(HelpScreen())


def _terminal_is_gone() -> bool:
    """Whether the terminal at the other end of standard input has been closed.

    SIGHUP says so, too, unless the console was started to ignore it or is not the terminal's own session.
    """
    try:
        poll = select.poll()
        poll.register(sys.__stdin__.fileno(), select.POLLHUP)  # type: ignore[union-attr]
        return any(found & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, found in poll.poll(0))
    except (AttributeError, OSError, ValueError):
        return True
