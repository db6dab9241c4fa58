"""What a statement changes in the schema, as far as a conversion of keys is concerned: read by PostgreSQL's own grammar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pglast import parse_sql
from pglast.enums import AlterTableType, ConstrType, DropBehavior, ObjectType, TransactionStmtKind
from pglast.stream import RawStream

from core.errors import UsageError
from core.retype.foreign_key_text import ForeignKeyText, read_node
from core.retype.types import parse_type


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as the statement names it; the schema is empty where it is not said."""

    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class DroppedConstraint:
    table: TableName
    name: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class AddedForeignKey:
    """`name` is empty where PostgreSQL is to choose one."""

    table: TableName
    name: str
    definition: ForeignKeyText


@dataclass(frozen=True, slots=True)
class AddedConstraint:
    """A constraint of another kind; `kind` is its `contype` (p, u, x, c)."""

    table: TableName
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class CommentedConstraint:
    table: TableName
    name: str


@dataclass(frozen=True, slots=True)
class Validated:
    table: TableName
    name: str


@dataclass(frozen=True, slots=True)
class RenamedConstraint:
    table: TableName
    name: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Retyped:
    """`type` is as `format_type` writes it, where it is one that keys can have; otherwise as it stands."""

    table: TableName
    column: str
    type: str


@dataclass(frozen=True, slots=True)
class DroppedObject:
    """`kind` is the word of the DROP statement (`view`, `policy`); `table` is what a policy, trigger or rule is on."""

    kind: str
    schema: str
    name: str
    table: str = ""
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class CreatedObject:
    kind: str
    schema: str
    name: str
    table: str = ""


@dataclass(frozen=True, slots=True)
class Transaction:
    """`begin`, `commit` or `rollback`."""

    action: str


Change = (
    DroppedConstraint
    | AddedForeignKey
    | AddedConstraint
    | CommentedConstraint
    | Validated
    | RenamedConstraint
    | Retyped
    | DroppedObject
    | CreatedObject
    | Transaction
)

_KINDS: Final = {
    ObjectType.OBJECT_VIEW: "view",
    ObjectType.OBJECT_MATVIEW: "view",
    ObjectType.OBJECT_POLICY: "policy",
    ObjectType.OBJECT_TRIGGER: "trigger",
    ObjectType.OBJECT_RULE: "rule",
    ObjectType.OBJECT_INDEX: "index",
    ObjectType.OBJECT_FUNCTION: "function",
    ObjectType.OBJECT_PROCEDURE: "function",
    ObjectType.OBJECT_ROUTINE: "function",
    ObjectType.OBJECT_STATISTIC_EXT: "statistics object",
    ObjectType.OBJECT_TABLE: "table",
    ObjectType.OBJECT_COLUMN: "column",
}
_CONSTRAINTS: Final = {
    ConstrType.CONSTR_PRIMARY: "p",
    ConstrType.CONSTR_UNIQUE: "u",
    ConstrType.CONSTR_EXCLUSION: "x",
    ConstrType.CONSTR_CHECK: "c",
}
_ON_TABLES: Final = {"policy", "trigger", "rule"}
_TRANSACTION: Final = {
    TransactionStmtKind.TRANS_STMT_BEGIN: "begin",
    TransactionStmtKind.TRANS_STMT_START: "begin",
    TransactionStmtKind.TRANS_STMT_COMMIT: "commit",
    TransactionStmtKind.TRANS_STMT_ROLLBACK: "rollback",
}


def changes_of(sql: str) -> tuple[Change, ...]:
    """The changes of one or several statements, in order; nothing for what changes no schema.

    Raises:
        pglast.parser.ParseError: the grammar does not know it.
    """
    return tuple(change for raw in parse_sql(sql) for change in _changes(raw.stmt))


def _changes(node: Any) -> Iterator[Change]:
    match type(node).__name__:
        case "AlterTableStmt":
            for command in node.cmds:
                yield from _of_table(_table(node.relation), command)
        case "RenameStmt" if node.renameType == ObjectType.OBJECT_TABCONSTRAINT:
            yield RenamedConstraint(_table(node.relation), node.subname, node.newname)
        case "CommentStmt" if node.objtype == ObjectType.OBJECT_TABCONSTRAINT and node.comment is not None:
            *schema, table, name = (part.sval for part in node.object)
            yield CommentedConstraint(TableName(schema[0] if schema else "", table), name)
        case "DropStmt":
            yield from _dropped(node)
        case "ViewStmt":
            yield CreatedObject("view", *_pair(node.view))
        case "CreateTableAsStmt" if node.objtype == ObjectType.OBJECT_MATVIEW:
            yield CreatedObject("view", *_pair(node.into.rel))
        case "CreatePolicyStmt":
            yield CreatedObject("policy", node.table.schemaname or "", node.policy_name, node.table.relname)
        case "CreateTrigStmt":
            yield CreatedObject("trigger", node.relation.schemaname or "", node.trigname, node.relation.relname)
        case "RuleStmt":
            yield CreatedObject("rule", node.relation.schemaname or "", node.rulename, node.relation.relname)
        case "IndexStmt" if node.idxname:
            yield CreatedObject("index", node.relation.schemaname or "", node.idxname)
        case "CreateFunctionStmt":
            yield CreatedObject("function", *_dotted(node.funcname))
        case "CreateStatsStmt" if node.defnames:
            yield CreatedObject("statistics object", *_dotted(node.defnames))
        case "TransactionStmt" if node.kind in _TRANSACTION:
            yield Transaction(_TRANSACTION[node.kind])
        case _:
            pass


def _of_table(table: TableName, command: Any) -> Iterator[Change]:
    match command.subtype:
        case AlterTableType.AT_DropConstraint:
            yield DroppedConstraint(table, command.name, bool(command.missing_ok), _cascades(command))
        case AlterTableType.AT_AddConstraint if command.def_.contype == ConstrType.CONSTR_FOREIGN:
            yield AddedForeignKey(table, command.def_.conname or "", read_node(command.def_))
        case AlterTableType.AT_AddConstraint if command.def_.contype in _CONSTRAINTS:
            yield AddedConstraint(table, command.def_.conname or "", _CONSTRAINTS[command.def_.contype])
        case AlterTableType.AT_AddColumn:
            for constraint in command.def_.constraints or ():
                if constraint.contype == ConstrType.CONSTR_FOREIGN:
                    definition = read_node(constraint, command.def_.colname)
                    yield AddedForeignKey(table, constraint.conname or "", definition)
        case AlterTableType.AT_ValidateConstraint:
            yield Validated(table, command.name)
        case AlterTableType.AT_AlterColumnType:
            yield Retyped(table, command.name, _type(command.def_.typeName))
        case AlterTableType.AT_DropColumn:
            yield DroppedObject("column", table.schema, command.name, table.name, _cascades(command))
        case _:
            pass


def _dropped(node: Any) -> Iterator[Change]:
    kind = _KINDS.get(node.removeType)
    if kind is None:
        return
    for named in node.objects:
        parts = [part.sval for part in getattr(named, "objname", named)]
        cascade = _cascades(node)
        if kind in _ON_TABLES:
            *schema, table, name = parts
            yield DroppedObject(kind, schema[0] if schema else "", name, table, cascade)
        else:
            *schema, name = parts
            yield DroppedObject(kind, schema[-1] if schema else "", name, cascade=cascade)


def _cascades(node: Any) -> bool:
    return node.behavior == DropBehavior.DROP_CASCADE


def _table(relation: Any) -> TableName:
    return TableName(*_pair(relation))


def _pair(relation: Any) -> tuple[str, str]:
    return relation.schemaname or "", relation.relname


def _dotted(names: Any) -> tuple[str, str]:
    *schema, name = (part.sval for part in names)
    return (schema[-1] if schema else ""), name


def _type(node: Any) -> str:
    text = str(RawStream()(node)).removeprefix("pg_catalog.")
    try:
        return parse_type(text)
    except UsageError:
        return text
