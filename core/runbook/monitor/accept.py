"""What was found bad after the conversion is accepted by a person, or the step fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from core.errors import NeedsPerson
from core.events import Choice
from core.runbook.model import StepContext
from core.runbook.monitor.seen import Alarm
from core.runbook.questions import ACCEPT, CANCEL
from core.runbook.words import counted

TIME: Final = timedelta(hours=8)
"""Long enough to look at everything, and to ask colleagues."""


async def accept(context: StepContext, bad: Sequence[Alarm], summary: str) -> str:
    """The summary, when nothing is bad or what is bad is accepted.

    Raises:
        NeedsPerson: it is not.
    """
    if not bad:
        return summary
    answer = await context.ask(
        f"{counted(len(bad), 'finding')} about production. Accept?",
        (
            Choice(
                name=ACCEPT,
                label="Accept",
                consequence="They are known and harmless; the step is done in spite of them.",
            ),
            Choice(name=CANCEL, label="Do not accept", consequence="The step fails; look at them, and run it again."),
        ),
        default=CANCEL,
        expires_in=TIME,
        details=tuple(line for alarm in bad for line in (alarm.what, alarm.advice)),
        way_back="Nothing is changed by accepting.",
    )
    if answer != ACCEPT:
        raise NeedsPerson(
            " ".join(alarm.what for alarm in bad),
            state="Nothing was changed by looking.",
            advice=" ".join(dict.fromkeys(alarm.advice for alarm in bad)),
        )
    return f"{summary}; accepted: {'; '.join(alarm.what for alarm in bad)}"
