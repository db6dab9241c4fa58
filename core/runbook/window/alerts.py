"""Alerts to people who do not look at the screen: a command of the user's."""

from __future__ import annotations

from datetime import timedelta

from core.errors import ConfigurationError
from core.redaction import redactor
from core.runbook.model import StepContext
from core.runbook.user_command import Ran, run_user_command
from core.settings import Settings

TIME = timedelta(minutes=1)
"""How long the command may take."""
VARIABLE = "PGRECAST_ALERT"


def has_alert_command(settings: Settings) -> bool:
    """Whether the settings say how people are alerted."""
    return bool(settings.monitor.alert_command)


async def send_alert(context: StepContext, text: str) -> Ran:
    """Run the settings' command, the text, secrets masked, as its standard input and in its environment.

    Raises:
        ConfigurationError: it cannot be run, does not end, or fails.
    """
    text = redactor.redact(text)
    command = context.settings.monitor.alert_command
    ran = await run_user_command(context, command, None, TIME, given=f"{text}\n", variables={VARIABLE: text})
    if not ran.held:
        last = ran.output.rpartition("\n")[2]
        raise ConfigurationError(
            f"The alert command: {ran.words}{f': {last}' if last else ''}.",
            advice="Correct alert_command under [monitor]; run it by hand to see what it says.",
        )
    return ran
