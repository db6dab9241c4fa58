"""DO blocks, followed statement by statement as PL/pgSQL would run them, as far as what they do is certain.

Nothing of them is run: queries and expressions over the system catalogs are asked for their rows, loops go through these, and
what EXECUTE would run is put together by the server from them. What depends on anything else is not readable, and is said so.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pglast import parse_sql
from pglast.parser import ParseError, parse_plpgsql_json

from core.retype.audit.asking import Asker, NotReadable, Row, Value, put_in
from core.retype.repair.syntax import Parsed

Tree = dict[str, Any]
_LONGEST_LOOP: Final = 5_000


class Surroundings:
    """What a program acts on; implemented by the reading of the script around it."""

    async def run(self, sql: str, line: int, *, dynamic: bool) -> None:
        """Take a statement that the program would run."""
        raise NotImplementedError

    def not_readable(self, line: int, what: str, why: str) -> None:
        raise NotImplementedError

    def swallows(self, line: int) -> None:
        """Errors end here without ending the script."""
        raise NotImplementedError

    def query(self, query: str) -> str:
        """The query with what the script has saved in temporary tables.

        Raises:
            NotReadable: that is not known.
        """
        raise NotImplementedError

    async def rounds(self, query: str, line: int, rows: list[Row], go: Callable[[Row], Awaitable[None]]) -> None:
        """Go through the rows of a loop over that query."""
        raise NotImplementedError


@dataclass
class _Left(Exception):
    """EXIT, CONTINUE or RETURN."""

    kind: str


@dataclass
class Program:
    """One DO block.

    Args:
        line: of the script, where the block's text begins.
    """

    asker: Asker
    around: Surroundings
    line: int
    variables: dict[str, Value | Row] = field(default_factory=dict[str, "Value | Row"])
    _names: dict[int, str] = field(default_factory=dict[int, str])
    """Of the variables, by their place in the program."""

    async def follow(self, statement: str) -> None:
        """Follow the DO statement."""
        try:
            (program,) = json.loads(parse_plpgsql_json(statement))
        except (ParseError, ValueError) as error:
            self.around.not_readable(self.line, "DO", f"it cannot be parsed: {error}")
            return
        function: Tree = program["PLpgSQL_function"]
        for number, datum in enumerate(function["datums"]):
            ((_, content),) = datum.items()
            if "refname" in content:
                self._names[number] = content["refname"]
            default = content.get("default_val")
            if default is not None:
                await self._assign(content["refname"], default["PLpgSQL_expr"]["query"])
        try:
            await self._block(function["action"]["PLpgSQL_stmt_block"])
        except _Left:
            return

    async def _block(self, block: Tree) -> None:
        handlers = block.get("exceptions", {}).get("PLpgSQL_exception_block", {}).get("exc_list", ())
        if handlers and is_of_interest(block.get("body", ())) and not all(map(_raises_again, handlers)):
            self.around.swallows(self._line(block))
        await self._statements(block.get("body", ()))

    async def _statements(self, statements: Iterable[Tree]) -> None:
        for statement in statements:
            ((kind, content),) = statement.items()
            try:
                await self._statement(kind.removeprefix("PLpgSQL_stmt_"), content)
            except NotReadable as why:
                if is_of_interest([statement]):
                    self.around.not_readable(self._line(content), _excerpt(kind, content), str(why))

    async def _statement(self, kind: str, content: Tree) -> None:
        match kind:
            case "block":
                await self._block(content)
            case "execsql":
                await self._sql(content)
            case "dynexecute":
                await self._execute(content)
            case "fors" | "dynfors":
                await self._loop_over_query(kind, content)
            case "foreach_a":
                await self._loop_over_array(content)
            case "if":
                await self._if(content)
            case "assign":
                name, _, expression = content["expr"]["PLpgSQL_expr"]["query"].partition(":=")
                await self._assign(name.strip(), expression)
            case "exit":
                await self._exit(content)
            case "return":
                raise _Left("return")
            case "fori" | "while" | "loop" | "forc" | "case":
                raise NotReadable("a loop or choice of this kind is not followed")
            case _:
                pass  # RAISE, PERFORM, GET DIAGNOSTICS …: they change no schema

    async def _sql(self, content: Tree) -> None:
        query = content["sqlstmt"]["PLpgSQL_expr"]["query"]
        if content.get("into"):
            await self._into(content["target"], put_in(query, self.variables, is_query=True))
        else:
            await self.around.run(self._put_in(query), self._line(content), dynamic=False)

    async def _execute(self, content: Tree) -> None:
        if content.get("into"):
            self._forget(content["target"])  # a statement with a result changes no schema
            return
        value = await self._value(content["query"]["PLpgSQL_expr"]["query"])
        if value.text is None:
            raise NotReadable("it executes NULL")
        await self.around.run(value.text, self._line(content), dynamic=True)

    async def _loop_over_query(self, kind: str, content: Tree) -> None:
        query = content["query"]["PLpgSQL_expr"]["query"]
        if not is_of_interest(content.get("body", ())):
            return
        if kind == "dynfors":
            if content.get("params"):
                raise NotReadable("EXECUTE … USING is not followed")
            query = (await self._value(query)).text or ""
        else:
            query = self._put_in(query)
        rows = await self.asker.ask(self.around.query(query))

        async def go(row: Row) -> None:
            self._set(content["var"], row)
            await self._statements(content.get("body", ()))

        await self._rounds(query, content, rows, go)
        self._forget(content["var"])

    async def _loop_over_array(self, content: Tree) -> None:
        if not is_of_interest(content.get("body", ())):
            return
        array = self._put_in(content["expr"]["PLpgSQL_expr"]["query"])
        rows = await self.asker.ask(self.around.query(f"SELECT element FROM unnest({array}) AS u (element)"))  # noqa: S608
        name = self._names[content["varno"]]

        async def go(row: Row) -> None:
            self.variables[name] = row["element"]
            await self._statements(content.get("body", ()))

        await self._rounds("", content, rows, go)
        self.variables.pop(name, None)

    async def _rounds(self, query: str, content: Tree, rows: list[Row], go: Callable[[Row], Awaitable[None]]) -> None:
        if len(rows) > _LONGEST_LOOP:
            raise NotReadable(f"its loop has more than {_LONGEST_LOOP:,} rounds")
        ended = False

        async def once(row: Row) -> None:
            nonlocal ended
            if ended:
                return
            try:
                await go(row)
            except _Left as left:
                if left.kind == "return":
                    raise
                ended = left.kind == "exit"

        await self.around.rounds(query, self._line(content), rows, once)

    async def _if(self, content: Tree) -> None:
        branches = [(content["cond"], content.get("then_body", ()))]
        branches += [(one["PLpgSQL_if_elsif"]["cond"], one["PLpgSQL_if_elsif"].get("stmts", ()))
                     for one in content.get("elsif_list", ())]  # fmt: skip
        bodies = [body for _, body in branches] + [content.get("else_body", ())]
        if not any(is_of_interest(body) or _leaves(body) for body in bodies):
            for body in bodies:
                self._forget_assigned(body)
            return
        for condition, body in branches:
            value = await self._value(f"({condition['PLpgSQL_expr']['query']})::boolean")
            if value.text in {"true", "t"}:
                await self._statements(body)
                return
        await self._statements(content.get("else_body", ()))

    async def _exit(self, content: Tree) -> None:
        if content.get("label"):
            raise NotReadable("labels are not followed")
        condition = content.get("cond")
        if condition is not None:
            value = await self._value(f"({condition['PLpgSQL_expr']['query']})::boolean")
            if value.text not in {"true", "t"}:
                return
        raise _Left("exit" if content.get("is_exit") else "continue")

    async def _assign(self, name: str, expression: str) -> None:
        try:
            self.variables[name] = await self._value(expression)
        except NotReadable:
            self.variables.pop(name, None)

    async def _into(self, target: Tree, query: str) -> None:
        self._forget(target)
        try:
            rows = await self.asker.ask(self.around.query(query))
        except NotReadable:
            return
        if rows:
            self._set(target, rows[0])

    async def _value(self, expression: str) -> Value:
        """What the server makes of an expression."""
        rows = await self.asker.ask(self.around.query(f"SELECT {self._put_in(expression)} AS value"))
        return rows[0]["value"]

    def _put_in(self, text: str) -> str:
        """The expression or statement with the variables' values; the rest of them must not be in it.

        Raises:
            NotReadable: a variable's value is not known.
        """
        is_query = _is_statement(text)
        done = put_in(text, self.variables, is_query=is_query)
        declared = set(self._names.values()) - self.variables.keys()
        for node in Parsed(done if is_query else f"SELECT {done}").nodes():
            if node.kind == "ColumnRef":
                name = node.fields["fields"][0].get("String", {}).get("sval", "")
                # In a query the same name may be a table's there.
                if name in declared and (not is_query or len(node.fields["fields"]) == 1):
                    raise NotReadable(f"what {name} is shows only when it runs")
        return done

    def _set(self, target: Tree, row: Row) -> None:
        ((kind, content),) = target.items()
        if kind == "PLpgSQL_rec":
            self.variables[content["refname"]] = row
            return
        names = [one["name"] for one in content["fields"]] if kind == "PLpgSQL_row" else [content["refname"]]
        for name, value in zip(names, row.values(), strict=False):
            self.variables[name] = value

    def _forget(self, target: Tree) -> None:
        ((kind, content),) = target.items()
        names = [one["name"] for one in content["fields"]] if kind == "PLpgSQL_row" else [content["refname"]]
        for name in names:
            self.variables.pop(name, None)

    def _forget_assigned(self, body: Iterable[Tree]) -> None:
        for kind, content in _within(body):
            if kind == "PLpgSQL_stmt_assign":
                self.variables.pop(content["expr"]["PLpgSQL_expr"]["query"].partition(":=")[0].strip(), None)
            elif "target" in content:
                self._forget(content["target"])

    def _line(self, content: Tree) -> int:
        return self.line + content.get("lineno", 1) - 1


def is_of_interest(statements: Iterable[Tree]) -> bool:
    """Whether among the statements, or within them, are some that may change the schema."""
    for kind, content in _within(statements):
        if kind == "PLpgSQL_stmt_dynexecute" and not content.get("into"):
            return True
        if kind == "PLpgSQL_stmt_execsql" and not content.get("into"):
            return True
    return False


def _within(tree: Any) -> Iterable[tuple[str, Tree]]:
    if isinstance(tree, (list, tuple)):
        for one in cast("list[Any]", tree):
            yield from _within(one)
    elif isinstance(tree, dict):
        for key, value in cast("Tree", tree).items():
            if key.startswith("PLpgSQL_stmt_") and isinstance(value, dict):
                yield key, cast("Tree", value)
            yield from _within(value)


def _leaves(body: Iterable[Tree]) -> bool:
    return any(kind in {"PLpgSQL_stmt_exit", "PLpgSQL_stmt_return"} for kind, _ in _within(body))


def _raises_again(handler: Mapping[str, Any]) -> bool:
    return any(
        kind == "PLpgSQL_stmt_raise" and content.get("elog_level", 21) >= 21
        for kind, content in _within(handler["PLpgSQL_exception"].get("action", ()))
    )


def _is_statement(text: str) -> bool:
    try:
        parse_sql(text)
    except ParseError:
        return False
    return True


def _excerpt(kind: str, content: Tree) -> str:
    for key in ("query", "sqlstmt", "expr", "cond"):
        if key in content:
            return " ".join(content[key]["PLpgSQL_expr"]["query"].split())[:80]
    return kind.removeprefix("PLpgSQL_stmt_").upper()
