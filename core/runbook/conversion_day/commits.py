"""Which commit of the application's project lies in its work tree: git is asked, and nothing is changed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from core.settings.alembic import AlembicSettings

ANSWER_WITHIN = 10.0  # seconds


async def commit_of_project(wanted: AlembicSettings) -> str | None:
    """The commit that is checked out where the project lies; None where none is set, it is no git work tree, or no git."""
    if wanted.project is None:
        return None
    location = wanted.project.expanduser()
    return await commit_of(location if location.is_dir() else location.parent)


async def commit_of(directory: Path) -> str | None:
    """The commit that is checked out in a directory; None where there is none, or git does not say."""
    try:
        process = await asyncio.create_subprocess_exec(
            "git", "-C", str(directory), "rev-parse", "--verify", "HEAD",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except OSError:
        return None
    try:
        told, _ = await asyncio.wait_for(process.communicate(), ANSWER_WITHIN)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    commit = told.decode(errors="replace").strip()
    return commit if process.returncode == 0 and commit else None
