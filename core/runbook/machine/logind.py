"""Whether a logout ends the engine: logind's KillUserProcesses (logind.conf(5)), asked of logind or read from its files."""

from __future__ import annotations

import asyncio
import configparser
import contextlib
import getpass
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

BOOTED: Final = Path("/run/systemd/system")
"""There while systemd is the init system (sd_booted(3))."""
CGROUP: Final = Path("/proc/self/cgroup")
PLACES: Final = tuple(map(Path, ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")))
"""Where its files are, the first going before the others."""

WANTED: Final = ("KillUserProcesses", "KillExcludeUsers", "KillOnlyUsers")
_TRUE: Final = frozenset(("1", "yes", "true", "on", "y", "t"))
_SESSION: Final = re.compile(r"/(session-[^/\s]+\.scope)")
ASK_WITHIN: Final = 5.0  # seconds

WAY_OUT: Final = "Allow lingering (loginctl enable-linger), and start pgrecast outside the session: systemd-run --user --scope pgrecast"


def files_that_count(places: Iterable[Path] = PLACES) -> list[Path]:
    """logind.conf, then its drop-ins by their names; of two with the same name that of the earlier place counts."""
    places = list(places)
    main = next((path for place in places if (path := place / "logind.conf").is_file()), None)
    drop_ins: dict[str, Path] = {}
    for place in reversed(places):
        drop_ins |= {path.name: path for path in (place / "logind.conf.d").glob("*.conf")}
    return [*([main] if main else []), *(drop_ins[name] for name in sorted(drop_ins))]


def settings_of(texts: Iterable[str]) -> dict[str, str]:
    """What the files say, a later one going before an earlier one; only what is asked here."""
    found: dict[str, str] = {}
    for text in texts:
        parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#", ";"), delimiters=("=",))
        parser.optionxform = str  # type: ignore[method-assign, assignment]
        with contextlib.suppress(configparser.Error):
            parser.read_string(text)
        if parser.has_section("Login"):
            found |= {name: value for name, value in parser.items("Login") if name in WANTED}
    return found


def ends_processes_of(user: str, found: Mapping[str, str]) -> bool | None:
    """Whether a logout ends the user's processes; None where the files say nothing, for builds differ in their default."""
    value = found.get("KillUserProcesses", "").strip().lower()
    if not value:
        return None
    excluded = found.get("KillExcludeUsers", "root").split()
    only = found.get("KillOnlyUsers", "").split()
    return value in _TRUE and user not in excluded and (not only or user in only)


def session_scope(cgroup: str) -> str:
    """The login session's scope in which a process is, by its /proc/PID/cgroup; empty when it is in none."""
    found = _SESSION.search(cgroup)
    return found[1] if found else ""


async def logout_words() -> tuple[str, str]:
    """Whether a logout would end this process, in words, and the warning if it would; empty if it would not."""
    asked = await _ask_logind()
    if asked is None and not BOOTED.exists():
        return "no logind on this machine", ""
    found = asked or settings_of(_read(path) for path in files_that_count())
    ends = ends_processes_of(getpass.getuser(), found)
    scope = session_scope(_read(CGROUP))
    if not scope:
        return "this process is in no login session", ""
    if ends is False:
        return f"ends nothing that runs on in {scope}", ""
    if ends is None:
        return (
            "whether it ends what runs is not known: logind cannot be asked, and its files do not say",
            f"If the build's default for KillUserProcesses is yes, a logout ends the engine, which runs in {scope}. {WAY_OUT}",
        )
    return (
        f"ends everything in {scope}",
        f"A logout ends the engine: logind's KillUserProcesses is on, and it runs in {scope}. {WAY_OUT}",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


async def _ask_logind() -> dict[str, str] | None:
    """What logind itself says; None when it cannot be asked."""
    try:
        process = await asyncio.create_subprocess_exec(
            "loginctl",
            "show-session",
            *(f"--property={name}" for name in WANTED),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(ASK_WITHIN):
            output, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    lines = (line.partition("=") for line in output.decode(errors="replace").splitlines())
    found = {name: value for name, _, value in lines if name in WANTED}
    return found if found.get("KillUserProcesses") else None
