"""The casts that could answer a complaint of the server's, by one rule for every construct.

The rule: what keeps the narrow type is cast to the common one and keeps what it is inside, so `id = x::uuid` becomes
`id = (x::uuid)::text`: it still folds upper case and still refuses garbage, and an index over the key still serves. A function
that took the key's type before is given it as that type. A cast of the key itself in a comparison would always type-check and
is never proposed: no index would serve it.

Candidates come in groups; a group is tried only if nothing of the one before it is accepted, and what is accepted must be one
alone. Several are there where the complaint does not tell which part is meant: of a row, of a function's arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pglast.parser import ParseError

from core.postgres.sql import quote_identifier
from core.retype.equivalence import OPERATOR_CLASS_PREFIXES, is_canonical_uuid
from core.retype.repair import joins
from core.retype.repair.complaints import (
    Complaint,
    FunctionMissing,
    NoCollation,
    NoSuchCast,
    OperatorMissing,
    Problem,
    RecursionWidens,
    TypesDiffer,
    WrongAssignment,
    WrongOperatorClass,
    WrongResult,
)
from core.retype.repair.outputs import column, columns_of, set_operations
from core.retype.repair.syntax import Edit, Node, Parsed, Path, Tree
from core.retype.repair.words import ARRAY, Words

MOST_SUBSETS_OF = 6
_ARRAY_KINDS = {"AEXPR_OP_ANY", "AEXPR_OP_ALL"}
_LIST_CONSTRUCTS = {"COALESCE": "CoalesceExpr", "GREATEST": "MinMaxExpr", "LEAST": "MinMaxExpr"}
_SET_OPERATIONS = {"UNION", "INTERSECT", "EXCEPT"}


@dataclass(frozen=True, slots=True)
class Candidate:
    edits: tuple[Edit, ...]
    reason: str


Group = tuple[Candidate, ...]


def candidates(sql: str, complaint: Complaint, problem: Problem, words: Words) -> Iterator[Group]:
    """Groups of casts to try, in order of preference.

    Args:
        sql: the statement that the server complained about.
        complaint: what it said.
        problem: the same, read (`complaints.problem`).
    """
    try:
        parsed = Parsed(sql)
    except (ParseError, RecursionError):
        return
    for group in _Search(parsed, complaint.position, words).groups(problem):
        if group:
            yield group


class _Search:
    def __init__(self, parsed: Parsed, position: int | None, words: Words) -> None:
        self.parsed = parsed
        self.position = position
        self.words = words

    def groups(self, problem: Problem) -> Iterator[Group]:
        match problem:
            case OperatorMissing(left, operator, right):
                yield from self._operator(left, operator, right)
            case FunctionMissing(arguments):
                yield from self._function(arguments)
            case TypesDiffer(construct, so_far, this):
                yield from self._differing(construct, so_far, this)
            case WrongAssignment(column_type, type_text):
                yield from self._assignment(column_type, type_text)
            case RecursionWidens(type_text, overall):
                yield from self._recursion(type_text, overall)
            case WrongResult(declared, type_text, column):
                yield from self._result(declared, type_text, column)
            case NoSuchCast(type_text, target):
                if self.words.is_narrow(type_text):
                    reason = f"{type_text} is cast to {target} by way of {self.words.common}"
                    yield from self._each(self._within("TypeCast", "arg"), type_text, reason)
            case NoCollation(type_text):
                if self.position is None:  # a column of an index
                    yield self._without_collation(type_text)
                elif self.words.is_narrow(type_text):
                    reason = f"{type_text} has no collation, {self.words.common} has"
                    yield from self._each(self._within("CollateClause", "arg"), type_text, reason)
            case WrongOperatorClass(name, type_text):
                yield self._operator_class(name, type_text)

    # --- operators ---

    def _operator(self, left: str | None, operator: str, right: str) -> Iterator[Group]:
        on_left, on_right = self.words.is_narrow(left), self.words.is_narrow(right)
        if on_left == on_right:
            return  # neither, or both: no cast of one side answers it
        narrow = left if on_left and left else right
        reason = f"{f'{left} ' if left else ''}{operator} {right} does not exist: {narrow} is compared as {self.words.common}"
        if self.position is None:  # the operator stands in no text: it is that of JOIN … USING
            yield from self._joins(narrow, reason, cast_left=on_left)
            return
        for node in self._here():
            is_array = node.kind == "A_Expr" and node.fields["kind"] in _ARRAY_KINDS and not on_left
            sides = self._operands(node, on_left)
            yield from self._subsets(sides, narrow + ARRAY if is_array else narrow, reason)
            yield self._literals([path for side in sides for path in side])

    def _joins(self, narrow: str, reason: str, *, cast_left: bool) -> Iterator[Group]:
        for way in self.words.ways_to_common(narrow):
            for count in range(1, joins.MOST_COLUMNS + 1):
                found = joins.conditions(self.parsed, way, count, cast_left=cast_left)
                yield tuple(Candidate(edits, reason) for edits in found)

    def _literals(self, paths: list[Path]) -> Group:
        """The literal itself as the common type, where no cast is allowed (a publication's row filter)."""
        edits: list[Edit] = []
        for path in paths:
            cast = self.parsed.at(path).get("TypeCast", {})
            text = cast.get("arg", {}).get("A_Const", {}).get("sval", {}).get("sval")
            place = self.parsed.location(cast.get("typeName", {}))
            if text is None or place is None or not is_canonical_uuid(text):
                return ()
            if not self.parsed.text.startswith("uuid", place):
                return ()
            edits.append(Edit(place, place + len("uuid"), self.words.common))
        return (Candidate(tuple(edits), f"no cast is allowed there: the literal is written as {self.words.common}"),)

    def _operands(self, node: Node, on_left: bool) -> list[list[Path]]:
        """The operands on that side: one, or the elements of a row or a list; of a query, its columns in all its parts."""
        match node.kind:
            case "A_Expr":
                return self._elements((*node.path, "A_Expr", "lexpr" if on_left else "rexpr"))
            case "SubLink" if on_left:
                return self._elements((*node.path, "SubLink", "testexpr"))
            case "SubLink":
                query = (*node.path, "SubLink", "subselect", "SelectStmt")
                width = max((len(columns) for columns in columns_of(self.parsed, query)), default=0)
                return [column(self.parsed, query, k) for k in range(width)]
            case "CaseWhen" if on_left:
                return [[(*node.path[:-2], "arg")]]
            case "CaseWhen":
                return [[(*node.path, "CaseWhen", "expr")]]
            case _:
                return []

    def _elements(self, path: Path) -> list[list[Path]]:
        try:
            operand: Tree = self.parsed.at(path)
        except KeyError:
            return []
        if "RowExpr" in operand:
            return [[(*path, "RowExpr", "args", i)] for i in range(len(operand["RowExpr"]["args"]))]
        if "List" in operand:
            return [[(*path, "List", "items", i)] for i in range(len(operand["List"]["items"]))]
        return [[path]]

    # --- functions ---

    def _function(self, arguments: tuple[str, ...]) -> Iterator[Group]:
        fresh = [i for i, type_text in enumerate(arguments) if self.words.is_new(type_text)]
        if not fresh or not self.words.former:
            return
        for node in self._here("FuncCall"):
            paths = [(*node.path, "FuncCall", "args", i) for i in range(len(node.fields.get("args", ())))]
            if len(paths) != len(arguments):
                continue
            name = ".".join(part["String"]["sval"] for part in node.fields["funcname"])
            for way in self.words.former:
                reason = f"{name} takes {way}: it is given the value as that"

                def as_former(i: int, paths: Sequence[Path] = paths, way: str = way) -> tuple[Edit, ...] | None:
                    array = ARRAY if arguments[i].endswith(ARRAY) else ""
                    return self.parsed.cast(self._argument(paths[i]), way + array)

                yield from self._combined(fresh, as_former, reason)

    def _argument(self, path: Path) -> Path:
        named = self.parsed.at(path).get("NamedArgExpr")
        return path if named is None else (*path, "NamedArgExpr", "arg")

    # --- branches ---

    def _differing(self, construct: str, so_far: str, this: str) -> Iterator[Group]:
        this_is, others_are = self.words.is_narrow(this), self.words.is_narrow(so_far)
        if this_is == others_are:
            return
        narrow = this if this_is else so_far
        if construct == "JOIN/USING":  # said by older servers, before they look for the operator
            reason = f"{so_far} and {this} cannot be joined: {narrow} is compared as {self.words.common}"
            yield from self._joins(narrow, reason, cast_left=others_are)
            return
        reason = f"{construct} types {so_far} and {this} do not match: {narrow} becomes {self.words.branch}"
        for branches in self._branchings(construct):
            before, after = branches
            chosen = after if this_is else before
            for way in self.words.ways_as_branch(narrow):
                yield self._all(chosen, way, reason)

    def _branchings(self, construct: str) -> Iterator[tuple[list[Path], list[Path]]]:
        """(the branches before, the one complained about) for each construct that may be meant, the innermost first.

        A branch of a set operation is a column of all the queries in it.
        """
        if construct in _SET_OPERATIONS:
            yield from self._set_operations()
            return
        for node in reversed(list(self.parsed.nodes())):
            for branches in self._branches_of(node, construct):
                at = next((i for i, path in enumerate(branches) if self.parsed.begins_at(path) == self.position), None)
                if at is not None:
                    yield [path for path in branches[:at] if not self._is_unknown(path)], [branches[at]]

    def _branches_of(self, node: Node, construct: str) -> Iterator[list[Path]]:
        """The branches in the order in which the server looks at them."""
        fields = (*node.path, node.kind)
        match node.kind:
            case "CaseExpr" if construct == "CASE":
                last = [(*fields, "defresult")] if "defresult" in node.fields else []  # looked at first
                yield [*last, *((*fields, "args", i, "CaseWhen", "result") for i in range(len(node.fields["args"])))]
            case "A_ArrayExpr" if construct == "ARRAY":
                yield [(*fields, "elements", i) for i in range(len(node.fields.get("elements", ())))]
            case "SelectStmt" if construct == "VALUES" and "valuesLists" in node.fields:
                rows = node.fields["valuesLists"]
                for k in range(len(rows[0]["List"]["items"])):
                    yield [(*fields, "valuesLists", i, "List", "items", k) for i in range(len(rows))]
            case kind if kind == _LIST_CONSTRUCTS.get(construct):
                yield [(*fields, "args", i) for i in range(len(node.fields["args"]))]
            case _:
                return

    def _set_operations(self) -> Iterator[tuple[list[Path], list[Path]]]:
        for path in set_operations(self.parsed):
            for k in range(max(len(columns) for columns in columns_of(self.parsed, (*path, "rarg")))):
                right = column(self.parsed, (*path, "rarg"), k)
                if any(self.parsed.begins_at(branch) == self.position for branch in right):
                    yield column(self.parsed, (*path, "larg"), k), right

    def _is_unknown(self, path: Path) -> bool:
        """Whether it is a constant without a type, which takes that of the others."""
        constant = self.parsed.at(path).get("A_Const")
        return constant is not None and ("sval" in constant or constant.get("isnull", False))

    # --- the rest ---

    def _assignment(self, column_type: str, type_text: str) -> Iterator[Group]:
        if not (self.words.is_narrow(column_type) and self.words.is_new(type_text)):
            return
        reason = f"the column stays {column_type}, and {type_text} is not assigned to that by itself"
        for path in self._assigned():
            yield self._all([path], column_type, reason)
            return  # the outermost: what is assigned, not a part of it

    def _assigned(self) -> Iterator[Path]:
        for node in self.parsed.nodes():
            if self.position is None:
                if node.kind == "AlterTableCmd" and node.fields["subtype"] == "AT_SetExpression":
                    yield (*node.path, "AlterTableCmd", "def")
                continue
            if node.kind == "ResTarget" and "val" in node.fields:
                paths: Iterable[Path] = [(*node.path, "ResTarget", "val")]
            elif node.kind == "List":
                paths = ((*node.path, "List", "items", i) for i in range(len(node.fields.get("items", ()))))
            else:
                continue
            for path in paths:
                if self.parsed.begins_at(path) == self.position:
                    yield path

    def _recursion(self, type_text: str, overall: str) -> Iterator[Group]:
        if not (self._is_string(type_text) and self._is_string(overall)):
            return
        reason = f"the recursive query's column is {overall}, and its first part gives {type_text}"
        for node in self.parsed.nodes():
            path = (*node.path, "ResTarget", "val")
            if node.kind == "ResTarget" and "val" in node.fields and self.parsed.begins_at(path) == self.position:
                yield self._all([path], overall, reason)

    def _is_string(self, type_text: str) -> bool:
        bare = type_text.removesuffix(ARRAY).partition("(")[0]
        return bare in {"text", "character varying"}

    def _result(self, declared: str, type_text: str, column: int) -> Iterator[Group]:
        if not (self.words.is_narrow(declared) and self.words.is_new(type_text)):
            return
        reason = f"the function is declared to return {declared}, which its callers go on to get"
        definitions = [node for node in self.parsed.nodes() if node.kind == "CreateFunctionStmt"]
        if not definitions:  # a body by itself
            yield self._all(self._output((len(self.parsed.tree) - 1, "stmt"), column - 1), declared, reason)
        for node in definitions:
            body = node.fields.get("sql_body")
            if body is None:
                continue
            path = (*node.path, "CreateFunctionStmt", "sql_body")
            if "ReturnStmt" in body:
                yield self._all([(*path, "ReturnStmt", "returnval")], declared, reason)
                continue
            statements = (*path, "List", "items", 0, "List", "items")
            last = (*statements, len(self.parsed.at(statements)) - 1)
            yield self._all(self._output(last, column - 1), declared, reason)

    def _output(self, statement: Path, k: int) -> list[Path]:
        ((kind, fields),) = self.parsed.at(statement).items()
        if kind == "SelectStmt":
            return column(self.parsed, (*statement, kind), k)
        returning = fields.get("returningList") or fields.get("returningClause", {}).get("exprs", ())
        key = ("returningList",) if "returningList" in fields else ("returningClause", "exprs")
        return [(*statement, kind, *key, k, "ResTarget", "val")] if k < len(returning) else []

    def _operator_class(self, name: str, type_text: str) -> Group:
        """The new type's operator class of the same kind, by its name."""
        prefixes = {"character varying": "varchar", "integer": "int4", "bigint": "int8"}
        target = prefixes.get(type_text.partition("(")[0], type_text)
        found: list[Candidate] = []
        for old in (prefix for key, those in OPERATOR_CLASS_PREFIXES.items() if key != target for prefix in those):
            if not name.startswith(old):
                continue
            for new in OPERATOR_CLASS_PREFIXES.get(target, ()):
                twin = new + name.removeprefix(old)
                reason = f"{name} does not take {type_text}, {twin} does"
                found += [
                    Candidate((Edit(token.start, token.end, twin),), reason)
                    for token in self.parsed.tokens
                    if token.name == "IDENT" and self.parsed.text[token.start : token.end] == name
                ]
        return tuple(dict.fromkeys(found))

    def _without_collation(self, type_text: str) -> Group:
        """An index's columns without their collations: ids in lower case have one order, a uuid's, in all of them."""
        edits: list[Edit] = []
        for node in self.parsed.nodes():
            if node.kind != "IndexElem" or "collation" not in node.fields:
                continue
            name = ".".join(quote_identifier(part["String"]["sval"]) for part in node.fields["collation"])
            column = quote_identifier(node.fields["name"]) if "name" in node.fields else ")"
            clause = f" COLLATE {name}"
            at = self.parsed.text.find(f"{column}{clause}")
            if at >= 0 and self.parsed.text.count(f"{column}{clause}") == 1:
                edits.append(Edit(at + len(column), at + len(column) + len(clause), ""))
        return (Candidate(tuple(edits), f"{type_text} has no collation, and but one order"),) if edits else ()

    # --- making candidates ---

    def _here(self, kind: str | None = None) -> Iterator[Node]:
        """The nodes that the complaint points at."""
        for node in self.parsed.nodes():
            if kind in (None, node.kind) and self.parsed.location(node.fields) == self.position is not None:
                yield node

    def _within(self, kind: str, field: str) -> list[Path]:
        return [(*node.path, kind, field) for node in self._here(kind)]

    def _each(self, paths: list[Path], type_text: str, reason: str) -> Iterator[Group]:
        for way in self.words.ways_to_common(type_text):
            yield tuple(candidate for path in paths for candidate in self._all([path], way, reason))

    def _all(self, paths: list[Path], way: str, reason: str) -> Group:
        """One candidate that casts all of them."""
        edits = self._casts(paths, way)
        return (Candidate(edits, reason),) if edits else ()

    def _casts(self, paths: list[Path], way: str) -> tuple[Edit, ...] | None:
        found: list[Edit] = []
        for path in paths:
            edits = self.parsed.cast(path, way)
            if edits is None:
                return None
            found += edits
        return tuple(found) or None

    def _subsets(self, operands: list[list[Path]], type_text: str, reason: str) -> Iterator[Group]:
        for way in self.words.ways_to_common(type_text):

            def as_common(i: int, way: str = way) -> tuple[Edit, ...] | None:
                return self._casts(operands[i], way)

            yield from self._combined(list(range(len(operands))), as_common, reason)

    def _combined(
        self, indexes: list[int], cast: Callable[[int], tuple[Edit, ...] | None], reason: str
    ) -> Iterator[Group]:
        """Some of them cast, the fewest first: one, two, … or, of many, one or all."""
        if len(indexes) <= MOST_SUBSETS_OF:
            sizes: Iterable[int] = range(1, len(indexes) + 1)
        else:
            sizes = (1, len(indexes))
        edits: dict[int, tuple[Edit, ...] | None] = {}
        for size in sizes:
            group: list[Candidate] = []
            for chosen in combinations(indexes, size):
                for i in chosen:
                    if i not in edits:
                        edits[i] = cast(i)
                parts: list[Any] = [edits[i] for i in chosen]
                if None not in parts:
                    group.append(Candidate(tuple(edit for part in parts for edit in part), reason))
            yield tuple(group)
