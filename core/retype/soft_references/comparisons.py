"""Columns that stored texts compare with each other, or fill from one another: views, policies, functions, triggers.

Read from the parse trees (libpg_query) by names, as the server would resolve them, through joins, subqueries, WITH and
views. It is evidence for a reference and no proof: what cannot be resolved is left out, as are dynamic statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, cast

from pglast.parser import ParseError

from core.postgres.catalog import Catalog, ColumnKey, Function, Relation
from core.postgres.sql import qualified
from core.retype.bodies.plpgsql import read_body
from core.retype.bodies.reading import Variable
from core.retype.bodies.routine import Context
from core.retype.bodies.tokens import Unreadable
from core.retype.dependents import constraints, functions, policies, rules, triggers, views
from core.retype.repair.syntax import Parsed, Tree

_COMPARING: Final = {"=", "<>", "!="}
_KINDS: Final = {
    "AEXPR_OP",
    "AEXPR_OP_ANY",
    "AEXPR_OP_ALL",
    "AEXPR_IN",
    "AEXPR_DISTINCT",
    "AEXPR_NOT_DISTINCT",
    "AEXPR_NULLIF",
}
_WITH_TABLES: Final = {"SelectStmt", "larg", "rarg", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"}

Columns = Mapping[str, ColumnKey | None]
"""What a table expression offers: the table's column behind each name, None where it is another expression."""
Pair = tuple[ColumnKey, ColumnKey]


@dataclass(frozen=True, slots=True, order=True)
class Comparison:
    """Two columns of tables beside each other, and the object in whose text they are."""

    one: ColumnKey
    other: ColumnKey
    where: str


def find_comparisons(catalog: Catalog, columns: Iterable[ColumnKey]) -> tuple[Comparison, ...]:
    """What the stored texts compare one of `columns` with, each once, in order of the columns.

    Returns:
        each with the wanted column first; two wanted columns are given both ways.
    """
    wanted = frozenset(columns)
    if not wanted:
        return ()
    reader, found = _Reader(catalog), set[Comparison]()
    for text in _texts(catalog):
        for pair in reader.pairs(text):
            for one, other in (pair, pair[::-1]):
                if one in wanted and one != other:
                    found.add(Comparison(one, other, text.object))
    return tuple(sorted(found))


class _Text(NamedTuple):
    """A statement, and what can be named in it besides what it takes its rows from.

    Attributes:
        table: oid of the table whose columns can be named by themselves, 0 for none.
        row: oid of the table whose rows NEW and OLD are, 0 for none.
    """

    object: str
    sql: str
    table: int = 0
    row: int = 0
    function: Function | None = None


def _texts(catalog: Catalog) -> Iterator[_Text]:
    for view in catalog.relations:
        if view.kind in "vm" and view.definition:
            yield _Text(views.subject(view).object, view.definition)
    for policy in catalog.policies:
        for text in filter(None, (policy.using, policy.check)):
            yield _Text(policies.subject(policy).object, f"SELECT ({text})", policy.relation)
    for rule in catalog.rules:
        yield _Text(rules.subject(rule).object, rule.definition, row=rule.relation)
    for trigger in catalog.triggers:
        if trigger.has_condition and not trigger.parent:
            yield _Text(triggers.subject(trigger).object, trigger.definition, row=trigger.relation)
    for constraint in catalog.constraints:
        if constraint.kind == "c" and not constraint.parent:
            sql = f"ALTER TABLE {qualified(constraint.schema, constraint.table)} ADD {constraint.definition}"
            yield _Text(constraints.subject(constraint).object, sql, constraint.relation)
    rows = _rows_of_trigger_functions(catalog)
    for function in catalog.functions:
        if function.extension is None and function.language in {"sql", "plpgsql"}:
            for row in rows.get(function.oid, (0,)):
                sql = function.definition if function.is_sql_body else function.body
                yield _Text(functions.subject(function).object, sql or "", row=row, function=function)


def _rows_of_trigger_functions(catalog: Catalog) -> Mapping[int, Sequence[int]]:
    found: dict[int, dict[int, None]] = {}
    for trigger in catalog.triggers:
        if not trigger.parent:
            found.setdefault(trigger.function, {})[trigger.relation] = None
    return {function: tuple(relations) for function, relations in found.items()}


class _Names(NamedTuple):
    """What can be named at a place: the tables of each level, the innermost first, and the queries of WITH."""

    levels: tuple[Mapping[str, Columns], ...] = ()
    queries: Mapping[str, Columns] = {}
    schema: str = ""

    def find(self, parts: Sequence[str]) -> ColumnKey | None:
        *table, name = parts
        for level in self.levels:
            if table:
                if table[-1] in level:
                    return level[table[-1]].get(name)
                continue
            keys = {columns[name] for columns in level.values() if name in columns}
            if keys:
                return keys.pop() if len(keys) == 1 else None
        return None


class _Reader:
    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._views: dict[int, Columns] = {}

    def pairs(self, text: _Text) -> Iterator[Pair]:
        level: dict[str, Columns] = {}
        if text.table:
            level[self.catalog.relation[text.table].name] = self._columns(self.catalog.relation[text.table])
        if text.row:
            row = self._columns(self.catalog.relation[text.row])
            level |= {"new": row, "old": row}
        schema = text.function.schema if text.function else ""
        for sql in _statements(text):
            try:
                yield from self._walk(Parsed(sql).tree, _Names((level,), schema=schema))
            except (ParseError, RecursionError):
                continue

    # --- going through ---

    def _walk(self, tree: Any, names: _Names) -> Iterator[Pair]:
        if isinstance(tree, list):
            for item in cast("list[Any]", tree):
                yield from self._walk(item, names)
        elif isinstance(tree, dict):
            for kind, fields in cast("Tree", tree).items():
                if isinstance(fields, dict):
                    inside = self._inside(cast("Tree", fields), names) if kind in _WITH_TABLES else names
                    yield from self._of_node(kind, cast("Tree", fields), inside)
                    yield from self._walk(fields, inside)
                else:
                    yield from self._walk(fields, names)

    def _of_node(self, kind: str, fields: Tree, names: _Names) -> Iterator[Pair]:
        match kind:
            case "A_Expr" if fields["kind"] in _KINDS and _operator(fields) in _COMPARING:
                yield from self._beside(fields.get("lexpr", {}), fields.get("rexpr", {}), names)
            case "SubLink" if "testexpr" in fields:
                yield from _all_pairs(self._operands(fields["testexpr"], names), self._of_query(fields, names))
            case "JoinExpr" if "usingClause" in fields:
                sides = [dict(self._sources(fields[side], names)) for side in ("larg", "rarg")]
                for name in _strings(fields["usingClause"]):
                    one, other = (_Names((side,)).find([name]) for side in sides)
                    yield from _all_pairs([one], [other])
            case "InsertStmt" if "SelectStmt" in fields.get("selectStmt", {}):
                yield from self._inserted(fields, names)
            case "UpdateStmt":
                table = dict(self._sources({"RangeVar": fields["relation"]}, names))
                for target in _targets(fields):
                    column = _Names((table,)).find([target.get("name", "")])
                    yield from _all_pairs([column], self._operands(target.get("val", {}), names))
            case _:
                return

    def _beside(self, left: Tree, right: Tree, names: _Names) -> Iterator[Pair]:
        rows = [side.get("RowExpr", {}).get("args") for side in (left, right)]
        if rows[0] and rows[1]:
            for one, other in zip(*rows, strict=False):
                yield from _all_pairs(self._operands(one, names), self._operands(other, names))
        else:
            yield from _all_pairs(self._operands(left, names), self._operands(right, names))

    def _inserted(self, fields: Tree, names: _Names) -> Iterator[Pair]:
        table = dict(self._sources({"RangeVar": fields["relation"]}, names))
        own: Columns = next(iter(table.values())) if table else {}
        wanted = [c["ResTarget"]["name"] for c in fields.get("cols", ())] or list(own)
        values = self._outputs(fields["selectStmt"]["SelectStmt"], names)
        for name, (_, value) in zip(wanted, values, strict=False):
            yield from _all_pairs([own.get(name)], [value])

    def _operands(self, node: Tree, names: _Names) -> list[ColumnKey | None]:
        """The columns that an expression may be, through casts, lists and queries."""
        for kind, fields in node.items():
            match kind:
                case "ColumnRef":
                    return [names.find(parts)] if (parts := _parts(fields)) else []
                case "TypeCast" | "CollateClause":
                    return self._operands(fields.get("arg", {}), names)
                case "A_ArrayExpr" | "List" | "RowExpr" | "CoalesceExpr":
                    items = next((fields[k] for k in ("elements", "items", "args") if k in fields), ())
                    return [key for item in items for key in self._operands(item, names)]
                case "SubLink":
                    return self._of_query(fields, names)
                case _:
                    return []
        return []

    def _of_query(self, fields: Tree, names: _Names) -> list[ColumnKey | None]:
        return [key for _, key in self._outputs(fields["subselect"]["SelectStmt"], names)][:1]

    # --- names ---

    def _inside(self, fields: Tree, names: _Names) -> _Names:
        """What can be named within a statement."""
        for one in fields.get("withClause", {}).get("ctes", ()):
            cte = one["CommonTableExpr"]
            query = cte["ctequery"].get("SelectStmt")
            columns = dict(self._outputs(query, names)) if query else {}
            columns = _renamed(columns, _strings(cte.get("aliascolnames", ())))
            names = names._replace(queries={**names.queries, cte["ctename"]: columns})
        items = [*fields.get("fromClause", ()), *fields.get("usingClause", ())]
        items += [{"RangeVar": fields["relation"]}] if "relation" in fields else []
        items += [fields["sourceRelation"]] if "sourceRelation" in fields else []
        level = {name: columns for item in items for name, columns in self._sources(item, names)}
        return names._replace(levels=(level, *names.levels)) if level else names

    def _sources(self, item: Tree, names: _Names) -> Iterator[tuple[str, Columns]]:
        for kind, fields in item.items():
            alias = fields.get("alias", {})
            name, renamed = alias.get("aliasname", ""), _strings(alias.get("colnames", ()))
            match kind:
                case "RangeVar":
                    yield name or fields["relname"], _renamed(self._named(fields, names), renamed)
                case "JoinExpr":
                    yield from self._sources(fields["larg"], names)
                    yield from self._sources(fields["rarg"], names)
                case "RangeSubselect":
                    yield name, _renamed(dict(self._outputs(fields["subquery"]["SelectStmt"], names)), renamed)
                case "RangeFunction" if name:
                    yield name, {}
                case _:
                    pass

    def _named(self, fields: Tree, names: _Names) -> Columns:
        name, schema = fields["relname"], fields.get("schemaname")
        if schema is None and name in names.queries:
            return names.queries[name]
        for one in (schema,) if schema else ("public", names.schema):
            relation = self.catalog.relation_named.get((one, name))
            if relation is not None:
                return self._columns(relation)
        same = self._by_name.get(name, []) if schema is None else []
        return self._columns(same[0]) if len(same) == 1 else {}

    @cached_property
    def _by_name(self) -> Mapping[str, list[Relation]]:
        found: dict[str, list[Relation]] = {}
        for relation in self.catalog.relations:
            found.setdefault(relation.name, []).append(relation)
        return found

    def _columns(self, relation: Relation) -> Columns:
        own = self.catalog.columns_of.get(relation.oid, ())
        if relation.kind not in "vm":
            return {column.name: column.key for column in own}
        if relation.oid not in self._views:
            self._views[relation.oid] = {}  # what a view in a circle offers
            try:
                query = Parsed(relation.definition or "").tree[0]["stmt"]["SelectStmt"]
                outputs = self._outputs(query, _Names())
            except (ParseError, LookupError, RecursionError):
                outputs = []
            keys = [key for _, key in outputs]
            self._views[relation.oid] = {
                column.name: key for column, key in zip(own, keys, strict=False) if len(own) == len(keys)
            }
        return self._views[relation.oid]

    def _outputs(self, query: Tree, names: _Names) -> list[tuple[str, ColumnKey | None]]:
        """The columns that a query gives; of a set operation those of its first part."""
        if "larg" in query:
            return self._outputs(query["larg"], self._inside({**query, "fromClause": []}, names))
        inside, found = self._inside(query, names), list[tuple[str, ColumnKey | None]]()
        for target in _targets(query):
            value = target.get("val", {})
            parts = _parts(value.get("ColumnRef", {}))
            if value.get("ColumnRef") and parts is None:
                found += self._starred(value["ColumnRef"], inside)
                continue
            operands = [] if "A_ArrayExpr" in value else self._operands(value, inside)
            found.append((target.get("name") or (parts[-1] if parts else ""), operands[0] if operands else None))
        return found

    def _starred(self, fields: Tree, names: _Names) -> Iterator[tuple[str, ColumnKey | None]]:
        tables = _strings(fields["fields"])
        level: Mapping[str, Columns] = names.levels[0] if names.levels else {}
        for alias, columns in level.items():
            if not tables or tables[-1] == alias:
                yield from columns.items()


def _statements(text: _Text) -> Iterator[str]:
    function = text.function
    if function is None or function.language == "sql":
        yield text.sql
        return
    parameters = [Variable("", "") for _ in function.all_argument_types or function.argument_types]
    further = Context(row="row" if text.row else "").variables(function.returns)
    try:
        reading = read_body(text.sql, parameters, function=function.name, further=further)
    except Unreadable:
        return
    for _, piece in reading.pieces():
        yield piece.before + reading.sql(piece)


def _renamed(columns: Columns, names: Sequence[str]) -> Columns:
    """The first columns under other names (docs, "Table and Column Aliases")."""
    return dict(zip([*names, *list(columns)[len(names) :]], columns.values(), strict=False))


def _all_pairs(ones: Iterable[ColumnKey | None], others: Sequence[ColumnKey | None]) -> Iterator[Pair]:
    for one in ones:
        for other in others:
            if one is not None and other is not None:
                yield one, other


def _operator(fields: Tree) -> str:
    return (_strings(fields.get("name", ())) or [""])[-1]


def _strings(items: Iterable[Tree]) -> list[str]:
    return [item["String"]["sval"] for item in items if "String" in item]


def _parts(fields: Tree) -> list[str] | None:
    """The parts of a column's name; None of what is none, as a star."""
    items = fields.get("fields", ())
    parts = _strings(items)
    return parts if parts and len(parts) == len(items) else None


def _targets(fields: Tree) -> Iterator[Tree]:
    for item in fields.get("targetList", ()):
        yield item["ResTarget"]
