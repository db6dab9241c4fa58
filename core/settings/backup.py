"""The backup."""

from __future__ import annotations

from datetime import timedelta

from core.settings.base import Duration, Section


class BackupSettings(Section):
    max_age: Duration = timedelta(hours=24)
    """How old a verified backup may be when production is converted."""
