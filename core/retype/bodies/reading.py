"""What a PL/pgSQL body contains: its SQL, exactly where it stands, and the variables that it may name there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

RECORD: Final = "record"
CURSOR: Final = "refcursor"

Role = Literal[
    "value", "row", "each", "assign", "return", "return next", "return query", "case", "when", "dynamic", "cursor"
]
Conflict = Literal["error", "use_variable", "use_column"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, parameter or cursor.

    Attributes:
        type: as it is declared: the text of a type, perhaps with %TYPE or %ROWTYPE; `record`, `refcursor`.
    """

    name: str
    type: str


class Frame(NamedTuple):
    """A level of names: a block, a loop, or the function itself."""

    label: str
    names: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables that may be named at a place, the innermost level first."""

    frames: tuple[Frame, ...] = ()

    def lookup(self, names: Sequence[str]) -> tuple[int, int] | None:
        """The variable, and how many of the names name it: one, or two where the first is a label (plpgsql_ns_lookup)."""
        for frame in self.frames:
            if names[0] in frame.names:
                return frame.names[names[0]], 1
            if len(names) > 1 and frame.label == names[0] and names[1] in frame.names:
                return frame.names[names[1]], 2
        return None

    def inside(self, label: str) -> Scope:
        return Scope((Frame(label, {}), *self.frames))

    def with_names(self, *names: str, variable: int) -> Scope:
        frame, *outer = self.frames
        return Scope((frame._replace(names={**frame.names, **dict.fromkeys(names, variable)}), *outer))


@dataclass(frozen=True, slots=True)
class Piece:
    """SQL in a body.

    Attributes:
        role: what becomes of its result.
        start, end: where it stands in the body.
        before: what PL/pgSQL puts before it to make a statement of it.
        scope: the variables that it may name.
        gap: where in it the INTO clause stands that is PL/pgSQL's.
        targets: variables that take its row or value, as a whole.
        of: of a WHEN, the index of the piece after CASE; of a cursor's query, the cursor's.
        arguments: of a dynamic statement, the indexes of the pieces after USING.
    """

    role: Role
    start: int
    end: int
    before: str
    scope: Scope
    gap: tuple[int, int] | None = None
    targets: tuple[int, ...] = ()
    of: int | None = None
    arguments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetch:
    """A row of a cursor's query goes to variables."""

    cursor: int
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a body.

    Attributes:
        variables: all of them, parameters first; scopes name them by index.
        steps: pieces and fetches, in the order of the text.
        conflict: what a name means that is a variable's and a column's.
    """

    body: str
    variables: tuple[Variable, ...]
    steps: tuple[Piece | Fetch, ...]
    conflict: Conflict = "error"

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        for i, step in enumerate(self.steps):
            if isinstance(step, Piece):
                yield i, step

    def sql(self, piece: Piece) -> str:
        """The piece's own text, with a comment of the same length where the INTO clause stands."""
        text = self.body[piece.start : piece.end]
        if piece.gap is None:
            return text
        start, end = (at - piece.start for at in piece.gap)
        return text[:start] + _comment(end - start) + text[end:]

    def restored(self, piece: Piece, text: str) -> str | None:
        """The piece's text after edits, with its INTO clause again; None if its place is not certain any more."""
        if piece.gap is None:
            return text
        start, end = piece.gap
        comment = _comment(end - start)
        return text.replace(comment, self.body[start:end]) if text.count(comment) == 1 else None


def _comment(length: int) -> str:
    """At least as long as `INTO x`."""
    return f"/*{'*' * (length - 4)}*/"


def line_of(body: str, index: int) -> int:
    """The line as PL/pgSQL counts them in its error contexts: the first is the one that the body begins on."""
    return body.count("\n", 0, index) + 1
