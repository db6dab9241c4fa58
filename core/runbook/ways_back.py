"""The steps that lead back from a committed conversion."""

from __future__ import annotations

from core.runbook.conversion_state import UNDO
from core.runbook.gates import committed
from core.runbook.model import Step, StepKind
from core.runbook.undo import check_undoable, undo
from core.settings.targets import TargetName


def undo_step(conversion_step: str, target: TargetName) -> Step:
    return Step(
        f"{conversion_step}{UNDO}",
        f"Undo the conversion of {target}",
        StepKind.DESTRUCTIVE,
        (
            "Only if the conversion must be taken back, and before migrations are applied to it.",
            (
                "Refuses, before anything is touched, if the schema has changed since, or an id was written that the old type "
                "does not take: table, column, number and an example are named."
            ),
            (
                "After the typed confirmation it runs the reverse plan in one transaction: types, defaults, and the text of "
                "every view, policy, check and index as they were before."
            ),
            "Proves that nothing differs from the catalog before the conversion, and that every row is the same.",
            "If the proof holds: COMMIT or ROLLBACK.",
        ),
        action=undo(conversion_step, target),
        gates=(committed(conversion_step, target),),
    )


def ways_back_from(conversion_step: str, target: TargetName) -> tuple[Step, ...]:
    """A look whether the conversion that the step commits can still be undone, and its undo."""
    look = Step(
        f"{conversion_step}-undoable",
        "Look whether it can still be undone",
        StepKind.AUTOMATIC,
        (
            "Compares the schema with what the conversion has left.",
            "Looks for the first id that the old type would not take. Reads only, and no longer than bounded.",
        ),
        action=check_undoable(conversion_step, target),
        gates=(committed(conversion_step, target),),
    )
    return look, undo_step(conversion_step, target)
