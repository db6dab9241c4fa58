"""The mark of a step, one for each status, and the same in words."""

from __future__ import annotations

from core.runbook.model import Step
from core.runbook.state import StepState, StepStatus

MARKS = {
    StepStatus.TODO: "[ ]",
    StepStatus.RUNNING: "[>]",
    StepStatus.ASKING: "[?]",
    StepStatus.DONE: "[x]",
    StepStatus.TICKED: "[t]",
    StepStatus.FAILED: "[!]",
    StepStatus.UNDECIDED: "[~]",
}
NOT_BUILT = "[-]"


def mark(step: Step, state: StepState) -> str:
    """`[x]` done, `[t]` ticked, `[ ]` to do, `[>]` running, `[?]` asking, `[!]` failed, `[~]` undecided, `[-]` not built."""
    return NOT_BUILT if state.status is StepStatus.TODO and not step.built else MARKS[state.status]


def status_words(step: Step, state: StepState) -> str:
    """The mark in words: `ticked by anna, unverified`."""
    if state.status is StepStatus.TICKED:
        return f"ticked by {state.actor.name if state.actor else 'somebody'}, unverified"
    if state.status is StepStatus.TODO and not step.built:
        return "not yet built"
    return state.status.value
