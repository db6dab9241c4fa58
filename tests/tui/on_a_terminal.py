"""A console in a process of its own, on whatever terminal it is started: `python -m tests.tui.on_a_terminal [crash] [nohup]`."""

from __future__ import annotations

import fcntl
import signal
import sys
import termios

from pydantic import SecretStr

from core.settings import Settings
from tests.tui import scenario
from tests.tui.scenario import RUNBOOK
from tui.app import Console

SENTINEL = "sentinel-that-nobody-may-see"


class Crashing(Console):
    """Fails while a local variable holds a secret, and while the error's text does."""

    def draw(self) -> None:
        password = SENTINEL
        url = f"postgresql://owner:{password}@db.example/ma"
        if self.store.attached:
            raise RuntimeError(f"cannot connect to {url}")


def main() -> int:
    if "nohup" in sys.argv:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    else:
        fcntl.ioctl(sys.stdin, termios.TIOCSCTTY, 0)
    client = scenario.new_client()
    scenario.opened(client)
    scenario.prepared(client)
    kind = Crashing if "crash" in sys.argv else Console
    secret = SecretStr(SENTINEL)
    console = kind(client, runbook=RUNBOOK, settings=Settings(database_url=secret), role="operator", name="me")
    console.run(mouse=False)
    return console.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
