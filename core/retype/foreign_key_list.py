"""Every foreign key of a database as a row of a table: what approach B enumerates, for people and for spreadsheets (CSV)."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields

from core.postgres.catalog import Catalog
from core.retype.dependents.foreign_keys import recreated
from core.retype.foreign_key_text import definition_of
from core.retype.model import Scope

KEPT = "kept"
RECREATED = "dropped and recreated"
RECREATED_IN_ORDER = "dropped and recreated, to keep its place among those beside it"
WITH_ITS_PARENT = "with the partitioned table's"


@dataclass(frozen=True, slots=True)
class ForeignKeyRow:
    """One foreign key; what is listed is separated by commas, what is a choice is `yes` or `no`.

    Attributes:
        number: its place in the order of creation, which is the order in which they are created again.
        conversion: what the conversion does with it.
        definition: as `pg_get_constraintdef` writes it, with which it is created again.
    """

    number: str
    name: str
    schema: str
    table: str
    columns: str
    referenced_schema: str
    referenced_table: str
    referenced_columns: str
    match: str
    on_update: str
    on_delete: str
    deferrable: str
    initially_deferred: str
    validated: str
    conversion: str
    comment: str
    definition: str


def list_foreign_keys(catalog: Catalog, scope: Scope) -> tuple[ForeignKeyRow, ...]:
    """Every foreign key of the catalog, in the order of creation, partitions' copies among them."""
    inside = set(scope.foreign_keys)
    again = {key.oid for key in recreated(catalog, scope)}
    rows: list[ForeignKeyRow] = []
    for number, key in enumerate(catalog.foreign_keys(), start=1):
        text = definition_of(catalog, key)
        if key.parent:
            treatment = WITH_ITS_PARENT
        elif key.oid in inside:
            treatment = RECREATED
        else:
            treatment = RECREATED_IN_ORDER if key.oid in again else KEPT
        restricted = f" ({', '.join(text.set_columns)})" if text.set_columns else ""
        rows.append(
            ForeignKeyRow(
                number=str(number),
                name=key.name,
                schema=key.schema,
                table=key.table,
                columns=", ".join(text.columns),
                referenced_schema=text.schema,
                referenced_table=text.table,
                referenced_columns=", ".join(text.foreign_columns),
                match=text.match,
                on_update=text.on_update,
                on_delete=text.on_delete + restricted,
                deferrable=_yes(key.deferrable),
                initially_deferred=_yes(key.deferred),
                validated=_yes(key.validated),
                conversion=treatment,
                comment=key.comment or "",
                definition=key.definition,
            )
        )
    return tuple(rows)


def to_csv(rows: tuple[ForeignKeyRow, ...]) -> str:
    """The rows with a line of names above (RFC 4180, but for `\\n` at the ends of lines)."""
    file = io.StringIO()
    writer = csv.DictWriter(file, [f.name for f in fields(ForeignKeyRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return file.getvalue()


def from_csv(text: str) -> tuple[ForeignKeyRow, ...]:
    """Read what `to_csv` has written; what is missing in a row is empty."""
    known = [f.name for f in fields(ForeignKeyRow)]
    return tuple(
        ForeignKeyRow(**{name: row.get(name) or "" for name in known})
        for row in csv.DictReader(io.StringIO(text, newline=""))
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
