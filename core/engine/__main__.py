"""The engine's own process: `python -m core.engine RUN_DIRECTORY`, started by `core.engine.process`.

Reads what it must know from standard input, answers in one line on standard output once it serves (or why it does not),
and goes on by itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from datetime import timedelta
from types import TracebackType

from core.engine.address import SocketPlace, group_id
from core.engine.engine import Engine
from core.engine.handover import Handover
from core.engine.server import Server
from core.engine.targets import ConfiguredTargets
from core.errors import PgrecastError
from core.redaction import RedactingFilter
from core.secrets.keep import Kept

IDLE_LOOK = 5.0
"""Longest pause, in seconds, between two looks at whether anything is left to do."""


def main() -> None:
    handover = Handover.decode(sys.stdin.buffer.read())
    # The starter waits for its child, and must not have to for as long as the engine lives.
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _log_what_nobody_catches()
    asyncio.run(_serve(handover))


async def _serve(handover: Handover) -> None:
    settings = handover.settings
    try:
        group = group_id(settings.run.group)
        targets = ConfiguredTargets(settings, handover.given, Kept(handover.run_directory))
        engine = Engine(handover.run_directory, settings, handover.load_runbook(), targets)
        await engine.start()
    except PgrecastError as error:
        _answer(_refusal(error))
        return
    place: SocketPlace | None = None
    server: Server | None = None
    try:
        place = SocketPlace(handover.run_directory, group)
        server = Server(engine, place.path)
        await server.start()
        place.announce(engine.hub.state.runbook)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.request_stop, f"the process got {number.name}")
        _answer({"serving": str(place.path)})
        idle = asyncio.create_task(_stop_when_idle(engine, settings.run.idle))
        reason = await engine.wait_for_stop()
        idle.cancel()
    except PgrecastError as error:
        _answer(_refusal(error))
        reason = error.what
    # Who comes from here on finds nobody, and starts another engine once this one has let go of its lock.
    if place is not None:
        place.remove()
    await engine.stop(reason)
    if server is not None:
        await server.stop()


def _log_what_nobody_catches() -> None:
    """What asyncio or a library has to say, and an exception that ends the process, goes to engine.log, masked."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(RedactingFilter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    # Each call to the host with its request's id, which the host's support asks for.
    logging.getLogger("core.hosting").setLevel(logging.INFO)

    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        logging.getLogger("pgrecast").critical("The engine has died", exc_info=(kind, error, trace))

    sys.excepthook = log


def _refusal(error: PgrecastError) -> dict[str, str]:
    return {"kind": type(error).__name__, "what": error.what, "state": error.state, "advice": error.advice}


def _answer(said: dict[str, str]) -> None:
    """Tell the starter, and let go of it: nothing of this process holds its pipes any more."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


async def _stop_when_idle(engine: Engine, after: timedelta) -> None:
    loop = asyncio.get_running_loop()
    busy = loop.time()
    limit = after.total_seconds()
    while True:
        await asyncio.sleep(min(limit / 4, IDLE_LOOK))
        if not engine.idle:
            busy = loop.time()
        elif loop.time() - busy >= limit:
            engine.request_stop("nobody was attached and nothing ran")
            return


if __name__ == "__main__":
    main()
