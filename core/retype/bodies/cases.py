"""A function to check: how its body reads in each context that it runs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from core.postgres.catalog import Catalog, Function
from core.postgres.sql import quote_identifier
from core.retype.bodies.examine import Examiner
from core.retype.bodies.look import Look, columns_from_json
from core.retype.bodies.plpgsql import read_body
from core.retype.bodies.reading import Piece, Reading, Scope, Variable
from core.retype.bodies.routine import Context, Routine
from core.retype.bodies.second_opinion import found_by_libpg_query_alone
from core.retype.bodies.selection import contexts_of
from core.retype.bodies.sql_body import SqlExaminer
from core.retype.bodies.tokens import Unreadable

Key = tuple[str, str, str]
"""A function's schema, name and arguments, which are the same in a clone."""

_CONFLICTS: Final = ("error", "use_variable", "use_column")


@dataclass(frozen=True, slots=True)
class Case:
    """A function, with its contexts and how its body reads in each.

    Attributes:
        missed: SQL in the body that was not understood, if any.
    """

    function: Function
    routine: Routine
    contexts: tuple[Context, ...]
    readings: tuple[Reading, ...]
    missed: str | None = None

    @property
    def reading(self) -> Reading:
        """Of all the same but for the types of what can be named."""
        return self.readings[0]

    def examiners(self, look: Look) -> tuple[Examiner | SqlExaminer, ...]:
        if self.routine.language == "sql":
            return (SqlExaminer(look, self.routine, self.reading),)
        return tuple(
            Examiner(look, self.routine, reading, context)
            for context, reading in zip(self.contexts, self.readings, strict=True)
        )

    def with_body(self, body: str) -> Case:
        """
        Raises:
            Unreadable: it cannot be read any more.
        """
        return make_case(self.function, self.routine.with_body(body), self.contexts)


def key_of(function: Function) -> Key:
    return function.schema, function.name, function.arguments


def case_of(catalog: Catalog, function: Function, row: Mapping[str, Any]) -> Case:
    """
    Args:
        row: of the query `routines`.

    Raises:
        Unreadable: the body cannot be read.
    """
    contexts = contexts_of(catalog, function) or (Context(),)
    return make_case(function, routine_of(catalog, function, row), contexts)


def routine_of(catalog: Catalog, function: Function, row: Mapping[str, Any]) -> Routine:
    """
    Raises:
        Unreadable: the definition is not of the form that is expected.
    """
    names: Sequence[str] = [*row["names"], *[""] * (len(row["types"]) - len(row["names"]))]
    routine = Routine(
        name=function.name,
        definition=function.definition or "",
        body=function.body,
        language=function.language,
        parameters=tuple(map(Variable, names, row["types"])),
        returns=row["returns"],
        columns=columns_from_json(row["columns"]),
        search_path=_setting(function, "search_path") or _search_path(catalog, function),
    )
    if routine.body_starts_at is None:
        raise Unreadable("its definition has another body")
    return routine


def make_case(function: Function, routine: Routine, contexts: tuple[Context, ...]) -> Case:
    """
    Raises:
        Unreadable: the body cannot be read.
    """
    if routine.language == "sql":
        whole = Piece("value", 0, len(routine.body), "", Scope())
        return Case(function, routine, (Context(),), (Reading(routine.body, (), (whole,)),))
    readings = tuple(_read(function, routine, context) for context in contexts)
    return Case(function, routine, contexts, readings, found_by_libpg_query_alone(readings[0], routine.definition))


def _read(function: Function, routine: Routine, context: Context) -> Reading:
    further = context.variables(routine.returns)
    reading = read_body(routine.body, routine.parameters, function=routine.name, further=further)
    conflict = _setting(function, "plpgsql.variable_conflict")
    return replace(reading, conflict=conflict) if conflict in _CONFLICTS else reading


def _setting(function: Function, name: str) -> str:
    """The value of one of the function's SET clauses, empty without it."""
    return next((value for entry in function.config for key, _, value in [entry.partition("=")] if key == name), "")


def _search_path(catalog: Catalog, function: Function) -> str:
    """The role's own, and at its end the function's schema, where its tables are likely to be."""
    path = catalog.server.settings.get("search_path") or '"$user", public'
    path = path.replace('"$user"', quote_identifier(catalog.server.role))
    return f"{path}, {quote_identifier(function.schema)}"
