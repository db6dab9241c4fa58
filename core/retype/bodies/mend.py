"""Putting casts into a body, where exactly one cast answers each complaint and nothing else is the matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pglast.parser import ParseError

from core.retype.bodies.examine import Seen, written
from core.retype.bodies.probe import Environment, Uncheckable
from core.retype.bodies.reading import Piece, Reading
from core.retype.repair.answers import Answered, answer
from core.retype.repair.complaints import Complaint
from core.retype.repair.words import Words


class Examines(Protocol):
    reading: Reading

    async def begin(self) -> None: ...
    async def look_through(self) -> list[Seen]: ...
    async def examine(self, step: int, part: str, environment: Environment) -> Complaint | None: ...


class Site(NamedTuple):
    """A context in which a piece was looked at, and its variables' types there."""

    examiner: Examines
    environment: Environment


@dataclass(frozen=True, slots=True)
class Mended:
    body: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotMended:
    why: str


async def mend(reading: Reading, sites: Mapping[int, Sequence[Site]], words: Words) -> Mended | NotMended:
    """A body with casts in the pieces that fail.

    Args:
        sites: by step, where its piece fails and where it must go on working.
    """
    body, reasons = reading.body, dict[str, None]()
    for step in sorted(sites, reverse=True):
        piece = reading.steps[step]
        assert isinstance(piece, Piece)  # noqa: S101 - only pieces fail
        text = written(reading, piece)

        async def look(part: str, step: int = step) -> Complaint | None:
            return await _first_complaint(sites[step], step, part)

        try:
            result = await answer(text.before, text.part, text.after, look, words)
        except (ParseError, Uncheckable):
            return NotMended("a part of it cannot be looked at")
        if not isinstance(result, Answered):
            return NotMended("more than one cast would do" if result.ambiguous else "no cast repairs it for certain")
        part = reading.restored(piece, result.part)
        if part is None:
            return NotMended("its INTO clause stands where the cast would")
        body = body[: piece.start] + part + body[piece.end :]
        reasons |= dict.fromkeys(result.reasons)
    return Mended(body, tuple(reasons))


async def _first_complaint(sites: Sequence[Site], step: int, part: str) -> Complaint | None:
    for site in sites:
        await site.examiner.begin()
        complaint = await site.examiner.examine(step, part, site.environment)
        if complaint is not None:
            return complaint
    return None
