"""Taking SQL apart, so that of what fails as a whole as much as can be runs by itself."""

from __future__ import annotations

from typing import Any

from pglast import ast, parse_sql
from pglast.enums import AlterTableType, ConstrType, ObjectType
from pglast.parser import ParseError
from pglast.stream import RawStream

# What follows a column's constraint in constraints of their own, as the grammar has it (gram.y, ConstraintAttr).
_ATTRIBUTES: dict[int, dict[str, bool]] = {
    ConstrType.CONSTR_ATTR_DEFERRABLE: {"deferrable": True},
    ConstrType.CONSTR_ATTR_NOT_DEFERRABLE: {},
    ConstrType.CONSTR_ATTR_DEFERRED: {"initdeferred": True, "deferrable": True},
    ConstrType.CONSTR_ATTR_IMMEDIATE: {},
}


def parts_of(sql: str) -> tuple[str, ...]:
    """The smallest statements that do together what the SQL does; () when it cannot be taken apart.

    Several statements are run one by one, as are the changes of one ALTER TABLE; a table is created without its foreign
    keys, which are added one after another.
    """
    try:
        parsed: Any = parse_sql(sql)
        texts = tuple(RawStream()(part) for raw in parsed for part in _parts(raw.stmt))
    except (ParseError, NotImplementedError):  # not of this grammar, or nothing that can be printed
        return ()
    return texts if len(texts) > 1 else ()


def _parts(statement: Any) -> list[Any]:
    if isinstance(statement, ast.CreateStmt):
        return _without_foreign_keys(statement)
    if isinstance(statement, ast.AlterTableStmt):
        given: Any = statement
        return [_alter(given.relation, command, given.objtype, given.missing_ok) for command in given.cmds]
    return [statement]


def _without_foreign_keys(statement: Any) -> list[Any]:
    keys: list[Any] = []
    kept: list[Any] = []
    for element in statement.tableElts or ():
        if isinstance(element, ast.Constraint) and element.contype == ConstrType.CONSTR_FOREIGN:
            keys.append(element)
            continue
        if isinstance(element, ast.ColumnDef):
            keys += _taken_from(element)
        kept.append(element)
    statement.tableElts = tuple(kept)
    adding = (ast.AlterTableCmd(subtype=AlterTableType.AT_AddConstraint, def_=key) for key in keys)
    return [statement, *(_alter(statement.relation, command, ObjectType.OBJECT_TABLE, False) for command in adding)]


def _taken_from(column: Any) -> list[Any]:
    """Take a column's foreign keys off it, as constraints of the table."""
    keys: list[Any] = []
    kept: list[Any] = []
    is_key = False
    for constraint in column.constraints or ():
        if constraint.contype in _ATTRIBUTES and is_key:
            for name, value in _ATTRIBUTES[constraint.contype].items():
                setattr(keys[-1], name, value)
            continue
        is_key = constraint.contype == ConstrType.CONSTR_FOREIGN
        if is_key:
            constraint.fk_attrs = (ast.String(sval=column.colname),)
            keys.append(constraint)
        else:
            kept.append(constraint)
    column.constraints = tuple(kept) or None
    return keys


def _alter(table: Any, command: Any, kind: Any, missing_ok: bool) -> Any:
    return ast.AlterTableStmt(relation=table, cmds=(command,), objtype=kind, missing_ok=missing_ok)
