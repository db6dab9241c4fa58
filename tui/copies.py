"""Texts that were copied, kept as files too: over SSH a terminal may not pass the clipboard on (OSC 52)."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from core.settings.base import state_directory


def keep_copy(name: str, run: str, text: str, now: datetime) -> Path:
    """Write a text to a file of its own, readable by this user only, and return where it is.

    Args:
        name: what it is, in words.
        run: the run that it tells of.
        now: the moment that it tells of.

    Raises:
        OSError: it cannot be written.
    """
    directory = state_directory() / "pgrecast" / "copies"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{now:%Y%m%dT%H%M%SZ}-{run}-{name}")[:150]
    path = directory / f"{stem}.txt"
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    return path
