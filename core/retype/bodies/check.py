"""Checking the bodies of functions on an empty clone: once before it is converted, once after."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg

from core.errors import QueryFailed
from core.postgres.catalog import Catalog, Function
from core.postgres.connect import connect
from core.redaction import redactor
from core.retype.bodies.cases import Case, Key, case_of, key_of, routine_of
from core.retype.bodies.examine import Seen
from core.retype.bodies.look import Look
from core.retype.bodies.mend import Examines, Mended, NotMended, Site, mend
from core.retype.bodies.reading import Piece
from core.retype.bodies.selection import LOOKED_INTO, find_affected, functions_to_check
from core.retype.bodies.tokens import Unreadable
from core.retype.bodies.verdict import Remark, Verdict, compare
from core.retype.clone import Clone, Progress
from core.retype.dependents import functions
from core.retype.model import Repair, Scope
from core.retype.repair.words import domains_over, narrow_type, words_of

STATEMENT_TIMEOUT_MS = 60_000
_LACKING = "the empty copy lacks the function"

Rows = Mapping[Key, Mapping[str, Any]]


class _Checked(NamedTuple):
    case: Case
    before: list[list[Seen]]
    """In each context."""


class BodyCheck:
    """The check of a conversion's functions; `before` and `after` are called around the conversion of the clone.

    Args:
        catalog: a reading of the database itself.
    """

    def __init__(self, clone: Clone, catalog: Catalog, scope: Scope, *, progress: Progress = lambda _: None) -> None:
        self._clone = clone
        self._catalog = catalog
        self._affected = find_affected(catalog, scope)
        self._words = words_of(scope.types, domains_over(catalog, narrow_type(scope.types)))
        self._progress = progress
        self._checked: list[_Checked] = []
        self._verdicts: list[Verdict] = []

    async def before(self) -> None:
        """See what type-checks now.

        Raises:
            QueryFailed: the clone's server is lost, or refuses a query.
        """
        wanted = functions_to_check(self._catalog, self._affected)
        if not wanted:
            return
        async with self._look() as (look, rows):
            cases = list(self._cases(wanted, rows))
            for i, case in enumerate(cases, start=1):
                await look.begin(case.routine.search_path)
                self._checked.append(_Checked(case, [await one.look_through() for one in case.examiners(look)]))
                self._progress(f"read {i} of {len(cases)} functions")

    async def after(self) -> tuple[Verdict, ...]:
        """What type-checks no more, and what can be done about it; raises as `before` does."""
        if self._checked:
            async with self._look() as (look, rows):
                for i, (case, before) in enumerate(self._checked, start=1):
                    self._verdicts.append(await self._judge(look, case, before, rows))
                    self._progress(f"checked {i} of {len(self._checked)} functions")
        return tuple(verdict for verdict in self._verdicts if verdict.remarks)

    @asynccontextmanager
    async def _look(self) -> AsyncGenerator[tuple[Look, Rows], None]:
        connection = await connect(self._clone.spec, read_only=False, statement_timeout_ms=STATEMENT_TIMEOUT_MS)
        try:
            look = Look(connection)
            await look.prepare()
            rows: Rows = {(row["schema"], row["name"], row["arguments"]): dict(row) for row in await look.routines()}
            yield look, rows
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise QueryFailed(
                f"Functions could not be checked in the scratch database: {redactor.redact(str(error))}",
                advice="Try again; the scratch server's log tells more.",
            ) from error
        finally:
            connection.terminate()

    def _cases(self, wanted: Sequence[Function], rows: Rows) -> Iterator[Case]:
        for function in wanted:
            if function.language not in LOOKED_INTO:
                if self._affected.is_named_in(function.body):
                    self._unchecked(function, f"bodies in {function.language} are not looked into")
            elif key_of(function) not in rows:
                self._unchecked(function, _LACKING)
            else:
                try:
                    yield case_of(self._catalog, function, rows[key_of(function)])
                except Unreadable as reason:
                    self._unchecked(function, f"its body could not be read: {reason}")

    def _unchecked(self, function: Function, why: str) -> None:
        self._verdicts.append(Verdict(function, (Remark("unchecked", 0, 0, "", why),)))

    # --- after the conversion ---

    async def _judge(self, look: Look, case: Case, before: list[list[Seen]], rows: Rows) -> Verdict:
        row = rows.get(key_of(case.function))
        if row is None:
            return Verdict(case.function, (Remark("unchecked", 0, 0, "", _LACKING),))
        case = Case(
            case.function, routine_of(self._catalog, case.function, row), case.contexts, case.readings, case.missed
        )
        await look.begin(case.routine.search_path)
        examiners = case.examiners(look)
        after = [await one.look_through() for one in examiners]
        is_whole = not self._clone.gaps and not self._clone.stubbed
        remarks = [
            remark
            for context, old, new in zip(case.contexts, before, after, strict=True)
            for remark in compare(case.reading, context.name, old, new, self._affected, is_whole=is_whole)
        ]
        if case.missed:
            remarks.append(Remark("unchecked", 0, 0, case.missed, "it is not understood what this is"))
        failing = {remark.step for remark in remarks if remark.kind == "fails"}
        if not failing:
            return Verdict(case.function, tuple(remarks))
        sites = {step: _sites(step, examiners, before, after) for step in failing}
        result = await self._mended(look, case, before, sites)
        if isinstance(result, NotMended):
            return Verdict(case.function, tuple(remarks), why_not=result.why)
        return Verdict(case.function, tuple(remarks), _repair(case, result))

    async def _mended(
        self, look: Look, case: Case, before: list[list[Seen]], sites: Mapping[int, Sequence[Site]]
    ) -> Mended | NotMended:
        if any(_is_dynamic(case, step) for step in sites):
            return NotMended("a statement within a text is not changed")
        mended = await mend(case.reading, sites, self._words)
        if isinstance(mended, Mended) and not await _works(look, case, mended.body, before):
            return NotMended("with the casts that it needs it would fail elsewhere")
        return mended


def _is_dynamic(case: Case, step: int) -> bool:
    piece = case.reading.steps[step]
    return isinstance(piece, Piece) and piece.role == "dynamic"


def _sites(
    step: int, examiners: Sequence[Examines], before: list[list[Seen]], after: list[list[Seen]]
) -> tuple[Site, ...]:
    """Where the piece type-checked before, with the variables' types after."""
    return tuple(
        Site(examiner, new.environment or {})
        for examiner, olds, news in zip(examiners, before, after, strict=True)
        for old, new in zip(olds, news, strict=True)
        if old.step == step and _is_fine(old) and not new.unchecked
    )


async def _works(look: Look, case: Case, body: str, before: list[list[Seen]]) -> bool:
    """Whether with that body everything type-checks that did before the conversion."""
    try:
        changed = case.with_body(body)
    except Unreadable:
        return False
    await look.begin(changed.routine.search_path)
    after = [await one.look_through() for one in changed.examiners(look)]
    return all(
        len(olds) == len(news)
        and not any(_is_fine(old) and not _is_fine(new) for old, new in zip(olds, news, strict=True))
        for olds, news in zip(before, after, strict=True)
    )


def _is_fine(seen: Seen) -> bool:
    return seen.complaint is None and not seen.unchecked


def _repair(case: Case, mended: Mended) -> Repair:
    return Repair(
        functions.subject(case.function).object,
        case.routine.definition,
        case.routine.with_body(mended.body).definition,
        "; ".join(mended.reasons),
    )
