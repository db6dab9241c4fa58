"""Alerts to people who do not look at the screen: a command of the user's."""

from __future__ import annotations

import asyncio
import os
import shlex

from core.errors import ConfigurationError
from core.settings import Settings

TIMEOUT = 60.0
"""Seconds that the command may take."""
VARIABLE = "PGRECAST_ALERT"
MOST_OUTPUT = 2000
"""Characters of what it prints that are handed back, from the end."""


def has_alert_command(settings: Settings) -> bool:
    """Whether the settings say how people are alerted."""
    return bool(settings.monitor.alert_command)


async def send_alert(command: str, text: str) -> str:
    """Run the command, without a shell, the text as its standard input and in its environment; returns what it printed.

    Raises:
        ConfigurationError: it cannot be run, does not end, or fails.
    """
    advice = "Correct alert_command under [monitor]; run it by hand to see what it says."
    try:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, VARIABLE: text},
        )
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a command line"
        raise ConfigurationError(f"The alert command cannot be run: {reason}.", advice=advice) from None
    try:
        output, _ = await asyncio.wait_for(process.communicate(f"{text}\n".encode()), TIMEOUT)
    except TimeoutError:
        raise ConfigurationError(f"The alert command did not end within {TIMEOUT:.0f} s.", advice=advice) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode(errors="replace").strip()[-MOST_OUTPUT:]
    if process.returncode:
        raise ConfigurationError(
            f"The alert command ended with status {process.returncode}{f': {said}' if said else ''}.", advice=advice
        )
    return said
