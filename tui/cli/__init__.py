"""The command line: `pgrecast [--config FILE] [--run DIR] COMMAND`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Any

from core.errors import PgrecastError
from core.settings import Settings
from tui.cli.output import Output
from tui.cli.overrides import overrides
from tui.cli.parser import build_parser

Command = Callable[[argparse.Namespace, Settings, Output], Coroutine[Any, Any, int]]

INTERRUPTED = 130
"""What shells expect of a program that SIGINT ended."""


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
        run: Command = import_module(f"tui.cli.{given.command or 'console'}").run
        return asyncio.run(run(given, settings, output))
    except PgrecastError as error:
        output.error(error)
        return error.exit_status
    except KeyboardInterrupt:
        print("pgrecast: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`pgrecast status | head`); nothing is left to say to anyone.
        sys.stdout = None
        return 1
