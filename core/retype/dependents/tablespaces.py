"""Tablespaces: where a statement has no clause for it, the session's default decides."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.sql import quote_literal
from core.retype.dependents.subject import Subject
from core.retype.model import Statement


def in_tablespace(about: Subject, tablespace: str | None, create: Statement) -> Iterator[Statement]:
    """`create`, made in `tablespace`; None for the database's own, which the session's settings already ask for."""
    if tablespace is None:
        yield create
        return
    reason = "the definition does not name the tablespace"
    yield about.restored("setting", f"SET LOCAL default_tablespace = {quote_literal(tablespace)}", reason)
    yield create
    yield about.restored("setting", "SET LOCAL default_tablespace = ''", "back to the database's own tablespace")
