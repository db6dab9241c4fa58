"""One revision on a real database."""

from __future__ import annotations

from typing import Any

from .channel import Channel, Refusal
from .connections import Guard, Statements
from .project import Project


def upgrade(project: Project, channel: Channel, guard: Guard) -> None:
    """Run one revision, and no other, the way the application runs it: through its env.py."""
    target: str = project.request["revision"]
    began: list[str] = []

    def steps(heads: Any, context: Any) -> list[Any]:
        guard.check(context)
        planned = project.steps_to(target, heads)
        names = [step.revision.revision for step in planned]
        if names != [target]:
            raise Refusal("other_steps", f"other revisions than this one would run: {', '.join(names)}")
        began.append(target)
        channel.emit("running")
        return planned

    Statements(project.request["version_table"], lambda text: channel.emit("statement", sql=text)).install()
    project.run_env(steps, destination_rev=target)
    if guard.refused is not None:
        raise guard.refused
    if not began:
        raise Refusal("not_run", "env.py ended without running any migration")
