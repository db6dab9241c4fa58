"""What the server says of a function in SQL: it checks the whole body itself when the function is defined."""

from __future__ import annotations

from dataclasses import replace

from core.retype.bodies.examine import Seen
from core.retype.bodies.look import Look
from core.retype.bodies.probe import Environment
from core.retype.bodies.reading import Reading
from core.retype.bodies.routine import Routine
from core.retype.repair.complaints import Complaint

_POLYMORPHIC = ("any", "anycompatible")
_BY_THEIR_ARGUMENTS = "its arguments can be of any type, and it is looked at only when it is called"


class SqlExaminer:
    """Looks at a body in SQL, which is one piece."""

    def __init__(self, look: Look, routine: Routine, reading: Reading) -> None:
        self.look = look
        self.routine = routine
        self.reading = reading

    async def begin(self) -> None:
        """There is but one context."""

    async def look_through(self) -> list[Seen]:
        if any(parameter.type.startswith(_POLYMORPHIC) for parameter in self.routine.parameters):
            return [Seen(0, unchecked=_BY_THEIR_ARGUMENTS)]
        return [Seen(0, await self.examine(0, self.routine.body, {}), environment={})]

    async def examine(self, step: int, part: str, environment: Environment) -> Complaint | None:
        """What the server says of the function with another body; positions are the body's."""
        complaint = await self.look.defined(self.routine.with_body(part).definition)
        if complaint is None or complaint.position is None:
            return complaint
        position = complaint.position - (self.routine.body_starts_at or 0)
        return replace(complaint, position=position if 0 <= position <= len(part) else None)
