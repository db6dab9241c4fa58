"""Step 1.6, its second half: the local files that hold a login or key which has a successor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from core.errors import Refused
from core.events import Choice
from core.runbook.facts import ROTATION_FILES
from core.runbook.model import StepContext
from core.runbook.questions import STOP
from core.runbook.rewriting import WRITE
from core.runbook.rotation.password import rotate_test
from core.runbook.rotation.successor import has_done, is_configured, served_by, where_kept
from core.runbook.words import counted
from core.secrets.env_files import Change, Rewrite, find_env_files, plan_rewrite, texts, write
from core.secrets.keep import Kept
from core.secrets.login import Login
from core.settings import Settings
from core.settings.targets import TargetName


async def rotate_test_and_files(context: StepContext) -> str:
    """Rotate the test database's password, then bring the local files up to date."""
    return f"{await rotate_test(context)}; {await rewrite_files(context)}"


async def rewrite_files(context: StepContext) -> str:
    """Show what would change in the local files, and write it when that is agreed to; returns a sentence's end."""
    changes = await _changes(context)
    files = _candidates(context.settings)
    if changes and not files:
        await has_done(
            context,
            "Have your local files (.env and the like) got the new logins?",
            "They have them, or there are none",
            "None is named: set project or env_files under [secrets], and the console changes them.",
            *(
                f"The secret of {name} is kept {where_kept(context, name)}."
                for name in Kept(context.run_directory).names
            ),
        )
        return "the local files are on a person's word"
    rewrites = await asyncio.to_thread(_planned, files, changes)
    left = [rewrite for rewrite in rewrites if rewrite.left]
    for rewrite in left:
        lines = ", ".join(map(str, rewrite.left))
        await context.say(
            f"{rewrite.path}, line {lines}: an old password stands there in a way that is not understood."
        )
    rewrites = [rewrite for rewrite in rewrites if rewrite.count]
    if rewrites:
        await _agree(context, rewrites)
    for rewrite in rewrites:
        backup = await asyncio.to_thread(write, rewrite)
        await context.say(
            f"{rewrite.path} is written, {counted(rewrite.count, 'line')} changed; before: {backup} (mode 0600)."
        )
    known: list[str] = context.state.facts.get(ROTATION_FILES) or []
    await context.fact(ROTATION_FILES, list(dict.fromkeys((*known, *(str(r.path) for r in rewrites)))))
    if left:
        raise Refused(
            f"{counted(len(left), 'local file')} still hold an old password.",
            state="Whatever could be changed is changed.",
            advice="Change the lines named in the step's log by hand, and run the step again.",
        )
    return f"{counted(len(rewrites), 'local file')} changed" if rewrites else "no local file holds an old login"


async def _agree(context: StepContext, rewrites: Sequence[Rewrite]) -> None:
    chosen = await context.ask(
        f"Write the new logins into {counted(len(rewrites), 'local file')}?",
        (
            Choice(
                name=WRITE, label="Write them", consequence="Only the lines shown are changed; mode and owner stay."
            ),
            STOP,
        ),
        default=STOP.name,
        expires_in=context.settings.limits.confirmation,
        details=texts(rewrites),
        way_back="Each file as it was stays beside it, mode 0600.",
    )
    if chosen != WRITE:
        raise Refused(
            "The files were not written.", advice="Run the step again, or change them by hand and run it then."
        )


async def _changes(context: StepContext) -> list[Change]:
    """Every login and key that has a successor which is kept."""
    kept = Kept(context.run_directory)
    changes: list[Change] = []
    for target in get_args(TargetName):
        found = kept.successor(target) if is_configured(context, target) else None
        if found is None:
            continue
        _, elsewhere = await served_by(context, target)
        change = Change(*found, elsewhere=elsewhere)
        if change not in changes:
            changes.append(change)
    key = kept.api_key()
    if key is not None and key[0] is not None:
        changes.append(Change(Login("", key[0]), Login("", key[1])))
    return changes


def _candidates(settings: Settings) -> list[Path]:
    """The files of the settings, or those in the project; and the password files that the settings themselves name."""
    files = [path.expanduser() for path in settings.secrets.env_files]
    if not files and settings.secrets.project is not None:
        files = list(find_env_files(settings.secrets.project.expanduser()))
    own = [settings.targets.of(target).password_file for target in get_args(TargetName)]
    own.append(settings.hosting.api_key_file)
    return list(dict.fromkeys((*files, *(path.expanduser() for path in own if path is not None))))


def _planned(files: Sequence[Path], changes: Sequence[Change]) -> list[Rewrite]:
    if not changes:
        return []
    return [rewrite for path in files if (rewrite := plan_rewrite(path, changes)) is not None]
