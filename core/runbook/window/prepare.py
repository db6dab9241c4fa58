"""Tasks 6.3 to 6.5: people for the way back are named, an alert is seen to arrive, a restore is timed."""

from __future__ import annotations

from datetime import UTC, datetime

from core.errors import Refused
from core.events import Choice
from core.runbook.backups.steps import time_restore
from core.runbook.facts import ALERT_TESTED, WINDOW_TEAM
from core.runbook.model import StepContext
from core.runbook.window.alerts import send_alert
from core.runbook.window.choose import LATER, TIME
from core.runbook.window.papers import leave_papers
from core.runbook.window.window import chosen_window
from core.runbook.words import counted

TEAM = "team"
OTHERS = "others"
ARRIVED = "arrived"
MISSING = "missing"
MOST_SAID = 20
"""Lines of the alert command that stand in the step's log."""


async def name_team(context: StepContext) -> str:
    """Have the people named who are reachable during the window, and write their message.

    Raises:
        Refused: nobody was named.
    """
    window = chosen_window(context.state)
    when = f"during the window ({window.here_too(context.settings.window.zone)})" if window else "during the window"
    names = context.settings.window.team
    if names:
        answer = await context.ask(
            f"Are they reachable {when}, to take part in the way back?",
            (
                Choice(
                    name=TEAM, label="They are", consequence="They are named in the run and in the message to them."
                ),
                Choice(name=OTHERS, label="Name others", consequence="They are asked for."),
                Choice(name=LATER, label="Not known yet", consequence="Nothing is changed."),
            ),
            default=LATER,
            expires_in=TIME,
            details=names,
        )
        if answer == LATER:
            raise Refused("Nobody was named for the way back.", advice="Run the step again when it is known.")
        names = names if answer == TEAM else ()
    if not names:
        text = await context.enter(
            f"Who is reachable {when}, to take part in the way back?",
            "Names, separated by semicolons",
            secret=False,
            expires_in=TIME,
            details=('With how each is reached: "Anna Example, +49 30 5550100; Ben Example, on-call channel".',),
        )
        names = tuple(filter(None, (name.strip() for name in (text.get_secret_value() if text else "").split(";"))))
    if not names:
        raise Refused("Nobody was named for the way back.", advice="Run the step again when it is known.")
    await context.fact(WINDOW_TEAM, list(names))
    await leave_papers(context)
    return f"{counted(len(names), 'person', 'people')} named: {'; '.join(names)}"


async def send_test_alert(context: StepContext) -> str:
    """Send a test alert with the user's command, and ask whether it has arrived.

    Raises:
        ConfigurationError: the command fails.
        Refused: it has not arrived.
    """
    sent = datetime.now(UTC)
    text = f"TEST of pgrecast's alerts, {sent:%Y-%m-%d %H:%M:%S} UTC, run {context.state.run}: nothing is wrong."
    ran = await send_alert(context, text)
    await context.say(f"Sent: {text}")
    for line in ran.output.splitlines()[-MOST_SAID:]:
        await context.say(f"The alert command: {line}")
    answer = await context.ask(
        "Has the test alert arrived at whoever is on call?",
        (
            Choice(name=ARRIVED, label="It has arrived", consequence="Step 8.1 alerts the same way."),
            Choice(name=MISSING, label="It has not arrived", consequence="The step fails; correct the command."),
        ),
        default=MISSING,
        expires_in=TIME,
        details=(text,),
    )
    await context.fact(ALERT_TESTED, answer == ARRIVED)
    if answer != ARRIVED:
        raise Refused(
            "The test alert has not arrived, or nobody said that it has.",
            advice="Correct alert_command under [monitor], or look where its alerts go; then run the step again.",
        )
    return "a test alert was sent, and has arrived"


async def try_restore(context: StepContext) -> str:
    """Time a restore of the backup, and write the window's papers anew: the latest moment to turn back comes from it.

    Raises:
        BackupError, Refused: as `core.runbook.backups.steps.time_restore`.
    """
    summary = await time_restore(context)
    await leave_papers(context)
    return summary
