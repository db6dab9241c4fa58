"""When two definitions say the same but for the casts that a change of type brings with it.

PostgreSQL stores expressions as trees and prints them back with every implicit cast spelt out, so `a.id = b.id` over uuid
columns reads `(a.id)::text = (b.id)::text` once they are varchar. Definitions are compared as parse trees of PostgreSQL's
own grammar (libpg_query), from which only these casts are taken off:

- to `text`, to `varchar` without a length and to the pair's own string type (all three print a value unchanged), and to
  the wider of two integer types; but not around what is surely of another type: a column whose name no column
  of the types in question has, an operator's result, a number, a cast to another type (`amount::text` stays `amount::text`);
- to any of the pair's types, arrays too, around NULL and around a literal that is the same in both types: for uuid, one
  written in the canonical form.

A cast to uuid around anything else is never taken off: it folds case and refuses garbage, so it is part of the meaning. A cast
of `ARRAY[…]` is read as casts of its elements, whatever the type, since that is how PostgreSQL reads it.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple, cast

from pglast.parser import ParseError, parse_sql_json

from core.retype.model import TypePair

Form = Literal["expression", "statement", "constraint"]
Tree = dict[str, Any]

STRING_TYPES = frozenset({"text", "varchar"})
INTEGER_TYPES = ("int2", "int4", "int8")
POSITIONS = frozenset(
    {"location", "stmt_location", "stmt_len", "list_start", "list_end", "rexpr_list_start", "rexpr_list_end"}
)
# An operator class for a type is named after it (PostgreSQL documentation, "Operator Classes", pg_opclass).
OPERATOR_CLASS_PREFIXES = {
    "uuid": ("uuid_",),
    "varchar": ("text_", "varchar_"),
    "text": ("text_", "varchar_"),
    "int4": ("int4_",),
    "int8": ("int8_",),
}


class _Type(NamedTuple):
    """A type as the grammar names it: its name without `pg_catalog`, its modifiers as text, whether it is an array."""

    name: str
    modifiers: str
    array: bool


@dataclass(frozen=True)
class Equivalence:
    """What may differ between a definition before a conversion and after it.

    Attributes:
        types: the pair of the conversion.
        other_columns: names of columns that are surely of another type than the pair's or a string: casts around them
            are compared.
    """

    types: TypePair
    other_columns: frozenset[str] = frozenset()

    def same_definition(self, before: str | None, after: str | None, form: Form) -> bool:
        """Whether two definitions differ in nothing but the casts named above.

        Args:
            form: what the text is: an expression (`pg_get_expr`), a whole statement (`pg_get_viewdef`, `_indexdef`, …),
                or a constraint (`pg_get_constraintdef`). Text that the grammar does not know must be equal as it stands.
        """
        if before == after:
            return True
        if before is None or after is None:
            return False
        try:
            return self._normal(_parse(before, form)) == self._normal(_parse(after, form))
        except (ParseError, RecursionError):
            return False

    def type_follows(self, before: str, after: str) -> bool:
        """Whether a column of a view that was of type `before` may be of type `after` now: the source's become the target's.

        An output column may lose its length (`varchar(36)` in one branch of a UNION, `text` in another), and arrays follow
        their elements.
        """
        array = before.endswith("[]") and after.endswith("[]")
        source, target = (before[:-2], after[:-2]) if array else (before, after)
        return source in _spellings(self.types.source) and target in _spellings(self.types.target)

    @cached_property
    def _source(self) -> _Type:
        return _named_type(self.types.source)

    @cached_property
    def _target(self) -> _Type:
        return _named_type(self.types.target)

    @cached_property
    def _pair(self) -> frozenset[_Type]:
        """The types that a literal may be cast to either side: the pair's, and how their values are spelt as strings."""
        return frozenset({self._source, self._target, _Type("text", "", False), _Type("varchar", "", False)})

    @cached_property
    def _transparent(self) -> frozenset[_Type]:
        """The types that a cast may be to without saying anything."""
        pair = {self._source, self._target}
        found = {t for t in pair if t.name in STRING_TYPES}
        if found:
            found |= {_Type("text", "", False), _Type("varchar", "", False)}
        integers = [t for t in pair if t.name in INTEGER_TYPES]
        return frozenset(found | set(sorted(integers, key=lambda t: INTEGER_TYPES.index(t.name))[-1:]))

    def _normal(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._normal(item) for item in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        tree = cast("Tree", node)
        if "TypeCast" in tree:
            if _is_of_list(tree):
                return self._normal(_each_element(tree["TypeCast"]))
            return self._normal_cast(tree["TypeCast"])
        if "IndexElem" in tree:
            return {"IndexElem": _plain_column(self._normal_index_element(tree["IndexElem"]))}
        if "StatsElem" in tree:
            return {"StatsElem": _plain_column({key: self._normal(value) for key, value in tree["StatsElem"].items()})}
        if "CreateStatsStmt" in tree:
            return {"CreateStatsStmt": self._normal_statistics(tree["CreateStatsStmt"])}
        normal = {key: self._normal(value) for key, value in tree.items() if key not in POSITIONS}
        if "ResTarget" in normal:
            _drop_implied_name(normal["ResTarget"])
        return normal

    def _normal_cast(self, cast: Tree) -> Any:
        argument: Tree = self._normal(cast["arg"])
        target = _type_of(cast["typeName"])
        element = target._replace(array=False)
        if element in self._pair and self._same_in_both(argument, target):
            return argument
        if element in self._transparent and not self._is_other(argument):
            return argument
        return {"TypeCast": {"arg": argument, "type": list(target)}}

    def _same_in_both(self, argument: Tree, type_: _Type) -> bool:
        """Whether it is NULL, or a literal that has the same text in both types of the pair."""
        constant = argument.get("A_Const")
        if constant is None:
            return False
        if constant.get("isnull"):
            return True
        text = constant.get("sval", {}).get("sval")
        if type_.name != "uuid":
            return text is not None or type_ in self._transparent
        return text is not None and is_canonical_uuid(text, array=type_.array)

    def _is_other(self, argument: Tree) -> bool:
        """Whether a cast around it says something: it is surely not of the pair's types."""
        (kind, content), *_ = argument.items()
        match kind:
            case "ColumnRef":
                name = content["fields"][-1].get("String", {}).get("sval")
                return name in self.other_columns
            case "A_Const":
                return "sval" not in content and self._target.name in STRING_TYPES | {"uuid"}
            case "TypeCast":
                return _Type(*content["type"])._replace(array=False) not in self._pair
            case "A_Expr":
                return content["kind"] != "AEXPR_NULLIF"
            case "BoolExpr" | "NullTest" | "BooleanTest":
                return True
            case _:
                return False

    def _normal_index_element(self, element: Tree) -> Tree:
        normal = {key: self._normal(value) for key, value in element.items() if key not in POSITIONS}
        if "opclass" in normal:
            *schema, name = (part["String"]["sval"] for part in normal["opclass"])
            normal["opclass"] = [*schema, self._twin(name)]
        return normal

    def _normal_statistics(self, statement: Tree) -> Tree:
        """Its elements in any order: PostgreSQL prints columns before expressions."""
        normal = {key: self._normal(value) for key, value in statement.items() if key not in POSITIONS}
        return {**normal, "exprs": sorted(normal["exprs"], key=json.dumps)}

    def _twin(self, operator_class: str) -> str:
        """The other type's operator class of the same kind: `text_bloom_ops` for `uuid_bloom_ops`."""
        prefixes = OPERATOR_CLASS_PREFIXES.get(self._target.name)
        for old in OPERATOR_CLASS_PREFIXES.get(self._source.name, ()):
            if prefixes and operator_class.startswith(old):
                return prefixes[0] + operator_class.removeprefix(old)
        return operator_class


def other_columns(types: TypePair, columns: dict[str, set[str]]) -> frozenset[str]:
    """Names of columns none of which is of the pair's types or a string.

    Args:
        columns: by column name, the types of all columns of that name, as `format_type` writes them.
    """
    near = {*_spellings(types.source), *_spellings(types.target), "text", "character varying", "character", "name"}

    def is_near(type_: str) -> bool:
        element = type_.removesuffix("[]")
        return element in near or element.startswith("character varying(")

    return frozenset(name for name, found in columns.items() if not any(is_near(type_) for type_ in found))


def _spellings(type_: str) -> frozenset[str]:
    if _named_type(type_).name in STRING_TYPES:
        return frozenset({type_, "character varying", "text"})
    return frozenset({type_})


def is_canonical_uuid(text: str, *, array: bool = False) -> bool:
    """Whether it is a uuid, or an array of such, as uuid prints it."""
    parts = text.removeprefix("{").removesuffix("}").split(",") if array else [text]
    try:
        return all(str(uuid.UUID(part)) == part for part in parts)
    except ValueError:
        return False


def _plain_column(element: Tree) -> Tree:
    """An element of an index or a statistics object whose expression is a mere column, once its cast is gone."""
    fields = element.get("expr", {}).get("ColumnRef", {}).get("fields", ())
    if len(fields) != 1:
        return element
    return {"name": fields[0]["String"]["sval"], **{key: value for key, value in element.items() if key != "expr"}}


def _drop_implied_name(target: Tree) -> None:
    """`a.id` and `(a.id)::text AS id` are the same output column, once the cast is gone."""
    if target.get("name") is not None and target["name"] == _implied_name(target.get("val", {})):
        del target["name"]


def _implied_name(value: Tree) -> str | None:
    """What PostgreSQL calls an output column that is given no name (FigureColname in parse_target.c)."""
    match value:
        case {"ColumnRef": {"fields": [*_, {"String": {"sval": str(name)}}]}}:
            return name
        case {"FuncCall": {"funcname": [*_, {"String": {"sval": str(name)}}]}}:
            return name
        case {"TypeCast": {"arg": argument}}:
            return _implied_name(argument)
        case _:
            return None


def _is_of_list(tree: Tree) -> bool:
    """Whether it is a cast of `ARRAY[…]`, not empty, to an array type."""
    cast = tree["TypeCast"]
    return bool(cast["arg"].get("A_ArrayExpr", {}).get("elements") and cast["typeName"].get("arrayBounds"))


def _each_element(cast: Tree) -> Tree:
    """The cast of `ARRAY[…]` to an array type as PostgreSQL reads it: each element cast (transformTypeCast in parse_expr.c)."""
    type_name: Tree = cast["typeName"]
    element = {key: value for key, value in type_name.items() if key != "arrayBounds"}
    return {
        "A_ArrayExpr": {
            "elements": [
                # of an array in the array the type is that of the whole
                {"TypeCast": {"arg": one, "typeName": type_name if "A_ArrayExpr" in one else element}}
                for one in cast["arg"]["A_ArrayExpr"]["elements"]
            ]
        }
    }


def _type_of(type_name: Tree) -> _Type:
    names = [part["String"]["sval"] for part in type_name["names"]]
    if names[0] == "pg_catalog":
        names = names[1:]
    modifiers = [m.get("A_Const", {}).get("ival", {}).get("ival") for m in type_name.get("typmods", ())]
    return _Type(".".join(names), ",".join(map(str, modifiers)), bool(type_name.get("arrayBounds")))


@lru_cache(maxsize=64)
def _named_type(type_: str) -> _Type:
    (statement,) = json.loads(parse_sql_json(f"SELECT NULL::{type_}"))["stmts"]
    (target,) = statement["stmt"]["SelectStmt"]["targetList"]
    return _type_of(target["ResTarget"]["val"]["TypeCast"]["typeName"])


def _parse(text: str, form: Form) -> Any:
    match form:
        case "expression":
            sql = f"SELECT ({text})"
        case "constraint":
            sql = f"ALTER TABLE t ADD CONSTRAINT c {text}"
        case "statement":
            sql = text
    return json.loads(parse_sql_json(sql))["stmts"]
