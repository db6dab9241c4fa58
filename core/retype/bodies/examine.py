"""What the server says of each piece of SQL in a PL/pgSQL body, with its variables' types where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pglast.parser import ParseError

from core.retype.bodies.look import Look, Shape
from core.retype.bodies.probe import Environment, Known, Probe, Uncheckable, parsed, probe, references
from core.retype.bodies.reading import RECORD, Fetch, Piece, Reading
from core.retype.bodies.routine import Column, Context, Routine
from core.retype.bodies.statements import literal_of
from core.retype.repair.complaints import Complaint
from core.retype.repair.syntax import Edit, Parsed, edited

DATATYPE_MISMATCH = "42804"
_MISSING = {"42703", "42P01"}  # undefined column, missing FROM-clause entry
_TYPE_OF = re.compile(r"(?P<of>.+?)\s*%\s*(?P<what>type|rowtype)\s*(?P<array>\[\s*\])?", re.IGNORECASE | re.DOTALL)
_STRUCTURE = {
    "return query": "structure of query does not match function result type",
    "return next": "wrong record type supplied in RETURN NEXT",
    "return": "returned record type does not match expected record type",
}
_PLAIN_ROWS = (["new"], ["old"], ["null"])
_UNKNOWN_TEXT = "its text is made only when it runs"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a piece.

    Attributes:
        step: the index of the piece in the reading.
        complaint: the server's; its position is that in the piece's statement as it was written.
        unchecked: why nothing can be said of it, empty if it could be looked at.
        environment: the variables' types at this place.
        row: the types of a row whose columns the caller names.
    """

    step: int
    complaint: Complaint | None = None
    unchecked: str = ""
    environment: Environment | None = None
    row: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Written:
    """A piece's statement as it was written: its own text within what PL/pgSQL puts around it."""

    before: str
    part: str
    after: str = ""

    @property
    def sql(self) -> str:
        return self.before + self.part + self.after


def written(reading: Reading, piece: Piece) -> Written:
    part = reading.sql(piece)
    if piece.role == "when" and piece.of is not None:
        case = reading.steps[piece.of]
        assert isinstance(case, Piece)  # noqa: S101 - of a WHEN it is the CASE's
        return Written(f"SELECT ({reading.sql(case)}) IN (", part, ")")
    return Written(piece.before, part)


async def look_through(look: Look, routine: Routine, reading: Reading, context: Context) -> list[Seen]:
    """Look at every piece of a body, in the order of the text."""
    examiner = Examiner(look, routine, reading, context)
    return await examiner.look_through()


class Examiner:
    """Looks at the pieces of one body in one context."""

    def __init__(self, look: Look, routine: Routine, reading: Reading, context: Context) -> None:
        self.look = look
        self.routine = routine
        self.reading = reading
        self.context = context
        self.types: dict[int, Known | None] = {}
        self.cursors: dict[int, Probe] = {}
        self.expected: tuple[Column, ...] | None = None

    async def look_through(self) -> list[Seen]:
        await self.begin()
        seen: list[Seen] = []
        for i, variable in enumerate(self.reading.variables):
            self.types[i] = await self._declared(variable.type, i)
        for i, step in enumerate(self.reading.steps):
            if isinstance(step, Fetch):
                cursor = self.cursors.get(step.cursor)
                await self._give(step.targets, cursor.sql if cursor else None)
            else:
                seen.append(await self._piece(i, step))
        return seen

    async def begin(self) -> None:
        """Look at it in this context from now on."""
        for table in self.context.transition_tables:
            await self.look.stand_in(table, self.context.row)
        self.expected = self.routine.columns
        if self.routine.returns == "trigger" and self.context.row:
            self.expected = await self.look.columns_of(self.context.row)

    # --- types of variables ---

    async def _declared(self, text: str, before: int) -> Known | None:
        """The type of a declaration, None where it is not known before it runs.

        Args:
            before: the variable's index: a %TYPE may be of a variable before it.
        """
        match = _TYPE_OF.fullmatch(text.strip())
        if match is None:
            return await self.look.type_named(text)
        if match["what"].lower() == "rowtype":
            return await self.look.type_named(match["of"])
        found = await self._type_of(match["of"], before)
        return await self.look.type_named(f"{found.type}[]") if found is not None and match["array"] else found

    async def _type_of(self, text: str, before: int) -> Known | None:
        name = text.strip().lower()
        for i in reversed(range(before)):
            if self.reading.variables[i].name == name:
                return self.types[i]
        relation, _, column = text.rpartition(".")
        column = column.strip()
        plain = column[1:-1].replace('""', '"') if column.startswith('"') else column.lower()
        return await self.look.type_of_column(relation.strip(), plain) if relation else None

    async def _give(self, targets: tuple[int, ...], query: str | None) -> None:
        """A row of the query goes to a variable, which has its columns from now on."""
        for target in targets:
            if self.reading.variables[target].type.strip().lower() == RECORD:
                shape = await self.look.shape(query) if query is not None else None
                self.types[target] = shape.known if shape else None

    # --- pieces ---

    async def _piece(self, step: int, piece: Piece) -> Seen:
        text = written(self.reading, piece)
        environment = dict(self.types)
        try:
            looked, complaint = await self._look_at(text.sql, piece, environment)
            if complaint is None and piece.role in _STRUCTURE:
                complaint, row = await self._structure(piece, looked)
                if row is not None:
                    return Seen(step, environment=environment, row=row)
            if complaint is None:
                await self._effect(piece, looked)
            return Seen(step, complaint, environment=environment)
        except Uncheckable as reason:
            await self._give(piece.targets, None)
            return Seen(step, unchecked=str(reason), environment=environment)
        except (ParseError, RecursionError):
            await self._give(piece.targets, None)
            return Seen(step, unchecked="its grammar is not known here", environment=environment)

    async def examine(self, step: int, part: str, environment: Environment) -> Complaint | None:
        """What the server says of a piece with another text.

        Raises:
            pglast.parser.ParseError, Uncheckable: it cannot be looked at.
        """
        piece = self.reading.steps[step]
        assert isinstance(piece, Piece)  # noqa: S101 - it was seen
        text = replace(written(self.reading, piece), part=part)
        looked, complaint = await self._look_at(text.sql, piece, environment)
        if complaint is None and piece.role in _STRUCTURE:
            complaint, _ = await self._structure(piece, looked)
        return complaint

    async def _look_at(self, sql: str, piece: Piece, environment: Environment) -> tuple[Probe, Complaint | None]:
        columns_at = _all_names(parsed(sql), piece) if self.reading.conflict == "use_column" else frozenset[int]()
        while True:
            looked = probe(sql, piece.scope, environment, columns_at=columns_at)
            complaint = await self.look.complaint(looked.sql)
            if complaint is None or complaint.position is None:
                break
            complaint = replace(complaint, position=looked.place(complaint.position))
            if complaint.sqlstate not in _MISSING or complaint.position not in columns_at:
                break
            columns_at -= {complaint.position}  # there is no such column: the variable is meant
        if piece.role == "dynamic" and complaint is None:
            return await self._look_at_dynamic(looked, piece, environment)
        return looked, complaint

    async def _look_at_dynamic(
        self, expression: Probe, piece: Piece, environment: Environment
    ) -> tuple[Probe, Complaint | None]:
        """A statement that is a constant text, with the values after USING in the place of its parameters."""
        text = literal_of(expression.sql)
        if text is None:
            raise Uncheckable(_UNKNOWN_TEXT)
        values: list[str] = []
        for argument in piece.arguments:
            step = self.reading.steps[argument]
            assert isinstance(step, Piece)  # noqa: S101 - it is a piece's argument
            values.append(probe(written(self.reading, step).sql, step.scope, environment).sql)
        looked = _with_values(text, values)
        complaint = await self.look.complaint(looked.sql)
        return looked, complaint and replace(complaint, position=None)

    async def _effect(self, piece: Piece, looked: Probe) -> None:
        match piece.role:
            case "row" | "dynamic":
                await self._give(piece.targets, looked.sql)
            case "assign":
                await self._give(piece.targets, _fields(looked.sql))
            case "each":
                await self._give(piece.targets, _fields(f"SELECT unnest((\n{looked.sql}\n))"))
            case "cursor" if piece.of is not None:
                self.cursors[piece.of] = looked
            case _:
                pass

    # --- what comes back ---

    async def _structure(self, piece: Piece, looked: Probe) -> tuple[Complaint | None, tuple[str, ...] | None]:
        """Whether rows have the columns that they must have; of those that the caller names, what they are."""
        if piece.role == "return query":
            names = [f"c{i}" for i in range(1, len(self.expected or ()) + 1)]
            shape = await self.look.shape(looked.sql, names)
            if shape is None:
                raise Uncheckable("the types of its columns are not known before it runs")
        else:
            shape = await self._row_of(looked)
        if shape is None:
            return None, None
        if self.expected is None:
            return None, tuple(column.full_name for column in shape.columns) if self.routine.returns == RECORD else None
        for k, (expected, found) in enumerate(zip(self.expected, shape.columns, strict=False), start=1):
            if not expected.takes(found):
                types = (
                    (found.name, expected.name)
                    if found.type != expected.type
                    else (found.full_name, expected.full_name)
                )
                detail = f"Returned type {types[0]} does not match expected type {types[1]} in column {k}."
                return Complaint(DATATYPE_MISMATCH, _STRUCTURE[piece.role], detail), None
        return None, None

    async def _row_of(self, looked: Probe) -> Shape | None:
        """The columns of the row that an expression gives, None if it gives none, or one of a type that has a name."""
        if self.routine.returns not in {RECORD, "trigger"} and (self.expected is None or len(self.expected) < 2):
            return None
        if looked.written.lower().split()[1:] in _PLAIN_ROWS:
            return None
        inner = _constructed_row(looked.sql)
        if inner is not None:
            return await self.look.shape(inner, [f"c{i}" for i in range(1, len(self.expected or ()) + 1)])
        return await self.look.shape(_fields(looked.sql))


def _fields(query: str) -> str:
    """The fields of the row that the query's only column is."""
    return f"SELECT (pgrecast.x).* FROM ({query}\n) AS pgrecast (x)"  # noqa: S608 - parsed, and not run


def _all_names(tree: Parsed, piece: Piece) -> frozenset[int]:
    found = (tree.location(node.fields) for node, *_ in references(tree, piece.scope))
    return frozenset(location for location in found if location is not None)


def _with_values(text: str, values: list[str]) -> Probe:
    edits: list[Edit] = []
    tree = parsed(text)
    for node in tree.nodes():
        start = tree.location(node.fields) if node.kind == "ParamRef" else None
        number = node.fields.get("number", 0)
        if start is not None and 0 < number <= len(values):
            edits.append(Edit(start, start + len(f"${number}"), f"({values[number - 1]})"))
    return Probe(edited(text, tuple(edits)), text, tuple(edits))


def _constructed_row(sql: str) -> str | None:
    """For `SELECT (a, b)` and `SELECT ROW(a, b)` the same as columns: `SELECT a, b`."""
    tree = parsed(sql)
    select = tree.tree[0]["stmt"].get("SelectStmt", {})
    targets = select.get("targetList", ())
    if len(targets) != 1 or "RowExpr" not in targets[0]["ResTarget"]["val"]:
        return None
    return "SELECT " + sql[sql.index("(") + 1 : sql.rindex(")")]
