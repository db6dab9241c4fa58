"""The command line: `pgrecast [--config FILE] [--run DIR] COMMAND`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import traceback
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from core.errors import PgrecastError
from core.redaction import redactor
from core.settings import Settings
from core.settings.base import state_directory
from tui.cli.output import Output
from tui.cli.overrides import overrides
from tui.cli.parser import build_parser

Command = Callable[[argparse.Namespace, Settings, Output], Coroutine[Any, Any, int]]

INTERRUPTED = 130
"""What shells expect of a program that SIGINT ended, and what we give for SIGTERM, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: without the program's name; sys.argv's when None.
    """
    given = build_parser().parse_args(arguments)
    output = Output(as_json=getattr(given, "json", False))
    try:
        settings = Settings.load(given.config, overrides(given))
        # A command's module is imported when it is run: `pgrecast status` needs no Textual, and starts the faster.
        run: Command = import_module(f"tui.cli.{(given.command or 'console').replace('-', '_')}").run
        return asyncio.run(run(given, settings, output))
    except PgrecastError as error:
        output.error(error)
        return error.exit_status
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("pgrecast: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`pgrecast status | head`); nothing is left to say to anyone.
        sys.stdout = None
        return 1
    except Exception as error:  # noqa: BLE001 - a traceback on screen would help nobody, and may hold a secret
        output.error(_defect(error))
        return 1


def _defect(error: Exception) -> PgrecastError:
    """What to say of an exception that nobody expected; where it came from goes to a file, without local variables."""
    path = state_directory() / "pgrecast" / "defects.log"
    where = redactor.redact("".join(traceback.format_exception(error)))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, {' '.join(sys.argv[1:2])}\n{where}\n")
        advice = f"Its details are in {path}; please report them."
    except OSError:
        advice = f"It could not be written to {path}."
    return PgrecastError(
        f"An unexpected {type(error).__name__} has ended the command; this is a defect of pgrecast.",
        state="What was not committed is rolled back by the server.",
        advice=advice,
    )
