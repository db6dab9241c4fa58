"""Lines `- [ ]` of the project's own Markdown checklists, and which step of the run each means. Pure functions.

A line is taken for a step's only where that is certain: it names the step's id in a comment (`<!-- pgrecast: 1.3 -->`), or
its words are those of the step's title or of one of its lines, nearly all of them, and of no other step's. Where two steps
come into question, or two lines of a file say the same, none is ticked, and that is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict, ValidationError

from core.events import Json
from core.runbook.checklists.likeness import Words, likeness, words_of
from core.runbook.facts import CHECKLISTS_TICKED, CHECKLISTS_WAITING
from core.runbook.model import Runbook, Step
from core.runbook.project_file import lines_of
from core.runbook.state import RunState, StepStatus

ALIKE = 0.75
"""How alike the words of a line and of a step must be."""
APART = 0.15
"""By how much the next step must be less alike."""
MOST_LINES = 200

_PARSER = MarkdownIt("commonmark")
_BOX = re.compile(r"\[([ xX])\](?=\s)")
_KEY = re.compile(r"<!--\s*pgrecast:\s*([0-9.,\s]+?)\s*-->")
_NOT_CERTAIN = ("either ", "or ", "if ", "only if ", "by hand", "expected", "without ")
"""How lines of a step begin that are one of several ways, or no work: that the step is through does not mean them."""


class Line(BaseModel):
    """A line of a checklist.

    Attributes:
        file: its path.
        line: its number, counted from 1.
        text: what stands behind its box.
        steps: ids of the steps that it means.
        tick: whether it is to be ticked, or unticked.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    line: int
    text: str
    steps: tuple[str, ...]
    tick: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    """A line with a box: its place in the document, counted from 0, and the place of the character within the box."""

    line: int
    column: int
    ticked: bool
    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a look at the checklists has found: lines whose box does not say what the run says, and lines not understood."""

    lines: tuple[Line, ...]
    unclear: tuple[Line, ...]


def boxes(text: str) -> tuple[Box, ...]:
    """The lines with a box, in order; what stands in code or in a comment is none."""
    lines = lines_of(text)
    found: list[Box] = []
    item = -1
    for token in _PARSER.parse(text):
        if token.type == "list_item_open" and token.map:
            item = token.map[0]
        elif token.type == "inline":
            if token.map and token.map[0] == item and _BOX.match(token.content):
                at = lines[item].index("[")
                line = lines[item].rstrip("\r\n")
                found.append(Box(item, at + 1, line[at + 1] != " ", line[at + 3 :].strip()))
            item = -1
    return tuple(found)


def with_boxes(text: str, lines: Iterable[Line]) -> str:
    """The document with these lines ticked or unticked; every other character stays.

    Lines that are not there any more, or whose box says it already, are left alone.
    """
    wanted = {line.line - 1: line for line in lines}
    changed = lines_of(text)
    for box in boxes(text):
        line = wanted.get(box.line)
        if line is not None and line.text == box.text and box.ticked != line.tick:
            old = changed[box.line]
            changed[box.line] = f"{old[: box.column]}{'x' if line.tick else ' '}{old[box.column + 1 :]}"
    return "".join(changed)


def look(files: Mapping[str, str], runbook: Runbook, state: RunState) -> Waiting:
    """Which lines are to be ticked, since their steps are through, and which to be unticked, since those that we ticked are not.

    Args:
        files: the checklists' texts by path.
    """
    subjects = tuple(_subjects(runbook))
    waiting: list[Line] = []
    unclear: list[Line] = []
    for file, text in files.items():
        found = boxes(text)
        waiting += _no_more(file, found, state)
        meanings = {box: _meanings(box.text, subjects) for box in found}
        times = Counter(meaning.phrase for meant in meanings.values() for meaning in meant if meaning.phrase)
        for box, meant in meanings.items():
            if box.ticked or not any(is_through(meaning.steps, state) for meaning in meant):
                continue
            steps = tuple(step for meaning in meant for step in meaning.steps)
            line = Line(file=file, line=box.line + 1, text=box.text, steps=steps)
            (waiting if len(meant) == 1 and times[meant[0].phrase] <= 1 else unclear).append(line)
    return Waiting(tuple(waiting[:MOST_LINES]), tuple(unclear[:MOST_LINES]))


def _no_more(file: str, found: Sequence[Box], state: RunState) -> Iterator[Line]:
    """The lines that we ticked and whose steps are not through any more; the text alone tells which line it is by now."""
    for line in ticked_lines(state):
        if line.file == file and not is_through(line.steps, state):
            there = [box for box in found if box.ticked and box.text == line.text]
            if len(there) == 1:
                yield line.model_copy(update={"tick": False, "line": there[0].line + 1})


def is_through(steps: Sequence[str], state: RunState) -> bool:
    """Whether all of these steps are through, proved or ticked."""
    return all(state.step(step).status in (StepStatus.DONE, StepStatus.TICKED) for step in steps)


def waiting_lines(state: RunState, step: str | None = None) -> tuple[Line, ...]:
    """The lines that wait as of the last look: all of them, or a step's."""
    lines = _lines(state.facts.get(CHECKLISTS_WAITING))
    return tuple(line for line in lines if step is None or step in line.steps)


def ticked_lines(state: RunState) -> tuple[Line, ...]:
    """The lines that this run has ticked and not unticked since."""
    return _lines(state.facts.get(CHECKLISTS_TICKED))


def _lines(value: Json) -> tuple[Line, ...]:
    found: list[Line] = []
    for item in value if isinstance(value, list) else ():  # pyright: ignore[reportUnknownVariableType]
        try:
            found.append(Line.model_validate(item))
        except ValidationError:  # of another version
            continue
    return tuple(found)


# --- what a line means -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Subject:
    """A step, or all steps of a task, and the words of what may stand for it."""

    steps: tuple[str, ...]
    phrases: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a line may mean, and by which words; none where the line names the steps itself."""

    steps: tuple[str, ...]
    phrase: Words
    likeness: float = 1.0


def _subjects(runbook: Runbook) -> Iterator[_Subject]:
    for task in runbook.tasks:
        yield _Subject(tuple(step.id for step in task.steps), (words_of(task.title),))
        for step in task.steps:
            yield _Subject((step.id,), tuple(filter(None, map(words_of, _phrases(step)))))


def _phrases(step: Step) -> Iterator[str]:
    yield step.title
    for line in step.instructions:
        if not line.lower().startswith(_NOT_CERTAIN):
            yield line


def _meanings(text: str, subjects: Sequence[_Subject]) -> tuple[_Meaning, ...]:
    """What a line may mean: nothing, one thing, or several that come into question."""
    if key := _KEY.search(text):
        named = tuple(id_ for id_ in re.split(r"[,\s]+", key[1]) if id_)
        known = {step for subject in subjects for step in subject.steps}
        return (_Meaning(named, frozenset()),) if named and known.issuperset(named) else ()
    words = words_of(text)
    found = [_best(words, subject) for subject in subjects if subject.phrases]
    most = max((meaning.likeness for meaning in found), default=0.0)
    return tuple(m for m in found if m.likeness >= ALIKE and most - m.likeness < APART)


def _best(words: Words, subject: _Subject) -> _Meaning:
    phrase = max(subject.phrases, key=lambda phrase: likeness(words, phrase))
    return _Meaning(subject.steps, phrase, likeness(words, phrase))
