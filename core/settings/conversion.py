"""The conversion, and how it is tried beforehand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from core.settings.base import Duration, Section


class ConversionSettings(Section):
    from_type: str = "uuid"
    """Type of the key columns now."""
    to_type: str = "varchar(36)"
    """Type that they get."""
    collation: str = ""
    """Collation of the converted columns: a name of pg_catalog's (`C`), or one in double quotes, with its schema; the
    database's own when empty."""
    roots: tuple[str, ...] = ()
    """Keys to begin with, `table.column`; every primary key of that type when empty."""
    include: tuple[str, ...] = ()
    """Further columns, with all that is connected to them."""
    exclude: tuple[str, ...] = ()
    """Columns to leave as they are."""
    soft_references: Literal["all", "none", "ask"] = "ask"
    """Columns of the key's type that reference without a foreign key: `all` are those for which the evidence speaks."""
    approach: Literal["ask", "dynamic", "enumerated", "staged"] = "ask"
    """How foreign keys are recreated: saved in the run, listed and scripted for review, or with a pause after phase 2."""
    script: Path | None = None
    """A conversion script of your own, to be audited in task 4; none when not set."""
    repair_functions: tuple[str, ...] = ("ask",)
    """Functions whose bodies get the casts that they need: ids as `pgrecast plan` tells them, `all`, `none` or `ask`."""
    proof: Literal["catalog", "counts", "contents"] = "contents"
    """How deep the proof goes."""
    lock_timeout: Duration = timedelta(seconds=5)
    """How long an attempt waits for a table's lock; everyone else waits behind it."""
    lock_attempts: int = Field(default=5, ge=1, le=100)
    """How often the locks are tried for before the step fails."""
    accept: tuple[str, ...] = ()
    """Ids of warnings that are accepted beforehand; `all` for every one."""


class CheckSettings(Section):
    """How a conversion's expressions and functions are tried beforehand, on an empty copy of the schema."""

    server: Literal["embedded", "test"] = "embedded"
    """Where the copy is made: on a server of our own, or on the test database's, whose role may create databases then."""
    client_programs: Path | None = None
    """Directory of pg_dump and the like; when not set, programs that fit the server are looked for."""
