"""What every dialog shares: a frame that leaves the header readable, and answers that only a deliberate key gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from core.events import Question
from tui import style, summary, text
from tui.store import Store
from tui.text import Cell
from tui.widgets.lines import Lines
from tui.widgets.too_small import HEIGHT, WIDTH, TooSmall

if TYPE_CHECKING:
    from tui.app import Console

T = TypeVar("T")

LABEL = 14
"""Cells of the labels beside a question's facts."""

FEW = 3
"""Locks that are shown at once; of more, the first is the sum, and the others follow at the end."""

QUIET = 0.5
"""Seconds without any key that must lie before the key that answers: shorter than a person needs to look and decide, longer
than a held key's repeats or a paste's characters are apart."""

TOO_QUICK = "Too quick after the key before: look once more, then press enter."


FRAME = 4
"""Rows of the screen that a dialog leaves free, and of its border."""


class Facts(VerticalScroll, can_focus=False):
    """The dialog's text, which scrolls when it is long; the buttons below it always stay."""


class Dialog(ModalScreen[T | None]):
    """A question to a person. Dismissed with None it leaves everything as it was."""

    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "not now", id="dialog.leave", tooltip="Leave the dialog; nothing is answered"),
        Binding("pagedown,ctrl+f", "page(1)", "read on", id="dialog.page_down", tooltip="Read on"),
        Binding("pageup,ctrl+u", "page(-1)", "read back", id="dialog.page_up", tooltip="Read back"),
    ]

    def __init__(self, *, question: Question | None = None, store: Store | None = None) -> None:
        super().__init__()
        self._question = question
        self._store = store
        self._finished = False

    @property
    def console(self) -> Console:
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield from self.body()
        yield TooSmall()

    def body(self) -> ComposeResult:
        raise NotImplementedError

    def on_mount(self) -> None:
        self.call_after_refresh(self.write)

    def on_resize(self) -> None:
        self.call_after_refresh(self.write)

    def write(self) -> None:
        """Write the dialog's text, for the width that it has now."""
        raise NotImplementedError

    @property
    def text_width(self) -> int:
        return max(1, self.query_one("#hint").size.width)

    def write_head(self, heading: str) -> int:
        """Write the first line, and return how many it took."""
        lines = text.paragraph(text.clean(heading), self.text_width, style.WARN)
        self.query_one("#heading", Lines).show(lines)
        return len(lines)

    def write_target(self) -> int:
        """Write which database the question is about, and return how many lines that took."""
        question, store = self._question, self._store
        if question is None or store is None or question.target is None:
            self.query_one("#target", Lines).display = False
            return 0
        word = f" {question.target.upper()} "
        database = question.identity.database if question.identity else ""
        where = summary.target_words(question.target, store.state, self.console.configured)
        named = where if where.startswith(f"{database} @") else text.sentence((database, where))
        self.query_one("#target", Lines).show(
            text.row(
                self.text_width,
                Cell(word, len(word), style.chip(question.target), blank=True),
                Cell("", 1),
                Cell(named, None, style.STRONG),
            )
        )
        return 1

    def write_facts(self, lines: Sequence[Content], *, besides: int) -> None:
        """Write the text that scrolls, in the rows that are left by those `besides` it."""
        facts = self.query_one(Facts)
        facts.styles.height = max(1, min(len(lines), self.size.height - FRAME - besides))
        facts.query_one(Lines).show(lines)

    def draw(self) -> None:
        """Called like a screen's: the clock goes on, and a question that nobody asks any more closes."""
        if not self.console.is_running or not self.is_mounted or not self.is_current:
            return
        self.draw_clock()
        if self._question is None or self._store is None:
            return
        if self._question.id not in self._store.state.questions:
            self.console.tell("It is not asked any more: answered elsewhere, or expired.")
            self.finish(None)

    def draw_clock(self) -> None:
        """Show how long the question still waits."""

    @property
    def hurried(self) -> bool:
        """Whether the key that is handled came too soon after the one before it, or on a terminal that shows nothing."""
        small = self.size.width < WIDTH or self.size.height < HEIGHT
        return small or self.console.pause_before_key < QUIET

    def deliberate(self, field: Input | None = None) -> bool:
        """Whether the key that presses a button was meant to; if not, says so.

        Args:
            field: gets the focus then: away from the button, where the repeats of a held key do nothing.
        """
        if not self.hurried:
            return True
        if field is not None:
            field.focus()
        self.say(TOO_QUICK)
        return False

    def say(self, words: str) -> None:
        """Write into the dialog's own line."""
        self.query_one("#hint", Lines).show(text.row(self.text_width, Cell(words, None, style.WARN)))

    def hint(self, *words: str) -> None:
        """Write how to go on into the dialog's own line."""
        forms = [text.sentence((*words, *clock), " · ") for clock in ((f"{self.clock} if unanswered",), (self.clock,))]
        line = text.first_that_fits(forms, self.text_width) if self.clock else text.sentence(words, " · ")
        self.query_one("#hint", Lines).show(text.row(self.text_width, Cell(line, None, style.QUIET)))

    @property
    def clock(self) -> str:
        """What the question turns into when nobody answers, and when."""
        if self._question is None or self._store is None:
            return ""
        return summary.question_clock(self._question, self._store.now())

    def finish(self, answer: T | None) -> None:
        """Dismiss the dialog, once: further presses of a held key find nothing."""
        if not self._finished:
            self._finished = True
            self.dismiss(answer)

    def action_leave(self) -> None:
        self.finish(None)

    def action_page(self, pages: int) -> None:
        for facts in self.query(Facts):
            facts.scroll_to(y=facts.scroll_offset.y + pages * max(1, facts.size.height - 1), animate=False)


def facts(question: Question, width: int) -> list[Content]:
    """What a person must know before answering, in the order in which it matters."""
    locks, more = question.locks, ()
    if len(locks) > FEW:
        locks, more = locks[:1], (", ".join(locks[1:]),)
    groups: list[tuple[str, tuple[str, ...], str]] = [
        ("Will lock", locks, ""),
        ("For how long", (question.duration,) if question.duration else (), ""),
        ("Irrevocable", question.cannot_undo, style.BAD),
        ("Way back", (question.way_back,) if question.way_back else (), style.GOOD),
        ("Was checked", question.checked, ""),
        ("Details", question.details, ""),
        ("Locks", more, style.QUIET),
        ("Plan", (question.plan[:16],) if question.plan else (), style.QUIET),
    ]
    return [
        line
        for label, lines, looks in groups
        for line in text.labelled(label, lines, width=width, label_width=LABEL, style=looks)
    ]
