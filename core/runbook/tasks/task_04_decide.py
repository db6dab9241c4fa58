"""Task 4: decide how the foreign keys are recreated."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.conversion.audit_script import audit
from core.runbook.conversion.decide import decide
from core.runbook.model import Step, StepKind, Task

TASK = Task(
    number=4,
    title="Decide on recreation",
    why="The conversion script's phase 5, which puts the foreign keys back, is incomplete.",
    output="The approach, and a script whose phase 5 is complete.",
    planned=(timedelta(minutes=30), timedelta(minutes=30)),
    due=timedelta(days=1),
    steps=(
        Step(
            "4.1",
            "Choose the approach",
            StepKind.DECISION,
            (
                (
                    "A, dynamic recreation (recommended): every foreign key that phase 2 drops is saved in the run, and phase 5 "
                    "recreates it from there. High reliability: automated, all keys are recreated."
                ),
                (
                    "B, manual enumeration (fallback): every foreign key is exported to CSV and enumerated in a six-phase script, "
                    "cross-checked against the catalog for completeness, that people review before anything runs. Medium "
                    "reliability: human error is possible."
                ),
                (
                    "C, staged: phases 1 and 2 run, the list of what was dropped is reviewed, then the rest runs, all in one "
                    "transaction. Medium to high reliability."
                ),
                "The script's audit is in docs/CONVERSION_SCRIPT_AUDIT_REPORT.md (lines 150-200 for approach A).",
            ),
            action=decide,
        ),
        Step(
            "4.2",
            "Audit the script",
            StepKind.AUTOMATIC,
            (
                "Holds the script that the settings name (scripts/uuid_to_varchar_conversion.sql) against production's catalog.",
                "Which foreign keys it drops and forgets to recreate, which columns it misses, what it would change.",
                "The completed script and the difference are among the evidence; the script itself is left as it is.",
                "Without a script of your own there is nothing to audit, and the review is a person's.",
            ),
            action=audit,
        ),
        Step(
            "4.3",
            "Review the complete script",
            StepKind.MANUAL,
            (
                "Read the six-phase script among the evidence of step 4.1; every foreign key stands in phases 2 and 5.",
                "Cross-reference it with scripts/uuid_to_varchar_conversion.sql.",
            ),
        ),
    ),
)
