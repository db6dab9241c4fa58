"""How long to wait when Render says that there were too many calls."""

from __future__ import annotations

from collections.abc import Mapping

HEADER = "ratelimit-reset"
EPOCH = 1_000_000_000
"""From here on a number of seconds is a time (2001 and later) and no span."""


def seconds_until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until calls are taken again; None where the answer does not tell.

    The documentation has `Ratelimit-Reset` as a time in seconds since 1970; recorded answers have the seconds that remain.

    Args:
        headers: of the answer, names in lower case (or a mapping that does not mind).
        now: seconds since 1970, by the same clock as the answer where possible.
    """
    try:
        told = float(headers.get(HEADER, ""))
    except ValueError:
        return None
    if not 0 <= told < float("inf"):
        return None
    return max(told - now, 0.0) if told >= EPOCH else told
