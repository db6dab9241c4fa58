"""The project's own documents that are brought up to date at the end, and the phases that follow."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from core.settings.base import Duration, Section


def _one_line(text: str) -> str:
    if len(text.splitlines()) > 1:
        raise ValueError("write it on one line")
    return text.strip()


Line = Annotated[str, AfterValidator(_one_line)]
"""A text that goes into a document as it is, and on one line."""


class DocumentsSettings(Section):
    progress_tracker: Path | None = None
    """The tracker that gets a section for this session; a person updates it when not set."""
    workflow_status: Path | None = None
    """The document with the lines NEXT_ACTION, NEXT_COMMAND, NEXT_AGENT and BLOCKER_RESOLVED."""
    deployment_health: Path | None = None
    """The document that tells of the latest deployment."""
    focus: Line = ""
    """What the session was about; from the conversion's types when empty."""
    blocker: Line = ""
    """What development was blocked by; from the conversion's types when empty."""
    next_steps: tuple[Line, ...] = ()
    """What development resumes with; task 10's own steps when empty."""
    next_action: Line = ""
    """Value of NEXT_ACTION; the line stays as it is when empty, and so do the next two."""
    next_command: Line = ""
    next_agent: Line = ""


_COMMAND = re.compile(r"(?P<step>10\.\d+)=(?P<command>.*\S.*)")


def _step_and_command(text: str) -> str:
    if _COMMAND.fullmatch(text.strip()) is None:
        raise ValueError('write a step of task 10 and its command line: "10.5=make test"')
    return text.strip()


class ReleaseSettings(Section):
    commands: tuple[Annotated[str, AfterValidator(_step_and_command)], ...] = ()
    """Command lines of task 10's steps, `step=command`, several for a step in their order; a step without one is a person's."""
    directory: Path | None = None
    """Where they run; where the engine was started when not set."""
    timeout: Duration = timedelta(minutes=30)
    """How long each may take."""

    def of(self, step: str) -> tuple[str, ...]:
        """The command lines of a step, in order."""
        found = (entry.partition("=") for entry in self.commands)
        return tuple(command.strip() for of, _, command in found if of == step)
