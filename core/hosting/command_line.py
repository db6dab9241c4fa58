"""Runs a command line of the user's that stands for a call to the host: no shell, nothing secret in its arguments."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shlex
import signal
from collections.abc import Mapping
from datetime import timedelta

from pydantic import SecretStr

from core.errors import NOTHING_CHANGED, HostingError, HostingOutcomeUnknown
from core.redaction import Redactor, redactor

VALUE = "PGRECAST_VALUE"
"""The variable by which a secret value reaches the command."""
OUTPUT_LIMIT = 512 * 1024
"""Bytes of output that are kept, the last ones."""
END_WITHIN = 5.0
"""Seconds that a command's end may take after it was killed."""
LINES_OF_ERROR = 5
UNTOUCHED = "The database itself has not been touched by it."

_LOG = logging.getLogger(__name__)
_PLACEHOLDER = re.compile(r"\{(service|commit|deploy|name|since|directory)\}")


def fill_in(command: str, about: Mapping[str, str]) -> list[str]:
    """The arguments of a command line, with what the call is about in place of `{service}` and the like.

    It is split first: what is filled in stays one argument, whatever it holds. Other braces stay as they are.

    Raises:
        HostingError: the line names something that this call is not about, or what is filled in would be read as an option.
    """

    def filled(match: re.Match[str]) -> str:
        if match[1] not in about:
            raise HostingError(
                f"The command {command!r} names {match[0]}, which this call is not about.",
                advice="Correct it under [hosting.commands]; config.example.toml tells what stands for what.",
            )
        return about[match[1]]

    arguments: list[str] = []
    for word in shlex.split(command):
        argument = _PLACEHOLDER.sub(filled, word)
        if argument.startswith("-") and not word.startswith("-"):
            raise HostingError(
                f"{argument!r} in place of {word} would be an option of {command!r}.", advice="Correct the settings."
            )
        arguments.append(argument)
    return arguments


async def run_command(
    command: str,
    about: Mapping[str, str],
    *,
    timeout: timedelta,
    changes: bool = True,
    value: SecretStr | None = None,
) -> str:
    """Run a command line to its end and return what it printed on standard output, secrets masked.

    Its standard error is logged, secrets masked. Cancelled or too slow, it is ended with whatever it has started; what it
    leaves behind after a good end, such as a service, lives on.

    Args:
        command: as the settings have it.
        about: by placeholder, what stands for it.
        timeout: how long it may take.
        changes: whether it changes anything, so that after a bad end it must be looked what.
        value: a secret for its environment (`VALUE`).

    Raises:
        HostingError: it cannot be started, its arguments are wrong, or it failed and changes nothing anyway.
        HostingOutcomeUnknown: it was ended, or ended with another status than 0; what it has changed is not known.
    """
    # Masked in this output only: many a value is a plain word, such as "true".
    masking = Redactor()
    masking.add(value)
    arguments = fill_in(command, about)
    advice = "Run it by hand to see what it says, and correct it under [hosting.commands]."
    environment = os.environ | ({VALUE: value.get_secret_value()} if value is not None else {})
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its arguments cannot be passed"
        raise HostingError(f"The command {command!r} cannot be run: {reason}.", advice=advice) from None
    assert process.stdout is not None  # noqa: S101 - both are pipes
    assert process.stderr is not None  # noqa: S101
    failure = HostingOutcomeUnknown if changes else HostingError
    state = f"What it has done is not known. {UNTOUCHED}" if changes else NOTHING_CHANGED
    ended = False
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            out, err, _ = await asyncio.gather(_read(process.stdout), _read(process.stderr), process.wait())
        ended = True
        out, err = masking.redact(out), masking.redact(err)
    except TimeoutError:
        raise failure(
            f"The command {command!r} did not end within {timeout.total_seconds():.0f} s, and was ended.",
            state=state,
            advice=advice,
        ) from None
    finally:
        if not ended:
            # Its whole group: a command may be a script, and what that has started must not go on unseen.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Read on: asyncio takes a process for ended once its pipes are, too.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_WITHIN):
                    await asyncio.gather(_read(process.stdout), _read(process.stderr), process.wait())
    _LOG.info("%s ended with status %s", redactor.redact(shlex.join(arguments)), process.returncode)
    for line in err.splitlines():
        _LOG.info("%s: %s", arguments[0], line)
    if process.returncode:
        said = " / ".join((err or out).strip().splitlines()[-LINES_OF_ERROR:]) or "it said nothing"
        raise failure(
            f"The command {command!r} ended with status {process.returncode}: {said}", state=state, advice=advice
        )
    return out


async def _read(stream: asyncio.StreamReader) -> str:
    kept = bytearray()
    while piece := await stream.read(65536):
        kept += piece
        del kept[:-OUTPUT_LIMIT]
    # In a thread: much text takes a while.
    return await asyncio.to_thread(redactor.redact, kept.decode(errors="replace"))
