"""The three approaches of task 4, and approach C's pause: what phase 2 has dropped, reviewed before the rest runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from core.errors import Refused
from core.postgres.catalog import Catalog
from core.postgres.sql import quote_identifier
from core.retype.cross_check import cross_check
from core.retype.dependents.foreign_keys import recreated
from core.retype.estimate import Estimate
from core.retype.execute import Conversion
from core.retype.foreign_key_list import list_foreign_keys, to_csv
from core.retype.model import Phase, Plan
from core.retype.names import table_name
from core.retype.script import render_script
from core.runbook.conversion.agreement import ask_review
from core.runbook.conversion.held import answered_while_held
from core.runbook.conversion.planning import Planned
from core.runbook.facts import DECISION_APPROACH, DROPPED_FILE
from core.runbook.markdown import block, bullets, code, table
from core.runbook.model import StepContext
from core.runbook.questions import GO_ON
from core.runbook.words import counted
from core.settings.targets import WorkingName

DYNAMIC: Final = "A"
ENUMERATED: Final = "B"
STAGED: Final = "C"
OF_SETTING: Final[Mapping[str, str]] = {"dynamic": DYNAMIC, "enumerated": ENUMERATED, "staged": STAGED}
"""By the value of `conversion.approach`; `ask` is not among them."""


def approach(context: StepContext) -> str:
    """What was decided in task 4, else what the settings say, else A."""
    decided = context.state.facts.get(DECISION_APPROACH)
    return str(decided) if decided else OF_SETTING.get(context.settings.conversion.approach, DYNAMIC)


async def review(
    context: StepContext, target: WorkingName, planned: Planned, expected: Estimate, conversion: Conversion
) -> None:
    """Approach C's pause: show what phase 2 has dropped, and go on or roll back.

    Raises:
        Refused: it is not to go on. Rolled back.
        ConversionFailed: the connection was lost while nobody had answered. Rolled back.
    """
    plan, catalog = planned.plan, planned.catalog
    await context.file(DROPPED_FILE, review_list(plan, catalog).encode())
    listing, script = to_csv(list_foreign_keys(catalog, plan.scope)), render_script(plan, catalog)
    check = await asyncio.to_thread(cross_check, catalog, plan.scope, listing, script)
    question = ask_review(context, target, expected, dropped(plan, catalog), (*check.lines, *check.faults))
    if await answered_while_held(conversion, question) == GO_ON:
        return
    await conversion.rollback("ROLLBACK was chosen after phase 2, or nobody answered in time")
    raise Refused(
        "The conversion does not go on after phase 2.",
        state="It was rolled back; everything is as it was.",
        advice=f"What phase 2 had dropped is in {DROPPED_FILE}; run the step again when it is reviewed.",
    )


def dropped(plan: Plan, catalog: Catalog) -> tuple[str, ...]:
    """What phase 2 drops, one line each: foreign keys with their definitions, then everything else."""
    keys = (
        f"foreign key {quote_identifier(key.name)} on {table_name(key.schema, key.table)}: {key.definition}"
        for key in recreated(catalog, plan.scope)
    )
    others = (f"{s.kind}: {s.object}" for s in plan.of_phase(Phase.DETACH) if s.kind != "drop foreign key")
    return (*keys, *others)


def review_list(plan: Plan, catalog: Catalog) -> str:
    """What phase 2 has dropped and how phase 5 brings it back, in Markdown."""
    keys = recreated(catalog, plan.scope)
    others = [s for s in plan.of_phase(Phase.DETACH) if s.kind != "drop foreign key"]
    back = [s for s in plan.of_phase(Phase.REATTACH) if s.kind != "create foreign key"]
    return (
        "\n\n".join(
            (
                f"# What phase 2 has dropped in {code(plan.identity.database)}",
                f"Plan {code(plan.fingerprint)}. Nothing is committed.",
                f"## {counted(len(keys), 'foreign key')}, in the order in which phase 5 creates them",
                table(
                    ("table", "name", "definition"),
                    ((code(table_name(k.schema, k.table)), code(k.name), code(k.definition)) for k in keys),
                ),
                f"## {counted(len(others), 'other object')}",
                bullets(f"{s.kind}: {code(s.object)}. {code(s.reason)}" for s in others) or "None.",
                "## What phase 5 runs besides the foreign keys",
                block("\n\n".join(f"{s.sql};" for s in back), "sql"),
            )
        )
        + "\n"
    )
