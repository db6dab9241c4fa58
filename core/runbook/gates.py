"""What must hold before a step may start: pure functions of the run's facts and the settings.

A gate asks for a fact. Where no step can record that fact yet, it takes a person's tick, and says so; a tick opens no gate
where the fact exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.runbook.facts import (
    BACKUP_VERIFIED,
    CREDENTIALS_ROTATED,
    DECISION_APPROACH,
    INVESTIGATION_FINGERPRINT,
    MAINTENANCE_PROVED,
    REHEARSAL_OUTCOME,
    REHEARSAL_PROOF,
    REHEARSAL_PROVED,
    WINDOW_CHOSEN,
)
from core.runbook.model import Gate, GateReport, Step
from core.runbook.state import RunState, StepStatus
from core.runbook.way_back import Way, way_back
from core.settings import Settings


def reports(step: Step, state: RunState, settings: Settings) -> tuple[GateReport, ...]:
    """What each gate of the step says of the run as it stands, in their order."""
    return tuple(gate(state, settings) for gate in step.gates)


def needs(found: Iterable[GateReport]) -> str:
    """What is still needed, in one line: `needs a verified backup (3), a rehearsal (5)`; empty when all gates are open."""
    closed = [
        f"{report.condition} ({_task(report)})" if report.opens else report.condition
        for report in found
        if not report.open
    ]
    return f"needs {', '.join(closed)}" if closed else ""


def _task(report: GateReport) -> str:
    """The task's number; for conversion day, within which the steps follow each other, the step's."""
    step = report.opens or ""
    task = step.split(".")[0]
    return step if task == "7" else task


def _fact_or_tick(name: str, condition: str, fact: str, steps: Sequence[str]) -> Gate:
    """A gate that a fact opens, or, as long as no step records that fact, the ticks of all these steps."""

    def gate(state: RunState, settings: Settings) -> GateReport:
        del settings
        if state.facts.get(fact):
            return GateReport(name, condition, open=True, value="proved", opens=steps[0])
        missing = [step for step in steps if state.step(step).status is not StepStatus.TICKED]
        if fact in state.facts:
            return GateReport(name, condition, open=False, value="looked at, and it does not hold", opens=steps[0])
        if missing:
            return GateReport(name, condition, open=False, value=f"not yet: {_steps(missing)}", opens=missing[0])
        who = sorted({actor.name for step in steps if (actor := state.step(step).actor)})
        return GateReport(
            name, condition, open=True, value=f"ticked by {' and '.join(who)}, unverified", opens=steps[0]
        )

    return gate


def _steps(steps: Sequence[str]) -> str:
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {', '.join(steps)}"


credentials = _fact_or_tick(
    "credentials", "rotated credentials", CREDENTIALS_ROTATED, ("1.3", "1.4", "1.5", "1.6", "1.7")
)
backup = _fact_or_tick("backup", "a verified backup", BACKUP_VERIFIED, ("3.2",))
window = _fact_or_tick("window", "the window", WINDOW_CHOSEN, ("6.1",))
maintenance = _fact_or_tick("maintenance", "maintenance mode", MAINTENANCE_PROVED, ("7.2",))


def investigation(state: RunState, settings: Settings) -> GateReport:
    """Open once production was investigated; the step that asks compares the fingerprint and the age itself."""
    condition = "an investigation"
    if state.facts.get(INVESTIGATION_FINGERPRINT):
        at = state.fact_times[INVESTIGATION_FINGERPRINT]
        value = f"made {at:%Y-%m-%d %H:%M} UTC; compared with production again when the step starts"
        return GateReport("investigation", condition, open=True, value=value, opens="2.2")
    return GateReport("investigation", condition, open=False, value="not made yet", opens="2.2")


def decision(state: RunState, settings: Settings) -> GateReport:
    condition = "a decision"
    approach = state.facts.get(DECISION_APPROACH)
    if approach:
        return GateReport("decision", condition, open=True, value=f"approach {approach}", opens="4.1")
    return GateReport("decision", condition, open=False, value="not decided yet", opens="4.1")


def rehearsal(state: RunState, settings: Settings) -> GateReport:
    condition = "a rehearsal"
    if state.facts.get(REHEARSAL_PROVED):
        outcome = str(state.facts.get(REHEARSAL_OUTCOME, "")).replace("_", " ")
        value = f"proved ({state.facts.get(REHEARSAL_PROOF)}) and {outcome}"
        return GateReport("rehearsal", condition, open=True, value=value, opens="5.1")
    return GateReport("rehearsal", condition, open=False, value="none that was proved", opens="5.1")


def committed(conversion_step: str, target: str) -> Gate:
    """A gate that is open while what that step has committed on that target could be undone, as far as the run knows."""

    def gate(state: RunState, settings: Settings) -> GateReport:
        del settings
        name, condition = "committed", f"a conversion of {target} that is committed and can be undone"
        conversion = state.committed.get(target)
        if conversion is None:
            value = "nothing is committed"
        elif conversion.undoes:
            value = "it is undone already"
        elif way_back(state, target=target).way is Way.BACKUP:
            value = "what has happened since leaves only the backup"
        else:
            value = f"transaction {conversion.xid} is committed"
            return GateReport(name, condition, open=True, value=value, opens=conversion_step)
        return GateReport(name, condition, open=False, value=value, opens=conversion_step)

    return gate


REHEARSE: tuple[Gate, ...] = (decision,)
CONVERT_PRODUCTION: tuple[Gate, ...] = (
    credentials,
    investigation,
    backup,
    decision,
    rehearsal,
    window,
    maintenance,
)
