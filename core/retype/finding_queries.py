"""For each blocker the query that finds what it is about, to be run by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from core.postgres.sql import load_queries
from core.retype.model import Blocker

_QUERIES: Final = load_queries(Path(__file__).parent / "queries")
_NAME: Final = "blocker_"


def query_that_finds(blocker: Blocker) -> str:
    """SQL without arguments that lists what the blocker is about: itself, or all of its kind in the database."""
    return blocker.query or _QUERIES[_NAME + blocker.id.partition(":")[0]]
