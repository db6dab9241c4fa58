"""Task 4: how the foreign keys are recreated. The choice, what each means, and the complete script for review."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Final

from core.errors import Refused
from core.events import Choice
from core.postgres.connect import ConnectionSpec
from core.retype import bodies
from core.retype.course import total_of
from core.retype.cross_check import cross_check, summary
from core.retype.foreign_key_list import list_foreign_keys, to_csv
from core.retype.model import ScopeRequest
from core.retype.script import render_script
from core.runbook.conversion.agreement import plan_settled, refuse_blockers
from core.runbook.conversion.convert import scope_request
from core.runbook.conversion.planning import Planned, read_catalog, show_inspection
from core.runbook.conversion.report import tally_lines
from core.runbook.conversion.staged import DYNAMIC, ENUMERATED, OF_SETTING, STAGED
from core.runbook.facts import (
    CROSS_CHECK_FILE,
    DECISION_APPROACH,
    DECISION_PLAN,
    DECISION_REPAIR_FUNCTIONS,
    DECISION_SOFT_REFERENCES,
    FOREIGN_KEYS_FILE,
    SCRIPT_FILE,
)
from core.runbook.model import StepContext
from core.runbook.words import counted

LATER: Final = "later"

TIME: Final = timedelta(hours=8)
"""Long enough to ask colleagues."""


def decided_request(context: StepContext) -> ScopeRequest:
    """What the settings ask for, with what was decided about soft references and functions where they leave it open."""
    request = scope_request(context.settings)
    facts = context.state.facts
    decided = facts.get(DECISION_SOFT_REFERENCES)
    if decided is not None and request.soft_references in ("ask", "all"):
        # The columns themselves: a copy may lack the values that have spoken for them.
        request = replace(request, soft_references=tuple(decided))
    if (decided := facts.get(DECISION_REPAIR_FUNCTIONS)) and bodies.ASK in request.repair_functions:
        request = replace(request, repair_functions=tuple(json.loads(decided)))
    return request


async def decide(context: StepContext) -> str:
    """Ask for the approach, and write the list of foreign keys and the six-phase script of production's plan as evidence.

    Raises:
        Refused: nobody has decided; or, with approach B, what was written is not complete.
    """
    request = scope_request(context.settings)
    spec, identity = await context.target("production")
    planned = await plan_settled(context, "production", spec, identity, request)
    plan = planned.plan
    tallies = total_of(tally for statement in plan.statements for tally in statement.tallies if not tally.root)
    keys = counted(sum(tally.count for tally in tallies if tally.what == "foreign keys dropped"), "foreign key")
    answer = OF_SETTING.get(context.settings.conversion.approach) or await _ask(context, keys, tally_lines(tallies))
    if answer == LATER:
        raise Refused("It was not decided.", advice="Run the step again when it is.")
    listing, script = to_csv(list_foreign_keys(planned.catalog, plan.scope)), render_script(plan, planned.catalog)
    await context.file(FOREIGN_KEYS_FILE, listing.encode())
    await context.file(SCRIPT_FILE, script.encode())
    if answer == ENUMERATED:
        await _cross_check(context, spec, planned, listing, script)
    if planned.request.soft_references != "ask":
        taken = [soft.name for soft in plan.scope.soft_references if soft.chosen]
        await context.fact(DECISION_SOFT_REFERENCES, taken)
    if bodies.ASK not in planned.request.repair_functions:
        await context.fact(DECISION_REPAIR_FUNCTIONS, json.dumps(planned.request.repair_functions))
    await context.fact(DECISION_PLAN, plan.fingerprint)
    await context.fact(DECISION_APPROACH, answer)
    complete = "cross-checked and complete, " if answer == ENUMERATED else ""
    return f"approach {answer}: {keys}; their list and the six-phase script are {complete}among the evidence"


async def _ask(context: StepContext, keys: str, counts: list[str]) -> str:
    return await context.ask(
        "How are the foreign keys recreated?",
        (
            Choice(
                name=DYNAMIC,
                label="A: dynamic recreation (recommended)",
                consequence=f"The run saves all {keys} before it drops them and recreates them from there; what the catalog "
                "holds at that moment counts. High reliability: nothing is written by hand.",
            ),
            Choice(
                name=ENUMERATED,
                label="B: enumerated script (fallback)",
                consequence=f"All {keys} are written down now, as a list (CSV) and in a six-phase script, cross-checked against "
                "the live catalog, for people to review. Production is converted only as long as its plan is the reviewed one.",
            ),
            Choice(
                name=STAGED,
                label="C: staged",
                consequence="Each conversion stops after phase 2, still in its transaction, and shows what was dropped and how it "
                "comes back. Go on, or roll back. The tables stay locked meanwhile; unanswered, it rolls back.",
            ),
            Choice(name=LATER, label="Decide later", consequence="Nothing is changed."),
        ),
        default=LATER,
        expires_in=TIME,
        target="production",
        details=counts,
        way_back="Nothing is changed by deciding; the step can be run again.",
    )


async def _cross_check(context: StepContext, spec: ConnectionSpec, planned: Planned, listing: str, script: str) -> None:
    """Hold what was written against the catalog as it is now: hours may have passed since the question was asked.

    Raises:
        Refused: something is missing, or cannot be converted at all.
    """
    refuse_blockers(planned.plan)
    now = await read_catalog(spec, context.settings.limits, show_inspection(context))
    check = cross_check(now, planned.plan.scope, listing, script)
    await context.file(CROSS_CHECK_FILE, "".join(f"{line}\n" for line in (*check.lines, *check.faults)).encode())
    for line in check.lines:
        await context.say(line)
    if not check.complete:
        raise Refused(
            f"The enumeration is {summary(check)}.",
            advice="If production's schema has changed meanwhile, run the step again; it is written anew.",
        )
