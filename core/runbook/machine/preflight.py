"""Whether this machine, and its connection to the database, are fit for a run that must not be interrupted."""

from __future__ import annotations

import grp
import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.errors import ConfigurationError, PgrecastError
from core.events import MachineCheck, MachineChecked
from core.postgres.client_tools import find_client_tools
from core.postgres.connect import ConnectionSpec, Session
from core.postgres.sql import load_queries
from core.runbook.conversion.planning import reading
from core.runbook.machine.logind import logout_words
from core.runbook.model import StepContext
from core.runbook.words import size
from core.settings import Settings

SOCKET: Final = "engine.sock"
LONGEST_SOCKET_PATH: Final = 103
"""Bytes of a socket's path that every platform takes (sun_path: Linux 108 with its end, macOS 104)."""

CLOCKS_APART: Final = 5.0
"""Seconds by which this clock may differ from the server's: the window and every expiry are read from it."""

LEAST_FREE: Final = 500 * 1024 * 1024
"""Bytes that should be free for the run: its journal, logs and reports need a few dozen megabytes."""

_QUERIES: Final = load_queries(Path(__file__).parent / "queries")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        value: how it is, in words.
        warning: what may go wrong, and what helps; empty when nothing does.
    """

    name: str
    value: str
    warning: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.value}" + (f". {self.warning}" if self.warning else "")


async def preflight(spec: ConnectionSpec, directory: Path, settings: Settings) -> tuple[Check, ...]:
    """Look at this machine and at a connection of its to the database.

    Args:
        spec: the database's connection.
        directory: the run's, or where it will be made.

    Raises:
        ConnectionFailed, QueryFailed: the database could not be asked.
    """
    async with reading(spec, settings.limits) as connection:
        before = datetime.now(UTC)
        (row,) = await connection.fetch(_QUERIES["connection"])
        after = datetime.now(UTC)
        kept = connection.keepalive_seconds if isinstance(connection, Session) else None
        version = connection.get_server_version().major
    return (
        *await look_at_machine(directory, settings),
        keepalive(tcp=row["tcp"], here=kept, there=row["keepalive"]),
        clock((row["at"] - (before + (after - before) / 2)).total_seconds()),
        await _tools(version, encrypted=row["encrypted"], directory=settings.check.client_programs),
    )


async def look_at_machine(directory: Path, settings: Settings) -> tuple[Check, ...]:
    """What can be looked at without the database; the run's directory need not be there yet."""
    group = (group_access(directory, settings.run.group),) if settings.run.group else ()
    return (Check("logout", *await logout_words()), socket_path(directory), *group, disk(directory))


def group_access(directory: Path, name: str) -> Check:
    """Whether members of the group that may attach can get to the run directory, which itself is opened to them."""
    try:
        number = grp.getgrnam(name).gr_gid
    except KeyError:
        return Check("group", f"there is no group {name}", "Correct the setting run.group.")
    closed = [parent for parent in directory.absolute().parents if not _lets_in(parent, number)]
    if not closed:
        return Check("group", f"members of {name} may attach")
    return Check(
        "group",
        f"members of {name} cannot get to the run directory: {closed[0]} does not let them through",
        f"chmod o+x {closed[0]}, or keep runs elsewhere (run.directory).",
    )


def _lets_in(directory: Path, group: int) -> bool:
    try:
        found = directory.stat()
    except OSError:
        return False
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == group else stat.S_IXOTH))


async def preflight_at_start(spec: ConnectionSpec | None, directory: Path, settings: Settings) -> MachineChecked:
    """The look at everything that can be looked at, as the journal keeps it; without the database when that is not there."""
    missing = "production is not reached"
    if spec is not None:
        try:
            return machine_checked(await preflight(spec, directory, settings))
        except PgrecastError as error:
            missing = error.what
    again = (
        "Its clock, keep-alives and version are looked at by the next start of the engine, and by steps 2.2 and 7.1."
    )
    return machine_checked(
        (*await look_at_machine(directory, settings), Check("connection", f"not looked at: {missing}", again))
    )


def machine_checked(checks: Iterable[Check]) -> MachineChecked:
    """The checks as the journal keeps them."""
    return MachineChecked(checks=tuple(MachineCheck(name=c.name, value=c.value, warning=c.warning) for c in checks))


def keepalive(*, tcp: bool, here: int | None, there: int) -> Check:
    """Whether both ends probe a silent connection.

    Args:
        here, there: seconds after which this end, and the server's, does; none or 0 if it does not.
    """
    if not tcp:
        return Check("keepalive", "not needed: the connection does not leave this machine")
    if here and there:
        return Check("keepalive", f"this end probes after {here} s of silence, the server's after {there} s")
    silent = " and ".join(end for end, seconds in (("this end", here), ("the server's end", there)) if not seconds)
    return Check(
        "keepalive",
        f"not at {silent}",
        "A firewall may take a long statement's connection for dead; look at tcp_keepalives_idle.",
    )


def clock(ahead: float) -> Check:
    """How far the server's clock is ahead of this one, in seconds."""
    if abs(ahead) <= CLOCKS_APART:
        return Check("clock", f"within {max(0.1, abs(ahead)):.1f} s of the server's")
    return Check(
        "clock",
        f"the server's is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this one",
        "The window and every expiry go by this machine's clock; set it (timedatectl set-ntp true).",
    )


def socket_path(directory: Path) -> Check:
    """Whether the engine's socket can be in the run directory."""
    length = len(os.fsencode(directory / SOCKET))
    if length <= LONGEST_SOCKET_PATH:
        return Check("socket", f"{length} of {LONGEST_SOCKET_PATH} bytes in its path")
    return Check(
        "socket",
        f"in a private temporary directory: the run directory's path is {length - LONGEST_SOCKET_PATH} bytes too long",
    )


def disk(directory: Path) -> Check:
    """How much room there is for the run."""
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check("disk", f"cannot be looked at: {error.strerror}", f"Look at {there}.")
    warning = "" if free >= LEAST_FREE else "A full disk stops the run before its next step; make room."
    return Check("disk", f"{size(free)} free for the run directory", warning)


async def _tools(server: int, *, encrypted: bool, directory: Path | None) -> Check:
    name = "client tools"
    try:
        tools = await find_client_tools(server * 10_000, tls=encrypted, directory=directory)
    except ConfigurationError as error:
        return Check(name, "none that fit", str(error))
    try:
        tools.path("psql")
        psql = ""
    except ConfigurationError:
        psql = "psql is not among them; a script is run with another, or not at all"
    value = f"version {tools.major} for a server of version {server}, {'with' if tools.tls else 'without'} TLS ({tools.directory})"
    return Check(name, value, psql)


async def record_preflight(context: StepContext, checks: Iterable[Check]) -> list[Check]:
    """Tell the checks in the step's log and record them for the whole run; returns those with a warning."""
    checks = tuple(checks)
    for check in checks:
        await context.say(f"This machine: {check}")
    await context.publish(machine_checked(checks))
    return [check for check in checks if check.warning]
