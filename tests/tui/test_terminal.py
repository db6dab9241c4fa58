"""What the console leaves behind on a real terminal, however it ends."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tui.on_a_terminal import SENTINEL

REPOSITORY = Path(__file__).parents[2]
ENTER_ALTERNATE, LEAVE_ALTERNATE = b"\x1b[?1049h", b"\x1b[?1049l"
MOUSE_ON = b"\x1b[?1000h"
DRAWN = b"Rotate credentials"
PATIENCE = 60.0


class Terminal:
    """A console on a pseudo-terminal of 80 by 24."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process, self.master = process, master
        self.output = b""

    def read_until(self, wanted: bytes) -> None:
        """Read until the output holds that, or the process ends."""
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.output:
            assert time.monotonic() < deadline, f"{wanted!r} never came: {self.output[-2000:]!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:  # the other end is closed
                    assert wanted in self.output, f"{wanted!r} never came: {self.output[-2000:]!r}"

    def read_to_the_end(self) -> int:
        """Read all there is, and return the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None or select.select([self.master], [], [], 0)[0]:
            assert time.monotonic() < deadline, "the console does not end"
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:
                    break
        return self.process.wait(PATIENCE)

    @property
    def unread(self) -> int:
        """Bytes that the terminal holds."""
        (waiting,) = struct.unpack("i", fcntl.ioctl(self.master, termios.FIONREAD, bytes(4)))
        return waiting

    def close(self) -> None:
        """Close the terminal, as a dropped SSH connection does."""
        os.close(self.master)
        self.master = -1


@contextmanager
def terminal(
    *arguments: str, module: str = "tests.tui.on_a_terminal", environment: Mapping[str, str] = os.environ
) -> Generator[Terminal]:
    """A program on a terminal of its own: a console with a scripted run, or another module."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=REPOSITORY,
        env={**environment, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(slave)
    found = Terminal(process, master)
    try:
        yield found
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if found.master >= 0:
            os.close(found.master)


def is_restored(output: bytes) -> bool:
    """Whether the alternate screen was left, and the mouse never taken."""
    return output.rfind(LEAVE_ALTERNATE) > output.rfind(ENTER_ALTERNATE) >= 0 and MOUSE_ON not in output


def test_detaching_restores_the_terminal_and_says_that_the_run_goes_on() -> None:
    with terminal() as console:
        console.read_until(DRAWN)
        os.write(console.master, b"d")
        assert console.read_to_the_end() == 0
        assert is_restored(console.output)
        assert b"The run goes on" in console.output.split(LEAVE_ALTERNATE)[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    with terminal() as console:
        console.read_until(DRAWN)
        console.process.send_signal(number)
        assert console.read_to_the_end() == 128 + number
        assert is_restored(console.output)
        assert f"Ended by {number.name}".encode() in console.output.split(LEAVE_ALTERNATE)[-1]


def test_ctrl_c_ends_nothing_and_says_how_to_leave() -> None:
    with terminal() as console:
        console.read_until(DRAWN)
        os.write(console.master, b"\x03")
        console.read_until(b"leaves the console")
        assert console.process.poll() is None


@pytest.mark.parametrize("arguments", [(), ("nohup",)], ids=["hangup", "nohup"])
def test_a_closed_terminal_ends_it(arguments: tuple[str, ...]) -> None:
    with terminal(*arguments) as console:
        console.read_until(DRAWN)
        console.close()
        assert console.process.wait(PATIENCE) != 0


def test_a_crash_shows_no_local_variable_and_no_secret() -> None:
    with terminal("crash") as console:
        assert console.read_to_the_end() == 1
        assert is_restored(console.output)
        told = console.output.split(LEAVE_ALTERNATE)[-1].decode()
        assert "The console has failed" in told
        assert "RuntimeError: cannot connect to postgresql://owner:***@db.example/ma" in " ".join(told.split())
        assert SENTINEL not in console.output.decode()
