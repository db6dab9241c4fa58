"""Task 4: how the foreign keys are recreated. The choice, what each means, and the complete script for review."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from core.errors import Refused
from core.events import Choice
from core.retype.course import total_of
from core.retype.model import ScopeRequest
from core.retype.script import render_script
from core.runbook.agreement import plan_settled
from core.runbook.conversion import scope_request
from core.runbook.conversion_report import tally_lines
from core.runbook.facts import DECISION_APPROACH, DECISION_PLAN, DECISION_SOFT_REFERENCES, SCRIPT_FILE
from core.runbook.model import StepContext
from core.runbook.words import counted

DYNAMIC = "A"
ENUMERATED = "B"
LATER = "later"

TIME = timedelta(hours=8)
"""Long enough to ask colleagues."""


def decided_request(context: StepContext) -> ScopeRequest:
    """What the settings ask for, with what was decided about soft references where they leave it open."""
    request = scope_request(context.settings)
    decided = context.state.facts.get(DECISION_SOFT_REFERENCES)
    return replace(request, soft_references=decided) if decided and request.soft_references == "ask" else request


async def decide(context: StepContext) -> str:
    """Ask for the approach, and write the six-phase script of production's plan as evidence."""
    request = scope_request(context.settings)
    spec, identity = await context.target("production")
    planned = await plan_settled(context, "production", spec, identity, request)
    plan = planned.plan
    tallies = total_of(tally for statement in plan.statements for tally in statement.tallies if not tally.root)
    keys = counted(sum(tally.count for tally in tallies if tally.what == "foreign keys dropped"), "foreign key")
    answer = await context.ask(
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
                consequence=f"A six-phase script that names all {keys} is written now, for people to review and "
                "cross-check. Production is converted only as long as its plan is the one that was reviewed.",
            ),
            Choice(name=LATER, label="Decide later", consequence="Nothing is changed."),
        ),
        default=LATER,
        expires_in=TIME,
        target="production",
        details=(
            *tally_lines(tallies),
            "C (staged: phases 1 and 2, a review of what was dropped, then the rest) is not in this version.",
        ),
        way_back="Nothing is changed by deciding; the step can be run again.",
    )
    if answer == LATER:
        raise Refused("It was not decided.", advice="Run the step again when it is.")
    await context.file(SCRIPT_FILE, render_script(plan, planned.catalog).encode())
    if planned.request.soft_references != "ask":
        await context.fact(DECISION_SOFT_REFERENCES, planned.request.soft_references)
    await context.fact(DECISION_PLAN, plan.fingerprint)
    await context.fact(DECISION_APPROACH, answer)
    return f"approach {answer}: {keys}; the complete script is among the evidence"
