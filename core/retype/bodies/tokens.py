"""The tokens of a PL/pgSQL body, which are SQL's, and a place among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pglast.parser import scan

OPENING, CLOSING = frozenset({"ASCII_40", "ASCII_91"}), frozenset({"ASCII_41", "ASCII_93"})  # ( [ and ) ]
_COMMENTS = {"SQL_COMMENT", "C_COMMENT"}
_WORD = re.compile(r"[^\W\d][\w$]*")


class Unreadable(Exception):
    """The body is not what this reader takes for PL/pgSQL."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, from the character `start` to before `end`.

    Attributes:
        name: as PostgreSQL's grammar calls it.
        word: of a name what it is folded to, else the text itself.
    """

    start: int
    end: int
    name: str
    word: str
    is_name: bool
    is_quoted: bool = False

    def means(self, *words: str) -> bool:
        return not self.is_quoted and self.word in words


def tokens_of(body: str) -> Iterator[Token]:
    for token in scan(body):
        if token.name in _COMMENTS:
            continue
        text = body[token.start : token.end + 1]
        if text.startswith('"'):
            yield Token(token.start, token.end + 1, token.name, text[1:-1].replace('""', '"'), True, True)
        elif _WORD.fullmatch(text):
            yield Token(token.start, token.end + 1, token.name, text.lower(), True)
        else:
            yield Token(token.start, token.end + 1, token.name, text, False)


class Tokens:
    """A place among the tokens of a body, which moves on. Beyond the last token there is an IndexError.

    Raises:
        pglast.parser.ParseError: these are not SQL's tokens.
    """

    def __init__(self, body: str) -> None:
        self.body = body
        self.tokens = tuple(tokens_of(body))
        self.i = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.i]

    def ahead(self, by: int = 1) -> Token | None:
        return self.tokens[self.i + by] if self.i + by < len(self.tokens) else None

    def next(self) -> Token:
        self.i += 1
        return self.tokens[self.i - 1]

    def at(self, *words: str) -> bool:
        return self.i < len(self.tokens) and self.here.means(*words)

    def skip(self, *words: str) -> bool:
        found = self.at(*words)
        self.i += found
        return found

    def expect(self, *words: str) -> Token:
        if not self.at(*words):
            raise Unreadable(f"{' or '.join(words)} is missing at: {self.excerpt()}")
        return self.next()

    def excerpt(self) -> str:
        return " ".join(self.body[self.here.start :].split())[:40] if self.i < len(self.tokens) else "its end"

    def until(self, *words: str) -> tuple[int, int]:
        """The text up to one of the words outside of parentheses, which is not read."""
        start, end, depth = self.here.start, self.here.start, 0
        while depth > 0 or not self.at(*words):
            token = self.here
            if token.name in CLOSING and depth == 0:
                raise Unreadable(f"a parenthesis closes too soon at: {self.excerpt()}")
            depth += (token.name in OPENING) - (token.name in CLOSING)
            end = token.end
            self.i += 1
        return start, end

    def name(self) -> str:
        if not self.here.is_name:
            raise Unreadable(f"a name is missing at: {self.excerpt()}")
        return self.next().word
