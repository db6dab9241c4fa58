"""Where secrets stand that should not: in a project's files, and in its git history. Bounded, and never shown whole."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import SecretStr

from core.errors import ConfigurationError
from core.redaction import MASK
from core.secrets.detectors import look

SKIPPED_FOLDERS = frozenset(
    [
        *(".git", ".hg", ".svn"),
        *("node_modules", ".venv", "venv", ".tox"),
        *("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
    ]
)

KNOWN = "known to be leaked"
"""Kind of a finding that is one of the values known beforehand."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is looked at; what is left out is said.

    Attributes:
        file: bytes of a file that is still looked at.
        files, history: bytes in total, of the files and of the lines that the history has added.
        findings: that are listed; further ones are counted.
    """

    file: int = 1024 * 1024
    files: int = 200 * 1024 * 1024
    history: int = 100 * 1024 * 1024
    findings: int = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in a file.

    Attributes:
        path: relative to the project.
        line: its number, from 1.
        commit: the first commit of the history, from the newest back, in which the line was added; "" for the file as it is.
        kind: what it looks like, or `KNOWN`.
        masked: so much of the value that a person can tell which one it is.
    """

    path: str
    line: int
    commit: str
    kind: str
    masked: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" + (f" in commit {self.commit[:12]}" if self.commit else "")
        return f"{where}: {self.kind}, {self.masked}"


@dataclass
class Scan:
    """What a scan has found so far.

    Attributes:
        more: findings beyond those that are listed.
        files, lines: how many were looked at; lines are the history's.
        skipped: reasons why something was not looked at, and how many files each concerns.
        notes: what else was left out.
    """

    findings: list[Finding] = field(default_factory=list[Finding])
    more: int = 0
    files: int = 0
    lines: int = 0
    bytes: int = 0
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    notes: list[str] = field(default_factory=list[str])

    @property
    def known(self) -> int:
        """How many of the findings are values known to be leaked."""
        return sum(finding.kind == KNOWN for finding in self.findings)

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


Progress = Callable[[Scan], None]


class _Cancelled(Exception):
    pass


async def scan(
    folder: Path,
    known: Iterable[SecretStr],
    *,
    limits: Limits | None = None,
    history: bool = True,
    progress: Progress | None = None,
) -> Scan:
    """Look through a project for what looks like a secret, and for the values known to be leaked.

    Args:
        folder: the project; links in it are not followed.
        known: values that are leaked for certain.
        limits: how much is looked at.
        history: whether its git history is looked through as well, where it has one.
        progress: told of how far it has come, in the scanning thread.

    Raises:
        ConfigurationError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {folder}.", advice="Correct project under [secrets].")
    stop = threading.Event()
    scanner = _Scanner(folder, tuple(known), limits or Limits(), progress, stop)
    work = asyncio.get_running_loop().run_in_executor(None, scanner.run, history)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({work})
        raise


class _Scanner:
    def __init__(
        self,
        folder: Path,
        known: tuple[SecretStr, ...],
        limits: Limits,
        progress: Progress | None,
        stop: threading.Event,
    ) -> None:
        values = sorted({v for k in known if (v := k.get_secret_value().strip())}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None
        self._folder = folder
        self._limits = limits
        self._progress = progress
        self._stop = stop
        self._scan = Scan()

    def run(self, history: bool) -> Scan:
        try:
            self._files()
            if history:
                self._history()
        except _Cancelled:
            self._scan.notes.append("It was stopped before its end.")
        return self._scan

    # --- files ---

    def _files(self) -> None:
        for path in files_below(self._folder):
            self._told()
            name = str(path.relative_to(self._folder))
            content = self._content(path)
            if content is None:
                continue
            self._scan.files += 1
            self._scan.bytes += len(content)
            for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
                self._line(name, number, "", line)

    def _content(self, path: Path) -> bytes | None:
        try:
            size = path.stat().st_size
            if size > self._limits.file:
                self._scan.skip(f"larger than {self._limits.file // 1024} KiB")
                return None
            if self._scan.bytes + size > self._limits.files:
                self._scan.skip(f"beyond {self._limits.files // 1024 // 1024} MiB in total")
                return None
            content = path.read_bytes()
        except OSError:
            self._scan.skip("not to be read")
            return None
        if b"\0" in content[:8192]:
            self._scan.skip("binary")
            return None
        return content

    # --- history ---

    def _history(self) -> None:
        """The lines that each commit of every branch and tag has added, newest first; each line is looked at once."""
        command = [
            "git", "-C", str(self._folder), "-c", "core.quotePath=false", "-c", "core.fsmonitor=false",
            "log", "--all", "--patch", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
            "--diff-filter=d", "--format=%x01%H", "--", ".",
        ]  # fmt: skip
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            )
        except OSError:
            self._scan.notes.append("The git history was not looked through: there is no git on this machine.")
            return
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        with process:
            whole = False
            try:
                whole = self._patch(process.stdout)
            finally:
                if not whole:
                    process.kill()
        if not whole:
            self._scan.notes.append(
                f"Of the git history, the newest {self._limits.history // 1024 // 1024} MiB were looked through."
            )
        elif process.returncode > 0:
            self._scan.notes.append("The git history was not looked through: git does not read it as a repository.")

    def _patch(self, output: IO[bytes]) -> bool:
        """Look through a log's patches; whether that was all of it."""
        commit, name, number, taken = "", "", 0, 0
        seen: set[int] = set()
        while raw := output.readline(1 << 20):
            self._told()
            taken += len(raw)
            if taken > self._limits.history:
                return False
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if line.startswith("\x01"):
                commit, name = line[1:], ""
            elif line.startswith("diff --git "):
                name = ""
            elif line.startswith("+++ ") and not name:
                name = line[4:].removeprefix("b/").rstrip("\t")
            elif found := re.match(r"@@ -\S+ \+(\d+)", line):
                number = int(found[1]) - 1
            elif line.startswith("+") and name:
                number += 1
                self._scan.lines += 1
                key = hash((name, line))
                if key not in seen:
                    seen.add(key)
                    self._line(name, number, commit, line[1:])
        return True

    # --- lines ---

    def _line(self, name: str, number: int, commit: str, line: str) -> None:
        if self._known is not None:
            for found in self._known.finditer(line):
                self._add(Finding(name, number, commit, KNOWN, mask(found[0])))
            line = self._known.sub("", line)
        for kind, value in look(name, line):
            self._add(Finding(name, number, commit, kind, mask(value)))

    def _add(self, finding: Finding) -> None:
        if len(self._scan.findings) < self._limits.findings:
            self._scan.findings.append(finding)
        else:
            self._scan.more += 1

    def _told(self) -> None:
        if self._stop.is_set():
            raise _Cancelled
        if self._progress is not None:
            self._progress(self._scan)


def files_below(folder: Path, skipped: Collection[str] = SKIPPED_FOLDERS) -> Iterator[Path]:
    """The regular files below a folder, in order; links are left out."""
    for directory, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in sorted(files):
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                yield path


def mask(value: str) -> str:
    """So much of a value that a person can tell which it is: of a long one its first three characters, and its length."""
    shown = value[:3] if len(value) >= 16 else ""
    return f"{shown}{MASK} ({len(value)} characters)"
