"""The steps that lead back: from a committed conversion, from maintenance, from a deploy, and by the backup."""

from __future__ import annotations

from core.runbook.backups.restore_production import reconcile_restore, reconcile_serving, restore_beside, serve_restored
from core.runbook.backups.steps import look_at_changes
from core.runbook.conversion.undo import check_undoable, undo
from core.runbook.conversion_day.end_maintenance import go_back
from core.runbook.conversion_day.roll_back import roll_back_deploy
from core.runbook.conversion_state import UNDO
from core.runbook.gates import committed, deployed, maintenance_on, restorable, restored
from core.runbook.model import Step, StepKind
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


LOOK_AT_CHANGES = Step(
    "7.3-since",
    "See what has changed since the backup",
    StepKind.AUTOMATIC,
    (
        "Compares production's rows, sequences and schema with the verified backup: what a restore of it would lose.",
        "Says since when the host can recover the database, where it can. Reads only.",
        "Once nothing writes any more, steps 3.1 and 3.2 take and verify a last backup.",
    ),
    action=look_at_changes,
    gates=(restorable,),
)

RESTORE_BESIDE = Step(
    "7.3-restore",
    "Restore the backup into a new database",
    StepKind.DESTRUCTIVE,
    (
        "Only if nothing else leads back. Production is neither written to nor dropped.",
        "After the typed confirmation it makes a new database on production's server, restores the verified backup into it,",
        "compares counts, contents and catalog with what was dumped, and gives it production's own settings and privileges.",
        "What fails leaves no new database behind.",
    ),
    action=restore_beside,
    gates=(restorable,),
    reconcile=reconcile_restore,
)

SERVE_RESTORED = Step(
    "7.3-serve",
    "Have the service use the restored backup",
    StepKind.DESTRUCTIVE,
    (
        "Only after step 7.3-restore, with the service stopped (step 7.2).",
        "After the typed confirmation it ends this role's sessions and exchanges the two databases' names in one transaction:",
        "the service finds the restored database by the settings that it has; the one of before is kept under another name.",
        "If newer code was deployed since the backup, roll that back as well (7.5-back). Then start the service: 7.2-back.",
    ),
    action=serve_restored,
    gates=(restored,),
    reconcile=reconcile_serving,
)

END_MAINTENANCE = Step(
    "7.2-back",
    "Take maintenance back",
    StepKind.DESTRUCTIVE,
    (
        "Only if the day is given up before step 7.7, or step 7.2 has failed half-way.",
        "Lifts the fence, switches maintenance off, starts what was stopped, and lets pushes deploy again: what is on record.",
        "Asks the service until it serves.",
    ),
    action=go_back,
    gates=(maintenance_on,),
)

ROLL_BACK_DEPLOY = Step(
    "7.5-back",
    "Roll the deploy back",
    StepKind.DESTRUCTIVE,
    (
        "Only if the new code must not serve. The host goes back to the deploy that was live before.",
        "The database stays as it is: converted, and migrated as far as it came; that code may not get along with it.",
        "Pushes do not deploy any more until step 7.5 or 7.7 is run.",
    ),
    action=roll_back_deploy,
    gates=(deployed,),
)
