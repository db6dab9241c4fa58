"""Repairs as people read them."""

from __future__ import annotations

import difflib

from core.retype.model import Repair


def repair_diff(repair: Repair) -> str:
    """A unified diff of the definition, with the object's name in the place of a file's; no line end at its end."""
    lines = difflib.unified_diff(
        repair.before.strip().splitlines(),
        repair.after.strip().splitlines(),
        fromfile=f"{repair.object} (before)",
        tofile=f"{repair.object} (after)",
        lineterm="",
    )
    return "\n".join(lines)
