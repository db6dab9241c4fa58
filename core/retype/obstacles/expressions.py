"""Stored expressions that will not type-check any more: a converted column beside something that keeps the old type.

Found in the parse trees of the definitions, by names. It is a hint and no proof, since a name may stand for columns of both
kinds; the statement itself fails for certain, and rolls the conversion back, where the hint is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind
from pglast.parser import ParseError

from core.postgres.catalog import Catalog, Column
from core.postgres.sql import qualified
from core.retype.closure import Closure
from core.retype.dependents import (
    constraints,
    functions,
    indexes,
    policies,
    publications,
    rules,
    statistics,
    triggers,
    views,
)
from core.retype.dependents.subject import Subject
from core.retype.model import PlanWarning, Scope
from core.retype.types import is_string

_UUID_FUNCTIONS: Final = frozenset({"gen_random_uuid", "uuidv4", "uuidv7"})
_COMPARED: Final = {
    A_Expr_Kind.AEXPR_OP,
    A_Expr_Kind.AEXPR_OP_ANY,
    A_Expr_Kind.AEXPR_OP_ALL,
    A_Expr_Kind.AEXPR_DISTINCT,
    A_Expr_Kind.AEXPR_NOT_DISTINCT,
    A_Expr_Kind.AEXPR_NULLIF,
    A_Expr_Kind.AEXPR_IN,
    A_Expr_Kind.AEXPR_BETWEEN,
    A_Expr_Kind.AEXPR_NOT_BETWEEN,
}


def warnings(catalog: Catalog, scope: Scope, closure: Closure) -> Iterator[PlanWarning]:
    if is_string(scope.types.source) == is_string(scope.types.target):
        return  # integers compare with integers, strings with strings
    reader = _Reader(catalog, scope)
    for subject, relation, statement in _definitions(catalog, scope, closure):
        mixed = reader.first_mixture(statement, relation)
        if mixed is not None:
            yield PlanWarning(
                f"expression:{subject.kind}:{subject.name}",
                subject.object,
                f"It sets {mixed}, which changes its type, beside a {scope.types.source}: {scope.types.target} and "
                f"{scope.types.source} do not compare.",
                "If that is so, the conversion fails at this object and rolls back; cast one side in its definition before, "
                "so that both are text.",
            )


def _definitions(catalog: Catalog, scope: Scope, closure: Closure) -> Iterator[tuple[Subject, int, str]]:
    """What PostgreSQL will have to parse again, each as a whole statement, and the table whose columns it names first.

    A view or a function names the columns of any table: 0.
    """
    for part in closure.parts:
        oid = part.address.oid
        match part.kind:
            case "view":
                view = catalog.relation[oid]
                yield views.subject(view), 0, view.definition or ""
            case "function":
                function = catalog.function[oid]
                yield functions.subject(function), 0, function.definition or ""
            case "rule":
                rule = catalog.rule[oid]
                yield rules.subject(rule), rule.relation, rule.definition
            case "trigger":
                trigger = catalog.trigger[oid]
                yield triggers.subject(trigger), trigger.relation, trigger.definition
            case "policy":
                policy = catalog.policy[oid]
                for text in filter(None, (policy.using, policy.check)):
                    yield policies.subject(policy), policy.relation, f"SELECT ({text})"
            case "publication entry":
                entry = catalog.published_table[oid]
                if entry.row_filter:
                    yield publications.subject(entry), entry.relation, f"SELECT ({entry.row_filter})"
            case _:
                pass
    for relation in sorted({relation for relation, _ in scope.keys}):
        for index in catalog.indexes_of.get(relation, ()):
            if index.parent or indexes.is_plain(catalog, index):
                continue
            if indexes.uses(catalog, index, scope.keys):
                yield indexes.subject(index), relation, index.definition
        for constraint in catalog.constraints_of.get(relation, ()):
            if constraint.kind == "c" and any((relation, attnum) in scope.keys for attnum in constraint.columns):
                table = qualified(constraint.schema, constraint.table)
                yield constraints.subject(constraint), relation, f"ALTER TABLE {table} ADD {constraint.definition}"
    for statistic in catalog.statistics:
        if any((statistic.relation, attnum) in scope.keys for attnum in statistic.columns):
            yield statistics.subject(statistic), statistic.relation, statistic.definition


class _Reader:
    """Reads parse trees for one conversion, telling by name what changes its type (keys) and what keeps it (others)."""

    def __init__(self, catalog: Catalog, scope: Scope) -> None:
        self.catalog = catalog
        self.scope = scope
        self.type_name = scope.types.source
        tables = [r.oid for r in catalog.relations if r.kind in "rpf"]
        keys, others = self._names(column for oid in tables for column in catalog.columns_of.get(oid, ()))
        self.keys, self.others = keys, others - keys
        self.functions = {f.name for f in catalog.functions if f.returns == self.type_name}
        if self.type_name == "uuid":
            self.functions |= _UUID_FUNCTIONS

    def first_mixture(self, statement: str, relation: int) -> str | None:
        """The first converted column that stands beside something of the old type, None if there is none.

        Args:
            relation: oid of the table whose columns a bare name means, 0 for any.
        """
        try:
            nodes = list(_nodes(parse_sql(statement)))
        except ParseError:
            return None
        own_keys, own_others = self._names(self.catalog.columns_of.get(relation, ()))
        keys = self.keys - own_others | own_keys
        others = self.others - own_keys | own_others
        others |= {str(n.name) for n in nodes if isinstance(n, ast.FunctionParameter) and self._is_old(n.argType)}
        for node in nodes:
            sides = [side for operand in _beside(node) for side in self._sides(operand, keys, others)]
            found = [name for name, is_key in sides if is_key]
            if found and len(found) < len(sides):
                return found[0]
        return None

    def _names(self, columns: Iterable[Column]) -> tuple[set[str], set[str]]:
        """The names of converted columns, and of others of the old type."""
        keys, others = set[str](), set[str]()
        for column in columns:
            if column.key in self.scope.keys:
                keys.add(column.name)
            elif column.type == self.type_name:
                others.add(column.name)
        return keys, others

    def _sides(self, node: Any, keys: set[str], others: set[str]) -> Iterator[tuple[str, bool]]:
        """(name, whether it is a converted column) of what the expression surely is; nothing if that is not known."""
        if isinstance(node, (list, tuple)):
            for one in cast("Sequence[Any]", node):
                yield from self._sides(one, keys, others)
        elif isinstance(node, ast.ColumnRef):
            name = getattr(_last(node.fields), "sval", "")
            if name in keys or name in others:
                yield name, name in keys
        elif isinstance(node, ast.TypeCast):
            if self._is_old(node.typeName):
                yield "", False
        elif isinstance(node, ast.FuncCall):
            if _last(node.funcname).sval in self.functions:
                yield "", False
        elif isinstance(node, ast.SubLink):
            for target in getattr(node.subselect, "targetList", None) or ():
                yield from self._sides(target.val, keys, others)
        elif isinstance(node, ast.A_ArrayExpr):
            yield from self._sides(node.elements, keys, others)

    def _is_old(self, type_name: Any) -> bool:
        return bool(type_name.names) and _last(type_name.names).sval == self.type_name


def _nodes(tree: Any) -> Iterator[Any]:
    if isinstance(tree, (list, tuple)):
        for one in cast("Sequence[Any]", tree):
            yield from _nodes(one)
    elif isinstance(tree, ast.Node):
        yield tree
        for slot in tree:
            yield from _nodes(getattr(tree, slot))


def _last(names: Any) -> Any:
    return names[-1]


def _beside(node: Any) -> tuple[Any, ...]:
    """The expressions that must be of one type because of this node."""
    match node:
        case ast.A_Expr():
            return (node.lexpr, node.rexpr) if node.kind in _COMPARED else ()
        case ast.SubLink():
            return (node.testexpr, node) if node.testexpr is not None else ()
        case ast.CoalesceExpr() | ast.MinMaxExpr():
            return (node.args,)
        case ast.CaseExpr():
            return (*(when.result for when in node.args or ()), node.defresult)
        case _:
            return ()
