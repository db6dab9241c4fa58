"""The project's documents are written only as somebody has seen it before and agreed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import Refused
from core.events import Choice
from core.runbook.model import StepContext
from core.runbook.project_file import ProjectFile, difference, write_project_file
from core.runbook.questions import CANCEL, STOP
from core.runbook.words import counted

WRITE = "write"
MOST_LINES, LONGEST_LINE = 400, 500
"""Of a difference, what a question shows; the rest is among the evidence."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A document, and the text that it is to have."""

    file: ProjectFile
    text: str


async def write_when_agreed(
    context: StepContext, title: str, rewrites: Sequence[Rewrite], *, details: Sequence[str] = ()
) -> None:
    """Show the differences, ask, and write when the operator agrees; before and after stay as evidence.

    Args:
        title: what is asked.
        rewrites: what changes; none may leave its document as it is.
        details: what else there is to know, told before the differences.

    Raises:
        Refused: it was not agreed to, or a document has changed meanwhile.
        ConfigurationError: a document cannot be written; those before it in order are.
    """
    shown: list[str] = []
    for rewrite in rewrites:
        shown += await asyncio.to_thread(difference, rewrite.file.path, rewrite.file.text, rewrite.text)
    if len(shown) > MOST_LINES or any(len(line) > LONGEST_LINE for line in shown):
        await context.file("difference.diff", "\n".join(shown).encode())
        more = len(shown) - MOST_LINES
        shown = [line[:LONGEST_LINE] for line in shown[:MOST_LINES]]
        shown.append(
            f"and {counted(more, 'line')} more: " * (more > 0) + "the whole is in difference.diff, among the evidence"
        )
    chosen = await context.ask(
        title,
        (Choice(name=WRITE, label="Write it", consequence="Only the lines shown are changed."), STOP),
        default=CANCEL,
        expires_in=context.settings.limits.confirmation,
        details=(*details, *shown),
        way_back=f"{'The file' if len(rewrites) == 1 else 'Each file'} as it was is kept as evidence.",
    )
    if chosen != WRITE:
        raise Refused("Nothing was written.", advice="Run the step again, or write it by hand.")
    for rewrite in rewrites:
        name = rewrite.file.path.name
        await context.file(f"{name}.before", rewrite.file.text.encode())
        await asyncio.to_thread(write_project_file, rewrite.file, rewrite.text)
        await context.file(name, rewrite.text.encode())
        await context.say(f"Wrote {rewrite.file.path}.")
