"""How alike the words of two short texts are: to tell whether a line of a checklist means a step. Pure functions."""

from __future__ import annotations

import re

Words = frozenset[str]

COMMON = 3
"""Words that must be the same for a likeness; two are enough where the texts have no others."""

_COMMENT = re.compile(r"<!--.*?-->")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_PARENTHESES = re.compile(r"\([^)]*\)")
_APOSTROPHES = re.compile("['\u2019]")
_WORD = re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*")
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been by done for from has have in is it its must of or our s than that the then they this "
        "to was were will with you your",
    )
)
_NEGATIONS = frozenset(("not", "no", "never", "without", "skip", "dont", "cannot", "cant"))
_ENDINGS = (("ies", 5), ("ied", 5), ("ing", 6), ("ed", 5), ("es", 6), ("s", 4), ("e", 5), ("y", 5))
"""Endings of plural and tense, and how long a word must be that has one."""


def _stem(word: str) -> str:
    """`revoked` and `revoke` are one, `verified` and `verify` too."""
    for ending, least in _ENDINGS:
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


_OPPOSITES = tuple(
    (_stem(one), _stem(other))
    for one, other in (
        ("old", "new"),
        ("backend", "frontend"),
        ("enable", "disable"),
        ("start", "stop"),
        ("on", "off"),
        ("key", "password"),
        ("before", "after"),
    )
)


_PRODUCTION = frozenset((_stem("production"),))
_PLACES = frozenset(
    map(
        _stem,
        ("production", "test", "staging", "development", "dev", "local", "demo", "sandbox", "preview", "uat", "qa"),
    )
)


def words_of(text: str) -> Words:
    """The words of a line of Markdown that carry its meaning, without endings; what stands in parentheses is left out."""
    text = _PARENTHESES.sub("", _LINK.sub(r"\1", _COMMENT.sub("", text)))
    text = _APOSTROPHES.sub("", text.lower())
    return frozenset(_stem(word) for word in _WORD.findall(text) if word not in _STOP)


def likeness(line: Words, phrase: Words) -> float:
    """From 0, where they say opposite things, count differently or share too little to tell, to 1 (Sorensen-Dice)."""
    common = len(line & phrase)
    if common < COMMON and (line != phrase or common < COMMON - 1):
        return 0.0
    if line & _NEGATIONS != phrase & _NEGATIONS or any(any(map(str.isdigit, word)) for word in line ^ phrase):
        return 0.0
    if not _same_place(line & _PLACES, phrase & _PLACES):
        return 0.0
    if any((a in line) != (a in phrase) and (b in line) != (b in phrase) for a, b in _OPPOSITES):
        return 0.0
    return 2 * common / (len(line) + len(phrase))


def _same_place(line: Words, phrase: Words) -> bool:
    """Whether both may be about the same place; who names none may mean any, and production goes without saying."""
    return line == phrase or not line or (not phrase and line <= _PRODUCTION)
