"""What the arguments say in place of the settings."""

from __future__ import annotations

import argparse
from typing import Any


def overrides(given: argparse.Namespace) -> dict[str, Any]:
    """Settings by section, as `Settings.load` takes them: only what was given on the command line.

    Soft references and function bodies are the exception: without a person to ask they stay as they are unless the arguments
    say otherwise.
    """
    backup: dict[str, Any] = {
        setting: value
        for setting, argument in (
            ("directory", "directory"),
            ("jobs", "jobs"),
            ("verify", "depth"),
            ("restore", "restore_on"),
        )
        if (value := getattr(given, argument, None)) is not None
    }
    if backup:
        return {"backup": backup}
    if not hasattr(given, "source_type"):
        return {}
    conversion: dict[str, Any] = {
        "soft_references": given.soft_references or "none",
        "repair_functions": given.repair_functions or ["none"],
    }
    for setting, argument in (
        ("from_type", "source_type"),
        ("to_type", "target_type"),
        ("collation", "collation"),
        ("roots", "root"),
        ("include", "include"),
        ("exclude", "exclude"),
        ("accept", "accept"),
        ("proof", "proof"),
    ):
        if value := getattr(given, argument):
            conversion[setting] = value
    return {"conversion": conversion}
