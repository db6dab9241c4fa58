"""The conversion tried on an empty clone: what its server refuses, which casts it takes, and what stays as it was.

Everything that hangs on the keys is taken off, the columns are retyped, and each object is tried until it can be put back. What the
server complains about is answered with casts (`casts`), one complaint after the other, until it takes the object or there is
no answer, or no single one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import asyncpg

from core.errors import QueryFailed
from core.postgres.catalog import Address, Catalog
from core.postgres.sql import qualified, quote_identifier
from core.retype.clone import Clone, Progress, without_roles
from core.retype.closure import Closure, close_over
from core.retype.dependents import columns, indexes
from core.retype.model import Phase, Repair, Scope, Statement
from core.retype.names import column_name
from core.retype.parts import Part
from core.retype.plan import statements_towards
from core.retype.repair.answers import Unanswered, answer
from core.retype.repair.complaints import Complaint
from core.retype.repair.definitions import Definition, definitions_of, exchanged, object_of
from core.retype.repair.said import complaint_of, speak_plainly
from core.retype.repair.words import Words, domains_over, narrow_type, words_of
from core.retype.transaction import SETTINGS

MOST_EXCERPT = 120
_SETTINGS = ("search_path", "row_security", "check_function_bodies", "standard_conforming_strings")
_BEFORE_PUTTING_BACK = (Phase.DETACH, Phase.RETYPE_KEYS, Phase.RETYPE_REFERENCES)
# The object is not there: the clone lacks it, or what it uses.
_ABSENT = frozenset({"42P01", "42703", "42704", "42883", "3F000"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the server refuses, and no cast repairs for certain.

    Attributes:
        object: its kind and name.
        message: what the server says.
        excerpt: the text where it points at, empty if it points at nothing.
        ambiguous: whether several casts would do.
    """

    object: str
    message: str
    excerpt: str = ""
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    Attributes:
        repairs: texts that are put back with casts.
        refusals: objects that cannot be put back.
        unchecked: objects that the clone lacks, so that nothing can be said of them.
        stopped: what the server refused so that nothing could be put back at all; the rest is empty then.
    """

    repairs: tuple[Repair, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unchecked: tuple[Refusal, ...] = ()
    stopped: Refusal | None = None


async def try_conversion(
    clone: Clone, catalog: Catalog, scope: Scope, *, progress: Progress = lambda _: None
) -> Outcome:
    """Convert the clone, and leave it converted, with all that can be put back.

    Args:
        clone: an empty clone of the database.
        catalog: a reading of the database itself.

    Raises:
        QueryFailed: the clone's server was lost.
    """
    trial = _Trial(clone.connection, without_roles(catalog), scope)
    try:
        async with trial.settings():
            return await trial.run(progress)
    except _Stopped as stopped:
        return Outcome(stopped=stopped.refusal)
    except (asyncpg.InterfaceError, OSError) as error:
        raise QueryFailed(
            f"The connection to the scratch database was lost: {error}",
            advice="Try again; the scratch server's log tells more.",
        ) from error


def parsed_again(catalog: Catalog, scope: Scope) -> frozenset[Address]:
    """Objects that PostgreSQL keeps through the change of type by parsing their expressions again, which may fail."""
    keys = scope.keys
    found: set[Address] = set()
    for key in keys:
        for dependency in catalog.dependents_of.get(Address("pg_class", *key), ()):
            address = dependency.dependent
            constraint = catalog.constraint.get(address.oid) if address.catalog == "pg_constraint" else None
            if address.catalog == "pg_statistic_ext" or (constraint is not None and constraint.kind in "cx"):
                found.add(Address(address.catalog, address.oid))
    referenced = {constraint.index for constraint in catalog.constraints if constraint.kind == "f"}
    for index in catalog.indexes:
        if index.constraint or index.parent or not index.valid or index.oid in referenced:
            continue
        if not indexes.uses(catalog, index, keys):
            continue
        if 0 in index.columns or any(word in index.definition for word in (" WHERE ", "_ops", " COLLATE ")):
            found.add(Address("pg_class", index.oid))
    return frozenset(found)


class _Stopped(Exception):
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class _Settled:
    """A definition whose part, with casts for these reasons or as it was, there is nothing to complain about."""

    definition: Definition
    part: str
    reasons: tuple[str, ...]

    def repair(self) -> Repair:
        definition = self.definition
        return Repair(definition.object, definition.text, definition.with_part(self.part), "; ".join(self.reasons))


class _Trial:
    def __init__(self, connection: asyncpg.Connection, catalog: Catalog, scope: Scope) -> None:
        self.connection = connection
        self.catalog = catalog
        self.scope = scope
        self.words: Words = words_of(scope.types, domains_over(catalog, narrow_type(scope.types)))
        self.closure: Closure = close_over(catalog, scope, parsed_again(catalog, scope))
        self.part_named = {object_of(catalog, part): part for part in self.closure.parts}
        self.lacking: set[Address] = set()
        """Parts that the clone does not have, or has no more."""

    @asynccontextmanager
    async def settings(self) -> AsyncGenerator[None, None]:
        """Those of a conversion. There is no transaction around it all: its locks would be too many for a small server."""
        await speak_plainly(self.connection)
        for name in _SETTINGS:
            await self.connection.execute(f"SET {name} = {SETTINGS[name]}")
        yield
        for name in _SETTINGS:
            await self.connection.execute(f"RESET {name}")

    async def run(self, progress: Progress) -> Outcome:
        await self._make_plain()
        wanted = columns.with_converted_defaults(self.catalog, self.scope)
        refusals: list[Refusal] = []
        for statement in statements_towards(wanted, self.catalog, self.scope, self.closure):
            if statement.phase in _BEFORE_PUTTING_BACK:
                await self._prepare_for_putting_back(statement)
            elif statement.kind == "create foreign key":
                complaint = await self._attempt(statement.sql, keep=True)
                if complaint is not None:
                    refusals.append(Refusal(statement.object, complaint.message))
        repairs: list[Repair] = []
        unchecked: list[Refusal] = []
        for i, part in enumerate(self.closure.parts, start=1):
            was_lacking = part.address in self.lacking
            result = await self._put_back(part)
            if isinstance(result, Refusal):
                if not self._hangs_on_lacking(part):
                    (unchecked if was_lacking else refusals).append(result)
                self.lacking.add(part.address)
            else:
                repairs += result
                self.lacking.discard(part.address)
            progress(f"checked {i} of {len(self.closure.parts)} objects")
        return Outcome(tuple(repairs), tuple(refusals), tuple(unchecked))

    # --- taking off ---

    async def _make_plain(self) -> None:
        """Make ordinary columns of generated ones that the plan has no way for: they block, and would hide all else."""
        ours = {part.name for part in self.closure.of_kind("generated column")}
        tables = {relation for relation, _ in self.scope.keys}
        for column in self.catalog.columns:
            if column.generated and column.relation in tables and column_name(column) not in ours:
                table, name = qualified(column.schema, column.table), quote_identifier(column.name)
                await self._attempt(f"ALTER TABLE {table} ALTER COLUMN {name} DROP EXPRESSION", keep=True)

    async def _prepare_for_putting_back(self, statement: Statement) -> None:
        complaint = await self._attempt(statement.sql, keep=True)
        if complaint is None:
            return
        part = self.part_named.get(statement.object)
        if part is None or complaint.sqlstate not in _ABSENT:
            raise _Stopped(Refusal(statement.object, complaint.message))
        self.lacking.add(part.address)

    # --- putting back ---

    async def _put_back(self, part: Part) -> list[Repair] | Refusal:
        # What a parsed body returns is looked at only then; bodies that are text are not the question here.
        is_parsed = part.kind == "function" and self.catalog.function[part.address.oid].is_sql_body
        await self.connection.execute(f"SET check_function_bodies = {'on' if is_parsed else 'off'}")
        create = next(s for s in part.put_back(self.catalog) if s.kind.startswith("create "))
        settled: list[_Settled] = []
        for definition in definitions_of(self.catalog, part, create.sql):
            result = await self._settle(definition)
            if isinstance(result, Refusal):
                return result
            settled.append(result)
        sql = exchanged(create.sql, [(one.definition.part, one.part) for one in settled])
        complaint = await self._attempt(sql, keep=True)
        if complaint is not None and len(settled) == 1 and settled[0].definition.is_probe:
            # What only looks does not see all: that the value is assigned to a column of another type, say.
            result = await self._settle_further(settled[0], sql)
            if isinstance(result, Refusal):
                return result
            settled = [result]
            sql = exchanged(create.sql, [(result.definition.part, result.part)])
            complaint = await self._attempt(sql, keep=True)
        if complaint is not None:
            return Refusal(create.object, complaint.message)
        return [one.repair() for one in settled if one.reasons]

    async def _settle(self, definition: Definition) -> _Settled | Refusal:
        """Answer what there is to complain about."""

        async def look(part: str) -> Complaint | None:
            return await self._attempt(definition.statement(part), keep=False, only_parse=definition.is_probe)

        result = await answer(definition.before, definition.part, definition.after, look, self.words)
        if isinstance(result, Unanswered):
            return _refusal(definition, result)
        return _Settled(definition, result.part, result.reasons)

    async def _settle_further(self, first: _Settled, statement: str) -> _Settled | Refusal:
        """Answer what there is to complain about still, in the statement that makes the object."""
        text = first.part
        second = await self._settle(replace(first.definition, text=text, start=0, end=len(text)).within(statement))
        if isinstance(second, Refusal):
            return second
        return _Settled(first.definition, second.part, (*first.reasons, *second.reasons))

    async def _attempt(self, sql: str, *, keep: bool, only_parse: bool = False) -> Complaint | None:
        """Run the statement, and undo it unless it is to be kept; what the server complains about."""
        try:
            if only_parse:
                await self.connection.prepare(sql)
            elif keep:
                await self.connection.execute(sql)
            else:
                undone = self.connection.transaction()
                await undone.start()
                try:
                    await self.connection.execute(sql)
                finally:
                    await undone.rollback()
        except asyncpg.PostgresError as error:
            return complaint_of(error)
        return None

    def _hangs_on_lacking(self, part: Part) -> bool:
        """Whether it uses something that is not there, so that its own failure says nothing."""
        own = [part.address, *(address for address in _rules(self.catalog, part.address))]
        others = self.lacking - {part.address}
        lacking = {(address.catalog, address.oid) for address in others}
        lacking |= {
            ("pg_type", self.catalog.relation[a.oid].row_type) for a in others if a.oid in self.catalog.relation
        }
        return any(
            (dependency.referenced.catalog, dependency.referenced.oid) in lacking
            for address in own
            for dependency in self.catalog.references_of.get(address, ())
        )


def _rules(catalog: Catalog, address: Address) -> Iterator[Address]:
    """A view's own rule, which has the dependencies of its query."""
    for dependency in catalog.dependents_of.get(address, ()):
        if dependency.kind == "i" and dependency.dependent.catalog == "pg_rewrite":
            yield dependency.dependent


def _refusal(definition: Definition, left: Unanswered) -> Refusal:
    complaint = left.complaint
    if complaint is None:
        return Refusal(definition.object, "it needs too many casts")
    excerpt = ""
    if complaint.position is not None:
        sql = definition.statement(left.part)
        start = max(len(definition.before), complaint.position - MOST_EXCERPT // 2)
        excerpt = " ".join(sql[start : start + MOST_EXCERPT].split())
    return Refusal(definition.object, complaint.message, excerpt, left.ambiguous)
