"""What a command on the command line does when its terminal goes away, or it is told to end."""

from __future__ import annotations

import asyncio
import os
import signal

STANDARD = (0, 1, 2)


def outlive_the_terminal() -> None:
    """From here on SIGHUP interrupts nothing, and SIGTERM interrupts like Ctrl-C: it cancels the running task.

    What the command says goes nowhere once its terminal has gone; what it was told to write into files it still writes.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - called from a coroutine
    terminals = [descriptor for descriptor in STANDARD if os.isatty(descriptor)]  # afterwards nobody can tell
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, _let_go, terminals)
    loop.add_signal_handler(signal.SIGTERM, task.cancel)


def _let_go(terminals: list[int]) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in terminals:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
