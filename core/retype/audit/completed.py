"""A script with what it lacks: the user's own text, with the plan's statements put in where they belong.

What is incomplete is replaced and stays as a comment: a part of the foreign keys cannot be created in the order of all of them.
The completed script proves itself as the six-phase script does. Where the user's cannot be completed with certainty, the
six-phase script stands in its place, and says why.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from core.postgres.sql import qualified, quote_identifier
from core.retype.audit.changes import AddedForeignKey, Change, Retyped, Transaction
from core.retype.audit.findings import Audit
from core.retype.audit.reading import Step
from core.retype.blocks import do_block
from core.retype.dependents.foreign_keys import recreated
from core.retype.model import Phase, Statement
from core.retype.psql_script import ScriptStatement
from core.retype.repair.syntax import Edit, edited
from core.retype.script import render_script
from core.retype.script_state import compare_state, remember_state

MARK: Final = "-- >>> completed by pgrecast"
END: Final = "-- <<< completed by pgrecast"
_OWN_PATH: Final = do_block("""BEGIN
  PERFORM set_config('pgrecast.path', current_setting('search_path'), true), set_config('search_path', 'pg_catalog', true),
          set_config('row_security', 'off', true), set_config('check_function_bodies', 'off', true);
END""")
_THEIR_PATH: Final = do_block("""BEGIN
  PERFORM set_config('search_path', current_setting('pgrecast.path'), true);
END""")


class CannotComplete(Exception):
    """Why the script cannot be completed as it stands."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A completed script.

    Attributes:
        replaced_because: why nothing of the user's is left in it; empty where it is the user's with additions.
    """

    text: str
    replaced_because: str = ""


def complete(found: Audit) -> str:
    """The script with what it lacks.

    Raises:
        CannotComplete: that is not certain.
    """
    return _Completion(found).text()


def replacement(found: Audit, why: str) -> Completed:
    """The six-phase script in the place of one that cannot be completed."""
    lines = ("This is the six-phase script, in the place of one that cannot be completed as it stands:", why)
    comment = "".join(f"-- {line}\n" for line in lines)
    return Completed(comment + render_script(found.plan, found.catalog), why)


def unified_diff(before: str, after: str, name: str, completed_name: str) -> str:
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), name, completed_name
        )
    )


class _Completion:
    def __init__(self, found: Audit) -> None:
        self.found = found
        self.plan, self.catalog = found.plan, found.catalog
        self.statements = found.reading.script.statements
        self.changing = [s for s in found.reading.steps if not isinstance(s.change, Transaction)]
        self.edits: list[Edit] = []

    def text(self) -> str:
        self._require_that_it_can_be()
        keys, retypes = self._places(AddedForeignKey), self._places(Retyped)
        first = min(step.statement for step in self.changing)
        last = max(step.statement for step in self.changing)
        commit = self._commit(last)

        begins = any(_action(s) == "begin" and s.statement < first for s in self.found.reading.steps)
        self._insert(
            self.statements[first].start,
            "what must hold, and what stands in the way",
            ([] if begins else ["BEGIN"]),
            self._before(),
        )
        if self._retypes_must_be_replaced():
            self._comment_out(retypes)
            ends = [] if commit is None else [commit]
            after_drops: int = min([*keys, *ends, len(self.statements)])
            place = self.statements[max(retypes)].end if retypes else self._start(after_drops)
            self._insert(
                place,
                "every column, one ALTER TABLE for each table",
                [],
                self._of(Phase.RETYPE_KEYS, Phase.RETYPE_REFERENCES),
            )
        replace_keys = not self._keys_are_whole()
        if replace_keys:
            self._comment_out(keys)
        self._insert(
            self.statements[last].end,
            "what comes back: phase 5, complete" if replace_keys else "what comes back besides the foreign keys",
            [],
            self._after(with_keys=replace_keys),
        )
        end = self._start(commit) if commit is not None else len(self.found.reading.script.text)
        closing = [] if begins or commit is not None else ["COMMIT"]
        self._insert(
            end, "the proof: whatever is not as promised ends it, with everything as it was", [], self._proof(), closing
        )
        if not self.found.reading.stops_on_error:
            self.edits.append(Edit(0, 0, f"{MARK}\n\\set ON_ERROR_STOP on\n{END}\n"))
        return _with(self.found.reading.script.text, self.edits)

    def _require_that_it_can_be(self) -> None:
        found = self.found
        if found.plan.blockers:
            first = found.plan.blockers[0]
            raise CannotComplete(f"the conversion itself is blocked: {first.object}: {first.reason}")
        if not self.changing:
            raise CannotComplete("it changes nothing that can be read")
        if found.reading.unreadable:
            lines = ", ".join(str(u.line) for u in found.reading.unreadable[:10])
            raise CannotComplete(f"what it does there cannot be read without running it: line {lines}")
        keys, retypes = self._places(AddedForeignKey), self._places(Retyped)
        if keys and retypes and min(keys) < max(retypes):
            raise CannotComplete("it creates foreign keys before every column has its new type")

    def _commit(self, last: int) -> int | None:
        """The place of the statement that ends its transaction, None where none does."""
        commits = [s.statement for s in self.found.reading.steps if _action(s) in {"commit", "rollback"}]
        if any(place < last for place in commits):
            raise CannotComplete("it ends a transaction before its last change")
        return min(commits, default=None)

    def _places(self, kind: type[Change]) -> list[int]:
        """The places of the statements that make such a change, and nothing but such changes."""
        places = {step.statement for step in self.changing if isinstance(step.change, kind)}
        mixed = sorted({s.statement for s in self.changing if s.statement in places and not isinstance(s.change, kind)})
        if mixed:
            raise CannotComplete(f"one statement does several things (line {self.statements[mixed[0]].line})")
        return sorted(places)

    def _start(self, place: int) -> int:
        if place >= len(self.statements):
            return len(self.found.reading.script.text)
        return self.statements[place].start

    def _retypes_must_be_replaced(self) -> bool:
        wanted = {c.key for c in self.plan.scope.columns if self.catalog.column[c.key].inherited == 0}
        return bool(wanted - self.found.retyped) or bool(self.found.of("slow"))

    def _keys_are_whole(self) -> bool:
        again = [key.oid for key in recreated(self.catalog, self.plan.scope)]
        return self.found.in_order and set(again) <= self.found.exact and self.found.exact == self.found.dropped.keys()

    def _before(self) -> Iterator[str]:
        yield from self._of(Phase.VERIFY)
        yield from remember_state(self.plan, self.catalog)
        for statement in self.plan.of_phase(Phase.DETACH):
            if statement.kind != "drop foreign key" and statement.object not in self.found.gone:
                yield _said(statement)
        for key in recreated(self.catalog, self.plan.scope):
            if key.oid not in self.found.dropped:
                yield f"ALTER TABLE {qualified(key.schema, key.table)} DROP CONSTRAINT {quote_identifier(key.name)}"

    def _after(self, *, with_keys: bool) -> Iterator[str]:
        for statement in self.plan.of_phase(Phase.REATTACH):
            is_key = statement.kind == "create foreign key"
            is_theirs = statement.kind.startswith("create ") and statement.object in self.found.made
            if (with_keys or not is_key) and not is_theirs:
                yield _said(statement)

    def _proof(self) -> Iterator[str]:
        yield from self._of(Phase.PROVE)
        yield from compare_state()

    def _of(self, *phases: Phase) -> list[str]:
        return [_said(statement) for phase in phases for statement in self.plan.of_phase(phase)]

    def _insert(
        self, at: int, what: str, opening: Iterable[str], statements: Iterable[str], closing: Iterable[str] = ()
    ) -> None:
        body = list(statements)
        if not body and not opening and not closing:
            return
        lines = ["", f"{MARK}: {what}", *(f"{s};" for s in opening), f"{_OWN_PATH};",
                 *(f"{s};" for s in body), f"{_THEIR_PATH};", *(f"{s};" for s in closing), END, ""]  # fmt: skip
        self.edits.append(Edit(at, at, "\n".join(lines)))

    def _comment_out(self, places: Iterable[int]) -> None:
        for place in places:
            statement: ScriptStatement = self.statements[place]
            text = self.found.reading.script.text[statement.start : statement.end]
            commented = "\n".join(f"-- {line}" for line in text.splitlines())
            self.edits.append(Edit(statement.start, statement.end, f"\n-- replaced below:\n{commented}\n"))


def _action(step: Step) -> str:
    return step.change.action if isinstance(step.change, Transaction) else ""


def _said(statement: Statement) -> str:
    reason = " ".join(f"{statement.object}: {statement.reason}".split())
    return f"-- {reason}\n{statement.sql}"


def _with(text: str, edits: list[Edit]) -> str:
    """The edits made; of those at the same place the ones that replace come first."""
    merged: dict[tuple[int, int], str] = {}
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        merged[edit.start, edit.end] = merged.get((edit.start, edit.end), "") + edit.text
    return edited(text, tuple(Edit(start, end, one) for (start, end), one in merged.items()))
