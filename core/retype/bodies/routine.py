"""What is checked: functions as the clone has them, and what calls them as triggers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from core.retype.bodies.reading import Variable

_LAST_TAG = re.compile(r"\$\w*\$\s*\Z")


class Column(NamedTuple):
    """A column of what a function gives back.

    Attributes:
        type, modifier: as pg_attribute has them.
        name, full_name: of the type, without and with its modifier.
    """

    type: int
    modifier: int
    name: str
    full_name: str

    def takes(self, other: Column) -> bool:
        """Whether a row with the other column there may come back: rows are not cast (src/backend/access/common/attmap.c)."""
        return self.type == other.type and self.modifier in (-1, other.modifier)


@dataclass(frozen=True, slots=True)
class Routine:
    """A function or procedure in PL/pgSQL or SQL.

    Attributes:
        parameters: all of them, OUT and TABLE columns too, with the types that they have.
        returns: the type's name.
        columns: of what comes back; None where the caller says them, or a trigger's table does.
        search_path: under which it runs, as far as can be known.
    """

    name: str
    definition: str
    body: str
    language: str
    parameters: tuple[Variable, ...] = ()
    returns: str = ""
    columns: tuple[Column, ...] | None = None
    search_path: str = ""

    @property
    def body_starts_at(self) -> int | None:
        """Where the body stands in the definition: `pg_get_functiondef` puts it last, between two tags that are the same.

        None if it does not stand there.
        """
        tag = _LAST_TAG.search(self.definition)
        start = tag.start() - len(self.body) if tag is not None else -1
        return start if start >= 0 and self.definition.startswith(self.body, start) else None

    def with_body(self, body: str) -> Routine:
        start = self.body_starts_at or 0
        definition = self.definition[:start] + body + self.definition[start + len(self.body) :]
        return replace(self, definition=definition, body=body)


@dataclass(frozen=True, slots=True)
class Context:
    """In what a function runs.

    Attributes:
        name: a trigger's table, empty of an ordinary call.
        row: the table or view whose rows a trigger sees, as SQL names it; empty if there is none.
        transition_tables: their names, all with the columns of `row`.
    """

    name: str = ""
    row: str = ""
    transition_tables: tuple[str, ...] = ()

    def variables(self, returns: str) -> tuple[Variable, ...]:
        """What can be named besides what is declared (PostgreSQL documentation, "Trigger Functions" in PL/pgSQL)."""
        found = [Variable("found", "boolean")]
        if returns == "trigger":
            rows = [Variable(name, f"{self.row}%ROWTYPE" if self.row else "record") for name in ("new", "old")]
            found += [*rows, *(Variable(name, type_) for name, type_ in _OF_TRIGGERS.items())]
        elif returns == "event_trigger":
            found += [Variable(name, "text") for name in ("tg_event", "tg_tag")]
        return tuple(found)


_OF_TRIGGERS = {
    "tg_name": "name",
    "tg_when": "text",
    "tg_level": "text",
    "tg_op": "text",
    "tg_relid": "oid",
    "tg_relname": "name",
    "tg_table_name": "name",
    "tg_table_schema": "name",
    "tg_nargs": "integer",
    "tg_argv": "text[]",
}
