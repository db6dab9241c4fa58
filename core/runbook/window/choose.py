"""Task 6.1: the maintenance window, chosen by the operator among proposals or written, and kept as a fact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.errors import Refused, UsageError
from core.events import Choice
from core.runbook.facts import WINDOW_CHOSEN
from core.runbook.model import StepContext
from core.runbook.state import StepStatus
from core.runbook.window.papers import leave_papers
from core.runbook.window.timetable import Timetable, expected
from core.runbook.window.window import HOW_TO_WRITE, Window, chosen_window, proposed_windows, written_window
from core.runbook.words import limit

NOW = "now"
OWN = "own"
LATER = "later"
TOLD = ("6.2", "6.3")
"""Steps in which people are told of the window."""
PROPOSED = 4
"""Windows among which is chosen."""

TIME = timedelta(hours=8)
"""Long enough to ask colleagues."""


async def choose_window(context: StepContext) -> str:
    """Ask which of the next windows it is to be, or for another; record it, and write the papers that go with it.

    Raises:
        Refused: none was chosen.
    """
    now, wanted = datetime.now(UTC), context.settings.window
    takes = expected(context.state)
    proposed = {
        _name(window): window for window, _ in zip(proposed_windows(now, wanted), range(PROPOSED), strict=False)
    }
    known = chosen_window(context.state)
    answer = await context.ask(
        "When is production converted?",
        (
            *(
                Choice(
                    name=name, label=window.here_too(wanted.zone), consequence=_consequence(Timetable(window, takes))
                )
                for name, window in proposed.items()
            ),
            Choice(name=OWN, label="Another date or time", consequence="It is asked for."),
            Choice(
                name=NOW,
                label=f"Now, for {limit(wanted.duration)}",
                consequence=f"The window is open at once; {_consequence(Timetable(_now(wanted.duration), takes))}",
            ),
            Choice(name=LATER, label="Decide later", consequence="Nothing is changed."),
        ),
        default=LATER,
        expires_in=TIME,
        details=(
            *((f"Chosen so far: {known.here_too(wanted.zone)}.",) if known else ()),
            f"Expected: {takes}.",
            "Other days, times and lengths: [window] in the settings.",
            "What still runs in the transaction when the window ends is cancelled and rolled back.",
        ),
        way_back="Nothing is changed by choosing; the step can be run again.",
    )
    if answer == LATER:
        raise Refused("No window was chosen.", advice="Run the step again when it is known.")
    chosen = proposed.get(answer)
    if chosen is None:
        chosen = await _written(context) if answer == OWN else _now(wanted.duration)
    await context.fact(WINDOW_CHOSEN, chosen.fact)
    found = Timetable(chosen, takes)
    await context.say(f"The window: {chosen.here_too(wanted.zone)}.")
    await context.say(f"Expected: {takes}. It {found.fit_words}; {found}.")
    await leave_papers(context)
    if known is not None and known != chosen:
        told = [step for step in TOLD if context.state.step(step).status in (StepStatus.DONE, StepStatus.TICKED)]
        if told:
            await context.say(f"Who was told of {known} must be told of the change: steps {' and '.join(told)} again.")
    return f"{chosen.here_too(wanted.zone)}; {found if found.fits else found.fit_words}"


def _name(window: Window) -> str:
    return f"{window.start:%Y-%m-%dT%H:%MZ}"


def _consequence(found: Timetable) -> str:
    return f"{found.fit_words}; {found}" if found.fits else found.fit_words


def _now(length: timedelta) -> Window:
    now = datetime.now(UTC).replace(microsecond=0)
    return Window(now, now + length)


async def _written(context: StepContext) -> Window:
    """Ask for a window until one is written that can be read."""
    wrong = ""
    while True:
        text = await context.enter(
            "When is production converted?",
            "The window, in UTC",
            secret=False,
            expires_in=TIME,
            details=(
                *((wrong,) if wrong else ()),
                f"Write its {HOW_TO_WRITE}.",
                f"Expected: {expected(context.state)}.",
            ),
        )
        if text is None:
            raise Refused("No window was chosen.", advice="Run the step again when it is known.")
        try:
            return written_window(text.get_secret_value(), datetime.now(UTC), context.settings.window)
        except UsageError as error:
            wrong = error.what
