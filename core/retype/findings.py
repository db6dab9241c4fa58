"""How findings name what they are about, and figures in them."""

from __future__ import annotations

from core.postgres.catalog import Column
from core.postgres.sql import qualified, quote_identifier


def full_name(column: Column) -> str:
    return f"{qualified(column.schema, column.table)}.{quote_identifier(column.name)}"


def listed(names: list[str] | tuple[str, ...], most: int = 10) -> str:
    """The names with commas; of more than `most` only how many others there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} others"


def size(count: int) -> str:
    """Bytes, e.g. `723 MB`."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def age(seconds: float) -> str:
    """An age in words; what this role may not see is unknown."""
    if seconds < 0:
        return "for an unknown time"
    if seconds < 120:
        return f"for {seconds:.0f} s"
    return f"for {seconds / 60:.0f} min"
