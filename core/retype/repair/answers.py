"""Answering what a server complains about with casts, one complaint after the other, until it has none or none is certain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from core.retype.repair.casts import Candidate, candidates
from core.retype.repair.complaints import Complaint, problem
from core.retype.repair.syntax import Edit, edited
from core.retype.repair.words import Words

MOST_ROUNDS = 100

Look = Callable[[str], Awaitable[Complaint | None]]
"""What the server says of the statement with this text as its part; positions are the statement's."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The part as the server takes it, and why it is another; without reasons it took it as it was."""

    part: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """What is left to complain about of the part, after casts that were certain.

    Attributes:
        complaint: None if there was no end to them.
        ambiguous: whether several casts would do.
    """

    part: str
    complaint: Complaint | None = None
    ambiguous: bool = False


async def answer(before: str, part: str, after: str, look: Look, words: Words) -> Answered | Unanswered:
    """Put casts into the part of a statement that the server complains about.

    Args:
        before, after: what is around the part, and stays as it is.
    """
    reasons: dict[str, None] = {}
    for _ in range(MOST_ROUNDS):
        complaint = await look(part)
        if complaint is None:
            return Answered(part, tuple(reasons))
        found = await _one_answer(before, part, after, complaint, look, words)
        if not isinstance(found, Candidate):
            return Unanswered(part, complaint, found)
        part = edited(part, _shifted(found.edits, -len(before)))
        reasons[found.reason] = None
    return Unanswered(part)


async def _one_answer(
    before: str, part: str, after: str, complaint: Complaint, look: Look, words: Words
) -> Candidate | bool:
    """The one candidate that the server takes; otherwise whether there were several."""
    about = problem(complaint)
    if about is None:
        return False
    start, end = len(before), len(before) + len(part)
    for group in candidates(before + part + after, complaint, about, words):
        accepted: list[Candidate] = []
        for candidate in dict.fromkeys(group):
            if all(start <= edit.start and edit.end <= end for edit in candidate.edits):
                changed = edited(part, _shifted(candidate.edits, -start))
                if _is_answered(complaint, await look(changed), candidate.edits):
                    accepted.append(candidate)
        if accepted:
            return accepted[0] if len(accepted) == 1 else True
    return False


def _is_answered(before: Complaint, after: Complaint | None, edits: tuple[Edit, ...]) -> bool:
    """Whether the complaint is gone: there is none, or another one that a cast could answer too."""
    if after is None:
        return True
    was, now = problem(before), problem(after)
    if now is None:
        return False
    if after.position is None:
        return before.position is not None or was != now
    if before.position is None:
        return not any(_is_within(edit, edits, after.position) for edit in edits)
    return type(was) is not type(now) or after.position != _moved(before.position, edits)


def _is_within(edit: Edit, edits: tuple[Edit, ...], position: int) -> bool:
    """Whether the place, in the text after the edits, is in what this one has put there."""
    end = _moved(edit.start, edits)
    return end - len(edit.text) <= position < end


def _moved(position: int, edits: tuple[Edit, ...]) -> int:
    """Where a place of the text is after the edits; what is put right at it goes before."""
    return position + sum(len(edit.text) - (edit.end - edit.start) for edit in edits if edit.start <= position)


def _shifted(edits: tuple[Edit, ...], by: int) -> tuple[Edit, ...]:
    return tuple(Edit(edit.start + by, edit.end + by, edit.text) for edit in edits)
