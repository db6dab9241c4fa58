"""`pgrecast reveal`: a secret that a rotation has made, for the person who takes it to where it belongs; once."""

from __future__ import annotations

import argparse
import sys

from core.errors import UsageError
from core.secrets.keep import Kept
from core.settings import Settings
from tui.cli.output import Output
from tui.cli.runs import existing_run


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Print the secret to the terminal; without a name, tell which are kept."""
    kept = Kept(existing_run(given.run, settings))
    if given.name is None:
        output.lines([f"kept in this run: {', '.join(kept.names) or 'nothing'}"])
        return 0
    if not sys.stdout.isatty():
        raise UsageError(
            "A secret goes to a terminal only, not into a file or a pipe.",
            advice="Run the command by hand; to hand a secret to a program, set store_command under [secrets].",
        )
    sys.stdout.write(kept.show_once(given.name).get_secret_value() + "\n")
    return 0
