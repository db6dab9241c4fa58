"""What must hold before a step may start: pure functions of the run's facts, the settings and the time.

A gate asks for a fact. Where no step can record that fact yet, it takes a person's tick, and says so; a tick opens no gate
where the fact exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from core.runbook.facts import (
    BACKUP_VERIFIED,
    CREDENTIALS_ROTATED,
    DECISION_APPROACH,
    DEPLOYED,
    FENCE_UP,
    INVESTIGATION_FINGERPRINT,
    MAINTENANCE_ANSWER,
    MAINTENANCE_HELD,
    MAINTENANCE_PROVED,
    PRODUCTION_FINGERPRINT,
    REHEARSAL_MISSING,
    REHEARSAL_OUTCOME,
    REHEARSAL_PROOF,
    REHEARSAL_PROVED,
    RESTORE_READY,
    SESSIONS_OTHERS,
)
from core.runbook.model import Gate, GateReport, Step
from core.runbook.sessions import OtherSessions
from core.runbook.state import RunState, StepStatus
from core.runbook.way_back import Way, way_back
from core.runbook.window.timetable import timetable
from core.runbook.words import age, counted, limit
from core.settings import Settings

FRESH = timedelta(minutes=15)
"""How long a look at what changes by itself (sessions, the service) counts."""


def reports(step: Step, state: RunState, settings: Settings, now: datetime) -> tuple[GateReport, ...]:
    """What each gate of the step says of the run as it stands at that time, in their order."""
    return tuple(gate(state, settings, now) for gate in step.gates)


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


def _ticks(
    name: str, condition: str, state: RunState, steps: Sequence[str], *, proofs: Sequence[str] = ()
) -> GateReport:
    """What the ticks of all these steps say, where no step of this version records a fact; of `proofs`, being done does too."""
    missing = [
        step
        for step in steps
        if (found := state.step(step).status) is not StepStatus.TICKED
        and not (found is StepStatus.DONE and step in proofs)
    ]
    if missing:
        return GateReport(name, condition, open=False, value=f"not yet: {_steps(missing)}", opens=missing[0])
    who = sorted({actor.name for step in steps if (actor := state.step(step).actor)})
    value = f"ticked by {' and '.join(who)}, unverified"
    return GateReport(name, condition, open=True, value=value, opens=steps[0])


def _steps(steps: Sequence[str]) -> str:
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {', '.join(steps)}"


def _proved(name: str, condition: str, state: RunState, fact: str, step: str) -> GateReport | None:
    """What a fact that is there says, whatever has been ticked; None when there is none."""
    if fact not in state.facts:
        return None
    holds = bool(state.facts[fact])
    value = "proved" if holds else "looked at, and it does not hold"
    return GateReport(name, condition, open=holds, value=value, opens=step)


ROTATION = ("1.3", "1.4", "1.5", "1.6", "1.7")


def credentials(state: RunState, settings: Settings, now: datetime) -> GateReport:
    name, condition = "credentials", "rotated credentials"
    found = _proved(name, condition, state, CREDENTIALS_ROTATED, "1.7")
    return found or _ticks(name, condition, state, ROTATION, proofs=ROTATION)


def investigation(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open while the investigation is young enough and no later look at production has found another schema."""
    most = settings.investigation.max_age
    condition = f"an investigation younger than {limit(most)}"

    def report(value: str, *, open_: bool = False) -> GateReport:
        return GateReport("investigation", condition, open=open_, value=value, opens="2.2")

    known = state.facts.get(INVESTIGATION_FINGERPRINT)
    if not known:
        return report("not made yet")
    at = state.fact_times[INVESTIGATION_FINGERPRINT]
    made = f"made {age(now - at)} ago"
    if now - at > most:
        return report(f"{made}, too old")
    looked = state.fact_times.get(PRODUCTION_FINGERPRINT)
    if looked is None or looked < at:
        return report(f"{made}; compared with production again when the step starts", open_=True)
    if state.facts[PRODUCTION_FINGERPRINT] != known:
        return report(f"{made}; production's schema has changed since, as seen {age(now - looked)} ago")
    return report(f"{made}; still true {age(now - looked)} ago", open_=True)


def _taken_at(state: RunState) -> datetime | None:
    """When the verified backup was taken: it is as old as what it shows, however late it was verified."""
    known = state.facts.get(BACKUP_VERIFIED)
    told = cast("Mapping[str, Any]", known).get("taken_at") if isinstance(known, Mapping) else None
    return datetime.fromisoformat(told) if isinstance(told, str) else state.fact_times.get(BACKUP_VERIFIED)


def backup(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open while the verified backup is young enough; only its age can be overridden."""
    most = settings.backup.max_age
    name, condition = "backup", f"a verified backup younger than {limit(most)}"
    found = _proved(name, condition, state, BACKUP_VERIFIED, "3.2")
    at = _taken_at(state)
    if found is None:
        found = _ticks(name, condition, state, ("3.2",))
        # The backup is as old as its taking, where that is known.
        at = min((ended for step in ("3.1", "3.2") if (ended := state.step(step).ended)), default=None)
    if not found.open or at is None:
        return found
    known = state.facts.get(BACKUP_VERIFIED)
    depth = cast("Mapping[str, Any]", known).get("depth") if isinstance(known, Mapping) else None
    value = f"{found.value}{f' ({depth})' if depth else ''}, {age(now - at)} old"
    if now - at > most:
        return replace(found, open=False, value=f"{value}, too old", opens="3.1", overridable=True)
    return replace(found, value=value)


def restorable(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open while there is a verified backup, however old: an old one may be all that there is."""
    del settings, now
    known = bool(state.facts.get(BACKUP_VERIFIED))
    value = "verified" if known else "none is verified"
    return GateReport("restorable", "a verified backup", open=known, value=value, opens="3.2")


def restored(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open while a restored backup waits to be put in production's place."""
    del settings, now
    ready = state.facts.get(RESTORE_READY)
    value = f"in {ready['database']}" if ready else "none"
    return GateReport("restored", "a restored backup", open=bool(ready), value=value, opens="7.3-restore")


def decision(state: RunState, settings: Settings, now: datetime) -> GateReport:
    condition = "a decision"
    approach = state.facts.get(DECISION_APPROACH)
    if approach:
        return GateReport("decision", condition, open=True, value=f"approach {approach}", opens="4.1")
    return GateReport("decision", condition, open=False, value="not decided yet", opens="4.1")


def rehearsal(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open once a rehearsal was proved. What it left out of production's plan is accepted by name when the step starts."""
    condition = "a rehearsal"
    if not state.facts.get(REHEARSAL_PROVED):
        return GateReport("rehearsal", condition, open=False, value="none that was proved", opens="5.1")
    outcome = str(state.facts.get(REHEARSAL_OUTCOME, "")).replace("_", " ")
    value = f"proved ({state.facts.get(REHEARSAL_PROOF)}) and {outcome or 'not decided'}"
    missing = state.facts.get(REHEARSAL_MISSING)
    if missing:
        value += f"; {counted(len(missing), 'statement')} not rehearsed, to be accepted by name"
    elif missing is None:
        value += "; not compared with production yet"
    return GateReport("rehearsal", condition, open=True, value=value, opens="5.1")


def window(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open within the window that was chosen, until so little of it is left that turning back would not fit in any more."""
    condition = "an open window"

    def report(value: str, *, open_: bool = False) -> GateReport:
        return GateReport("window", condition, open=open_, value=value, opens="6.1", overridable=not open_)

    times = timetable(state)
    if times is None:
        return report("none chosen yet")
    found = times.window
    if now < found.start:
        return report(f"opens in {age(found.start - now)}: {found}")
    if now >= found.end:
        return report(f"was over {age(now - found.end)} ago: {found}")
    if not times.fits:
        return report(f"{times.fit_words} to convert in and to turn back: {found}")
    if now > times.latest_start:
        return report(f"too late to begin for {age(now - times.latest_start)}: {found}; {times}")
    return report(f"open for {age(found.end - now)} more: {found}; {times}", open_=True)


def maintenance(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open while the service was seen not to serve, a moment ago; where it cannot be asked, by a tick."""
    name, condition = "maintenance", "maintenance mode"
    if not settings.service.health_url:
        found = _ticks(name, condition, state, ("7.2",))
        return replace(found, overridable=not found.open)

    def report(value: str, *, open_: bool = False) -> GateReport:
        return GateReport(name, condition, open=open_, value=value, opens="7.2", overridable=not open_)

    at = state.fact_times.get(MAINTENANCE_PROVED)
    if at is None:
        return report("the service was not asked yet")
    value = f"the service {state.facts.get(MAINTENANCE_ANSWER, 'was asked')}, {age(now - at)} ago"
    if now - at > FRESH:
        return report(f"{value}; ask again")
    return report(value, open_=bool(state.facts[MAINTENANCE_PROVED]))


def sessions(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open while others' sessions on production, counted a moment ago, are few enough."""
    most = settings.limits.other_sessions
    condition = f"at most {counted(most, 'session')} of others" if most else "no sessions of others"

    def report(value: str, *, open_: bool = False) -> GateReport:
        return GateReport("sessions", condition, open=open_, value=value, opens="7.1", overridable=not open_)

    found = state.facts.get(SESSIONS_OTHERS)
    if not found:
        return report("not counted yet")
    since = now - state.fact_times[SESSIONS_OTHERS]
    value = f"{OtherSessions.of_fact(found)}, counted {age(since)} ago"
    if since > FRESH:
        return report(f"{value}; count again")
    return report(value, open_=found["count"] <= most)


def committed(conversion_step: str, target: str) -> Gate:
    """A gate that is open while what that step has committed on that target could be undone, as far as the run knows."""

    def gate(state: RunState, settings: Settings, now: datetime) -> GateReport:
        del settings, now
        name, condition = "committed", f"a conversion of {target} that is committed and can be undone"
        conversion = state.committed.get(target)
        if conversion is None:
            value = "nothing is committed"
        elif conversion.undoes:
            value = "it is undone already"
        elif way_back(state, target=target).way is Way.NOTHING:
            value = "a restored backup serves in its place"
        elif way_back(state, target=target).way is Way.BACKUP:
            value = "what has happened since leaves only the backup"
        else:
            value = f"transaction {conversion.xid} is committed"
            return GateReport(name, condition, open=True, value=value, opens=conversion_step)
        return GateReport(name, condition, open=False, value=value, opens=conversion_step)

    return gate


def maintenance_on(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open while something that step 7.2 has set is not taken back."""
    del settings, now
    name, condition = "standing", "maintenance that this run has begun"
    on = [
        word
        for fact, word in ((MAINTENANCE_HELD, "changes at the host"), (FENCE_UP, "the fence"))
        if state.facts.get(fact)
    ]
    return GateReport(
        name, condition, open=bool(on), value=f"on: {', '.join(on)}" if on else "nothing is on", opens="7.2"
    )


def deployed(state: RunState, settings: Settings, now: datetime) -> GateReport:
    """Open once a deploy of this run was followed to its end."""
    del settings, now
    found = state.facts.get(DEPLOYED)
    value = f"deploy {found['id']} is {found['state']}" if found else "none yet"
    return GateReport("deployed", "a deploy that this run has made", open=bool(found), value=value, opens="7.5")


REHEARSE: tuple[Gate, ...] = (decision,)
CONVERT_PRODUCTION: tuple[Gate, ...] = (
    credentials,
    investigation,
    backup,
    decision,
    rehearsal,
    window,
    maintenance,
    sessions,
)
