"""A script for psql, taken apart into its statements as psql itself does: by quotes, comments, parentheses and semicolons.

psql's commands (`\\set`, `\\if`, `\\gexec` …) are no SQL: they are kept beside the statements that they concern. Variables that
the script itself sets are put in; what is given from outside stays as it stands, which is what psql does with an unknown
variable too (docs, psql, "Variables" and "Meta-Commands").
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property

_BLANK = re.compile(r"\s+|--[^\n]*")
_STRING = re.compile(r"[eE]'(?:[^'\\]|\\.|'')*'|(?:[uU]&)?'(?:[^']|'')*'|(?:[uU]&)?\"(?:[^\"]|\"\")*\"", re.DOTALL)
_DOLLAR = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_WORD = re.compile(r"[^\W\d][\w$]*")
_VARIABLE = re.compile(r":(?:(\w+)|'(\w+)'|\"(\w+)\")")
_COMMAND = re.compile(r"\\(\S+)[ \t]*([^\n]*)")
_COPY_DATA = re.compile(r"\s*copy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)
_SENDING = {"g", "gx", "gset", "gexec", "gdesc", "crosstabview", "bind"}
"""Commands that send the statement before them, as a semicolon does."""


@dataclass(frozen=True, slots=True)
class ScriptStatement:
    """A statement of a script.

    Attributes:
        text: as it is sent, without the final semicolon.
        line: where it begins, from 1.
        start, end: where it stands in the script, as indexes of characters: from its first word to after what ends it.
        sent_by: `;`, or the command that sent it (`gexec`); empty for what the script's end leaves unfinished.
        conditional: whether it stands between `\\if` and `\\endif`.
    """

    text: str
    line: int
    start: int
    end: int
    sent_by: str = ";"
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command to psql itself, without its backslash."""

    name: str
    argument: str
    line: int


@dataclass(frozen=True)
class PsqlScript:
    text: str
    statements: tuple[ScriptStatement, ...]
    commands: tuple[Command, ...]


def read_psql_script(text: str) -> PsqlScript:
    """Take a script apart. Whatever it says, this ends, and gives what can be made out."""
    reader = _Reader(text)
    reader.read()
    return PsqlScript(text, tuple(reader.statements), tuple(reader.commands))


@dataclass
class _Reader:
    text: str
    at: int = 0
    statements: list[ScriptStatement] = field(default_factory=list[ScriptStatement])
    commands: list[Command] = field(default_factory=list[Command])
    variables: dict[str, str] = field(default_factory=dict[str, str])
    pieces: list[str] = field(default_factory=list[str])
    words: list[str] = field(default_factory=list[str])
    """The first words of the present statement."""
    begun: int | None = None
    """Where it begins."""
    parentheses: int = 0
    blocks: int = 0
    """Of a routine's body between BEGIN ATOMIC and END: how deep."""
    conditions: int = 0

    def read(self) -> None:
        while self.at < len(self.text):
            self._step()
        self._send("", len(self.text))

    def _step(self) -> None:
        character = self.text[self.at]
        if match := _BLANK.match(self.text, self.at):
            self._take(match.end(), begins=False)
        elif self.text.startswith("/*", self.at):
            self._take(self._comment_end(), begins=False)
        elif match := _STRING.match(self.text, self.at):
            self._take(match.end())
        elif character in "'\"":
            self._take(len(self.text))  # never closed
        elif (match := _DOLLAR.match(self.text, self.at)) and not self._is_within_word():
            closing = self.text.find(match[0], match.end())
            self._take(len(self.text) if closing < 0 else closing + len(match[0]))
        elif match := _WORD.match(self.text, self.at):
            self._word(match[0].lower())
            self._take(match.end())
        elif character == "\\":
            self._command()
        elif character == ":" and (match := _VARIABLE.match(self.text, self.at)) and not self._is_cast():
            self._variable(match)
        elif character == ";" and not self.parentheses and not self.blocks:
            self.at += 1
            self._send(";", self.at)
        else:
            self.parentheses = max(0, self.parentheses + (character in "([") - (character in ")]"))
            self._take(self.at + 1)

    def _take(self, end: int, *, begins: bool = True) -> None:
        if begins and self.begun is None:
            self.begun = self.at
        if self.begun is not None:
            self.pieces.append(self.text[self.at : end])
        self.at = end

    def _comment_end(self) -> int:
        """Block comments nest."""
        depth, at = 1, self.at + 2
        while depth and at < len(self.text):
            if self.text.startswith("/*", at):
                depth, at = depth + 1, at + 2
            elif self.text.startswith("*/", at):
                depth, at = depth - 1, at + 2
            else:
                at += 1
        return at

    def _is_within_word(self) -> bool:
        return self.at > 0 and (self.text[self.at - 1].isalnum() or self.text[self.at - 1] in "_$")

    def _is_cast(self) -> bool:
        return self.text.startswith("::", self.at) or (self.at > 0 and self.text[self.at - 1] == ":")

    def _word(self, word: str) -> None:
        """Count BEGIN and END of a routine whose body is SQL: the semicolons in it do not end the statement."""
        if len(self.words) < 4:
            self.words.append(word)
        words = [w for w in self.words if w not in {"or", "replace"}]
        if words[0] != "create" or not {"function", "procedure"} & set(words[1:2]):
            return
        if word == "begin" or (word == "case" and self.blocks):
            self.blocks += 1
        elif word == "end" and self.blocks:
            self.blocks -= 1

    def _variable(self, match: re.Match[str]) -> None:
        value = self.variables.get(match[1] or match[2] or match[3])
        if value is None:
            self._take(self.at + 1)
            return
        if match[2]:
            value = "'" + value.replace("'", "''") + "'"
        elif match[3]:
            value = '"' + value.replace('"', '""') + '"'
        if self.begun is None:
            self.begun = self.at
        self.pieces.append(value)
        self.at = match.end()

    def _command(self) -> None:
        match = _COMMAND.match(self.text, self.at)
        if match is None:
            self.at += 1
            return
        line = self._line(self.at)
        name, argument = match[1], match[2].strip()
        self.at = match.end()
        if name in {";", "\\"}:
            return
        self.commands.append(Command(name, argument, line))
        if name in _SENDING:
            if self.begun is not None:
                self._send(name, match.end())
        elif name == "set":
            variable, _, value = argument.partition(" ")
            self.variables[variable] = value.strip().strip("'")
        elif name == "unset":
            self.variables.pop(argument, None)
        elif name == "if":
            self.conditions += 1
        elif name == "endif":
            self.conditions = max(0, self.conditions - 1)

    def _send(self, by: str, end: int) -> None:
        if self.begun is not None:
            text = "".join(self.pieces).strip()
            self.statements.append(
                ScriptStatement(text, self._line(self.begun), self.begun, end, by, conditional=self.conditions > 0)
            )
            if by == ";" and _COPY_DATA.match(text):
                self._skip_data()
        self.pieces.clear()
        self.words.clear()
        self.begun, self.parentheses, self.blocks = None, 0, 0

    def _skip_data(self) -> None:
        """The rows of COPY … FROM stdin, up to a line with nothing but `\\.`."""
        match = re.compile(r"^\\\.\s*$", re.MULTILINE).search(self.text, self.at)
        self.at = match.end() if match else len(self.text)

    @cached_property
    def _line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    def _line(self, at: int) -> int:
        return bisect_left(self._line_ends, at) + 1
