"""Reading a PL/pgSQL body: which SQL it contains, exactly where, and which variables that SQL may name.

PL/pgSQL has its own grammar (src/pl/plpgsql/src/pl_gram.y), which hands everything between two of its keywords to SQL.
libpg_query can parse it too, but tells lines only, knows no scopes, and gives up on variables of row types; it serves as a
second opinion (`second_opinion`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from pglast.parser import ParseError

from core.retype.bodies.reading import CURSOR, RECORD, Conflict, Fetch, Piece, Reading, Role, Scope, Variable
from core.retype.bodies.tokens import CLOSING, OPENING, Tokens, Unreadable

_LEVELS = ("exception", "warning", "notice", "info", "log", "debug")
_WITHOUT_SQL = frozenset({"get", "close", "move", "null", "commit", "rollback"})


def read_body(
    body: str, parameters: Sequence[Variable], *, function: str = "", further: Sequence[Variable] = ()
) -> Reading:
    """Read a body.

    Args:
        parameters: of the function in order, nameless ones too: `$n` means them.
        function: its name, by which its parameters can be qualified.
        further: what else can be named everywhere: FOUND, NEW.

    Raises:
        Unreadable: it is not PL/pgSQL as this reader knows it.
    """
    try:
        return _Reader(body, parameters, function, further).read()
    except (ParseError, IndexError, RecursionError) as error:
        raise Unreadable(str(error) or "it ends too soon") from error


class _Reader(Tokens):
    def __init__(self, body: str, parameters: Sequence[Variable], function: str, further: Sequence[Variable]) -> None:
        super().__init__(body)
        self.conflict: Conflict = "error"
        self.variables: list[Variable] = []
        self.steps: list[Piece | Fetch] = []
        self.bound_cursors: set[int] = set()
        self.scope = Scope().inside(function)
        for n, parameter in enumerate(parameters, start=1):
            self._declare(parameter, f"${n}", *filter(None, [parameter.name]))
        for variable in further:
            self._declare(variable, variable.name)

    def read(self) -> Reading:
        self._options()
        self._block(self._label())
        self.skip(";")
        if self.i < len(self.tokens):
            raise Unreadable(f"it goes on after its end: {self.excerpt()}")
        return Reading(self.body, tuple(self.variables), tuple(self.steps), self.conflict)

    # --- what is made of it ---

    def _declare(self, variable: Variable, *names: str) -> int:
        self.variables.append(variable)
        self.scope = self.scope.with_names(*names, variable=len(self.variables) - 1)
        return len(self.variables) - 1

    def _piece(self, role: Role, extent: tuple[int, int], before: str = "SELECT ", **more: Any) -> int:
        start, end = extent
        if start == end:
            raise Unreadable(f"an expression is missing at: {self.excerpt()}")
        self.steps.append(Piece(role, start, end, before, self.scope, **more))
        return len(self.steps) - 1

    def _expressions(self, *ends: str) -> tuple[int, ...]:
        """Expressions with commas between, up to one of the words."""
        found = [self._piece("value", self.until(",", *ends))]
        while self.skip(","):
            found.append(self._piece("value", self.until(",", *ends)))
        return tuple(found)

    # --- blocks ---

    def _options(self) -> None:
        while self.skip("#"):
            option, value = self.name(), self.next().word
            if option == "variable_conflict":
                self.conflict = cast("Conflict", value)

    def _label(self) -> str:
        if not self.skip("<<"):
            return ""
        label = self.name()
        self.expect(">>")
        return label

    def _block(self, label: str) -> None:
        outside = self.scope
        self.scope = outside.inside(label)
        while self.skip("declare"):
            while not self.at("begin", "declare"):
                self._declaration()
        self.expect("begin")
        self._statements("exception", "end")
        if self.skip("exception"):
            self.scope = self.scope.inside("")
            for name in ("sqlstate", "sqlerrm"):
                self._declare(Variable(name, "text"), name)
            while self.skip("when"):
                self.until("then")
                self.next()
                self._statements("when", "end")
        self.expect("end")
        self._end_label()
        self.scope = outside

    def _end_label(self) -> None:
        if self.i < len(self.tokens) and self.here.is_name:
            self.next()

    def _declaration(self) -> None:
        name = self.name()
        if self.at("alias"):
            self.next()
            self.expect("for")
            found = self.scope.lookup([self.next().word])
            if found is None:
                raise Unreadable(f"ALIAS FOR an unknown variable at: {self.excerpt()}")
            self.scope = self.scope.with_names(name, variable=found[0])
        elif self._is_cursor():
            self._cursor(name)
        else:
            self.skip("constant")
            start, end = self.until("collate", "not", "default", ":=", "=", ";")
            self.until("not", "default", ":=", "=", ";")
            if self.skip("not"):
                self.expect("null")
            if self.skip("default", ":=", "="):
                value = self._piece("assign", self.until(";"))
                variable = self._declare(Variable(name, self.body[start:end]), name)
                self.steps[value] = replace(cast("Piece", self.steps[value]), targets=(variable,))
            else:
                self._declare(Variable(name, self.body[start:end]), name)
        self.expect(";")

    def _is_cursor(self) -> bool:
        words = [token.word for token in self.tokens[self.i : self.i + 3]]
        return words[:1] == ["cursor"] or words[:2] == ["scroll", "cursor"] or words == ["no", "scroll", "cursor"]

    def _cursor(self, name: str) -> None:
        while not self.skip("cursor"):
            self.next()
        outside = self.scope
        self.scope = outside.inside(name)
        if self.skip("("):
            while not self.skip(")"):
                argument = self.name()
                start, end = self.until(",", ")")
                self._declare(Variable(argument, self.body[start:end]), argument)
                self.skip(",")
        self.expect("for", "is")
        query = self._piece("cursor", self.until(";"), "")
        self.scope = outside
        variable = self._declare(Variable(name, CURSOR), name)
        self.steps[query] = replace(cast("Piece", self.steps[query]), of=variable)
        self.bound_cursors.add(variable)

    # --- statements ---

    def _statements(self, *ends: str) -> None:
        while not self.at(*ends):
            self._statement()

    def _statement(self) -> None:
        if self._is_assignment():
            self._assignment()
            return
        label = self._label()
        word = self.here.word if not self.here.is_quoted else ""
        match word:
            case "declare" | "begin":
                self._block(label)
            case "if":
                self._if()
            case "case":
                self._case()
            case "loop":
                self.next()
                self._loop()
            case "while":
                self.next()
                self._piece("value", self.until("loop"))
                self.next()
                self._loop()
            case "for":
                self._for(label)
            case "foreach":
                self._foreach()
            case _:
                self._simple(word)
        self.expect(";")

    def _simple(self, word: str) -> None:
        match word:
            case "exit" | "continue":
                self.until("when", ";")
                if self.skip("when"):
                    self._piece("value", self.until(";"))
            case "return":
                self._return()
            case "raise":
                self._raise()
            case "assert":
                self.next()
                self._expressions(";")
            case "perform":
                self.next()
                self._piece("value", self.until(";"))
            case "execute":
                self.next()
                self._execute(";")
            case "open":
                self._open()
            case "fetch":
                self._fetch()
            case word if word in _WITHOUT_SQL:
                self.until(";")
            case _:
                self._sql(word)

    def _is_assignment(self) -> bool:
        if not self.here.is_name and self.here.name != "PARAM":
            return False
        k = self.i + 1
        while k < len(self.tokens) and self.tokens[k].word in {".", "["}:
            if self.tokens[k].word == ".":
                k += 2
                continue
            depth = 1
            while depth and k + 1 < len(self.tokens):
                k += 1
                depth += (self.tokens[k].name in OPENING) - (self.tokens[k].name in CLOSING)
            k += 1
        return k < len(self.tokens) and self.tokens[k].means(":=", "=")

    def _assignment(self) -> None:
        targets = self._targets(":=", "=")
        self.next()
        self._piece("assign", self.until(";"), targets=targets)
        self.expect(";")

    def _targets(self, *ends: str) -> tuple[int, ...]:
        """Of the variables up to one of the words the one that is named as a whole, if it is a single one."""
        names: list[str] = []
        while not self.at(*ends):
            token = self.next()
            if token.word != ".":
                names.append(token.word)
        found = self.scope.lookup(names)
        return (found[0],) if found is not None and found[1] == len(names) else ()

    def _if(self) -> None:
        while self.skip("if", "elsif", "elseif"):
            self._piece("value", self.until("then"))
            self.next()
            self._statements("elsif", "elseif", "else", "end")
        if self.skip("else"):
            self._statements("end")
        self.expect("end")
        self.expect("if")

    def _case(self) -> None:
        self.next()
        subject = None if self.at("when") else self._piece("case", self.until("when"))
        while self.skip("when"):
            extent = self.until("then")
            if subject is None:
                self._piece("value", extent)
            else:
                self._piece("when", extent, of=subject)
            self.next()
            self._statements("when", "else", "end")
        if self.skip("else"):
            self._statements("end")
        self.expect("end")
        self.expect("case")

    def _loop(self) -> None:
        self._statements("end")
        self.expect("end")
        self.expect("loop")
        self._end_label()

    def _for(self, label: str) -> None:
        self.next()
        outside, at = self.scope, self.i
        targets = self._row_targets("in")
        self.next()
        cursor = self.scope.lookup([self.here.word]) if self.here.is_name else None
        if self.skip("execute"):
            self._execute("loop", targets=targets)
        elif cursor and cursor[0] in self.bound_cursors and (follows := self.ahead()) and follows.means("loop", "("):
            self.next()
            self._cursor_arguments()
            self.scope = self.scope.inside(label)
            name = self.tokens[at].word
            self.steps.append(Fetch(cursor[0], (self._declare(Variable(name, RECORD), name),)))
        elif self._is_range():
            self.skip("reverse")
            for word in ("..", "by"):
                self._piece("value", self.until(word, "loop"))
                self.skip(word)
            if not self.at("loop"):
                self._piece("value", self.until("loop"))
            self.scope = self.scope.inside(label)
            name = self.tokens[at].word
            self._declare(Variable(name, "integer"), name)
        else:
            self._piece("row", self.until("loop"), "", targets=targets)
        self.expect("loop")
        self._loop()
        self.scope = outside

    def _is_range(self) -> bool:
        at = self.i
        self.until("loop", "..")
        found = self.at("..")
        self.i = at
        return found

    def _row_targets(self, *ends: str) -> tuple[int, ...]:
        """The one variable that takes a whole row; nothing where several take its columns."""
        at = self.i
        self.until(",", *ends)
        if self.at(","):
            self.until(*ends)
            return ()
        self.i = at
        return self._targets(*ends)

    def _foreach(self) -> None:
        self.next()
        targets = self._row_targets("in", "slice")
        while not self.skip("array"):
            self.next()
        # The elements go to the variable, not the array.
        self._piece("each", self.until("loop"), targets=targets)
        self.next()
        self._loop()

    def _return(self) -> None:
        self.next()
        if self.skip("query"):
            if self.skip("execute"):
                self._execute(";")
            else:
                self._piece("return query", self.until(";"), "")
        elif self.skip("next"):
            if not self.at(";"):
                self._piece("return next", self.until(";"))
        elif not self.at(";"):
            self._piece("return", self.until(";"))

    def _raise(self) -> None:
        self.next()
        if self.at(*_LEVELS):
            self.next()
        if self.here.name in {"SCONST", "USCONST"}:
            self.next()
            if self.skip(","):
                self._expressions("using", ";")
        else:
            self.until("using", ";")
        if self.skip("using"):
            while not self.at(";"):
                self.until(":=", "=")
                self.next()
                self._piece("value", self.until(",", ";"))
                self.skip(",")

    def _execute(self, end: str, targets: tuple[int, ...] = ()) -> None:
        dynamic = self._piece("dynamic", self.until("into", "using", end))
        arguments: tuple[int, ...] = ()
        while not self.at(end):
            if self.skip("into"):
                self.skip("strict")
                targets = self._row_targets("using", end)
            else:
                self.expect("using")
                arguments = self._expressions("into", end)
        self.steps[dynamic] = replace(cast("Piece", self.steps[dynamic]), arguments=arguments, targets=targets)

    def _open(self) -> None:
        self.next()
        found = self.scope.lookup([self.name()])
        self.until("for", "(", ";")
        if self.skip("for"):
            if self.skip("execute"):
                self._execute(";")
            else:
                self._piece("cursor", self.until(";"), "", of=found[0] if found else None)
        else:
            self._cursor_arguments()

    def _cursor_arguments(self) -> None:
        if self.skip("("):
            while not self.skip(")"):
                follows = self.ahead()
                if self.here.is_name and follows is not None and follows.means(":=", "=>"):
                    self.i += 2
                self._piece("value", self.until(",", ")"))
                self.skip(",")

    def _fetch(self) -> None:
        self.until("into")
        found = self.scope.lookup([self.tokens[self.i - 1].word])
        self.next()
        targets = self._row_targets(";")
        if found is not None:
            self.steps.append(Fetch(found[0], targets))

    def _sql(self, word: str) -> None:
        """An SQL statement up to its semicolon; an INTO that is not SQL's is PL/pgSQL's (make_execsql_stmt)."""
        start, end, depth, previous = self.here.start, self.here.end, 0, ""
        gap: tuple[int, int] | None = None
        targets: tuple[int, ...] = ()
        while depth > 0 or not self.at(";"):
            token = self.next()
            depth += (token.name in OPENING) - (token.name in CLOSING)
            if word == "create" and token.means("begin", "case"):
                depth += 1  # a function's body
            elif word == "create" and token.means("end"):
                depth -= 1
            elif token.means("into") and previous not in {"insert", "merge"} and word != "import":
                self.skip("strict")
                targets = self._into()
                gap = (token.start, self.tokens[self.i - 1].end)
            previous = token.word
            end = self.tokens[self.i - 1].end
        self._piece("row", (start, end), "", gap=gap, targets=targets)

    def _into(self) -> tuple[int, ...]:
        """Names with commas between; what follows the last is SQL again."""
        found: list[list[str]] = []
        while True:
            names = [self.next().word]
            while self.skip("."):
                names.append(self.next().word)
            found.append(names)
            if not self.skip(","):
                break
        if len(found) > 1:
            return ()
        variable = self.scope.lookup(found[0])
        return (variable[0],) if variable is not None and variable[1] == len(found[0]) else ()
