"""Step 1.1: what must be rotated, as the project's files and its git history tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import monotonic
from typing import get_args

from pydantic import SecretStr

from core.errors import PgrecastError
from core.events import Reading
from core.redaction import redactor
from core.runbook.facts import ROTATION_SCANNED
from core.runbook.markdown import code, table
from core.runbook.model import StepContext
from core.runbook.rotation.successor import is_configured
from core.runbook.words import counted
from core.secrets.private_files import read_private
from core.secrets.scan import Scan, scan
from core.settings import Settings
from core.settings.targets import TargetName

SCAN_FILE = "secrets-found.md"
MOST_SAID = 20
MOST_TYPED = 50
"""Values that can be typed; more belong into a file."""
TOLD_EVERY = 0.2
"""Seconds between two figures."""


def has_project(settings: Settings) -> bool:
    """Whether there is a project to look through."""
    return settings.secrets.project is not None


async def find_secrets(context: StepContext) -> str:
    """Look through the project for secrets, and for the values known to be leaked; the findings are evidence, masked."""
    folder = context.settings.secrets.project
    assert folder is not None  # noqa: S101 - or the step would be a person's
    known = [*await _in_use(context), *_from_file(context.settings), *await _typed(context)]
    for value in known:
        redactor.add(value)
    await context.say(f"Looks through {folder} and its git history, for {counted(len(known), 'known value')} too.")
    found = await scan(folder.expanduser(), known, progress=_shown(context))
    await context.file(SCAN_FILE, _report(str(folder), found).encode())
    for finding in found.findings[:MOST_SAID]:
        await context.say(str(finding))
    for line in (*_left_out(found), *found.notes):
        await context.say(line)
    total = len(found.findings) + found.more
    figures = {"findings": total, "known": found.known, "files": found.files, "lines": found.lines}
    await context.fact(ROTATION_SCANNED, figures)
    where = f"{counted(found.files, 'file')} and {counted(found.lines, 'line')} of history"
    return f"{counted(total, 'finding')} in {where}, {found.known} of a value known to be leaked"


async def _in_use(context: StepContext) -> list[SecretStr]:
    """The secrets that are about to be rotated: each is leaked for all that is known."""
    found: list[SecretStr] = []
    for target in get_args(TargetName):
        if not is_configured(context, target):
            continue
        try:
            spec, _ = await context.target(target)
        except PgrecastError as error:
            await context.say(f"The {target} database's password is not among the known values: {error.what}")
            continue
        if spec.password is not None:
            found.append(spec.password)
    key = await asyncio.to_thread(context.settings.read_host_api_key)
    return [*found, *([key] if key is not None else [])]


def _from_file(settings: Settings) -> Iterable[SecretStr]:
    path = settings.secrets.leaked_file
    if path is None:
        return ()
    lines = read_private(path.expanduser(), "file of leaked values").splitlines()
    return [SecretStr(line.strip()) for line in lines if line.strip()]


async def _typed(context: StepContext) -> list[SecretStr]:
    """Further values, one after another, until nothing is entered. With a file of them nobody is asked."""
    typed: list[SecretStr] = []
    while context.settings.secrets.leaked_file is None and len(typed) < MOST_TYPED:
        value = await context.enter(
            "A value that is known to be leaked, beside the passwords and the key in use?",
            "Leaked value",
            secret=True,
            expires_in=context.settings.limits.confirmation,
            details=(
                f"{counted(len(typed), 'value')} entered so far. Enter nothing to begin the scan.",
                "Each is searched for in every file and in the git history, and shown nowhere.",
            ),
        )
        if value is None:
            break
        typed.append(value)
    return typed


def _shown(context: StepContext):
    loop, last = asyncio.get_running_loop(), 0.0

    def show(found: Scan) -> None:
        nonlocal last
        if monotonic() - last < TOLD_EVERY:
            return
        last = monotonic()
        values = {"files": found.files, "lines": found.lines, "findings": len(found.findings) + found.more}
        loop.call_soon_threadsafe(context.read, Reading(step=context.step, name="scan", values=values))

    return show


def _left_out(found: Scan) -> list[str]:
    return [f"Not looked at: {counted(count, 'file')}, {reason}." for reason, count in found.skipped.items()]


def _report(folder: str, found: Scan) -> str:
    rows = ((code(f.path), str(f.line), f.commit[:12] or "as it is", f.kind, code(f.masked)) for f in found.findings)
    parts = [
        f"# Secrets found in {code(folder)}",
        "What a pattern takes for a secret may be none; what is known to be leaked is one. Values are masked.",
        table(("file", "line", "commit", "kind", "value"), rows) if found.findings else "Nothing was found.",
    ]
    if found.more:
        parts.append(f"{counted(found.more, 'further finding')}, not listed.")
    parts += [*_left_out(found), *found.notes]
    return "\n\n".join(parts) + "\n"
