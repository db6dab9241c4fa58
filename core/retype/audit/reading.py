"""A script read from its first statement to its last: what it changes, and what of it cannot be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from pglast import parse_sql
from pglast.parser import ParseError

from core.retype.audit.asking import Asker, NotReadable, Row
from core.retype.audit.changes import Change, DroppedConstraint, changes_of
from core.retype.audit.programs import Program, Surroundings
from core.retype.audit.temporary import TemporaryTables
from core.retype.psql_script import PsqlScript, ScriptStatement, read_psql_script
from core.retype.repair.syntax import Parsed

# Where the catalogs and the information schema keep foreign keys.
_KEY_CATALOGS: Final = frozenset(
    {
        "pg_constraint",
        "table_constraints",
        "key_column_usage",
        "constraint_column_usage",
        "referential_constraints",
        "constraint_table_usage",
    }
)
_LEAVING: Final = {
    "i": "it includes another file",
    "ir": "it includes another file",
    "include": "it includes another file",
    "include_relative": "it includes another file",
    "!": "it runs a command of the shell",
    "c": "it connects to another database",
    "connect": "it connects to another database",
    "copy": "it copies rows",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A change, where it stands, and whether the script puts its statement together while it runs.

    Attributes:
        statement: the place of its statement in the script.
        number: of the statement as it is run, of which a program may run many; changes of one statement share it.
        conditional: whether psql runs it only under a condition.
    """

    change: Change
    line: int
    statement: int
    number: int = 0
    dynamic: bool = False
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is not known without running it, and why."""

    line: int
    what: str
    why: str


@dataclass(frozen=True)
class Reading:
    """A script.

    Attributes:
        swallows: lines of blocks that go on after an error, with something that changes the schema in them.
    """

    script: PsqlScript
    steps: tuple[Step, ...]
    unreadable: tuple[Unreadable, ...] = ()
    swallows: tuple[int, ...] = ()

    @property
    def stops_on_error(self) -> bool:
        """Whether psql ends the script at the first error."""
        return any(
            c.name == "set" and c.argument.upper().split()[:2] in (["ON_ERROR_STOP", "ON"], ["ON_ERROR_STOP", "1"])
            for c in self.script.commands
        )


async def read_script(asker: Asker, text: str) -> Reading:
    """Read a script; nothing of it is run.

    Args:
        asker: answers what it would ask the system catalogs.
    """
    reader = _Reader(asker, read_psql_script(text))
    await reader.read()
    return Reading(reader.script, tuple(reader.steps), tuple(reader.unreadable), tuple(reader.swallowed))


class _Reader(Surroundings):
    def __init__(self, asker: Asker, script: PsqlScript) -> None:
        self.asker = asker
        self.script = script
        self.steps: list[Step] = []
        self.unreadable: list[Unreadable] = []
        self.swallowed: list[int] = []
        self._tables = TemporaryTables()
        self._functions: set[str] = set()
        self._place = 0
        self._number = 0

    async def read(self) -> None:
        for command in self.script.commands:
            if command.name in _LEAVING:
                self.not_readable(command.line, f"\\{command.name} {command.argument}"[:80], _LEAVING[command.name])
        for place, statement in enumerate(self.script.statements):
            self._place = place
            try:
                await self._statement(statement)
            except NotReadable as why:
                self.not_readable(statement.line, _beginning(statement.text), str(why))
        self.unreadable.sort(key=lambda u: u.line)

    async def _statement(self, statement: ScriptStatement) -> None:
        if statement.sent_by == "gexec":
            rows = await self.asker.ask(self.query(statement.text))

            async def go(row: Row) -> None:
                for value in row.values():
                    if value.text is not None:
                        await self.run(value.text, statement.line, dynamic=True)

            await self.rounds(statement.text, statement.line, rows, go)
        else:
            await self.run(statement.text, statement.line, dynamic=False)

    async def run(self, sql: str, line: int, *, dynamic: bool) -> None:
        try:
            nodes: list[Any] = [raw.stmt for raw in parse_sql(sql)]
        except ParseError as error:
            raise NotReadable(f"it cannot be parsed: {error}") from None
        if len(nodes) == 1 and type(nodes[0]).__name__ == "DoStmt":
            (body,) = (arg.arg.sval for arg in nodes[0].args if arg.defname == "as")
            before = sql.count("\n", 0, max(0, sql.find(body)))
            await Program(self.asker, self, line + before).follow(sql)
            return
        if len(nodes) == 1 and self._tables.take(sql, unknown=self._is_late(sql)):
            return
        self._functions |= {n.funcname[-1].sval for n in nodes if type(n).__name__ == "CreateFunctionStmt"}
        if called := self._functions & _called(sql):
            raise NotReadable(f"it calls {', '.join(sorted(called))}, which the script makes itself")
        conditional = self.script.statements[self._place].conditional
        self._number += 1
        self.steps += [
            Step(change, line, self._place, self._number, dynamic, conditional) for change in changes_of(sql)
        ]

    def not_readable(self, line: int, what: str, why: str) -> None:
        self.unreadable.append(Unreadable(line, what, why))

    def swallows(self, line: int) -> None:
        self.swallowed.append(line)

    def query(self, query: str) -> str:
        return self._tables.around(query, _relations(query) & self._tables.names())

    async def rounds(self, query: str, line: int, rows: list[Row], go: Callable[[Row], Awaitable[None]]) -> None:
        """As for every loop; but what the catalogs say of foreign keys is of before the script.

        A query for foreign keys that comes after some were dropped finds only those that are left: a round that drops what is
        dropped already does not take place, and anything but dropping them cannot be known.
        """
        late = bool(self._is_late(query))
        for row in rows:
            tables, known = self._tables.snapshot(), len(self.steps)
            gone = {(s.change.table.name, s.change.name) for s in self.steps if isinstance(s.change, DroppedConstraint)}
            await go(row)
            made = [step.change for step in self.steps[known:]]
            if not late or not made:
                continue
            dropped = [change for change in made if isinstance(change, DroppedConstraint)]
            if len(dropped) < len(made):
                del self.steps[known:]
                raise NotReadable(
                    "it asks for foreign keys after some were dropped: what it finds then is not what it finds now"
                )
            if all((change.table.name, change.name) in gone for change in dropped):
                del self.steps[known:]
                self._tables.restore(tables)

    def _is_late(self, sql: str) -> str:
        if not any(isinstance(step.change, DroppedConstraint) for step in self.steps):
            return ""
        late = "it was filled from foreign keys after some of them had been dropped"
        return late if _relations(sql) & _KEY_CATALOGS else ""


def _relations(sql: str) -> frozenset[str]:
    """Names of the relations that a statement is about, without their schemas."""
    try:
        return frozenset(_named(Parsed(sql).tree))
    except ParseError:
        return frozenset()


def _named(tree: Any) -> Iterator[str]:
    if isinstance(tree, list):
        for one in cast("list[Any]", tree):
            yield from _named(one)
    elif isinstance(tree, dict):
        for key, value in cast("dict[str, Any]", tree).items():
            if key == "relname":
                yield value
            else:
                yield from _named(value)


def _called(sql: str) -> frozenset[str]:
    try:
        nodes = list(Parsed(sql).nodes())
    except ParseError:
        return frozenset()
    return frozenset(n.fields["funcname"][-1]["String"]["sval"] for n in nodes if n.kind == "FuncCall")


def _beginning(sql: str) -> str:
    return " ".join(sql.split())[:80]
