"""What every screen shares: the frame of four lines around its body, the keys, and drawing what is visible."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen

from core.runbook.model import GateReport, Runbook, Step, Task
from core.runbook.state import RunState
from core.settings import Settings
from tui import commands, summary
from tui.actions import Action, bindings
from tui.commands import Refusal
from tui.store import Store
from tui.widgets.banner import Banner, BannerKeys, banner
from tui.widgets.footer import Footer, Shown, footer
from tui.widgets.header import WIDE, Header, WayBack, header, way_back
from tui.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from tui.app import Console

HELP, EVIDENCE, LOG, CONVERSION, TASK, MACHINE = "help", "evidence", "log", "conversion", "task", "machine"


class RunScreen(Screen[None]):
    """A view of the run. Subclasses give the body, the marked task and step, and how they are drawn."""

    BINDINGS: ClassVar[list[BindingType]] = bindings()
    AUTO_FOCUS = None

    is_the: ClassVar[str] = ""
    """Which screen this is, for those that a key opens: the key does nothing on it."""

    @property
    def console(self) -> Console:
        return cast("Console", self.app)

    @property
    def store(self) -> Store:
        return self.console.store

    @property
    def state(self) -> RunState:
        return self.store.state

    @property
    def runbook(self) -> Runbook:
        return self.console.runbook

    @property
    def settings(self) -> Settings:
        return self.console.settings

    # --- what subclasses say -------------------------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        raise NotImplementedError

    def draw_body(self) -> None:
        raise NotImplementedError

    @property
    def task_here(self) -> Task | None:
        """The task that is marked or shown."""
        return None

    @property
    def step_here(self) -> Step | None:
        """The step that the commanding keys mean."""
        return None

    # --- drawing -------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Header(classes="line")
        yield WayBack(classes="line")
        with Container(id="body"):
            yield from self.body()
        yield Banner(classes="line")
        yield Footer(classes="line")
        yield TooSmall()

    def on_mount(self) -> None:
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def on_screen_resume(self) -> None:
        self.draw()

    @property
    def is_wide(self) -> bool:
        return self.size.width >= WIDE

    def draw(self) -> None:
        """Show the run as it stands now. Cheap when nothing has changed: what is the same is not drawn again."""
        # A console that ends has taken its screens apart before its clock stands still.
        if not self.console.is_running or not self.is_mounted or not self.size.width:
            return
        width, store, now = self.size.width, self.store, self.store.now()
        me = store.client_id if store.attached else None
        self.query_one(Header).show(header(width, store.state, self.console.configured, me, now))
        self.query_one(WayBack).show(way_back(width, self.runbook, store.state, store.readings, now))
        keys = BannerKeys(self.console.key_of("question.answer"), self.console.key_of("look.machine"))
        self.query_one(Banner).show(banner(width, store.state, store.lost, store.last, keys, now))
        self.query_one(Footer).show(footer(width, self.footer_actions()))
        self.draw_body()

    def footer_actions(self) -> list[Shown]:
        """The labelled actions that can be used now, and those that only the operator may use."""
        shown: list[Shown] = []
        for action in self.console.actions:
            if not action.label:
                continue
            refusal = self.refusal(action)
            if refusal is None or refusal.barred:
                shown.append(Shown(action, barred=refusal is not None))
        return shown

    # --- keys ----------------------------------------------------------------------------------------------------------

    def action_act(self, name: str) -> None:
        """A key of the registry: do it, or say why not."""
        action = self.console.action_named(name)
        refusal = self.refusal(action)
        if refusal is not None:
            self.console.tell(refusal.reason)
            return
        method = getattr(self, f"do_{action.does}")
        method(action.parameter) if action.parameter is not None else method()
        self.draw()

    def refusal(self, action: Action) -> Refusal | None:
        """Why the action does nothing here and now, None when it does."""
        here = self.refusal_here(action)
        if here is not None or not action.commands:
            return here
        return commands.refused_role(self.store, answering=action.does == "answer")

    def refusal_here(self, action: Action) -> Refusal | None:
        """Why the moment or the screen has no use for the action."""
        match action.does:
            case "run":
                return commands.cannot_run(self.step_here, self.store)
            case "tick":
                return commands.cannot_tick(self.step_here, self.store)
            case "abort":
                return commands.cannot_abort(self.step_here, self.store)
            case "answer":
                return None if commands.asked(self.step_here, self.store) else Refusal("Nothing is asked.")
            case "note":
                return None if self.task_here else Refusal("No task is marked.")
            case "conversion":
                if self.is_the == CONVERSION:
                    return Refusal("This is the conversion.")
                return None if self.conversion_step() else Refusal("No conversion has been planned yet.")
            case "checklists":
                return commands.cannot_mark(self.store)
            case "go":
                return (
                    None
                    if self._gate_step()
                    else Refusal("No closed gate of the marked step is opened by another step.")
                )
            case "override":
                return None if self._overridable() else Refusal("No closed gate of the marked step can be overridden.")
            case "log" | "evidence" | "help" | "machine":
                return Refusal("You are there.") if self.is_the == action.does else None
            case "take_over":
                if self.store.role == "operator":
                    return Refusal("You are the operator.") if self.store.commands else None
                return Refusal("This console only watches; start pgrecast as an operator to take over.")
            case _:
                return None

    def conversion_step(self) -> str | None:
        """The step whose conversion the view key means: the marked one's, the task's, the one that runs, the latest."""
        conversions = self.state.conversions
        if self.step_here is not None and self.step_here.id in conversions:
            return self.step_here.id
        if self.task_here is not None:
            mine = [step.id for step in self.task_here.all_steps if step.id in conversions]
            if mine:
                return mine[-1]
        running = [step for step, conversion in conversions.items() if conversion.ended is None]
        return (running or list(conversions) or [None])[-1]

    def _gate_step(self) -> str | None:
        if self.step_here is None:
            return None
        closed = summary.closed_gates(self.step_here, self.state, self.settings, self.store.now())
        return next((gate.opens for gate in closed if gate.opens and gate.opens != self.step_here.id), None)

    def _overridable(self) -> GateReport | None:
        if self.step_here is None:
            return None
        closed = summary.closed_gates(self.step_here, self.state, self.settings, self.store.now())
        return next((gate for gate in closed if gate.overridable), None)

    def _work(self, work: Awaitable[None]) -> None:
        self.console.run_worker(work, group="command", description="a commanding key")

    def do_run(self) -> None:
        if self.step_here:
            self._work(self.console.commands.run(self.step_here))

    def do_tick(self) -> None:
        if self.step_here:
            self._work(self.console.commands.tick(self.step_here))

    def do_checklists(self) -> None:
        self._work(self.console.commands.mark_checklists())

    def do_copy(self) -> None:
        self._work(self.console.commands.copy())

    def do_abort(self) -> None:
        step = commands.running_step(self.step_here, self.store)
        if step:
            self._work(self.console.commands.abort(step))

    def do_answer(self) -> None:
        question = commands.asked(self.step_here, self.store)
        if question:
            self._work(self.console.commands.answer(question))

    def do_note(self) -> None:
        if self.task_here:
            self._work(self.console.commands.note(self.task_here, self.step_here))

    def do_override(self) -> None:
        gate = self._overridable()
        if self.step_here and gate:
            self._work(self.console.commands.override(self.step_here, gate))

    def do_take_over(self) -> None:
        self._work(self.console.commands.take_over())

    def do_detach(self) -> None:
        self._work(self.console.leave())

    def do_jump(self, number: int) -> None:
        self.console.show_task(number)

    def do_go(self) -> None:
        step = self._gate_step()
        if step:
            self.console.show_task(summary.task_of(step), step)

    def do_open(self) -> None: ...

    def do_back(self) -> None:
        self.console.back()

    def do_conversion(self) -> None:
        step = self.conversion_step()
        if step:
            self.console.show_conversion(step)

    def do_evidence(self) -> None:
        self.console.show_evidence(self.task_here.number if self.task_here else None)

    def do_log(self) -> None:
        self.console.show_log()

    def do_machine(self) -> None:
        self.console.show_machine()

    def do_help(self) -> None:
        self.console.show_help()

    def do_palette(self) -> None:
        self.console.action_command_palette()

    # Movement: a screen with a mark moves it, one without scrolls.

    def do_down(self) -> None:
        self.move(1)

    def do_up(self) -> None:
        self.move(-1)

    def do_page_down(self) -> None:
        self.page(1)

    def do_page_up(self) -> None:
        self.page(-1)

    def do_first(self) -> None:
        self.move(-(10**9))

    def do_last(self) -> None:
        self.move(10**9)

    def move(self, lines: int) -> None:
        """Move the mark, or the text, by so many lines."""

    def page(self, pages: int) -> None:
        """Move by so many pages."""
