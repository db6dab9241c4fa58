"""What the definition of a foreign key says, read by PostgreSQL's own grammar (docs, "CREATE TABLE", REFERENCES)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pglast import ast, parse_sql

from core.postgres.catalog import Catalog, Constraint

_MATCHES: Final = {"s": "SIMPLE", "f": "FULL", "p": "PARTIAL"}
_ACTIONS: Final = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


@dataclass(frozen=True, slots=True)
class ForeignKeyText:
    """A foreign key's definition, part by part.

    Attributes:
        columns: those that reference, in order.
        schema: of the referenced table, empty where it is not said.
        foreign_columns: those that are referenced; empty where it is not said: the primary key's.
        set_columns: the columns that ON DELETE SET NULL or SET DEFAULT is restricted to.
    """

    columns: tuple[str, ...]
    schema: str
    table: str
    foreign_columns: tuple[str, ...]
    match: str = "SIMPLE"
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"
    set_columns: tuple[str, ...] = ()
    deferrable: bool = False
    initially_deferred: bool = False
    not_valid: bool = False
    period: bool = False
    enforced: bool = True


def read_definition(definition: str) -> ForeignKeyText:
    """Read what `pg_get_constraintdef` gives of a foreign key.

    Raises:
        pglast.parser.ParseError: the grammar does not know it.
    """
    (statement,) = parse_sql(f"ALTER TABLE t ADD CONSTRAINT c {definition}")
    alter: Any = statement.stmt
    return read_node(alter.cmds[0].def_)


def read_node(node: ast.Constraint, column: str = "") -> ForeignKeyText:
    """Read a foreign key as the grammar has it.

    Args:
        column: the column that it is written after, where it is not a table's constraint.
    """
    relation: Any = node.pktable
    return ForeignKeyText(
        columns=_names(node.fk_attrs) or (column,),
        schema=relation.schemaname or "",
        table=relation.relname,
        foreign_columns=_names(node.pk_attrs),
        match=_MATCHES[_letter(node.fk_matchtype)],
        on_update=_ACTIONS[_letter(node.fk_upd_action)],
        on_delete=_ACTIONS[_letter(node.fk_del_action)],
        set_columns=_names(node.fk_del_set_cols),
        deferrable=bool(node.deferrable),
        initially_deferred=bool(node.initdeferred),
        not_valid=bool(node.skip_validation),
        period=bool(node.fk_with_period),
        enforced=bool(node.is_enforced),
    )


def definition_in_full(catalog: Catalog, schema: str, definition: ForeignKeyText) -> ForeignKeyText:
    """The definition with what it leaves out: the referenced schema, and the referenced columns.

    Args:
        schema: in which a table is looked for that is named without one.
    """
    schema = definition.schema or schema
    relation = catalog.relation_named.get((schema, definition.table))
    foreign = definition.foreign_columns
    if relation is not None and not foreign:
        primary = [c for c in catalog.constraints_of.get(relation.oid, ()) if c.kind == "p"]
        foreign = tuple(catalog.column[relation.oid, attnum].name for c in primary for attnum in c.columns)
    return replace(definition, schema=schema, foreign_columns=foreign)


def definition_of(catalog: Catalog, key: Constraint) -> ForeignKeyText:
    """A foreign key of the catalog, in full."""
    return definition_in_full(catalog, key.schema, read_definition(key.definition))


def _names(nodes: Sequence[Any] | None) -> tuple[str, ...]:
    return tuple(node.sval for node in nodes or ())


def _letter(value: Any) -> str:
    return value if isinstance(value, str) else chr(value)
